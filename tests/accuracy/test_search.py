"""The search: what it gains, held against mpmath at points of its own; and what it leaves alone."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

import tapeless as tl
from tapeless.accuracy import identities
from tapeless.accuracy.samples import collect
from tapeless.accuracy.search import HELD_OUT, JUDGES, LIMIT, LOSS, _between, _cut, _is_same, search
from tapeless.api import read
from tapeless.assembly import build_kernel, module_source
from tapeless.kinds import derive
from tapeless.options import read_options
from tapeless.targets.reference import evaluate_flat, slopes_by_lane
from tapeless.testing.errors import bits_of_error

SIZES = (0.01, 100.0)
KINDS = ("forward", "backward")
CANCELLING = [
    # formula, ranges, bits that value and gradient must gain on the mean (None: nothing to gain there)
    ("1/(x + 1) - 2/x + 1/(x - 1)", {"x": (1.5, 1e8)}, 20, 20),
    ("x/(x + 1) - (x + 1)/(x - 1)", {"x": (2.0, 1e8)}, 10, 10),
    ("1/sqrt(x) - 1/sqrt(x + 1)", {"x": (0.1, 1e8)}, 8, 8),
    ("sin(x + h) - sin(x)", {"x": (-3.0, 3.0), "h": (-1.0, 1.0)}, 1, 4),
    ("cos(x + h) - cos(x)", {"x": (-3.0, 3.0), "h": (-1.0, 1.0)}, 5, 0.7),
    ("tan(x + h) - tan(x)", {"x": (-1.0, 1.0), "h": (-0.5, 0.5)}, 1, 3),
    ("exp(a) - exp(b)", {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}, 4, None),
    ("x - sin(x)", {"x": (-2.0, 2.0)}, 10, 8),
    ("(x - sin(x))/(x - tan(x))", {"x": (-1.0, 1.0)}, 10, 10),
    ("exp(x) - 2 + exp(-x)", {"x": (-2.0, 2.0)}, 10, 3),
    ("exp(x) - 1 - x", {"x": (-1.0, 1.0)}, 5, 5),
    ("log((1 + x)/(1 - x))", {"x": (-0.9, 0.9)}, 4, None),
    ("p*log(p/q)", {"p": (0.001, 1.0), "q": (0.001, 1.0)}, 2, None),
    ("(x + 1)**(1/3) - x**(1/3)", {"x": (0.1, 1e8)}, 8, 8),
    ("cbrt(x + 1) - cbrt(x)", {"x": (0.1, 1e8)}, 8, 8),
    ("atan(x + 1) - atan(x)", {"x": (-1e8, 1e8)}, 1, 0.5),
    ("1/x - 1/tan(x)", {"x": (-1.0, 1.0)}, 10, 10),
    ("sqrt(x**2 + 1) - 1", {"x": (-10.0, 10.0)}, 5, None),
    ("100*((1 + i/n)**n - 1)/(i/n)", {"i": (1e-6, 0.5), "n": (1.0, 1e6)}, 10, 8),
    ("sqrt(x) - sqrt(y)", {"x": "positive", "y": "positive"}, 2, None),
    ("log(x) - log(y)", {"x": "positive", "y": "positive"}, 2, None),
    ("log(x) - log(y)", {"x": (1.0, 9.0), "y": (1.0, 9.0)}, 3, None),
    ("(x + h)**2 - x**2", {"x": (-3.0, 3.0), "h": (-1.0, 1.0)}, 1, 0.5),
]


def draw(program, ranges, count, seed=20240):
    """Draw points in the ranges by magnitudes, half of the time with neighbours; none of them are the search's."""
    source = random.Random(seed)
    ends = dict(read_options(assume=ranges).assume)
    found = []
    while len(found) < count:
        row = []
        for item in program.inputs:
            low, high = ends.get(item.name, (-math.inf, math.inf))
            low, high = max(low, -SIZES[1]), min(high, max(SIZES[1], low * 2))
            if low > 0 or (low >= 0 and source.random() < 1):
                low = max(low, SIZES[0])
                high = max(
                    high, ends.get(item.name, (0, 0))[1] if math.isfinite(ends[item.name][1]) else high
                )
                row.append(math.exp(source.uniform(math.log(low), math.log(high))))
            else:
                size = math.exp(source.uniform(math.log(1e-7), math.log(high)))
                row.append(source.choice((-1, 1)) * size)
        if len(row) > 1 and source.random() < 0.5:
            near = row[0] * (1 + source.choice((-1, 1)) * 10 ** source.uniform(-10, -2))
            low, high = ends.get(program.inputs[1].name, (-math.inf, math.inf))
            row[1] = near if low < near < high else row[1]
        if all(math.isfinite(float(value)) for value in evaluate_flat(program, row, 20)):
            found.append(row)
    return found


