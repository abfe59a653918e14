"""Where formulas are not differentiable, in words: what is found, what is not, and what is said of it."""

from __future__ import annotations

import random
import re
from fractions import Fraction
from types import SimpleNamespace

import pytest
import sympy
from click.testing import CliRunner

import tapeless as tl
from gallery import BY_NAME, GALLERY
from tapeless import cli
from tapeless.api import read
from tapeless.ir.graph import Builder
from tapeless.ir.primitives import PRIMITIVES, REAL
from tapeless.ir.program import Input, Output, finish
from tapeless.options import Options
from tapeless.targets.reference import evaluate_flat, slopes_by_lane
from tapeless.testing import Singularities, Singularity, singularities
from tapeless.testing.boundaries import boundaries


def singular(text, order=1, **ranges):
    program = read(text)
    return found_in(program, order, ranges)


def found_in(program, order=1, ranges=()):
    options = Options(assume=tuple(dict(ranges).items()))
    names = tuple(item.name for item in program.inputs)
    return singularities(SimpleNamespace(program=program, options=options, wrt=names), order=order)


def pairs(found):
    return {(item.kind, item.condition) for item in found}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abs(x)", {("kink", "x = 0")}),
        ("abs(2*x + 1)*y", {("kink", "x = -0.5")}),
        ("abs(x**2 - 4)", {("kink", "x = 2"), ("kink", "x = -2")}),
        ("max(x, 0)", {("tie", "x = 0")}),
        ("max(x, lo)", {("tie", "x = lo")}),
        ("max(x, y + 1, z)", {("tie", "x = y + 1"), ("tie", "x = z"), ("tie", "y + 1 = z")}),
        ("sqrt(x)", {("end of domain", "x = 0")}),
        ("sqrt(1 - x**2)", {("end of domain", "x = 1"), ("end of domain", "x = -1")}),
        ("asin(x)", {("end of domain", "x = 1"), ("end of domain", "x = -1")}),
        ("cbrt(x)", {("infinite slope", "x = 0")}),
        ("1/x", {("pole", "x = 0")}),
        ("1/(x - y)", {("pole", "x = y")}),
        ("log(x)", {("pole", "x = 0")}),
        ("x*log(x)", {("end of domain", "x = 0")}),
        ("sqrt(x**2 + y**2)", {("kink", "x = 0 and y = 0")}),
        ("floor(x)", {("jump", "x is a whole number")}),
        ("round(x)", {("jump", "x is a whole number and a half")}),
        ("sign(x)*y", {("jump", "x = 0")}),
        ("where(x < 1, x, 2*x)", {("jump", "x = 1")}),
        ("where(x < 1, x, 2*x - 1)", {("kink", "x = 1")}),
        ("(x**2 - 1)/(x - 1)", {("removable", "x = 1")}),
        ("where(x == 2, 5, x)", {("isolated value", "x = 2")}),
        ("gamma(x)", {("pole", "x is 0 or a negative whole number")}),
        ("where(y > 3.9, abs(x), 0*x)", {("kink", "x = 0"), ("jump", "y = 3.9")}),
    ],
)
def test_what_there_is(text, expected):
    assert pairs(singular(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "where(x == 0, 1, sin(x)/x)",
        "where(x == 0, 1, (x + x**3)/x)",
        "x*abs(x)",
        "where(x < 0, 0, x**2)",
        "where(abs(x) > 1, x, x)",
        "1/(1 + x**2)",
        "sqrt(x**4 + 1)",
        "abs(exp(x))",
        "where(x > 1, log(x), x - 1)",  # the two meet with one slope, and log ends where it is not taken
        "exp(x)/(1 + exp(x))",
    ],
)
def test_what_is_none(text):
    assert not singular(text)
    assert str(singular(text)) == "differentiable wherever it has a value"


def test_arms_that_meet_in_value_and_slope_are_smooth_of_first_order():
    huber = BY_NAME["huber"]
    assert not singular(huber.text, r=(-4.0, 4.0), delta=(0.5, 2.0))
    [second] = singular(huber.text, order=2, r=(-4.0, 4.0), delta=(0.5, 2.0))
    assert second.kind == "second order"
    assert second.condition == "abs(r) = delta"
    # A negative delta makes it delta*abs(r) everywhere.
    [any_delta] = singular(huber.text)
    assert (any_delta.kind, any_delta.condition, any_delta.where) == (
        "kink",
        "r = 0",
        "not (abs(r) <= delta)",
    )


