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
from tapeless.runtime.light import NamedTuple

if TYPE_CHECKING:
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import Compiler
    from tapeless.runtime.library import Library

VARIABLE: Final = "TAPELESS_CALLER"
"""Environment variable that turns all extensions off when it is "0"."""
_TIMEOUT: Final = 120.0
# A compiler's refusal stays in the cache so long: else each process would wait for it again.
_REFUSED_FOR: Final = 86400.0
_FLAGS: Final = ("-fvisibility=hidden", "-s")
_DARWIN_FLAGS: Final = ("-fvisibility=hidden", "-undefined", "dynamic_lookup")


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
    """An extension by its C text.

    Parameters
    ----------
    module
        Name of the module that the text defines.
    read
        Returns the text.
    without
        What it costs to go without, as the end of "nothing to do: ...".
    include
        Returns folders of headers besides those of Python.
    depends
        Returns what else the extension depends on, as values that JSON knows.
    """

    def __init__(
        self,
        module: str,
        read: Callable[[], str],
        without: str,
        *,
        include: Callable[[], tuple[str, ...]] = tuple,
        depends: Callable[[], object] = str,
    ) -> None:
        self.module = module
        self.read = read
        self._without = without
        self._include = include
        self._depends = depends
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

    def include_folders(self) -> tuple[str, ...]:
        """Return the folders of all headers that it needs."""
        from sysconfig import get_path

        python = tuple(dict.fromkeys((get_path("include"), get_path("platinclude"))))
        if not any(os.path.isfile(os.path.join(folder, "Python.h")) for folder in python):
            raise _MissingError(
                f"the headers of Python are not installed: no Python.h in {python[0]}",
                f"install them (on Debian and Ubuntu: apt install python3-dev); until then {self._without}",
            )
        return (*python, *self._include())

    def key(self, compiler: Compiler, cache: Cache | None = None) -> str:
        """Return the key in the cache: all that the extension depends on, found without looking for headers."""
        from _imp import extension_suffixes

        python = [extension_suffixes()[0], sys.version_info.releaselevel]  # implementation, version and ABI
        depends = {"python": python, "depends": self._depends()}
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
        from tapeless.runtime.build import build

        folders = self.include_folders()
        if os.path.isdir(cache.root) and not os.access(cache.root, os.W_OK):
            raise _MissingError(
                f"not in the cache {cache.root}, which cannot be written",
                "compile a formula once where it can be written",
            )
        flags = _DARWIN_FLAGS if sys.platform == "darwin" else _FLAGS
        try:
            return build(
                self.read(),
                stem=self.module,
                compiler=compiler,
                optimize="-O2",
                extra_flags=(*(f"-I{folder}" for folder in folders), *flags),
                timeout=_TIMEOUT,
                cache=cache,
            )
        except CompilerError as error:
            cache.note(key, {"message": str(error), "time": time.time()})
            raise _MissingError(str(error), self._remedy) from None

    def _import(self, path: str) -> Any:
        """Import the extension from a file that has just been verified."""
        from importlib.machinery import ExtensionFileLoader, ModuleSpec

        loader = ExtensionFileLoader(self.module, path)
        module = loader.create_module(ModuleSpec(self.module, loader, origin=path))
        loader.exec_module(module)
        return module


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


__all__ = ["VARIABLE", "Extension", "Found", "text_beside"]