def measure(program, rows, options):
    """Return the bits of error of values and gradients of the compiled kernels."""
    forward = build_kernel(program, "forward", None, options)
    backward = build_kernel(program, "backward", None, options)
    columns = [np.array(column, options.dtype) for column in zip(*rows, strict=True)]
    [values] = forward(columns)
    slopes = backward([*columns, np.ones(len(rows), options.dtype)])
    true = [[nearest_value(program, row)] for row in rows]
    return values, slopes, true


def nearest_value(program, row):
    return evaluate_flat(program, row, 25)[0]


def bits(values, truths, dtype="float64"):
    return [bits_of_error(float(value), truth, dtype) for value, truth in zip(values, truths, strict=True)]


@pytest.mark.parametrize(("text", "ranges", "value_gain", "slope_gain"), CANCELLING)
def test_cancellation_is_found_and_what_is_computed_instead_is_right(text, ranges, value_gain, slope_gain):
    program = read(text)
    rows = draw(program, ranges, 24)
    plain = measure(program, rows, read_options(assume=ranges))
    searched = measure(program, rows, read_options(assume=ranges, accuracy="search"))
    truths = [row[0] for row in plain[2]]
    before, after = bits(plain[0], truths), bits(searched[0], truths)
    assert np.mean(before) - np.mean(after) >= value_gain, (before, after)
    assert np.mean(after) < 1.5
    assert max(np.subtract(after, before)) <= LOSS + 1
    gains = []
    for lane in range(program.lanes):
        found = [slopes_by_lane(program, row, lane, 25)[0].value for row in rows]
        before, after = bits(plain[1][lane], found), bits(searched[1][lane], found)
        assert max(np.subtract(after, before)) <= LOSS + 1, (before, after)
        gains.append(np.mean(before) - np.mean(after))
    if slope_gain is None:
        assert max(gains) < 1
    else:
        assert max(gains) >= slope_gain, gains


def test_what_cannot_be_gained_is_left_alone():
    for text, ranges in [
        ("x*y", {}),
        ("x + y", {}),
        ("x*exp(y)/(1 + x**2)", {}),
        ("sqrt(x + 1) - sqrt(x)", {"x": (0.0, 1e6)}),  # known to the simplifier
        ("1/(x + 1) - 1/x", {"x": (0.0, 1e6)}),
        ("(-b + sqrt(b**2 - 4*a*c))/(2*a)", {"a": (0.1, 10.0), "c": (0.1, 10.0)}),
        ("sqrt(x**2 + y**2)", {}),
        ("where(x > 0, x, y)", {}),
        ("min(x, y) + abs(x)", {}),
    ]:
        program = read(text)
        plain = module_source([(program, read_options(assume=ranges))], KINDS, "m")
        searched = module_source([(program, read_options(assume=ranges, accuracy="search"))], KINDS, "m")
        assert searched.text == plain.text, text
        report = search(derive(program, "backward", None), "backward", (), dict(ranges), "float64").report
        assert report.note == "nothing found"
        assert report.gained == 0
        assert not report.replaced


EDGES = (0.0, -0.0, 1.0, -1.0, 2.5, 1e-300, 1e200, -1e200, math.inf, -math.inf, math.nan)


@pytest.mark.parametrize(
    "text",
    [
        "sqrt(x) - sqrt(y)",
        "log(x) - log(y)",
        "exp(x) - exp(y)",
        "x**0.3 - y**0.3",
        "atan(x) - atan(y)",
        "1/x - 1/y",
    ],
)
def test_edges_stay(text):
    plain, searched = tl.compile(text), tl.compile(text, accuracy="search")
    assert searched.accuracy_report["forward"].replaced
    x, y = (part.ravel() for part in np.meshgrid(EDGES, EDGES))
    pairs = ((plain(x, y), searched(x, y)), *zip(plain.grad(x, y), searched.grad(x, y), strict=True))
    for before, after in pairs:
        assert (np.isnan(before) == np.isnan(after)).all(), (x[np.isnan(before) != np.isnan(after)], y)
        assert (np.isinf(before) == np.isinf(after)).all()
        near = np.isclose(before, after, rtol=1e-8, atol=1e-300) | ~np.isfinite(before)
        assert near.all()


