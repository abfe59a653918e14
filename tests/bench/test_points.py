"""What is timed: points of the domain."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless
from tapeless.bench.points import cotangents_of, find_points, lanes_of
from tapeless.errors import ArgumentError


def test_points_lie_in_the_ranges_and_are_finite():
    function = tapeless.compile("log(x)/y")
    points = find_points(function, {"y": (2.0, 3.0)}, 0)
    assert np.all((points.table[:, 1] >= 2) & (points.table[:, 1] <= 3))
    assert np.all(points.table[:, 0] > 0)
    assert 0.2 < points.share < 0.9  # half of the default draws are negative
    batch = points.batch(1000)
    assert np.isfinite(function(*batch.primals)).all()


def test_where_only_the_derivative_is_infinite():
    points = find_points(tapeless.compile("log(x)", dtype="float32"), {"x": (1e-41, 1e-35)}, 0)
    assert np.isfinite(1 / points.table).all()
    assert 0.2 < points.share < 0.95


def test_the_same_seed_the_same_points():
    function = tapeless.compile("x*y")
    first, second, other = (find_points(function, {}, seed).batch(50).lanes[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_shaped_inputs_and_one_array_per_scalar():
    function = tapeless.compile("f(x[2,2], y) = y*x[0,1]", dtype="float32")
    batch = find_points(function, {}, 0).batch(5)
    assert [array.shape for array in batch.primals] == [(5, 2, 2), (5,)]
    assert len(batch.lanes) == 5
    assert all(lane.flags.c_contiguous and lane.dtype == np.float32 for lane in batch.lanes)
    np.testing.assert_array_equal(batch.primals[0][:, 1, 0], batch.lanes[2])
    assert batch.primals[1] is batch.lanes[4]


def test_cotangents_have_the_shape_of_the_outputs():
    function = tapeless.compile("f(x[2]):\n    return 2*x, x[0]")
    first, second = cotangents_of(function, 7, 0)
    assert (first.shape, second.shape) == ((7, 2), (7,))
    lanes = lanes_of((first, second))
    np.testing.assert_array_equal(lanes[1], first[:, 1])
    assert lanes[2] is second


def test_assumptions_are_heeded_and_ranges_go_first():
    function = tapeless.compile("log(x)", assume={"x": (5.0, 6.0)})
    assert find_points(function, {}, 0).table.min() >= 5
    assert find_points(function, {"x": (1.0, 2.0)}, 0).table.max() <= 2


def test_bad_ranges_and_empty_domains():
    with pytest.raises(ArgumentError, match="range is given for 'z'"):
        find_points(tapeless.compile("x"), {"z": (0.0, 1.0)}, 0)
    with pytest.raises(ArgumentError, match=r"say where to look with --range x=LOW:HIGH"):
        find_points(tapeless.compile("sqrt(-1 - x**2)"), {}, 0)


def test_a_function_without_derivative_in_c():
    assert find_points(tapeless.compile("gamma(x)"), {"x": (1.0, 2.0)}, 0).share == 1.0
