"""Functions that the emitted C brings along: within a few ulp, special values as C's own, by every compiler."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess

import numpy as np
import pytest

import tapeless as tl
from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, finish
from tapeless.runtime.compiler import find_compiler
from tapeless.targets.c import vector_math
from tapeless.targets.c.emit import emit
from tapeless.targets.c.lower import lower
from tapeless.targets.c.vector_math import NEEDS, NORMS, OWN, needed
from tapeless.targets.reference import evaluate_flat
from tapeless.testing import ulp_error

PLAIN = ("-std=c11", "-O2", "-shared", "-fPIC")
BUILDS = {
    "host": lambda source, output: find_compiler().command(source, output),
    **{
        name: lambda source, output, name=name: [name, *PLAIN, source, "-o", output, "-lm"]
        for name in ("gcc", "clang")
        if shutil.which(name)
    },
}
DTYPES = ("float64", "float32")
NUMBERS = {
    "float64": (
        0.0, 5e-324, 1e-310, 2.2250738585072014e-308, 1e-300, 1e-20, 1e-8, 0.1, 0.34657359, 0.5, 0.693, 1.0, 1.5,
        2.0, 5.9, 20.0, 26.5, 27.2, 27.3, 40.0, 372.9, 700.0, 708.3, 709.0, 709.78, 709.79, 745.1, 745.14, 746.5, 1e5,
        1e154, 1e300, 1.7976931348623157e308,
    ),
    "float32": (
        0.0, 1e-45, 1e-40, 1.1754944e-38, 1e-30, 1e-10, 1e-4, 0.1, 0.34657359, 0.5, 0.693, 1.0, 1.5, 2.0, 3.9, 9.0,
        10.0, 10.06, 18.5, 44.0, 51.9, 87.3, 88.7, 88.73, 103.9, 104.5, 1e5, 1e19, 3.4028235e38,
    ),
}  # fmt: skip
AT_INFINITY = {
    "exp": (0.0, math.inf), "expm1": (-1.0, math.inf), "log": (math.nan, math.inf), "log1p": (math.nan, math.inf),
    "erf": (-1.0, 1.0), "erfc": (2.0, 0.0), "tanh": (-1.0, 1.0), "gauss": (0.0, 0.0), "sech2": (0.0, 0.0),
    "expit": (0.0, 1.0), "softplus": (0.0, math.inf), "sin": (math.nan, math.nan), "cos": (math.nan, math.nan),
}  # fmt: skip
KEEPS_MINUS_ZERO = {"expm1", "log1p", "erf", "tanh", "sin"}


ONE = sorted(OWN - NORMS - {"pow", "products", "exp_gap"})
"""The functions of one argument."""
COUNTS = {"pow": 2, "norm2": 2, "norm3": 3, "products": 4, "exp_gap": 2}


def program_of(name):
    builder = Builder()
    count = COUNTS.get(name, 1)
    node = builder.node(name, tuple(builder.input(k) for k in range(count)))
    return finish("f", [Input(f"x{k}") for k in range(count)], [Output("y", (node,))], builder)


@pytest.fixture(scope="module", params=BUILDS)
def build(request, tmp_path_factory):
    """Return a function that gives an own function of a name and dtype as one from array to array."""
    folder = tmp_path_factory.mktemp(request.param)

    def function(name, dtype):
        library = folder / f"{name}-{dtype}.so"
        if not library.exists():
            made = emit([("f", [lower(program_of(name), "forward", dtype)])], "f")
            (folder / "f.c").write_text(made.text)
            (folder / "f.h").write_text(made.header)
            subprocess.run(BUILDS[request.param]("f.c", library.name), cwd=folder, check=True)
        kernel = ctypes.CDLL(str(library)).f_forward

        def call(*given):
            arrays = [np.ascontiguousarray(x, dtype) for x in given]
            arrays.append(np.empty_like(arrays[0]))
            kernel(ctypes.c_ssize_t(arrays[0].size), *(ctypes.c_void_p(x.ctypes.data) for x in arrays))
            return arrays[-1]

        return call

    return function


def points(dtype):
    """Special numbers, both signs, and random ones dense in the exponent and over the middle."""
    rng = np.random.default_rng(7)
    kind = np.uint64 if dtype == "float64" else np.uint32
    dense = rng.integers(0, np.iinfo(kind).max, 60, dtype=kind).view(dtype)
    low, high = (-745, 709) if dtype == "float64" else (-103, 88)
    found = [
        NUMBERS[dtype], np.negative(NUMBERS[dtype]), dense, rng.uniform(-1, 1, 60), rng.uniform(-6, 6, 60),
        rng.uniform(low, high, 40), np.array((-1.0, np.nextafter(-1, 0), 1 - 1e-9, 1 + 1e-9)),
    ]  # fmt: skip
    joined = np.concatenate([np.asarray(part, dtype) for part in found])
    return joined[np.isfinite(joined)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_at_most_four_ulp(name, dtype, build):
    x = points(dtype)
    program = program_of(name)
    for at, found in zip(x.tolist(), build(name, dtype)(x).tolist(), strict=True):
        [truth] = evaluate_flat(program, [at], 40)
        if not (name in ("log", "log1p") and math.isinf(float(truth))):
            assert ulp_error(found, truth, dtype) <= 4, (at, found, truth)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_special_values(name, dtype, build):
    function = build(name, dtype)
    assert np.isnan(function([np.nan] * 20)).all()
    low, high = function([-np.inf, np.inf])
    assert np.array_equal([low, high], AT_INFINITY[name], equal_nan=True)
    zeros = function([0.0, -0.0])
    if name in KEEPS_MINUS_ZERO:
        assert np.array_equal(np.signbit(zeros), [False, True])
        assert not zeros.any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(NORMS))
def test_norms_of_numbers_of_any_size(name, dtype, build):
    count = int(name[-1])
    program = program_of(name)
    parts = np.array([*NUMBERS[dtype], *np.negative(NUMBERS[dtype][::3])], dtype)
    columns = np.array([np.roll(parts, shift) for shift in range(count)])
    columns = np.concatenate(
        [columns, np.roll(columns, 1, axis=1) * 0.75, np.tile(parts, (count, 1))], axis=1
    )
    for *point, found in zip(*columns.tolist(), build(name, dtype)(*columns).tolist(), strict=True):
        [truth] = evaluate_flat(program, point, 40)
        assert ulp_error(found, truth, dtype) <= 2, (point, found, truth)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(NORMS))
def test_norms_of_no_number(name, dtype, build):
    ones = [np.ones(3, dtype)] * (int(name[-1]) - 1)
    assert np.array_equal(
        build(name, dtype)([np.inf, -np.inf, np.nan], *ones), [np.inf, np.inf, np.nan], equal_nan=True
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_poles_and_beyond(dtype, build):
    assert np.array_equal(build("log", dtype)([0.0, -0.0]), [-np.inf, -np.inf])
    assert np.array_equal(build("log1p", dtype)([-1.0]), [-np.inf])
    assert np.isnan(build("log", dtype)([-1.0, -1e-30, -5e-324 if dtype == "float64" else -1e-45])).all()
    assert np.isnan(build("log1p", dtype)([-1.5, -1e30])).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_the_place_in_the_array_is_of_no_account(name, dtype, build):
    x = points(dtype)
    function = build(name, dtype)
    together = function(x)
    apart = np.concatenate([function(x[k : k + 1]) for k in range(len(x))])
    assert np.array_equal(together, apart, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_logistic_function_beside_softplus(dtype):
    """There it takes the exponential that softplus takes, by another formula than alone."""
    assert "expit" not in needed(["expit", "softplus"])
    f = tl.compile("f(x): return 1/(1 + exp(-x)), log(1 + exp(x))", dtype=dtype)
    assert f.source.count("vm_expm1_near_0(") + f.source.count("vm_expm1_near_0f(") == 2, (
        "made once, called once"
    )
    x = points(dtype)
    program = program_of("expit")
    for at, found in zip(x.tolist(), f(x)[0].tolist(), strict=True):
        [truth] = evaluate_flat(program, [at], 40)
        assert ulp_error(found, truth, dtype) <= 4, (at, found, truth)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_beside_multiples_of_a_quarter_turn(name, dtype, build):
    """Where the result is next to 0 every place of the reduction counts; to either side of the limits, too."""
    counts = [1, 2, 3, 4, 5, 7, 11, 344, 1023, 1024, 8192, 32767, 32768, 100_003, 1_048_575, 1_048_577, 10**9]
    x = np.array([k * math.pi / 2 for k in counts] + [1608.0, 51471.0, 1647099.0], dtype)
    x = np.concatenate([x, np.nextafter(x, np.zeros(1, dtype)), np.nextafter(x, 2 * x), -x, x / 2])
    program = program_of(name)
    for at, found in zip(x.tolist(), build(name, dtype)(x).tolist(), strict=True):
        [truth] = evaluate_flat(program, [at], 60)
        assert ulp_error(found, truth, dtype) <= 2.5, (at, found, truth)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_large_angle_does_not_change_its_neighbours(dtype, build):
    function = build("sin", dtype)
    x = np.linspace(-30, 30, 700).astype(dtype)
    alone = function(x)
    x[[3, 699]] = 1e15
    beside = function(x)
    assert np.array_equal(np.delete(beside, [3, 699]), np.delete(alone, [3, 699]))
    [truth] = evaluate_flat(program_of("sin"), [float(x[3])], 60)
    assert ulp_error(float(beside[3]), truth, dtype) <= 1
    assert beside[699] == beside[3]


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_are_not_rounded_before_they_are_subtracted(dtype, build):
    """Within two ulp where all but the last places cancel; infinities as the plain difference has them."""
    rng = np.random.default_rng(3)
    a, b = rng.uniform(1, 2, (2, 300)).astype(dtype)
    c = np.nextafter(a, 0 * a)
    columns = (a, b, c, (a * b / c).astype(dtype))
    program = program_of("products")
    for *point, found in zip(
        *(x.tolist() for x in columns), build("products", dtype)(*columns).tolist(), strict=True
    ):
        [truth] = evaluate_flat(program, point, 60)
        assert ulp_error(found, truth, dtype) <= 2, (point, found, truth)
    huge, one = np.finfo(dtype).max, np.ones(1, dtype)
    columns = [np.array([x], dtype) for x in (huge, huge, 2, 3)]
    assert build("products", dtype)(*columns)[0] == np.inf
    assert build("products", dtype)(*columns[2:], *columns[:2])[0] == -np.inf
    assert np.isnan(build("products", dtype)(np.nan * one, one, one, one)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_exponents_are_not_rounded_when_they_are_subtracted(dtype, build):
    rng = np.random.default_rng(4)
    limit = 700 if dtype == "float64" else 80
    a, b = rng.uniform(0, limit / 2, 400), rng.uniform(-limit / 2, 0, 400)
    a, b = (a * (1 + 1e-9)).astype(dtype), (b * rng.uniform(1e-3, 1, 400)).astype(dtype)
    program = program_of("exp_gap")
    for x, y, found in zip(a.tolist(), b.tolist(), build("exp_gap", dtype)(a, b).tolist(), strict=True):
        [truth] = evaluate_flat(program, [x, y], 60)
        assert ulp_error(found, truth, dtype) <= 3, (x, y, found, truth)
    inf, large = np.inf, np.finfo(dtype).max
    edges = np.array(
        [[0, inf], [inf, 0], [large, -large], [-large, large], [large, large], [inf, inf]], dtype
    ).T
    assert np.array_equal(build("exp_gap", dtype)(*edges), [0, inf, inf, 0, 1, np.nan], equal_nan=True)


POWERS = {
    "float64": [
        0.0,
        5e-324,
        1e-310,
        1e-300,
        0.3,
        0.5,
        1 - 2.0**-53,
        1.0,
        1 + 2.0**-52,
        1.5,
        2.0,
        3.0,
        2.0**53 - 1,
    ],
    "float32": [
        0.0,
        1e-45,
        1e-40,
        1e-30,
        0.3,
        0.5,
        1 - 2.0**-24,
        1.0,
        1 + 2.0**-23,
        1.5,
        2.0,
        3.0,
        2.0**24 - 1,
    ],
}
LARGE = {"float64": [2.0**53, 4.5e15, 1e30, 1e31, 1e300], "float32": [2.0**24, 1e7, 1e15, 1e16, 1e38]}


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_at_the_edges_are_those_of_c(dtype, build):
    """Every pair of special numbers, against the C library's pow (Annex F of C11)."""
    one_sign = np.array([*POWERS[dtype], *LARGE[dtype], np.inf], dtype)
    numbers = np.concatenate([one_sign, -one_sign, [np.nan]]).astype(dtype)
    x, y = (side.ravel() for side in np.meshgrid(numbers, numbers))
    found = build("pow", dtype)(x, y)
    with np.errstate(all="ignore"):
        known = np.power(x.astype("float64"), y.astype("float64")).astype(dtype)
    assert np.array_equal(np.isnan(found), np.isnan(known))
    assert np.array_equal(np.signbit(found)[~np.isnan(known)], np.signbit(known)[~np.isnan(known)])
    edge = (known == 0) | np.isinf(known) | (np.abs(x) == 1) | (y == 0)
    wrong = edge & (found != known) & ~np.isnan(known)
    assert not wrong.any(), list(zip(x[wrong], y[wrong], found[wrong], known[wrong], strict=True))[:5]


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_are_within_two_ulp(dtype, build):
    rng = np.random.default_rng(3)
    top = 709 if dtype == "float64" else 88
    x = np.concatenate(
        [rng.uniform(0, 3, 150), np.exp(rng.uniform(-top, top, 150)), 1 + rng.uniform(-1e-4, 1e-4, 100)]
    )
    x = x.astype(dtype)
    with np.errstate(divide="ignore"):
        y = (rng.uniform(-top, top, 400) / np.abs(np.log(x.astype("float64")))).astype(dtype)
    x[::7] *= -1
    y[::7] = np.rint(y[::7])
    program = program_of("pow")
    for a, b, found in zip(x.tolist(), y.tolist(), build("pow", dtype)(x, y).tolist(), strict=True):
        [truth] = evaluate_flat(program, [a, b], 60)
        assert ulp_error(found, truth, dtype) <= 2, (a, b, found, truth)


