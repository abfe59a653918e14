"""`NamedTuple` whose definition costs little: that of typing compiles source text for each class, 0.1 ms.

Fifteen records are defined on a warm start that should take 8 ms. To a type checker it is `typing.NamedTuple`; at run
time classes made by it behave alike, but for the signature of `__new__`, which is not compiled for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["NamedTuple"]

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    try:
        from _collections import _tuplegetter as _getter
    except ImportError:  # not CPython
        from operator import itemgetter

        def _getter(place: int, doc: str) -> property:
            return property(itemgetter(place), doc=doc)

    def _constructor(name: str, fields: tuple[str, ...], defaults: dict[str, Any]) -> Any:
        count = len(fields)
        make = tuple.__new__

        def __new__(cls: type, /, *values: Any, **named: Any) -> Any:  # noqa: N807
            if named or len(values) != count:
                values = bound(values, named)
            return make(cls, values)

        def bound(values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
            if len(values) > count:
                raise TypeError(f"{name} takes {count} values, not {len(values)}")
            rest = []
            for field in fields[len(values) :]:
                if field in named:
                    rest.append(named.pop(field))
                elif field in defaults:
                    rest.append(defaults[field])
                else:
                    raise TypeError(f"{name} misses {field!r}")
            if named:
                raise TypeError(f"{name} takes no {', '.join(map(repr, named))}, or takes it twice")
            return (*values, *rest)

        return __new__

    def _make(cls: type, values: Any) -> Any:
        return cls(*values)

    def _replace(self: Any, /, **named: Any) -> Any:
        return type(self)(**{**self._asdict(), **named})

    def _asdict(self: Any) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def _repr(self: Any) -> str:
        shown = ", ".join(f"{field}={value!r}" for field, value in self._asdict().items())
        return f"{type(self).__name__}({shown})"

    def _arguments(self: Any) -> tuple[Any, ...]:
        return tuple(self)

    class _Meta(type):
        def __new__(meta, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = {field: namespace.pop(field) for field in fields if field in namespace}
            for place, field in enumerate(fields):
                namespace[field] = _getter(place, f"Field {field}, number {place}.")
            namespace.setdefault("__repr__", _repr)
            return type(
                name,
                (tuple,),
                {
                    "__slots__": (),
                    "__new__": _constructor(name, fields, defaults),
                    "__getnewargs__": _arguments,
                    "__match_args__": fields,
                    "_fields": fields,
                    "_field_defaults": defaults,
                    "_make": classmethod(_make),
                    "_replace": _replace,
                    "_asdict": _asdict,
                    **namespace,
                },
            )

    NamedTuple = type.__new__(_Meta, "NamedTuple", (), {})
