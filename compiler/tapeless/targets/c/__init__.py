"""Program to C text."""
