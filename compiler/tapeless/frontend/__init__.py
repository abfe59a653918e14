"""The doors through which a formula comes in: text, sympy, Python functions."""
