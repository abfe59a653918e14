"""Other ways to the same numbers, each imported only when it is asked for."""