def test_a_branch_not_taken_still_contributes_nothing():
    f = tl.compile("where(x > 0, sqrt(x + 1) - 1, x - sin(x))", accuracy="search")
    assert f(1e-12) == pytest.approx(5e-13, rel=1e-11)
    assert f(-1e-3) == pytest.approx(-1e-9 / 6 * (1 - 1e-6 / 20), rel=1e-14)
    assert f.grad(-3.0)[0] == pytest.approx(1 - math.cos(3), rel=1e-14)
    assert f.grad(3.0)[0] == pytest.approx(0.25, rel=1e-14)


def test_comparisons_see_what_was_written():
    program = derive(read("where(sin(x + h) - sin(x) > h, 0.5, sin(x + h) - sin(x))"), "forward", None)
    found = search(program, "forward", (), {"x": (-3.0, 3.0), "h": (-1.0, 1.0)}, "float64")
    assert found.report.replaced
    graph = found.program.graph
    [choice] = [node for node, op in enumerate(graph.ops) if op == "select"]
    compared = {graph.ops[arg] for node in graph.args[graph.args[choice][0]] for arg in graph.args[node]}
    assert compared == {"sin"}
    assert graph.ops[graph.args[choice][2]] != "sub"


def test_every_kernel_is_searched_after_differentiation():
    f = tl.compile("x - sin(x)", accuracy="search", assume={"x": (-2.0, 2.0)})
    x = 1e-5
    assert f(x) == pytest.approx(x**3 / 6, rel=1e-10)
    for slope in (
        f.grad(x)[0],
        f.backward(1.0, x)[0],
        f.forward_backward(1.0, x)[1][0],
        f.value_and_grad(x)[1][0],
        f.jvp((x,), (1.0,))[1],
        f.jacobian(x)[0, 0],
        f.derivative("grad")(x),
    ):
        assert slope == pytest.approx(x**2 / 2, rel=1e-10)
    kinds = {row.kind for row in f.accuracy_report.kernels}
    assert kinds == {"forward", "backward", "forward_backward", "grad", "value_and_grad", "jvp", "jacobian"}


def test_several_outputs_and_shapes():
    f = tl.compile(
        lambda p: np.stack([np.sqrt(p[0] + 1) - 1, np.cos(p[1]) * 3, p[0] - np.sin(p[0])]),
        inputs={"p": (2,)},
        name="f",
        accuracy="search",
        assume={"p": (-0.5, 0.5)},
    )
    first, second, third = f(np.array([1e-9, 1.0]))
    assert first == pytest.approx(5e-10, rel=1e-9)
    assert second == pytest.approx(3 * math.cos(1.0))
    assert third == pytest.approx(1e-27 / 6, rel=1e-12)
    rows = {row.name: row for row in f.accuracy_report["forward"].outputs}
    assert rows["out[0]"].mean_before - rows["out[0]"].mean_after > 3
    assert rows["out[1]"].mean_before == rows["out[1]"].mean_after
    [first, *_] = f.accuracy_report["forward"].replaced
    assert first.outputs == ("out",)


def test_single_precision_is_measured_in_single_precision():
    text, ranges = "x - sin(x)", {"x": (-1.0, 1.0)}
    f = tl.compile(text, dtype="float32", accuracy="search", assume=ranges)
    x = np.float32(1e-2)
    assert f(x) == pytest.approx(float(x) ** 3 / 6 * (1 - float(x) ** 2 / 20), rel=3e-7)
    [row] = f.accuracy_report["forward"].outputs
    assert 4 < row.mean_before < 35
    assert row.mean_after < 1
    double = tl.compile(text, accuracy="search", assume=ranges)
    assert f.op_counts()["total"] < double.op_counts()["total"]  # a shorter series is enough


@pytest.mark.parametrize("kind", ["forward", "backward"])
@pytest.mark.parametrize("accuracy", [None, "search"])
def test_the_report_agrees_with_an_independent_measurement(kind, accuracy):
    text, ranges = "(-b + sqrt(b**2 - 4*a*c))/(2*a)", {"a": (0.1, 10.0), "c": (0.1, 10.0)}
    program = read(text)
    derived = derive(program, kind, None)
    report = search(derived, kind, (), ranges, "float64").report
    judges = collect(derived, ranges, "float64", HELD_OUT, JUDGES)
    kernel = build_kernel(program, kind, None, read_options(assume=ranges, accuracy=accuracy))
    results = kernel(list(judges.lanes))
    for row, result in zip(report.outputs, results, strict=True):
        truths = [evaluate_flat(derived, point, 25) for point in judges.lanes.T.tolist()]
        at = [output.name for output in derived.outputs].index(row.name)
        measured = np.mean(bits(result, [truth[at] for truth in truths]))
        assert measured == pytest.approx(row.mean_after if accuracy else row.mean_before, abs=0.25)
        assert row.points == JUDGES


