"""Peers compute our numbers, each in its own words; those that are not installed are skipped."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless
from tapeless.bench.compare import difference
from tapeless.bench.peers import registry
from tapeless.bench.peers.numba import loop_source
from tapeless.bench.peers.registry import KINDS, PEERS, Peer, Problem, choose
from tapeless.bench.points import cotangents_of, find_points, lanes_of
from tapeless.errors import ArgumentError, UnsupportedError

# torch.compile takes tens of seconds.
QUICK = [name for name, peer in PEERS.items() if name != "torch.compile" and not peer.missing]
FORMULAS = {
    "one output": ("f(x, y) = where(x < y, exp(-x)*y, tanh(y)) + sqrt(2)*max(x, 1/3)", None),
    "in another order": ("f(x, y) = exp(x)/(1 + y**2)", ("y", "x")),
    "several": ("f(x, y):\n    return x*y + 1, sin(x)/(2 + y**2), y", None),
    "shapes, one input": ("f(x[3], y):\n    return y*x, x[0]*x[2]", ("y",)),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("formula", list(FORMULAS))
@pytest.mark.parametrize("name", QUICK)
@pytest.mark.filterwarnings("ignore")
def test_a_peer_computes_our_numbers(name, formula, dtype):
    text, wrt = FORMULAS[formula]
    function = tapeless.compile(text, dtype=dtype, wrt=wrt)
    problem = Problem(function.program, function.wrt, dtype)
    batch = find_points(function, {"x": (0.1, 2.0), "y": (0.1, 2.0)}, 0).batch(9)
    cotangents = cotangents_of(function, 9, 0)
    prepared = PEERS[name].prepare(problem)
    for what in KINDS:
        given = lanes_of(cotangents) if problem.takes_cotangents(what) else []
        try:
            found = prepared.bind(what, batch.lanes, given)()
        except UnsupportedError:
            assert (name, what) in {("numexpr", "backward"), ("numexpr", "fused")}
            continue
        arguments = (cotangents, *batch.primals) if given else batch.primals
        ours = flat(getattr(function, problem.kind(what))(*arguments))
        assert difference(found, lanes_of(ours)) < (1e-12 if dtype == "float64" else 1e-4)
        computed = {np.asarray(array).dtype.kind for array in found}
        assert computed <= {"f", "i"}  # a constant may be a whole number


def flat(results):
    return [a for part in results for a in flat(part)] if isinstance(results, tuple) else [results]


def test_what_a_problem_asks():
    one = Problem(tapeless.compile("x*y").program, ("y",), "float64")
    assert one.pointwise
    assert one.wrt_lanes == (1,)
    assert [one.kind(what) for what in KINDS] == ["forward", "backward", "value_and_grad"]
    assert [one.takes_cotangents(what) for what in KINDS] == [False, True, False]
    many = Problem(tapeless.compile("f(x[2], y):\n    return x, y").program, ("y", "x"), "float64")
    assert not many.pointwise
    assert many.wrt_lanes == (2, 0, 1)
    assert many.kind("fused") == "forward_backward"
    assert many.takes_cotangents("fused")


def test_peers_are_chosen_by_name(monkeypatch):
    assert choose("none") == ([], [])
    [found], absent = choose(["numpy", "numpy"])
    assert (found.name, absent) == ("numpy", [])
    with pytest.raises(
        ArgumentError, match=r"no peer 'scipy'; there are numpy, numexpr, .*heyoka, or all, or none"
    ):
        choose(["scipy"])
    gone = Peer("gone", ("a_package_that_is_not_here",), "nowhere:Nothing", "")
    monkeypatch.setattr(registry, "PEERS", {"numpy": PEERS["numpy"], "gone": gone})
    there, absent = choose("all")
    assert [peer.name for peer in there] == ["numpy"]
    assert absent == [gone]
    with pytest.raises(ArgumentError, match="pip install a-package-that-is-not-here"):
        choose(["gone"])


def test_choosing_peers_imports_none_of_them(tmp_path):
    import subprocess
    import sys

    code = """
import sys
from tapeless.bench.peers.registry import choose
choose("all")
print([name for name in ("torch", "jax", "numba", "numexpr", "heyoka", "sympy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_lambdify_stays_in_single_precision():
    problem = Problem(tapeless.compile("sqrt(2)*x + sin(1)", dtype="float32").program, ("x",), "float32")
    [found] = PEERS["numpy"].prepare(problem).bind("forward", [np.ones(3, np.float32)], [])()
    assert found.dtype == np.float32


def test_a_formula_that_lambdify_cannot_write(monkeypatch):
    from tapeless.bench.peers import lambdified

    monkeypatch.setattr(lambdified, "find_spec", lambda name: None)
    problem = Problem(tapeless.compile("erf(x)").program, ("x",), "float64")
    with pytest.raises(UnsupportedError, match="scipy would bring"):
        PEERS["numpy"].prepare(problem).bind("forward", [np.ones(3)], [])


def test_the_loop_that_numba_compiles():
    source = loop_source(("x0", "x1"), ("t0 = x0*x1",), ("t0", "1.0"), parallel=False)
    scope = {"range": range, "len": len}
    exec(source, scope)
    first, second = np.empty(3), np.empty(3)
    scope["loop"](np.arange(3.0), np.full(3, 2.0), first, second)
    np.testing.assert_array_equal(first, [0, 2, 4])
    np.testing.assert_array_equal(second, [1, 1, 1])
    assert "prange" in loop_source(("x0",), (), ("x0",), parallel=True)
