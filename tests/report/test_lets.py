"""Parts with names: what is shared is written once, and putting the parts back gives the formula."""

from __future__ import annotations

import pytest
import sympy

import tapeless as tl
from gallery import GALLERY
from tapeless.api import read
from tapeless.kinds import derive
from tapeless.report.lets import named_parts


def put_back(found, point):
    """Evaluate formulas with their parts, in order."""
    known = dict(point)
    for name, expression in found.parts:
        known[name] = number(expression, known)
    return [number(expression, known) for expression in found.formulas]


def number(expression, known):
    symbols = {symbol: known[str(symbol)] for symbol in expression.free_symbols}
    return float(expression.evalf(20, subs=symbols))


@pytest.mark.parametrize("name", ["black_scholes", "student_t", "reproject", "haversine", "morse"])
def test_putting_the_parts_back(name):
    [entry] = [entry for entry in GALLERY if entry.name == name]
    f = tl.compile(entry.text)
    found = named_parts(derive(f.program, "jacobian", f.wrt))
    assert found.parts
    point = {key: low + 0.6 * (high - low) for key, (low, high) in entry.ranges.items()}
    assert put_back(found, point) == pytest.approx(f.jacobian(**point).ravel().tolist(), rel=1e-9)


def test_a_short_formula_has_no_parts():
    assert named_parts(read("(x + y)**2 + sin(x + y)")).parts == ()


def test_each_part_stands_before_its_use():
    found = named_parts(read("f(x) = " + "sin(" * 200 + "x" + ")" * 200))
    known = {"x"}
    for name, expression in found.parts:
        assert {str(symbol) for symbol in expression.free_symbols} <= known
        known.add(name)
    longest = max(sum(1 for _ in sympy.preorder_traversal(e)) for _, e in found.parts)
    assert longest < 100


@pytest.mark.parametrize(
    "names",
    [["s"], ["s_1", "u"], ["s", "u", "v", "w"], list("abcdefghijklmnopqrstuvwxyz"), ["s_x", "S"]],
)
def test_parts_are_not_called_like_inputs(names):
    total = "+".join(f"{name}**2 + sin({name})*cos(3*{name})" for name in names)
    shared = f"exp(-({total}))"
    text = f"f({', '.join(names)}) = ({shared}*sin({shared}) + {shared})/(1 + {shared}*cos({shared}))*({total} + 3)"
    found = named_parts(read(text))
    assert found.parts
    assert not {name for name, _ in found.parts} & set(names)


def test_conditions_are_not_parts():
    text = "f(x, y) = " + " + ".join(f"where(sin(x*y + x/y) < cos(x - y), x + {k}, y)" for k in range(1, 12))
    found = named_parts(read(text))
    assert all(not expression.is_Relational for _, expression in found.parts)
    assert put_back(found, {"x": 0.3, "y": 0.9}) == pytest.approx([tl.compile(text)(0.3, 0.9)])
