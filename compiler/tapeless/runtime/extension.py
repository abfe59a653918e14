"""Extensions of Python that come as C text: built once for each Python with the kernels' compiler, and kept.

Nothing may depend on one: where it cannot be built or loaded, its user goes a slower way with the same results.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tapeless.errors import CompilerError, TapelessError
from tapeless.runtime import warm
from tapeless.runtime.digest import sha256
from tapeless.runtime.light import NamedTuple
from tapeless.runtime.load import unloadable, verify

if TYPE_CHECKING:
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import Compiler
    from tapeless.runtime.headers import Header
    from tapeless.runtime.library import Library

VARIABLE: Final = "TAPELESS_CALLER"
"""Environment variable that turns all extensions off when it is "0"."""
# A compiler's refusal stays in the cache so long: else each process would wait for it again.
_REFUSED_FOR: Final = 86400.0


class Found(NamedTuple):
    """What came of looking for an extension.

    Attributes
    ----------
    extension
        The module, or None.
    path
        Its file, or "".
    reason, remedy
        Where there is none: why, and what to do.
    """

    extension: Any
    path: str = ""
    reason: str = ""
    remedy: str = ""


class _MissingError(Exception):
    """Why there is no extension, and what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.found = Found(None, "", reason, remedy)
        super().__init__(reason, remedy)


_OFF: Final = Found(None, "", f"turned off by {VARIABLE}=0", f"unset {VARIABLE}")
_UNCACHED: Final = Found(
    None, "", "not built without a cache", "leave cache=False out, so that it is built once and kept"
)


