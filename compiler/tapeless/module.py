"""Module: several functions out of one C file and one library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tapeless.errors import ArgumentError
from tapeless.function import Function
from tapeless.kinds import TOGETHER

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from tapeless.targets.c.kernel import Source


class Module:
    """Functions by name, as attributes and as items.

    Made by `tapeless.compile_module`.

    Attributes
    ----------
    name : str
        Name of the module and of its C file.
    """

    def __init__(self, name: str, functions: Mapping[str, Function]) -> None:
        hidden = [function for function in functions if hasattr(type(self), function)]
        if hidden or "name" in functions:
            raise ArgumentError(
                f"a function of a module cannot be called {(hidden or ['name'])[0]!r}: a module has that itself"
            )
        vars(self).update(functions)  # found without a call of __getattr__
        self.name = name
        self._functions = dict(functions)

    def __getattr__(self, name: str) -> Function:
        functions = self.__dict__.get("_functions", {})
        if name in functions:
            return functions[name]  # type: ignore[no-any-return]
        raise AttributeError(f"there is no function {name!r} here; there are {', '.join(functions)}")

    def __getitem__(self, name: str) -> Function:
        if name not in self._functions:
            raise ArgumentError(f"there is no function {name!r} in {self.name}; there are {', '.join(self)}")
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __repr__(self) -> str:
        return f"<tapeless module {self.name}: {', '.join(self._functions)}>"

    @property
    def source(self) -> str:
        """The C text of all functions."""
        return self._source().text

    @property
    def header(self) -> str:
        """The C header that goes with `source`."""
        return self._source().header

    def _source(self) -> Source:
        from tapeless.assembly import module_source

        return module_source([(f.program, f.options) for f in self._functions.values()], TOGETHER, self.name)

    def export(self, folder: str | PathLike[str]) -> Path:
        """Write the C file, its header, the built library and a Python file; return the folder.

        They are `<name>.c`, `<name>.h`, `lib<name>.so` and `<name>.py`, as `Function.export` says.
        """
        from tapeless.export import export  # not needed on a warm start

        return export([(f.program, f.options) for f in self._functions.values()], self.name, folder)

    def __reduce__(self) -> tuple[Any, ...]:
        from tapeless.api import compile_programs

        functions = list(self._functions.values())
        assumed = dict(pair for f in functions for pair in f.options.assume)
        options = functions[0].options._replace(assume=tuple(assumed.items()))
        return compile_programs, ([f.program for f in functions], options, self.name)
