"""What a caller may choose when a function is compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tapeless.errors import ArgumentError
from tapeless.runtime.light import NamedTuple

DTYPES: Final = ("float64", "float32")
ACCURACIES: Final = (None, "search")
Range = tuple[float, float]
_LEAST: Final = 5e-324
"""The smallest positive number: a range includes its ends, and what is positive is not 0."""
_SIGNS: Final[dict[str, Range]] = {
    "real": (-float("inf"), float("inf")),
    "positive": (_LEAST, float("inf")),
    "nonnegative": (0.0, float("inf")),
    "negative": (-float("inf"), -_LEAST),
    "nonpositive": (-float("inf"), 0.0),
}


class Options(NamedTuple):
    """Options of a compilation, validated.

    Attributes
    ----------
    dtype
        `"float64"` or `"float32"`.
    wrt
        Names of the inputs that are differentiated, in the order given; None for all.
    assume
        Ranges of inputs: (name, (lo, hi)), the ends included. The code is made for them; checks and the search for
        accuracy draw their points there.
    threads
        Upper limit of threads for one call; None leaves the choice to the library.
    cc
        The C compiler, or None to look for one.
    cache
        Whether libraries are kept on disk.
    accuracy
        None, or `"search"`: kernels are searched for sums that cancel, and for better ways to compute them.
    """

    dtype: str = "float64"
    wrt: tuple[str, ...] | None = None
    assume: tuple[tuple[str, Range], ...] = ()
    threads: int | None = None
    cc: str | None = None
    cache: bool = True
    accuracy: str | None = None

    def key(self) -> dict[str, Any]:
        """Return what decides the emitted code, for cache keys."""
        found: dict[str, Any] = {
            "dtype": self.dtype,
            "wrt": list(self.wrt) if self.wrt is not None else None,
            "assume": [[name, low, high] for name, (low, high) in self.assume],
        }
        if self.accuracy is not None:
            found["accuracy"] = self.accuracy
        return found


def read_options(
    *,
    dtype: object = "float64",
    wrt: str | Iterable[str] | None = None,
    assume: Mapping[str, object] | None = None,
    accuracy: str | None = None,
    threads: int | None = None,
    cc: str | None = None,
    cache: bool = True,
) -> Options:
    """Validate the keyword options of `compile`.

    Raises
    ------
    ArgumentError
        For a value that no option takes.
    """
    if accuracy not in ACCURACIES:
        raise ArgumentError(f"accuracy must be one of {', '.join(map(repr, ACCURACIES))}, not {accuracy!r}")
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise ArgumentError(f"threads must be None or a positive integer, not {threads!r}")
    if cc is not None and not isinstance(cc, str):
        raise ArgumentError(f"cc must be the name or path of a C compiler, not {cc!r}")
    if assume is not None and not isinstance(assume, Mapping):
        raise ArgumentError(
            f'assume is a mapping such as {{"x": "positive"}} or {{"x": (0, 1)}}, not {assume!r}'
        )
    return Options(
        dtype=_dtype(dtype),
        wrt=None if wrt is None else names_of(wrt, "wrt"),
        assume=tuple((name, _range(name, given)) for name, given in (assume or {}).items()),
        threads=threads,
        cc=cc,
        cache=bool(cache),
        accuracy=accuracy,
    )


def names_of(names: str | Iterable[str], argument: str) -> tuple[str, ...]:
    """Return one name or several as a tuple, each once.

    Raises
    ------
    ArgumentError
        For anything else: no names, no order, a name twice, none at all.
    """
    if isinstance(names, set | frozenset):
        raise ArgumentError(f"{argument} is a set, and a set has no order; give a list or a tuple")
    if not isinstance(names, Iterable):
        raise ArgumentError(f"{argument} takes names of inputs, not {names!r}")
    found = (names,) if isinstance(names, str) else tuple(names)
    for name in found:
        if not isinstance(name, str):
            raise ArgumentError(f"{argument} takes names of inputs, not {name!r}")
        if found.count(name) > 1:
            raise ArgumentError(f"{argument} names {name!r} twice")
    if not found:
        raise ArgumentError(f"{argument} is empty; name at least one input, or leave it out for all")
    return found


def _dtype(dtype: object) -> str:
    name = getattr(dtype, "__name__", None) or getattr(dtype, "name", None) or dtype
    if name not in DTYPES:
        raise ArgumentError(f"dtype must be 'float64' or 'float32', not {dtype!r}")
    return str(name)


def _range(name: str, given: object) -> Range:
    if isinstance(given, str) and given in _SIGNS:
        return _SIGNS[given]
    if isinstance(given, tuple | list) and len(given) == 2:
        try:
            low, high = (float(end) for end in given)
        except (TypeError, ValueError, OverflowError):
            low = high = float("nan")
        if low < high:
            return low, high
    raise ArgumentError(
        f"assume[{name!r}] must be one of {', '.join(map(repr, _SIGNS))} or a pair (low, high), not {given!r}"
    )
