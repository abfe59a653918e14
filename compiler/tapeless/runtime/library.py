"""A compiled library: a file and the digest of what it must contain."""

from __future__ import annotations

from tapeless.runtime.digest import sha256
from tapeless.runtime.light import NamedTuple


class Library(NamedTuple):
    """A shared object on disk.

    Parameters
    ----------
    path
        Where it lies. A path is never reused for other contents.
    digest
        SHA-256 of its contents, in hexadecimal.
    """

    path: str
    digest: str

    def is_intact(self) -> bool:
        """Whether the file is there and holds exactly what was built.

        A truncated shared object kills the process with SIGBUS when it is loaded, so this is asked first.
        """
        try:
            with open(self.path, "rb") as file:
                return bool(sha256(file.read()).hexdigest() == self.digest)
        except OSError:
            return False
