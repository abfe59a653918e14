"""Constants of moderate size, which may be multiplied before anything else."""

import pytest

from tapeless.api import read
from tapeless.ir.constants import moderate_constants


def is_moderate(text):
    """Whether the factor of x in a formula is a moderate constant."""
    graph = read(f"x*({text})").graph
    [product] = [args for op, args in zip(graph.ops, graph.args, strict=True) if op == "mul"][-1:]
    [factor] = [arg for arg in product if graph.constants()[arg]]
    return factor in moderate_constants(graph)


@pytest.mark.parametrize(
    "text", ["3", "-0.5", "pi", "sqrt(2)", "2/sqrt(pi)", "exp(-3)", "log(10)", "cos(1)", "2**0.5"]
)
def test_constants_of_ordinary_formulas_are(text):
    assert is_moderate(text)


@pytest.mark.parametrize("text", ["1e200", "exp(100)", "exp(-100)", "sqrt(1e-300)", "erf(0.3)", "oo"])
def test_what_is_extreme_or_unknown_is_not(text):
    assert not is_moderate(text)


def test_inputs_are_no_constants():
    graph = read("x*sin(y) + pi").graph
    assert {graph.ops[node] for node in moderate_constants(graph)} == {"named"}
