"""What a Program can be turned into: C, sympy formulas, high-precision numbers."""
