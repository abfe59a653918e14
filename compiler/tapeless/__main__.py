"""`python -m tapeless`: the command `tapeless`."""

from __future__ import annotations

from tapeless.cli import main

if __name__ == "__main__":
    main()
