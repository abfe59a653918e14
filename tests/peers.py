"""The models in CasADi, for comparison: derivatives, their patterns, and their operations by our own way to count."""

from __future__ import annotations

from typing import Any

import casadi

from models import Model

_FREE = frozenset((casadi.OP_INPUT, casadi.OP_OUTPUT, casadi.OP_CONST, casadi.OP_ASSIGN, casadi.OP_PARAMETER))


def expressions(model: Model, kind: str) -> tuple[list[Any], list[Any]]:
    """Return inputs and outputs of a kind of derivative in CasADi, before common subexpressions are shared.

    Parameters
    ----------
    model
        The model.
    kind
        `"forward"`, `"value_and_grad"`, `"forward_backward"` (the cotangents are inputs), `"jacobian"` or
        `"hessian"`; the second to the last need one result, a vector of results, any, one.
    """
    x = casadi.SX.sym("x", model.size)
    value = casadi.vertcat(*model.function(x, casadi))
    if kind == "forward":
        return [x], [value]
    if kind == "value_and_grad":
        return [x], [value, casadi.gradient(value, x)]
    if kind == "forward_backward":
        bar = casadi.SX.sym("bar", model.outputs)
        return [x, bar], [value, casadi.jtimes(value, x, bar, True)]
    if kind == "jacobian":
        return [x], [casadi.jacobian(value, x)]
    assert kind == "hessian"
    return [x], [casadi.hessian(value, x)[0]]


def function(model: Model, kind: str) -> Any:
    """Return a kind of derivative as a `casadi.Function`, common subexpressions shared."""
    inputs, outputs = expressions(model, kind)
    return casadi.Function("f", inputs, casadi.cse(outputs))


def operations(function: Any) -> int:
    """Count the operations of a `casadi.Function`: each instruction that computes counts 1, a power as well."""
    return sum(function.instruction_id(k) not in _FREE for k in range(function.n_instructions()))
