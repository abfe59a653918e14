"""Program to Program: derivatives and simplification."""
