"""Named tuples that are quick to define behave as those of typing."""

import copy
import pickle
import typing

import pytest

from tapeless.runtime.light import NamedTuple


class Point(NamedTuple):
    """A point."""

    x: int
    y: int = 2
    name: str = "p"

    @property
    def total(self) -> int:
        return self.x + self.y

    @classmethod
    def origin(cls) -> "Point":
        return cls(0, 0)


class Shifted(Point):
    __slots__ = ()

    def __new__(cls, x):
        return super().__new__(cls, x + 1)


class Reference(typing.NamedTuple):
    """The same by typing."""

    x: int
    y: int = 2
    name: str = "p"


@pytest.mark.parametrize("kind", [Point, Reference])
def test_like_a_named_tuple(kind):
    made = kind(1, name="q")
    assert made == (1, 2, "q")
    assert (made.x, made.y, made.name) == made
    assert made._fields == kind.__match_args__ == ("x", "y", "name")
    assert made._replace(y=5) == (1, 5, "q")
    assert made._asdict() == {"x": 1, "y": 2, "name": "q"}
    assert kind._make([4, 5, "r"]) == (4, 5, "r")
    assert kind._field_defaults == {"y": 2, "name": "p"}
    assert repr(made) == f"{kind.__name__}(x=1, y=2, name='q')"
    assert hash(made) == hash((1, 2, "q"))
    assert type(copy.deepcopy(made)) is type(pickle.loads(pickle.dumps(made))) is kind
    assert isinstance(made, tuple)
    assert not hasattr(made, "__dict__")
    with pytest.raises(AttributeError):
        made.x = 3


@pytest.mark.parametrize("kind", [Point, Reference])
@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, 2, "p", 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1})]
)
def test_wrong_values_are_refused(kind, values, named):
    with pytest.raises(TypeError):
        kind(*values, **named)
    with pytest.raises((TypeError, ValueError)):
        kind(1)._replace(z=3)


def test_methods_defaults_and_subclasses():
    assert Point(1).total == 3
    assert Point.origin() == (0, 0, "p")
    assert Point.__doc__ == "A point."
    assert Point.__module__ == __name__
    assert Shifted(1) == (2, 2, "p")
    assert repr(Shifted(1)) == "Shifted(x=2, y=2, name='p')"
    assert issubclass(Shifted, Point)
