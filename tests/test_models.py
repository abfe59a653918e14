"""Whole models: every derivative right against mpmath and CasADi, and in few operations."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

import tapeless as tl
from models import LARGE, MODERATE, lennard_jones, rosenbrock
from tapeless.api import read
from tapeless.kinds import derive
from tapeless.targets.c.counts import op_counts
from tapeless.targets.c.lower import lower
from tapeless.targets.reference import evaluate, numerical_gradient
from tapeless.transforms.reverse import gradient

moderate = pytest.mark.parametrize("model", MODERATE, ids=lambda model: model.name)
large = pytest.mark.parametrize("model", LARGE, ids=lambda model: model.name)


@cache
def compiled(model):
    return tl.compile(model.traceable(tl), inputs={"x": (model.size,)})


def traced(model):
    """The graph as the trace leaves it, before any rule of the simplifier."""
    return read(model.traceable(tl), inputs={"x": (model.size,)})


def count(model, kind):
    """Operations per point of the finished kernel."""
    return op_counts(lower(derive(traced(model), kind, None), kind, "float64"))["total"]


def with_gradient(model):
    """The kind that gives value and cotangents in one pass."""
    return "value_and_grad" if model.outputs == 1 else "forward_backward"


def assert_close(found, wanted, tolerance=1e-12):
    """Compare by the largest entry: small ones are differences of large ones."""
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    assert found.shape == wanted.shape
    assert np.max(np.abs(found - wanted)) <= tolerance * np.max(np.abs(wanted))


def slopes(program, point):
    """The Jacobian by differences in high precision."""
    rows = numerical_gradient(program, {"x": point}, 30)
    assert all(slope.exists for row in rows for slope in row)
    return [[float(slope.value) for slope in row] for row in rows]


# ---- right


@moderate
def test_values_and_first_derivatives_are_those_of_differences_in_high_precision(model):
    [point] = model.points(1)
    f = compiled(model)
    value = np.atleast_1d(np.asarray(f(np.array(point))))
    assert_close(value, [float(out) for out in evaluate(traced(model), {"x": point}, 30)])
    wanted = slopes(traced(model), point)
    assert_close(f.jacobian(point), wanted)
    assert_close(f.jacobian(point, sparse=True).toarray(), wanted)
    cotangents = tuple(float(k + 1) for k in range(model.outputs))
    assert_close(f.backward(cotangents, point)[0], np.array(cotangents) @ np.array(wanted))


@moderate
def test_the_gradient_comes_with_the_value_and_the_hessian_is_the_slope_of_the_gradient(model):
    model = model.scalar()
    [point] = model.points(1, seed=1)
    f = compiled(model)
    value, (slope,) = f.value_and_grad(point)
    assert_close(value, float(evaluate(traced(model), {"x": point}, 30)[0]))
    assert_close([slope], slopes(traced(model), point))
    # Differences of the gradient, which the line above checks: the rules of the Hessian are not used.
    wanted = slopes(gradient(traced(model)), point)
    hessian = f.hessian(point)
    assert_close(hessian, wanted)
    assert np.array_equal(hessian, hessian.T)
    assert_close(f.hessian(point, sparse=True).toarray(), wanted)
    direction = np.cos(np.arange(model.size))
    assert_close(f.hvp([point], [direction])[0], np.array(wanted) @ direction)


@pytest.mark.parametrize("model", [model for model in MODERATE if model.arrays], ids=lambda model: model.name)
def test_a_model_in_whole_arrays_is_the_same(model):
    [point] = model.points(1, seed=4)
    for one in (model, model.scalar()):
        assert_close(np.ravel(one.arrays(np.array(point), np)), one.function(point, np))


@moderate
def test_a_batch_is_its_points_one_by_one(model):
    points = np.array(model.points(5, seed=2))
    f = compiled(model)
    assert_close(f.jacobian(points), np.stack([f.jacobian(point) for point in points]))
    g = compiled(model.scalar())
    assert_close(g.hessian(points), np.stack([g.hessian(point) for point in points]))


@moderate
def test_casadi_finds_the_same(model):
    peers = pytest.importorskip("peers", exc_type=ImportError)
    [point] = model.points(1, seed=3)
    f, g = compiled(model), compiled(model.scalar())
    assert_close(f.jacobian(point), np.array(peers.function(model, "jacobian")(point)))
    value, (slope,) = g.value_and_grad(point)
    their_value, their_slope = peers.function(model.scalar(), "value_and_grad")(point)
    assert_close(value, float(their_value))
    assert_close(slope, np.array(their_slope)[:, 0])
    assert_close(g.hessian(point), np.array(peers.function(model.scalar(), "hessian")(point)))


def places(program):
    """The entries that a sparse kind computes, as a set."""
    pattern = program.outputs[0].pattern
    return set(zip(pattern.rows, pattern.columns, strict=True))


@pytest.mark.parametrize(
    "model", [*MODERATE, lennard_jones(10), rosenbrock(100)], ids=lambda model: model.name
)
def test_entries_that_are_zero_by_structure_are_those_casadi_sees(model):
    peers = pytest.importorskip("peers", exc_type=ImportError)
    theirs = peers.function(model, "jacobian").sparsity_out(0)
    assert places(derive(traced(model), "sparse_jacobian", None)) == set(
        zip(theirs.row(), theirs.get_triplet()[1], strict=True)
    )
    model = model.scalar()
    theirs = peers.function(model, "hessian").sparsity_out(0)
    upper = {(i, j) for i, j in zip(*theirs.get_triplet(), strict=True) if i <= j}
    assert places(derive(traced(model), "sparse_hessian", None)) == upper


# ---- in few operations


@large
def test_a_gradient_costs_about_as_much_as_three_values(model):
    assert count(model, with_gradient(model)) <= 3.2 * count(model, "forward")


def test_gradients_take_fewer_operations_than_those_of_casadi():
    peers = pytest.importorskip("peers", exc_type=ImportError)
    ratios = {}
    for model in LARGE:
        kind = with_gradient(model)
        ratios[model.name] = count(model, kind) / peers.operations(peers.function(model, kind))
    assert {name: ratio for name, ratio in ratios.items() if ratio > 1.03} == {}
    assert math.prod(ratios.values()) ** (1 / len(ratios)) < 1


@pytest.mark.parametrize(
    ("model", "most"), [(lennard_jones(20), 12_300), (rosenbrock(1000), 8_000)], ids=("lj", "rosenbrock")
)
def test_hessians_take_no_more_operations_than_edge_pushing_should(model, most):
    assert count(model, "sparse_hessian") <= most
