"""Bridges: a Function in the manners of another library. Each imports its host when it is first used."""
