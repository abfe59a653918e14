"""Lowering: constants rounded once, n-ary operations as pairs, nothing computed twice, nothing idle."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from tapeless.errors import UnsupportedError
from tapeless.ir.graph import Builder
from tapeless.ir.primitives import PRIMITIVES, Extern
from tapeless.ir.program import Input, Output, finish
from tapeless.targets.c.counts import op_counts
from tapeless.targets.c.emit import emit
from tapeless.targets.c.kernel import Literal
from tapeless.targets.c.lower import lower
from tapeless.targets.c.spelling import spellable
from tapeless.transforms.written_out import WRITTEN_OUT


def kernel(build, arity=2, dtype="float64"):
    b = Builder()
    node = build(b, *(b.input(k) for k in range(arity)))
    program = finish("f", [Input("xyz"[k]) for k in range(arity)], [Output("out", (node,))], b)
    return lower(program, "forward", dtype)


def ops(k):
    return [s.op for s in k.statements if s.op != "load"]


def literals(k):
    return [a.value for s in k.statements for a in s.args if isinstance(a, Literal)]


def test_every_primitive_but_structure_is_spelt_in_c_or_known_as_extern():
    assert [name for name in PRIMITIVES if not spellable(name) and name not in WRITTEN_OUT] == ["extern"]


def test_constants_are_rounded_once():
    k = kernel(lambda b, x, y: b.mul(x, b.div(b.rational(2), b.call("sqrt", b.named("pi")))))
    assert literals(k) == [1.1283791670955126]  # 2/sqrt(pi) = 1.12837916709551257389...
    assert ops(k) == ["mul"]


def test_constants_are_rounded_to_the_dtype():
    k = kernel(lambda b, x, y: b.mul(x, b.rational(Fraction(1, 10))), dtype="float32")
    assert literals(k) == [float.fromhex("0x1.99999ap-4")]


def test_a_constant_that_cancels_is_zero_not_noise():
    k = kernel(lambda b, x, y: b.add(x, b.call("sin", b.named("pi"))))
    assert literals(k) == [0.0]


def test_square_roots_and_half_powers_share():
    k = kernel(lambda b, x, y: b.add(b.pow(x, b.rational(Fraction(3, 2))), b.call("sqrt", x)))
    assert sorted(ops(k)) == ["add", "mul", "sqrt"]


def test_a_power_with_a_large_or_odd_exponent_calls_pow():
    assert ops(kernel(lambda b, x, y: b.pow(x, b.rational(1000)))) == ["pow"]
    assert ops(kernel(lambda b, x, y: b.pow(x, b.rational(Fraction(1, 3))))) == ["pow"]
    assert ops(kernel(lambda b, x, y: b.pow(x, y))) == ["pow"]


def test_a_huge_odd_power_keeps_its_sign():
    n = 2**53 + 1
    assert ops(kernel(lambda b, x, y: b.pow(x, b.rational(n)))) == ["abs", "pow", "copysign"]
    assert ops(kernel(lambda b, x, y: b.pow(x, b.rational(n - 1)))) == ["abs", "pow"]


def test_extrema_go_in_pairs():
    assert ops(kernel(lambda b, x, y: b.maximum(x, y, b.rational(1)))) == ["max", "max"]


def test_constant_conditions_are_decided():
    def build(b, x, y):
        never = b.compare("lt", b.named("pi"), b.rational(3))
        return b.select(b.or_(never, b.compare("lt", x, y)), x, b.select(never, b.call("log", y), y))

    assert ops(kernel(build)) == ["lt", "select"]


def test_what_no_output_needs_is_neither_counted_nor_kept_between_parts():
    def build(b, x, y):
        never = b.compare("lt", b.named("pi"), b.rational(3))
        kept = [b.call("cos", b.mul(b.rational(k + 2), x)) for k in range(30)]
        needless, total = b.call("sin", b.mul(x, y)), x
        for _ in range(300):
            total = b.call("sin", b.add(total, y))
        # The arm not taken is all that uses an early value, and all of it stands in a later part.
        total = b.select(never, b.call("exp", b.add(needless, total)), total)
        return b.sum([total, *(b.mul(value, total) for value in kept)])

    k = kernel(build)
    assert "exp" not in ops(k)
    assert op_counts(k)["total"] == len(ops(k))
    assert "sin" in emit([("f", [k])], "f").text


def test_infinities_and_nan_are_literals():
    assert literals(kernel(lambda b, x, y: b.maximum(x, b.neg(b.named("inf"))))) == [-math.inf]
    assert math.isnan(literals(kernel(lambda b, x, y: b.add(x, b.named("nan"))))[0])


def test_operations_are_counted_as_the_c_executes_them():
    k = kernel(lambda b, x, y: b.add(b.mul(x, y), b.call("sin", x)))
    assert op_counts(k) == {"mul": 1, "sin": 1, "add": 1, "total": 3}


def test_a_function_that_c_lacks_is_named_with_the_remedy():
    si = Extern("Si", "sympy.functions.special.error_functions:Si")
    with pytest.raises(UnsupportedError, match="no function Si"):
        kernel(lambda b, x, y: b.extern(si, x))