def test_an_input_called_like_a_type_is_no_type():
    f = tl.compile("f(floats) = sin(floats)")
    assert f(np.array([1.0, 1e15])).tolist() == [f(1.0), f(1e15)]
    assert "vm_is_farf" not in f.source


def test_functions_stand_after_what_they_need():
    order = list(NEEDS)
    for name, needs in NEEDS.items():
        assert all(order.index(other) < order.index(name) for other in needs)
    assert needed(["erf", "tan"]) == [
        "mad",
        "bits",
        "left_out",
        "exp_parts",
        "exp_near_0",
        "gauss_times",
        "erfc",
        "erf",
    ]


def test_a_wrong_coefficient_is_found(build, monkeypatch, tmp_path):
    """The check is checked: the last place of one coefficient."""
    numbers = dict(vector_math.numbers("float64"))
    numbers["exp_odd"] = numbers["exp_odd"].replace("0.16666666666666644", "0.16666666666656")
    monkeypatch.setattr(vector_math, "_FLOAT64", numbers)
    made = emit([("f", [lower(program_of("exp"), "forward", "float64")])], "f")
    (tmp_path / "f.c").write_text(made.text)
    (tmp_path / "f.h").write_text(made.header)
    subprocess.run(find_compiler().command("f.c", "f.so"), cwd=tmp_path, check=True)
    kernel = ctypes.CDLL(str(tmp_path / "f.so")).f_forward
    x, y = np.linspace(-1, 1, 200), np.empty(200)
    kernel(ctypes.c_ssize_t(200), ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
    assert (
        max(
            ulp_error(b, evaluate_flat(program_of("exp"), [a], 40)[0])
            for a, b in zip(x.tolist(), y.tolist(), strict=True)
        )
        > 4
    )
