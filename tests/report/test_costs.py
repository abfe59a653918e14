"""Operations in a table, and the rows of the table of primitives that a formula uses."""

from __future__ import annotations

import pytest

import tapeless as tl
from gallery import GALLERY
from tapeless.report.costs import COLUMNS, costs
from tapeless.report.edges import conventions


@pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)
def test_the_columns_hold_what_op_counts_says(entry):
    f = tl.compile(entry.text)
    for cost in costs(f):
        counts = f.op_counts(cost.kind)
        assert cost.total == counts.pop("total")
        assert sum(cost.counts) == sum(counts.values())
        assert len(cost.counts) == len(COLUMNS)


def test_functions_are_told_by_name():
    value, *_ = costs(tl.compile("exp(x)*exp(y) + sin(x)"))
    assert value.what == "value"
    assert dict(zip(COLUMNS, value.counts, strict=True))["functions"] == 3
    assert value.functions == "2 exp, 1 sin"
    assert value.ratio == 1


def test_what_c_cannot_express_is_left_out():
    assert [cost.kind for cost in costs(tl.compile("besselj(x, 2)"))] == ["forward"]
    assert [cost.kind for cost in costs(tl.compile("f(x): \n return x, x**2"))] == [
        "forward", "backward", "forward_backward", "jacobian",
    ]  # fmt: skip


def rows(text):
    return {row.function: (row.domain, row.edges) for row in conventions(tl.compile(text).program)}


def test_edges():
    assert rows("w*x + b") == {}
    found = rows("sqrt(x) + abs(y) + where(x < y, x, y)")
    assert found["sqrt(x)"] == ("x >= 0", "at 0: truly infinite")
    assert "tie" in found["abs(x)"][1]
    assert "branch not taken" in found["a if c else b"][1]


def test_constants_have_no_edges():
    assert rows("x/2 + x**2*sqrt(2)") == {}
    assert "a/b" in rows("1/x")
    assert "a**b" in rows("x**y")
    assert "a**b" in rows("x**-3/2 + x**2.5")