def test_kinks_that_cancel_leave_the_convention():
    """The sum is softplus, but its derivative at 0 is made of those of max and abs there."""
    [found] = singular(BY_NAME["bce_logits"].text)
    assert (found.kind, found.condition) == ("convention", "z = 0")
    at = dict(found.at)
    f = tl.compile(BY_NAME["bce_logits"].text)
    assert f.grad(**at, wrt="z") == -at["t"]
    assert found.below == found.above == pytest.approx(0.5 - at["t"])


def test_what_is_said():
    [kink] = singular("abs(x)*y")
    assert str(kink) == "out has a kink where x = 0 (by x): the derivative there is 0, by convention."
    [tie] = singular("max(x, y)")
    assert "the mean of both slopes, by convention" in str(tie)
    assert tie.inputs == ("x", "y")
    [step] = singular("heaviside(x)")
    assert "the value there is the mean of both sides; the derivative there is 0." in str(step)
    [pole] = singular("log(x)")
    assert "the value there is infinite; the derivative there is infinite" in str(pole)
    [guarded] = singular(
        "where(y > 0, abs(x), x)*0 + where(y > 0, abs(x), 0)*0 + where(y > 0, abs(x), 2)**2*0"
    ) or [None]
    assert guarded is None
    found = {item.condition: item for item in singular("y*where(y > 0, abs(x), 0)")}
    assert found["x = 0"].where == "y > 0"


def test_the_slopes_at_the_example():
    [kink] = singular("abs(3*x)")
    assert kink.at == (("x", 0.0),)
    assert (kink.below, kink.above) == (-3.0, 3.0)


def test_assumptions_leave_out_what_lies_beyond():
    text = "abs(x) + sqrt(x)*abs(y - 1) + log(z)"
    assert ("kink", "y = 1") in pairs(singular(text, x=(5e-324, 10.0)))
    assert not singular(text, x=(5e-324, 10.0), y=(2.0, 3.0), z=(1.0, 2.0))
    [end] = singular("sqrt(x)", x=(0.0, 1.0))  # the end of a range can be given
    assert end.kind == "infinite slope"


def test_honest_where_no_point_is_found():
    [found] = singular("1/(exp(x) - exp(x**2 + 1))")
    assert found.kind == "undecided"
    assert "may not be differentiable where" in str(found)


def test_several_outputs_and_shapes():
    f = tl.compile("f(x[2], y):\n return abs(x[0] - y), max(x[1], 0)*y")
    found = f.singularities()
    assert isinstance(found, Singularities)
    assert all(isinstance(item, Singularity) for item in found)
    told = {item.condition: (item.outputs, item.inputs) for item in found}
    assert told["x[0] = y"][1] == ("x[0]", "y")
    assert told["x[1] = 0"][1] == ("x[1]",)
    assert len(told["x[0] = y"][0]) == 1


def test_large_functions_say_what_was_not_tried(monkeypatch):
    monkeypatch.setattr("tapeless.testing.singular._BUDGET", 200)
    found = singular("abs(x - 1) + abs(y - 2) + abs(z - 3) + abs(x - 4) + abs(y - 5)")
    assert len(found) == 5
    assert {item.kind for item in found} == {"kink", "undecided"}
    assert str(found[-1]).endswith("it was not tried.")


def test_inputs_that_are_constants_do_not_count():
    f = tl.compile("abs(x)*max(c, 0)", wrt="x")
    assert [item.condition for item in f.singularities()] == ["x = 0"]


def test_order_is_one_or_two():
    with pytest.raises(tl.ArgumentError, match="order"):
        tl.compile("abs(x)").singularities(order=3)


# ---- the table


EDGED = sorted(
    {
        (name, edge)
        for name, row in PRIMITIVES.items()
        for edge in row.edges
        if not re.search("limit|overflow|underflow|constant|infinity over|cancels", edge.why)
    },
    key=str,
)


