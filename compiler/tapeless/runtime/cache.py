"""The cache of compiled libraries on disk.

Three folders, all written by rename so that readers see a whole file or none, and no lock is needed::

    objects/ab/<sha256 of the contents>.so     libraries
    builds/ab/<key>                            C source and command line -> digest of the library
    requests/ab/<key>                          raw request -> digest of the library and a payload, or a note

A file's name is decided by its contents or by its key, so writers that race write the same thing. Whatever is
damaged or missing counts as absent: the caller builds again.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tapeless.errors import CacheError
from tapeless.runtime.digest import sha256
from tapeless.runtime.library import Library
from tapeless.runtime.light import NamedTuple
from tapeless.runtime.records import from_bytes, to_bytes

_DEFAULT_LIMIT = 512 << 20
_OBJECTS, _BUILDS, _REQUESTS = "objects", "builds", "requests"
_DIGEST_LENGTH = 64
_HEXADECIMAL = frozenset("0123456789abcdef")

# A use refreshes a file's time once an hour, not at each start: enough to tell the old from the new.
_TOUCH_AFTER = 3600.0
# Looking through the whole cache takes a while when it is large, so it happens at most once a minute.
_PRUNE_AFTER = 60.0
# Files younger than this stay: another process may be between finding and loading them.
_KEEP_FOR = 60.0
_PRUNED_STAMP = "pruned"


class CacheInfo(NamedTuple):
    """State of a cache: where it lies, how many libraries it holds, its size and limit in bytes."""

    path: str
    entries: int
    bytes: int
    limit: int


class Cache:
    """A directory of compiled libraries.

    Parameters
    ----------
    root
        The directory; default `TAPELESS_CACHE_DIR`, else the user's cache directory. Created when first
        written.
    limit
        Size in bytes above which the least recently used files go; default `TAPELESS_CACHE_LIMIT`, else
        512 MiB.

    Raises
    ------
    CacheError
        By any method, when the directory is not safe to load code from or cannot be written.
    """

    __slots__ = ("limit", "root")

    def __init__(self, root: str | os.PathLike[str] | None = None, limit: int | None = None) -> None:
        self.root = os.path.abspath(os.fspath(root)) if root is not None else default_root()
        self.limit = limit if limit is not None else _default_limit()

    def __repr__(self) -> str:
        return f"Cache({self.root!r})"

    def lookup(self, key: str) -> Library | None:
        """Return the library built under `key`, verified, or None."""
        content = self._read(_BUILDS, key)
        if content is None:
            return None
        digest = content.decode("ascii", "replace")
        library = self._library(digest)
        if library is None:
            self._forget(_BUILDS, key)
        return library

    def store(self, key: str, content: bytes) -> Library:
        """Keep a library, the bytes of a shared object, under `key`."""
        self._prepare()
        digest = sha256(content).hexdigest()
        library = Library(self._path(_OBJECTS, digest), digest)
        if not library.is_intact():
            self._write(library.path, content)
        self._write(self._path(_BUILDS, key), digest.encode("ascii"))
        self._prune_now_and_then()
        return library

    def remember(self, key: str, payload: dict[str, Any], library: Library) -> None:
        """Keep a record of a request: `payload` (plain, opaque here) and the library that serves it."""
        self._prepare()
        self._record(key, {"library": library.digest, "payload": payload})

    def recall(self, key: str) -> tuple[dict[str, Any], Library] | None:
        """Return payload and verified library of a request that was remembered, or None."""
        record = self._recorded(key)
        if record is None or record["library"] is None:
            return None
        library = self._library(record["library"])
        if library is None:
            self._forget(_REQUESTS, key)
            return None
        return record["payload"], library

    def note(self, key: str, payload: dict[str, Any]) -> None:
        """Keep a note (plain, opaque here) about a request that no library serves."""
        self._prepare()
        self._record(key, {"library": None, "payload": payload})

    def noted(self, key: str) -> dict[str, Any] | None:
        """Return the note about a request, or None."""
        record = self._recorded(key)
        return record["payload"] if record is not None and record["library"] is None else None

    def _record(self, key: str, record: dict[str, Any]) -> None:
        body = to_bytes(record)
        # The checksum in front finds damage that would still parse.
        self._write(self._path(_REQUESTS, key), sha256(body).hexdigest().encode("ascii") + body)

    def _recorded(self, key: str) -> Any:
        content = self._read(_REQUESTS, key)
        if content is None:
            return None
        check, body = content[:_DIGEST_LENGTH], content[_DIGEST_LENGTH:]
        if sha256(body).hexdigest().encode("ascii") != check:
            self._forget(_REQUESTS, key)
            return None
        return from_bytes(body)

    def info(self) -> CacheInfo:
        """Count what is there."""
        entries = size = 0
        if self._is_usable():
            for kind, _, status in self._files():
                entries += kind == _OBJECTS
                size += status.st_size
        return CacheInfo(self.root, entries, size, self.limit)

    def clear(self) -> int:
        """Remove everything that this cache wrote; return the number of bytes freed.

        Processes that have a library loaded keep it: an unlinked file lives on while it is mapped.
        """
        freed = 0
        if self._is_usable():
            for _, path, status in self._files():
                freed += status.st_size if _unlink(path) else 0
        return freed

    def prune(self) -> int:
        """Remove the least recently used files while the limit is exceeded; return the bytes freed."""
        if not self._is_usable():
            return 0
        files = sorted((s.st_mtime, s.st_size, path) for _, path, s in self._files())
        excess = sum(size for _, size, _ in files) - self.limit
        newest = time.time() - _KEEP_FOR
        freed = 0
        for modified, size, path in files:
            if freed >= excess or modified > newest:
                break
            freed += size if _unlink(path) else 0
        return freed

    def _path(self, kind: str, name: str) -> str:
        return os.path.join(self.root, kind, name[:2], name + ".so" if kind == _OBJECTS else name)

    def _library(self, digest: str) -> Library | None:
        """Return the verified object of that digest; a damaged one is dropped."""
        if len(digest) != _DIGEST_LENGTH or not digest.isalnum():
            return None
        library = Library(self._path(_OBJECTS, digest), digest)
        if library.is_intact():
            _touch(library.path)
            return library
        _unlink(library.path)
        return None

    def _read(self, kind: str, name: str) -> bytes | None:
        if not self._is_usable():
            return None
        path = self._path(kind, name)
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            return None
        _touch(path)
        return content

    def _forget(self, kind: str, name: str) -> None:
        _unlink(self._path(kind, name))

    def _is_usable(self) -> bool:
        """Whether the directory exists; raise CacheError where it is not safe to load code from."""
        try:
            status = os.stat(self.root)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable("cannot be reached", error) from None
        if not stat.S_ISDIR(status.st_mode):
            raise CacheError(f"the cache {self.root} is not a directory; {_REMEDY}")
        if status.st_uid != os.geteuid():
            raise CacheError(
                f"the cache directory {self.root} belongs to another user (uid {status.st_uid}), "
                f"who could place code there; {_REMEDY}"
            )
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CacheError(
                f"the cache directory {self.root} is writable by others "
                f"(mode {stat.S_IMODE(status.st_mode):o}), who could place code there; "
                f"empty it if it is not yours alone, then run: chmod 700 {self.root}"
            )
        return True

    def _prepare(self) -> None:
        if self._is_usable():
            return
        try:
            _make_private(self.root)
        except OSError as error:
            raise self._unusable("cannot be created", error) from None
        self._is_usable()

    def _write(self, path: str, content: bytes) -> None:
        """Put a file in place in one step."""
        folder = os.path.dirname(path)
        temporary = os.path.join(folder, f".{os.getpid()}-{os.urandom(8).hex()}")
        try:
            _make_private(folder)
            try:
                with open(temporary, "xb") as file:
                    file.write(content)
                os.replace(temporary, path)
            except BaseException:
                _unlink(temporary)
                raise
        except OSError as error:
            what = "is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "cannot be written"
            raise self._unusable(what, error) from None

    def _unusable(self, what: str, error: OSError) -> CacheError:
        return CacheError(f"the cache directory {self.root} {what} ({error.strerror or error}); {_REMEDY}")

    def _files(self) -> Iterator[tuple[str, str, os.stat_result]]:
        for kind in (_OBJECTS, _BUILDS, _REQUESTS):
            for folder in _scan(os.path.join(self.root, kind)):
                for entry in _scan(folder.path):
                    if not _is_own(kind, folder.name, entry.name):
                        continue
                    try:
                        yield kind, entry.path, entry.stat(follow_symlinks=False)
                    except OSError:
                        continue  # another process removed it

    def _prune_now_and_then(self) -> None:
        stamp = os.path.join(self.root, _PRUNED_STAMP)
        try:
            if time.time() - os.stat(stamp).st_mtime < _PRUNE_AFTER:
                return
        except OSError:
            pass
        try:
            with open(stamp, "wb"):
                os.utime(stamp)
            self.prune()
        except OSError:
            pass  # cleaning up never fails a compile


_REMEDY = "set TAPELESS_CACHE_DIR to a directory of your own, or pass cache=False"


def default_root() -> str:
    """Return the cache directory that the environment asks for, else the platform's."""
    asked = os.environ.get("TAPELESS_CACHE_DIR")
    if asked:
        return os.path.abspath(os.path.expanduser(asked))
    if sys.platform == "linux" and "ANDROID_ROOT" not in os.environ:
        # The XDG rule is two lines, importing platformdirs takes 9 ms of a warm start that should take 15. On
        # Linux its answer is this one (a test compares them); everywhere else it is asked.
        base = os.environ.get("XDG_CACHE_HOME", "").strip() or os.path.expanduser("~/.cache")
        return os.path.abspath(os.path.join(base, "tapeless"))
    from platformdirs import user_cache_dir

    return user_cache_dir("tapeless", appauthor=False)


