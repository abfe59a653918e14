"""Every trap of the list is right: in both dtypes, alone and within a vector, in first and second order."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tapeless as tl
from traps import TRAPS, is_right, right

LENGTH, PLACE = 19, 9
"""More than two of the longest vectors, and neither end."""

traps = pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def truths(trap, names, point, wanted):
    return [None if w is None else right(w, names, point) for w in wanted]


def within(trap, point, dtype):
    """The point in the middle of a vector of benign ones."""
    columns = [np.full(LENGTH, x, dtype) for x in trap.others]
    for column, x in zip(columns, point, strict=True):
        column[PLACE] = x
    return columns


def upper(matrix):
    return [matrix[i, j] for i in range(len(matrix)) for j in range(i, len(matrix))]


def test_there_are_more_than_sixty_with_names_of_their_own():
    assert len(TRAPS) > 60
    assert len({trap.name for trap in TRAPS}) == len(TRAPS)


@dtypes
@traps
def test_right(trap, dtype):
    f = tl.compile(trap.text, dtype=dtype)
    point = [np.dtype(dtype).type(x) for x in trap.point(dtype)]
    columns = within(trap, point, dtype)
    wanted = truths(trap, f.input_names, point, [trap.value, *trap.gradient])
    value, slopes = f.value_and_grad(*columns)
    for found in (
        [f(*point), *f.grad(*point)],
        [value[PLACE], *(slope[PLACE] for slope in slopes)],
    ):
        for ours, truth in zip(found, wanted, strict=True):
            assert is_right(ours, truth, dtype), (ours, truth)
    if trap.second:
        wanted = truths(trap, f.input_names, point, trap.second)
        for found in (upper(f.hessian(*point)), upper(f.hessian(*columns)[PLACE])):
            for ours, truth in zip(found, wanted, strict=True):
                assert is_right(ours, truth, dtype), (ours, truth)


@dtypes
def test_neighbours_of_a_trap_are_not_touched(dtype):
    for trap in TRAPS[::7]:
        f = tl.compile(trap.text, dtype=dtype)
        columns = within(trap, [np.dtype(dtype).type(x) for x in trap.point(dtype)], dtype)
        alone = f.grad(*(np.full(LENGTH, x, dtype) for x in trap.others))
        for beside, slope in zip(f.grad(*columns), alone, strict=True):
            assert np.array_equal(np.delete(beside, PLACE), np.delete(slope, PLACE))


def test_what_counts_as_right():
    assert is_right(1.0, 1.0, "float64")
    assert is_right(1.0 + 1e-13, 1.0, "float64")
    assert not is_right(1.0 + 1e-11, 1.0, "float64")
    assert is_right(math.inf, math.inf, "float64")
    assert not is_right(-math.inf, math.inf, "float64")
    assert not is_right(math.nan, 0.0, "float64")
    assert not is_right(1e-200, 0.0, "float64")
    assert is_right(1.0 + 1e-6, 1.0, "float32")
