"""The bridge to SciPy: integrands (callables), objectives, residuals and right-hand sides (rhs).

SciPy itself is imported where one of its objects is made, and nowhere else here.
"""