def _default_limit() -> int:
    text = os.environ.get("TAPELESS_CACHE_LIMIT")
    if not text:
        return _DEFAULT_LIMIT
    try:
        return max(0, int(text))
    except ValueError:
        raise CacheError(f"TAPELESS_CACHE_LIMIT={text!r} is not a number of bytes") from None


def _make_private(folder: str) -> None:
    """Create a directory and its missing parents, all with mode 0700 (`os.makedirs` gives that to the last)."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)


def _is_own(kind: str, folder: str, name: str) -> bool:
    """Whether a file bears a name that this module gives; the directory may have been set in error."""
    if name.startswith("."):  # left by a write that was cut short
        pid, _, random = name[1:].partition("-")
        return pid.isdecimal() and len(random) == 16 and _HEXADECIMAL.issuperset(random)
    stem = name.removesuffix(".so") if kind == _OBJECTS else name
    return (
        len(stem) == _DIGEST_LENGTH
        and _HEXADECIMAL.issuperset(stem)
        and stem[:2] == folder
        and (kind != _OBJECTS or stem != name)
    )


def _touch(path: str) -> None:
    try:
        if time.time() - os.stat(path).st_mtime > _TOUCH_AFTER:
            os.utime(path)
    except OSError:
        pass  # a cache that can only be read serves as well


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
