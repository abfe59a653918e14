"""What signatures say of kernels."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl
from tapeless.kinds import derive, signature
from tapeless.runtime.arrays import Caller


def signature_of(text, kind, wrt=None):
    return signature(derive(tl.compile(text).program, kind, wrt), "f", "float64")


def used(found):
    return [operand.name for operand in found.operands if operand.used]


def same(found):
    return {
        result.name: found.operands[result.same].name for result in found.results if result.same is not None
    }


@pytest.mark.parametrize(
    ("text", "kind", "reads", "repeats"),
    [
        ("f(w, x, b) = w*x + b", "forward", ["w", "x", "b"], {}),
        ("f(w, x, b) = w*x + b", "backward", ["w", "x", "out_bar"], {"b_bar": "out_bar"}),
        ("f(x, y) = x", "forward", ["x"], {"out": "x"}),
        ("f(x, y) = floor(x)*y", "backward", ["x", "out_bar"], {}),
        ("f(x[3], y[3]) = x + y", "backward", ["out_bar"], {"x_bar": "out_bar", "y_bar": "out_bar"}),
        ("f(x[2], y[2]) = [x[1] + y[0], x[0] + y[1]]", "backward", ["out_bar"], {"y_bar": "out_bar"}),
        ("f(x, y) = x*y, x + y", "backward", ["x", "y", "out0_bar", "out1_bar"], {}),
    ],
)
def test_what_a_kernel_reads_and_what_it_repeats(text, kind, reads, repeats):
    found = signature_of(text, kind)
    assert used(found) == reads
    assert same(found) == repeats


def test_fewer_gradients_read_less():
    assert used(signature_of("f(w, x, b) = w*x + b", "backward", ("w",))) == ["x", "out_bar"]
    assert used(signature_of("f(w, x, b) = w*x + b", "backward", ("b",))) == ["out_bar"]


def test_what_is_not_read_is_not_read():
    """With NaN in what is said not to be read."""
    f = tl.compile("f(w, x, b) = w*x + b, exp(b)*x")
    for wrt in (None, "w", "x", "b"):
        caller: Caller = f._caller("backward", wrt)
        operands = [np.full(5, 2.0 if operand.used else np.nan) for operand in caller.signature.operands]
        assert np.isfinite(caller(operands)).all()