class Extension:
    """An extension that its users can do without, by its C text.

    Parameters
    ----------
    module
        Name of the module that the text defines.
    read
        Returns the text.
    without
        What it costs to go without, as the end of "nothing to do: ...".
    headers
        Returns the headers that it includes besides those of Python.
    depends
        Returns what else the extension depends on, as values that JSON knows.
    digested
        Whether the text is part of what `package_digest` covers, so that it need not be read to find what was built.
    ready
        Called with the extension when it has been loaded.
    """

    def __init__(
        self,
        module: str,
        read: Callable[[], str],
        without: str,
        *,
        headers: Callable[[], tuple[Header, ...]] = tuple,
        depends: Callable[[], object] = str,
        digested: bool = False,
        ready: Callable[[Any], None] | None = None,
    ) -> None:
        self.module = module
        self.read = read
        self._without = without
        self._headers = headers
        self._depends = depends
        self._digested = digested
        self._ready = ready
        # What this process has loaded, at most one entry; and, by compiler and cache, what could not be had, so that
        # it is tried once. Entries are only ever added, each in one step, so that threads need no lock.
        self._loaded: dict[str, Found] = {}
        self._missing: dict[tuple[str, str], Found] = {}

    def find(self, compiler: Compiler, cache: Cache | None) -> Found:
        """Return the extension: loaded, else found in the cache, else built. Never raises.

        Parameters
        ----------
        compiler
            The C compiler.
        cache
            Where it is looked for and kept; where None, only one that is loaded already is used.
        """
        if os.environ.get(VARIABLE) == "0":
            return _OFF
        loaded = self._loaded.get(self.module)
        if loaded is not None:
            return loaded
        if cache is None:
            return _UNCACHED
        asked = (compiler.identity, cache.root)
        if asked in self._missing:
            return self._missing[asked]
        try:
            library = self._library(compiler, cache)
            found = Found(self._import(library.path), library.path)
            return self._loaded.setdefault(self.module, found)
        except _MissingError as missing:
            found = missing.found
        except Exception as error:  # no call shall fail for want of a faster one
            found = Found(None, "", _first_line(error), self._remedy)
        return self._missing.setdefault(asked, found)

    def forget(self) -> None:
        """Forget what was found and what was not, as in a new process."""
        self._loaded.clear()
        self._missing.clear()

    def headers(self) -> tuple[Header, ...]:
        """Return all headers that it needs."""
        from tapeless.runtime.headers import python_headers

        return (*python_headers(), *self._headers())

    def include_folders(self) -> tuple[str, ...]:
        """Return the folders of all headers that it needs."""
        from tapeless.runtime.headers import folders

        return folders(self.headers())

    def key(self, compiler: Compiler, cache: Cache | None = None) -> str:
        """Return the key in the cache: all that the extension depends on, found without looking for headers."""
        text = "" if self._digested else sha256(self.read().encode()).hexdigest()
        depends = {"python": python_abi(), "text": text, "depends": self._depends()}
        return warm.request_key(f"extension {self.module}", depends, compiler, cache)

    @property
    def _remedy(self) -> str:
        return f"nothing to do: {self._without}, with the same results"

    def _library(self, compiler: Compiler, cache: Cache) -> Library:
        """Return the extension, verified, from the cache or newly built."""
        if sys.implementation.name != "cpython":
            raise _MissingError(f"not for {sys.implementation.name}", self._remedy)
        if "t" in getattr(sys, "abiflags", ""):
            raise _MissingError("not for Python without the GIL", self._remedy)
        key = self.key(compiler, cache)
        known = cache.recall(key)
        if known is not None:
            return known[1]
        refused = cache.noted(key)
        if refused is not None and time.time() - refused["time"] < _REFUSED_FOR:
            raise _MissingError(refused["message"], self._remedy)
        library = self._build(compiler, cache, key)
        cache.remember(key, {}, library)
        return library

    def _build(self, compiler: Compiler, cache: Cache, key: str) -> Library:
        from tapeless.runtime.headers import build_against, first_missing

        headers = self.headers()
        missing = first_missing(headers)
        if missing is not None:
            raise _MissingError(missing.absence(), f"{missing.remedy}; until then {self._without}")
        if os.path.isdir(cache.root) and not os.access(cache.root, os.W_OK):
            raise _MissingError(
                f"not in the cache {cache.root}, which cannot be written",
                "compile a formula once where it can be written",
            )
        try:
            return build_against(
                headers, self.read(), stem=self.module, optimize="-O2", compiler=compiler, cache=cache
            )
        except CompilerError as error:
            cache.note(key, {"message": str(error), "time": time.time()})
            raise _MissingError(str(error), self._remedy) from None

    def _import(self, path: str) -> Any:
        """Import the extension from a file that has just been verified."""
        made = _import(self.module, path)
        if self._ready is not None:
            self._ready(made)
        return made


def load_extension(module: str, library: Library) -> Any:
    """Import an extension of that name from a library.

    Raises
    ------
    CacheError
        The file is damaged or gone, or the system will not load it.
    """
    verify(library)
    try:
        return _import(module, library.path)
    except ImportError as error:
        raise unloadable(error) from None


def python_abi() -> str:
    """Return what an extension of this Python depends on: implementation, version and ABI."""
    from _imp import extension_suffixes

    return f"{sys.implementation.name} {sys.version_info.releaselevel} {extension_suffixes()[0]}"


def _import(module: str, path: str) -> Any:
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    loader = ExtensionFileLoader(module, path)
    made = loader.create_module(ModuleSpec(module, loader, origin=path))
    loader.exec_module(made)
    return made


def text_beside(file: str, package: str, name: str) -> str:
    """Return the text of a file in the folder of the module `file`, which belongs to `package`, also within a zip."""
    try:
        with open(os.path.join(os.path.dirname(file), name), encoding="utf-8") as opened:
            return opened.read()
    except OSError:  # the package is a zip
        from importlib.resources import files

        return (files(package) / name).read_text(encoding="utf-8")


def _first_line(error: Exception) -> str:
    text = str(error) if isinstance(error, TapelessError) else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0]


__all__ = ["VARIABLE", "Extension", "Found", "load_extension", "python_abi", "text_beside"]
