"""Inputs laid out as one vector, outputs as one: the same values and derivatives in another arrangement."""

from __future__ import annotations

import numpy as np

from tapeless.api import compile_program, read
from tapeless.transforms.pack import Packed, pack

FORMULA = "f(a, x[2], b, m[2, 2]): \n return a*x[0] - b*m[0, 1], a + m[1, 0]*x[1]"


def test_members_come_in_the_order_asked():
    program = read(FORMULA)
    packed = pack(program, [Packed("v", ("m", "b")), Packed("x", ("x",), vector=False), Packed("w", ("a",))])
    assert [(item.name, item.shape) for item in packed.inputs] == [("v", (5,)), ("x", (2,)), ("w", (1,))]
    f, g = compile_program(program), compile_program(packed)
    a, b, x, m = 2.0, 3.0, np.array([5.0, 7.0]), np.array([[1.0, 4.0], [6.0, 8.0]])
    assert g(np.append(m, b), x, [a]) == f(a, x, b, m)


def test_outputs_join_into_one():
    packed = pack(read(FORMULA), [Packed("v", ("a", "x", "b", "m"))], join=True)
    [output] = packed.outputs
    assert (output.name, output.shape) == ("out", (2,))
    point = np.arange(8.0)
    f, g = compile_program(read(FORMULA)), compile_program(packed)
    parts = point[0], point[1:3], point[3], point[4:].reshape(2, 2)
    assert np.array_equal(g(point), f(*parts))
    assert np.array_equal(g.jacobian(point), f.jacobian(*parts))


def test_one_output_of_many():
    packed = pack(read(FORMULA), [Packed("v", ("a", "x", "b", "m"))], only=1)
    [output] = packed.outputs
    assert output.shape == ()
    assert compile_program(packed)(np.arange(8.0)) == 0.0 + 6.0 * 2.0


def test_an_input_that_is_not_used_is_kept():
    packed = pack(read("f(a, b) = 2*a"), [Packed("v", ("b", "a"))])
    assert packed.inputs[0].shape == (2,)
    assert compile_program(packed)([3.0, 5.0]) == 10.0