def test_a_wrong_identity_is_not_taken(monkeypatch):
    program = derive(read("sin(x + h) - sin(x)"), "forward", None)
    ranges = {"x": (-3.0, 3.0), "h": (-0.999, 1.0)}
    monkeypatch.setitem(identities._DIFFERENCES, "sin", identities._product_of("sines", 3, "cos", "sin"))
    found = search(program, "forward", (), ranges, "float64")
    assert "sines" not in {row.identity for row in found.report.replaced}


def test_a_wrong_condition_is_seen_at_the_points_outside(monkeypatch):
    # log(x) - log(y) as log1p without its guard would have values where x and y are negative.
    monkeypatch.setattr(identities.Signs, "is_positive", lambda self, node: True)
    program = derive(read("log(x) - log(y)"), "forward", None)
    found = search(program, "forward", (), {"x": (-10.0, 9.999)}, "float64")
    for row in found.report.replaced:
        assert row.when, row


def test_two_ways_are_joined_at_a_threshold_where_each_is_better_on_its_side(monkeypatch):
    # Without its guard, the conjugate is as bad on the left as the difference is on the right.
    def unguarded(builder, node, signs):
        for made in identities.alternatives(builder, node, signs):
            if made.near and made.name == "conjugate":
                yield made._replace(node=made.form, when=None, near=False)

    monkeypatch.setattr("tapeless.accuracy.search.alternatives", unguarded)
    program = derive(read("hypot(x, 1) - x"), "forward", None)
    found = search(program, "forward", (), {"x": (-1e6, 1e6)}, "float64")
    assert [row.identity for row in found.report.replaced] == ["regimes"]
    [row] = found.report.outputs
    assert row.mean_before > 5
    assert row.mean_after < 1
    assert "select" in found.program.graph.ops


def test_a_threshold_lies_between_its_points_and_is_short():
    keys = np.arange(1.0, 13.0)
    left, right = np.where(keys < 7, 0.0, 9.0), np.where(keys < 7, 9.0, 0.0)
    cut = _cut(left, right, keys, 4.0)
    assert cut is not None
    assert 6 < cut <= 7
    assert _cut(right, left, keys, 4.0) is None  # neither way gains
    assert _cut(left, right, keys, 0.1) is None  # one way alone is as good
    assert _between(1e-9, 1e-3) == Fraction("0.000001")
    assert 1 < _between(1.0, math.nextafter(1.0, 2)) <= math.nextafter(1.0, 2)


def test_the_last_word_has_an_evaluation_with_many_digits():
    program = read("x - sin(x)")
    judges = collect(program, {"x": (0.01, 1.0)}, "float64", HELD_OUT, 24)
    assert _is_same(program, judges, "float64")
    for other in ("x**3/6", "(x - sin(x))*(1 + 1e-13)", "sqrt(-x)"):
        assert not _is_same(read(other), judges, "float64")


def test_the_same_again():
    program = derive(read("1/sqrt(x) - 1/sqrt(x + 1)"), "grad", None)
    from tapeless.accuracy import search as module

    digests = set()
    for _ in range(2):
        module._known.clear()
        digests.add(search(program, "grad", ("x",), {"x": (0.1, 1e6)}, "float64").program.digest())
    assert len(digests) == 1


def test_long_programs_are_not_searched_and_say_so():
    f = tl.compile(
        lambda x: sum(np.sin(x * k) * np.cos(x - k) for k in range(200)), name="f", accuracy="search"
    )
    assert len(f.program.graph) > LIMIT
    assert f.accuracy_report["forward"].note.startswith("not searched: ")


def test_a_domain_that_no_point_is_found_in():
    f = tl.compile("sqrt(x) - 1", accuracy="search", assume={"x": (-9.0, -1.0)})
    assert f.accuracy_report["forward"].note == "not searched: no points were found in its domain"
    assert np.isnan(f(-2.0))
    assert f(4.0) == 1.0