@pytest.mark.parametrize(("name", "edge"), EDGED, ids=str)
def test_every_edge_of_the_table_is_a_candidate(name, edge):
    builder = Builder()
    count = len(edge.args)
    args = [builder.input(k) for k in range(count)]
    if name == "pow":
        args[1] = builder.rational(Fraction(1, 2))
    node = builder.node(name, tuple(args))
    program = finish(name, [Input(f"a{k}") for k in range(count)], [Output("y", (node,))], builder)
    builder = Builder(program.graph)
    found = boundaries(builder, program)
    roots = [zero for each in found for zero in each.zeros]
    all_roots = finish(
        name, program.inputs, [Output("y", tuple(roots), (len(roots),))], builder, compact=False
    )
    values = dict(zip(roots, evaluate_flat(all_roots, edge.args, 30), strict=True))

    def holds(each):
        if each.whole is None:
            return all(values[zero] == 0 for zero in each.zeros)
        [zero] = each.zeros
        return (values[zero] - each.whole) % 1 == 0

    assert any(map(holds, found)), found


@pytest.mark.parametrize(
    "name", sorted(n for n, r in PRIMITIVES.items() if r.domain not in (REAL, "unknown"))
)
def test_every_domain_has_an_end(name):
    row = PRIMITIVES[name]
    if set(row.args) == {"a", "b"} and name.endswith("_over") and row.domain == "b >= 0":
        return  # the order of a derivative
    builder = Builder()
    args = [builder.input(k) for k in range(len(row.args))]
    node = builder.node(name, tuple(args))
    program = finish(name, [Input(f"a{k}") for k in range(len(args))], [Output("y", (node,))], builder)
    found = boundaries(Builder(program.graph), program)
    if "ierfcx" not in name:  # which ends in its order alone
        assert found


# ---- against numbers


@pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)
def test_the_gallery(entry):
    """Within its ranges hardly any formula of the gallery has a kink, and any range can be asked for."""
    f = tl.compile(entry.text, assume=entry.ranges)
    kinks = {item.condition for item in f.singularities() if item.kind != "undecided"}
    assert kinks == {"clip": {"x = lo", "max(lo, x) = hi"}, "bce_logits": {"z = 0"}}.get(entry.name, set())
    assert all(item.kind == "undecided" or item.at for item in singular(entry.text))


def holds_at(item, values):
    """Whether a condition holds at a point, read from its text."""
    at = {sympy.Symbol(name): sympy.Rational(value) for name, value in values.items()}
    for part in item.condition.split(" and "):
        if " is " in part:
            return True  # steps and gamma: not among the operations of the test
        if part.endswith("..."):
            return True
        left, right = part.split(" = ")
        words = {"max": sympy.Max, "min": sympy.Min}
        gap = sympy.sympify(f"({left}) - ({right})", locals=words).subs(at)
        if not abs(gap.evalf(40)) <= 1e-30:
            return False
    return True


def kinked(source):
    """A formula of kinks and jumps, with few whole numbers, so that points of a grid hit them."""
    terms = ["x", "y", "x - y", "x + 1", "2*y", "x*y"]
    for _ in range(4):
        a, b, c = (source.choice(terms) for _ in range(3))
        shapes = (
            "abs({a})",
            "max({a}, {b})",
            "min({a}, 1)",
            "where({a} < {b}, {c}, {a})",
            "{a} + abs({b})*{c}",
        )
        terms.append(source.choice((*shapes, "max({a}, {b}, {c})", "{a}*sign({b})")).format(a=a, b=b, c=c))
    return f"f(x, y) = {terms[-1]} + ({terms[-2]})/2"


@pytest.mark.parametrize("seed", range(25))
def test_where_one_sided_slopes_differ_a_condition_holds(seed):
    source = random.Random(seed)
    program = read(kinked(source))
    found = found_in(program)
    for _ in range(12):
        values = {name: source.choice((-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)) for name in "xy"}
        for lane in range(2):
            [slope] = slopes_by_lane(program, tuple(values.values()), lane, 20)
            left, right = slope.left, slope.right
            if slope.exists or slope.left.context.isnan(left) or left.context.isnan(right):
                continue
            assert any(holds_at(item, values) for item in found), (kinked(random.Random(seed)), values, found)


# ---- where it is shown


def test_the_command_line_tells():
    result = CliRunner().invoke(cli.command, ["check", "kinked(x) = abs(x - 1)"], prog_name="tapeless")
    assert "not differentiable:\nout has a kink where x = 1 (by x)" in result.output
    smooth = CliRunner().invoke(cli.command, ["check", "smooth(x) = x**2"], prog_name="tapeless")
    assert "not differentiable" not in smooth.output


def test_it_prints_in_a_notebook():
    html = tl.compile("where(x < y, x, 2*y)").singularities()._repr_html_()
    assert html.startswith("<ul><li>")
    assert "x = y" in html
