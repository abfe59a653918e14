"""The special functions: values, slopes, edges and the emitted C, with mpmath, SciPy and differences as truths."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import math
import random
import re
import shutil
import subprocess
from pathlib import Path

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy

import tapeless as tl
from tapeless.api import compile_program
from tapeless.errors import DerivativeError, UnsupportedError
from tapeless.ir import rules
from tapeless.ir.graph import Builder
from tapeless.ir.primitives import PRIMITIVES
from tapeless.ir.program import Input, Output, finish
from tapeless.ir.special import NAMES, SPECIAL
from tapeless.ir.special_meaning import MEANING
from tapeless.options import Options
from tapeless.targets.c import special
from tapeless.targets.reference import evaluate_flat, nearest, numerical_gradient
from tapeless.testing import ulp_error

ALL = [row.name for row in SPECIAL]
INF, NAN = math.inf, math.nan
SLOPED = [(row.name, k) for row in SPECIAL for k, rule in enumerate(row.rules) if rule]
RULELESS = [(row.name, k) for row in SPECIAL for k, rule in enumerate(row.rules) if not rule]


def points(name, count, seed=0):
    row, source = PRIMITIVES[name], random.Random(f"{name} {seed}")
    return [
        tuple(
            float(source.randint(int(low), int(high))) if arg in row.whole else source.uniform(low, high)
            for arg, (low, high) in zip(row.args, row.samples, strict=True)
        )
        for _ in range(count)
    ]


def program_of(name):
    count = len(PRIMITIVES[name].args)
    builder = Builder()
    node = builder.node(name, tuple(builder.input(k) for k in range(count)))
    return finish(name, [Input(f"a{k}") for k in range(count)], [Output("y", (node,))], builder)


def slope_program(name, position):
    """The partial by one argument, by the rule alone."""
    count = len(PRIMITIVES[name].args)
    builder = Builder()
    args = [builder.input(k) for k in range(count)]
    node = builder.node(name, tuple(args))
    (link,) = rules.links(builder, node, lambda arg: arg == args[position])
    slope = link.pull(builder.rational(1))
    return finish(name, [Input(f"a{k}") for k in range(count)], [Output("d", (slope,))], builder)


# ---------------------------------------------------------------- the table and the C


def test_every_row_has_its_meaning_and_its_part_of_the_C():
    assert set(ALL) == NAMES == set(MEANING)
    parts = special.parts()
    for name in ALL:
        assert f"double sf_{name}(" in parts[f"sf_{name}"]


def test_every_part_is_brought_by_some_function_and_stands_after_what_it_needs():
    parts = list(special.parts())
    assert special.brought(ALL) == parts
    for name, text in special.parts().items():
        needed = set(re.findall(r"\bsf_\w+", text)) & set(parts)
        assert all(parts.index(other) <= parts.index(name) for other in needed), name


def test_only_what_is_needed_is_brought():
    assert special.brought(["digamma", "sin"]) == [
        "sf_digamma_table", "sf_series", "sf_digamma_tail", "sf_digamma",
    ]  # fmt: skip
    assert "sf_" not in tl.compile("exp(x)*log(x)").source


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_C_compiles_without_a_warning(compiler, dtype, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    function = compile_program(everything(), Options(dtype=dtype))
    (tmp_path / f"{function.name}.h").write_text(function.header)
    (tmp_path / "f.c").write_text(function.source)
    strict = ["-std=c11", "-pedantic", "-O1", "-Wall", "-Wextra", "-Werror", "-Wshadow"]
    subprocess.run([compiler, *strict, "-c", "f.c"], cwd=tmp_path, check=True)


def everything():
    """All special functions as one program, each with inputs of its own."""
    builder, inputs, outputs = Builder(), [], []
    for name in ALL:
        args = []
        for k in range(len(PRIMITIVES[name].args)):
            args.append(builder.input(len(inputs)))
            inputs.append(Input(f"{name}_{k}"))
        outputs.append(Output(f"y_{name}", (builder.node(name, tuple(args)),)))
    return finish("special", inputs, outputs, builder)


class Library:
    """All functions in one library, called with columns of points for each."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.function = compile_program(everything(), Options(dtype=dtype))

    def values(self, chosen):
        longest = max(map(len, chosen.values()))
        columns = []
        for name in ALL:
            rows = [*chosen[name], *[chosen[name][0]] * (longest - len(chosen[name]))]
            columns += [np.array(column, self.dtype) for column in zip(*rows, strict=True)]
        with np.errstate(all="ignore"):
            results = self.function(*columns)
        found, k = {}, 0
        for name, result in zip(ALL, results, strict=True):
            own = columns[k : k + len(PRIMITIVES[name].args)]
            k += len(own)
            found[name] = [
                (tuple(float(column[i]) for column in own), float(result[i]))
                for i in range(len(chosen[name]))
            ]
        return found


@pytest.fixture(scope="module", params=["float64", "float32"])
def library(request):
    return Library(request.param)


# ---------------------------------------------------------------- values


def measure():
    path = Path(__file__).resolve().parent.parent / "benchmarks" / "special_functions.py"
    spec = importlib.util.spec_from_file_location("special_functions", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MEASURE = measure()


def test_the_benchmark_measures_all():
    assert set(MEASURE.CASES) == NAMES


@pytest.mark.parametrize("name", ALL)
def test_values_where_they_are_well_conditioned(name):
    program = program_of(name)
    function = compile_program(program, Options())
    for ranges in MEASURE.CASES[name]:
        found = MEASURE.measured(name, ranges, 30, function, program)
        assert found.points > 0
        assert found.well < 1e-13, found
        assert found.scaled < 1e-14, found


def test_values_in_both_dtypes(library):
    chosen = {name: points(name, 12) for name in ALL}
    for name, rows in library.values(chosen).items():
        program = program_of(name)
        for point, value in rows:
            [truth] = evaluate_flat(program, point, 30)
            if library.dtype == "float32":  # computed in double and rounded once
                assert ulp_error(value, truth, "float32") <= 0.51, (name, point)
            else:
                assert value == pytest.approx(float(truth), rel=2e-12, abs=0), (name, point)


SCIPY = {
    "digamma": "psi", "polygamma": "polygamma", "beta": "beta", "lbeta": "betaln", "erfinv": "erfinv",
    "erfcinv": "erfcinv", "erfcx": "erfcx", "log_ndtr": "log_ndtr", "ndtri": "ndtri", "dawson": "dawsn",
    "logit": "logit", "lambertw": "lambertw", "gammainc": "gammainc", "gammaincc": "gammaincc",
    "betainc": "betainc", "expi": "expi", "besselj": "jv", "bessely": "yv", "besseli": "iv", "besselk": "kv",
    "elliptic_k": "ellipk", "elliptic_e": "ellipe", "zeta": "zeta",
}  # fmt: skip


@pytest.mark.parametrize(("name", "theirs"), SCIPY.items())
def test_the_meaning_is_that_of_scipy(name, theirs):
    program = program_of(name)
    for point in points(name, 12):
        expected = getattr(scipy.special, theirs)(
            *((int(point[0]), point[1]) if name == "polygamma" else point)
        )
        assert float(evaluate_flat(program, point, 30)[0]) == pytest.approx(
            float(np.real(expected)), rel=1e-10, abs=0
        )


EDGES = [
    ("digamma", (0.0,), -INF), ("digamma", (-0.0,), INF), ("digamma", (-1.0,), NAN), ("digamma", (INF,), INF),
    ("digamma", (-INF,), NAN), ("digamma", (NAN,), NAN), ("digamma", (1e-300,), -1e300),
    ("digamma_gap", (2.0, 0.0), 0.0), ("digamma_gap", (1.0, INF), INF), ("digamma_gap", (NAN, 1.0), NAN),
    ("polygamma", (1.0, 0.0), INF), ("polygamma", (1.0, -2.0), INF), ("polygamma", (2.0, -2.0), NAN),
    ("polygamma", (1.5, 1.0), NAN), ("polygamma", (-1.0, 1.0), NAN), ("polygamma", (1.0, INF), 0.0),
    ("polygamma", (1.0, NAN), NAN),
    ("beta", (0.0, 1.0), INF), ("beta", (1.0, INF), 0.0), ("beta", (0.0, INF), NAN), ("beta", (-1.0, 2.5), NAN),
    ("beta", (1.0, NAN), NAN), ("beta", (1e-310, 2.0), INF), ("beta", (-0.5, 0.5), 0.0),
    ("lbeta", (0.0, 1.0), INF), ("lbeta", (1.0, INF), -INF), ("lbeta", (NAN, 1.0), NAN),
    ("erfinv", (1.0,), INF), ("erfinv", (-1.0,), -INF), ("erfinv", (1.5,), NAN), ("erfinv", (-0.0,), -0.0),
    ("erfinv", (NAN,), NAN),
    ("erfcinv", (0.0,), INF), ("erfcinv", (2.0,), -INF), ("erfcinv", (1.0,), 0.0), ("erfcinv", (-0.1,), NAN),
    ("erfcinv", (NAN,), NAN),
    ("erfcx", (INF,), 0.0), ("erfcx", (-INF,), INF), ("erfcx", (-30.0,), INF), ("erfcx", (0.0,), 1.0),
    ("erfcx", (NAN,), NAN),
    ("ierfcx", (-1.0, 3.0), 2 / math.sqrt(math.pi)), ("ierfcx", (2.0, INF), 0.0), ("ierfcx", (0.5, 1.0), NAN),
    ("ierfcx", (1.0, -INF), INF), ("ierfcx", (1.0, NAN), NAN),
    ("log_ndtr", (INF,), 0.0), ("log_ndtr", (-INF,), -INF), ("log_ndtr", (NAN,), NAN),
    ("ndtri", (0.0,), -INF), ("ndtri", (1.0,), INF), ("ndtri", (0.5,), 0.0), ("ndtri", (2.0,), NAN),
    ("dawson", (INF,), 0.0), ("dawson", (-0.0,), -0.0), ("dawson", (NAN,), NAN), ("dawson_slope", (0.0,), 1.0),
    ("dawson_slope", (INF,), 0.0),
    ("logit", (0.0,), -INF), ("logit", (1.0,), INF), ("logit", (0.5,), 0.0), ("logit", (1.5,), NAN),
    ("lambertw", (0.0,), 0.0), ("lambertw", (-0.0,), -0.0), ("lambertw", (INF,), INF), ("lambertw", (-0.4,), NAN),
    ("lambertw", (NAN,), NAN), ("lambertw_lower", (-0.0,), -INF), ("lambertw_lower", (0.1,), NAN),
    ("gammainc", (1.0, 0.0), 0.0), ("gammainc", (1.0, INF), 1.0), ("gammainc", (0.0, 1.0), NAN),
    ("gammainc", (1.0, -1.0), NAN), ("gammaincc", (1.0, 0.0), 1.0), ("gammaincc", (1.0, INF), 0.0),
    ("gammainc_by_shape", (1.0, 0.0), 0.0), ("gammainc_by_shape", (2.0, INF), 0.0),
    ("gammainc_by_shape", (0.0, 1.0), NAN), ("gammainc_by_shape", (2.0, -1.0), NAN),
    ("gammainc_by_shape", (INF, 1.0), NAN),
    ("gamma_density", (1.0, 0.0), 1.0), ("gamma_density", (0.5, 0.0), INF), ("gamma_density", (2.0, 0.0), 0.0),
    ("gamma_density", (0.0, 1.0), 0.0), ("gamma_density", (2.0, -1.0), NAN),
    ("betainc", (2.0, 3.0, 0.0), 0.0), ("betainc", (2.0, 3.0, 1.0), 1.0), ("betainc", (2.0, 3.0, 1.1), NAN),
    ("betainc", (0.0, 3.0, 0.5), NAN), ("beta_density", (1.0, 3.0, 0.0), 3.0), ("beta_density", (0.5, 3.0, 0.0), INF),
    ("beta_density", (0.0, 3.0, 0.5), 0.0),
    ("betainc_by_a", (2.0, 3.0, 0.0), 0.0), ("betainc_by_a", (2.0, 3.0, 1.0), 0.0),
    ("betainc_by_a", (0.0, 3.0, 0.5), NAN), ("betainc_by_b", (2.0, 3.0, 0.0), 0.0),
    ("betainc_by_b", (2.0, 3.0, 1.0), 0.0), ("betainc_by_b", (2.0, 3.0, 1.5), NAN),
    ("expint", (1.0, 0.0), INF), ("expint", (3.0, 0.0), 0.5), ("expint", (2.0, INF), 0.0),
    ("expint", (2.0, -1.0), NAN),
    ("expint", (1.5, 1.0), NAN), ("expi", (0.0,), -INF), ("expi", (INF,), INF), ("expi", (-INF,), -0.0),
    ("expi", (NAN,), NAN),
    ("besselj", (0.0, 0.0), 1.0), ("besselj", (1.0, 0.0), 0.0), ("besselj", (-0.5, 0.0), INF),
    ("besselj", (0.5, -1.0), NAN), ("besselj", (0.0, INF), 0.0), ("besselj", (0.0, NAN), NAN),
    ("bessely", (0.0, 0.0), -INF), ("bessely", (1.0, -1.0), NAN), ("bessely", (2.0, INF), 0.0),
    ("besseli", (0.0, 0.0), 1.0), ("besseli", (1.0, -INF), -INF), ("besseli", (2.0, -INF), INF),
    ("besselk", (0.0, 0.0), INF), ("besselk", (1.0, INF), 0.0), ("besselk", (1.0, -1.0), NAN),
    ("airyai", (INF,), 0.0), ("airyai", (-INF,), 0.0), ("airybi", (INF,), INF), ("airyai_slope", (-INF,), NAN),
    ("airybi_slope", (INF,), INF), ("airyai", (NAN,), NAN),
    ("elliptic_k", (1.0,), INF), ("elliptic_k", (-INF,), 0.0), ("elliptic_k", (1.5,), NAN),
    ("elliptic_e", (1.0,), 1.0), ("elliptic_e", (-INF,), INF), ("elliptic_d", (1.0,), INF),
    ("elliptic_d", (0.0,), math.pi / 4),
    ("zeta", (1.0, 1.0), INF), ("zeta", (-2.0, 1.0), 0.0), ("zeta", (0.0, 1.0), -0.5), ("zeta", (INF, 1.0), 1.0),
    ("zeta", (2.0, -1.0), NAN), ("zeta", (0.5, 2.0), NAN), ("zeta", (2.0, INF), 0.0),
]  # fmt: skip


def test_every_function_has_edges():
    assert {name for name, _, _ in EDGES} == NAMES


HARD = (0.0, 5e-324, 1e-20, -0.5, 1.0, 50.0, -50.5, 1e8, 1e300, INF, -INF, NAN)


@pytest.mark.parametrize("name", ALL)
def test_no_argument_hangs_and_nan_comes_through(name):
    function = compile_program(program_of(name), Options())
    count = len(PRIMITIVES[name].args)
    for point in itertools.product(HARD if count < 3 else (*HARD[::2], NAN), repeat=count):
        value = float(function(*point))
        assert math.isnan(value) or not any(map(math.isnan, point)), point


@pytest.mark.parametrize(
    "formula",
    [
        "bessely(170, x) + 0*x", "besselj(-101/2, x/10**20)", "bessely(7/10, x/10**300)", "polygamma(170, 170*x)",
        "gamma_density(1/2, x/10**300)", "lbeta(x/10**300, x/10**300)", "beta(x - 3/2, 1000)",
        "zeta(1 + x, 1/10**20)", "zeta(x - 200, 1)", "besselk(500, x + 800)", "besselk(1000, 800*x)",
        "besseli(1000, 800*x)", "besseli(2000, 2000*x)", "gamma_density(19/2, 970*x)", "gamma_density(9, 10**300*x)",
        "gammaincc(9, 970*x)",
    ],
)  # fmt: skip
def test_overflow_and_underflow_on_the_way(formula):
    f = tl.compile(formula)
    [truth] = evaluate_flat(f.program, [0.75], 30)
    assert f(0.75) == pytest.approx(nearest(truth), rel=1e-12, abs=0)


@pytest.mark.parametrize("name", ["besselj", "bessely"])
@pytest.mark.parametrize(
    ("v", "x"), [(11.84, 60.7), (29.04, 397.7), (46.0, 478.1), (186.8, 979.0), (173.6, 9764.0), (99.5, 100.0)]
)
def test_bessel_functions_where_they_oscillate(name, v, x):
    """By their amplitude: beside a zero no relative error is small."""
    function = compile_program(program_of(name), Options())
    with mpmath.workdps(30):
        j, y = mpmath.besselj(v, x), mpmath.bessely(v, x)
        truth = j if name == "besselj" else y
        assert abs(function(v, x) - truth) < 5e-15 * mpmath.hypot(j, y)


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("beta_density", (0.002, 0.03, 1e-173)),
        ("polygamma", (41.0, 2e-6)),
        ("polygamma", (169.0, 170.0)),
        ("polygamma", (100.0, 1e4)),
    ],
)
def test_powers_are_not_magnified_exponents(name, point):
    [truth] = evaluate_flat(program_of(name), point, 30)
    assert compile_program(program_of(name), Options())(*point) == pytest.approx(
        float(truth), rel=1.5e-15, abs=0
    )


def test_edges_of_the_compiled_functions(library):
    chosen = {name: [args for other, args, _ in EDGES if other == name] for name in ALL}
    wanted = {name: [value for other, _, value in EDGES if other == name] for name in ALL}
    for name, rows in library.values(chosen).items():
        for (point, value), expected in zip(rows, wanted[name], strict=True):
            if library.dtype == "float32" and (
                1e38 < abs(expected) < INF or any(0 < abs(x) < 1e-37 for x in point)
            ):
                continue
            assert value == pytest.approx(expected, rel=1e-6, abs=0, nan_ok=True), (name, point)
            if expected == 0 and math.copysign(1, expected) < 0:
                assert math.copysign(1, value) < 0, (name, point)


@pytest.mark.parametrize(("name", "args", "value"), EDGES)
def test_edges_of_the_meaning(name, args, value):
    if any(x == 0 and math.copysign(1, x) < 0 for x in args):
        return  # mpmath has no signed zero
    found = nearest(evaluate_flat(program_of(name), args, 30)[0])
    assert found == pytest.approx(value, rel=1e-15, abs=0, nan_ok=True)


# ---------------------------------------------------------------- slopes


def gap(name, position, point):
    """Relative distance of a rule from differences."""
    values = {f"a{k}": x for k, x in enumerate(point)}
    column = numerical_gradient(program_of(name), values, 25, wrt=[f"a{position}"])[0]
    [ours] = evaluate_flat(slope_program(name, position), point, 40)
    return float(abs(ours - column[0].value) / abs(column[0].value))


@pytest.mark.parametrize(("name", "position"), SLOPED)
def test_rules_agree_with_differences(name, position):
    for point in points(name, 2):
        assert gap(name, position, point) < 1e-22, point


@pytest.mark.parametrize(("name", "position"), SLOPED)
def test_a_wrong_rule_is_noticed(name, position, monkeypatch):
    row = PRIMITIVES[name]
    scaled = tuple(f"1.001*({rule})" if k == position else rule for k, rule in enumerate(row.rules))
    monkeypatch.setitem(PRIMITIVES, name, dataclasses.replace(row, rules=scaled))
    assert gap(name, position, points(name, 1)[0]) > 5e-4


def test_slopes_in_C():
    for name, position in SLOPED:
        program = slope_program(name, position)
        function = compile_program(program, Options())
        chosen = points(name, 8, seed=2)
        found = np.atleast_1d(function(*(np.array(column) for column in zip(*chosen, strict=True))))
        for point, value in zip(chosen, found.tolist(), strict=True):
            [truth] = evaluate_flat(program, point, 30)
            assert value == pytest.approx(float(truth), rel=2e-12, abs=1e-14), (name, position, point)


@pytest.mark.parametrize(("name", "edge"), [(row.name, edge) for row in SPECIAL for edge in row.edges])
def test_slopes_at_edges(name, edge):
    for position, wanted in enumerate(edge.partials):
        program = slope_program(name, position)
        assert float(evaluate_flat(program, edge.args, 30)[0]) == pytest.approx(wanted, rel=1e-14, abs=0)
        assert float(compile_program(program, Options())(*edge.args)) == pytest.approx(
            wanted, rel=1e-14, abs=0
        )


@pytest.mark.parametrize(("name", "position"), RULELESS)
def test_a_derivative_that_is_not_known_is_an_error(name, position):
    with pytest.raises(
        DerivativeError, match=f"{name} by its argument {PRIMITIVES[name].args[position]} is not"
    ):
        slope_program(name, position)


@pytest.mark.parametrize(
    ("formula", "at", "truth"),
    [
        ("erfcx(x)", 1e4, lambda x: -(mpmath.mpf(1) - 1.5 / x**2) / (mpmath.sqrt(mpmath.pi) * x**2)),
        ("log_ndtr(x)", -300.0, lambda x: -x + 1 / -x - 2 / -(x**3)),
        ("erfcinv(x)", 1e-200, None),
        ("lambertw(x)", 0.0, lambda x: 1),
        ("lambertw(x)", 1e250, None),
        ("elliptic_e(x)", 1e-9, None),
        ("elliptic_k(x)", 0.0, lambda x: mpmath.pi / 8),
        ("dawson(x)", 1e5, None),
        ("lbeta(x, 1/2)", 1e6, lambda x: mpmath.psi(0, x) - mpmath.psi(0, x + 0.5)),
        ("beta(x, 1/2)/beta(10**6, 1/2)", 1e6, lambda x: mpmath.psi(0, x) - mpmath.psi(0, x + 0.5)),
    ],
)
def test_slopes_where_the_plain_formula_loses_digits(formula, at, truth):
    [found] = tl.compile(formula).grad(at)
    meaning = MEANING[formula.split("(")[0]]
    with mpmath.workdps(400):
        place = mpmath.mpf(at)
        step = place * mpmath.mpf(10) ** -100
        exact = truth(place) if truth else mpmath.diff(lambda t: meaning(mpmath.mp, t), place, h=step)
        assert abs(found / exact - 1) < 3e-14


def test_log_ndtr_has_a_second_derivative_where_its_parts_overflow():
    hessian = tl.compile("log_ndtr(x)").hessian
    for at in (3.9, 4.1, 20.0, 37.0):
        with mpmath.workdps(30):
            density = mpmath.npdf(at) / mpmath.ncdf(at)
            truth = float(-density * (at + density))
        assert hessian(at)[0, 0] == pytest.approx(truth, rel=3e-15, abs=0)
    assert hessian(40.0)[0, 0] == 0.0
    assert hessian(1e5)[0, 0] == 0.0


@pytest.mark.parametrize(
    ("formula", "at"),
    [
        ("digamma(x)", 2.5),
        ("erfcx(x)", 3.0),
        ("besselj(1, x)", 2.0),
        ("airyai(x)", -1.5),
        ("gammainc(3, x)", 2.5),
    ],
)
def test_any_order(formula, at):
    third = tl.compile(formula).derivative("grad").derivative("grad").derivative("grad")
    name, *order = re.findall(r"[a-z]\w+|\d", formula)
    with mpmath.workdps(60):
        fixed = [mpmath.mpf(k) for k in order]
        step = mpmath.mpf(10) ** -12
        exact = mpmath.diff(lambda t: MEANING[name](mpmath.mp, *fixed, t), at, 3, h=step)
    assert float(np.squeeze(third(at))) == pytest.approx(float(exact), rel=1e-10)


@pytest.mark.parametrize(
    ("formula", "at"),
    [
        ("gammaincc(a, x)", (2.5, 0.7)),
        ("gamma(a)*gammainc(a, x)", (0.4, 3.0)),
        ("betainc(a, b, x)", (1.5, 12.0, 0.2)),
        ("betainc(a, b, x)*gammainc(a, x)", (30.0, 2.5, 0.9)),
    ],
)
def test_shapes_are_differentiated(formula, at):
    f = tl.compile(formula)
    assert f.check(*at).ok
    with pytest.raises(DerivativeError, match=r"by its argument [ab] is not known"):
        f.hessian(*at)


# ---------------------------------------------------------------- the three doors

x, a, b = sympy.symbols("x a b", real=True)


@pytest.mark.parametrize(
    ("expr", "at"),
    [
        (sympy.digamma(x) + sympy.trigamma(x) + sympy.polygamma(2, x), 1.3),
        (sympy.gamma(x) * sympy.loggamma(x) + sympy.harmonic(x), 2.3),
        (sympy.beta(x, x + 1), 1.4),
        (sympy.erfinv(x) + sympy.erfi(x), 0.4),
        (sympy.LambertW(x) * sympy.LambertW(-x / 9, -1), 0.7),
        (sympy.lowergamma(sympy.Rational(3, 2), x) + sympy.uppergamma(2, x, evaluate=False), 1.2),
        (sympy.uppergamma(0, x) + sympy.uppergamma(-2, x), 0.8),
        (sympy.expint(3, x) + sympy.E1(x) + sympy.expint(sympy.Rational(1, 2), x, evaluate=False), 0.8),
        (sympy.Ei(x) + sympy.li(x + 3), 0.8),
        (
            sympy.besselj(0, x)
            + sympy.bessely(2, x)
            + sympy.besseli(1, x)
            + sympy.besselk(sympy.Rational(1, 3), x),
            1.8,
        ),
        (sympy.jn(2, x) + sympy.yn(1, x), 1.8),
        (sympy.airyai(x) + sympy.airybi(x) + sympy.airyaiprime(x) * sympy.airybiprime(x), -1.8),
        (sympy.elliptic_k(x) * sympy.elliptic_e(x), 0.3),
        (sympy.zeta(x) + sympy.zeta(3, x), 2.3),
        (sympy.betainc_regularized(2, 3, 0, x) + sympy.betainc(2, 3, x / 2, x), 0.3),
    ],
    ids=str,
)
def test_sympy(expr, at):
    f = tl.compile(expr, inputs=[x])
    assert f(at) == pytest.approx(float(expr.subs(x, sympy.Float(at, 30)).evalf(25)), rel=1e-12)
    if not expr.has(sympy.zeta):
        with mpmath.workdps(40):
            step = mpmath.mpf(10) ** -12
            high, low = (
                expr.subs(x, sympy.Float(at, 40) + sign * sympy.Float(step, 40)).evalf(38) for sign in (1, -1)
            )
            assert f.grad(at)[0] == pytest.approx(
                float((high - low) / (2 * sympy.Float(step, 40))), rel=1e-10
            )


@pytest.mark.parametrize(
    ("expr", "word"),
    [
        (sympy.LambertW(x, 1), "branches 0 and -1"),
        (sympy.harmonic(x, 2), "m = 1"),
        (sympy.elliptic_e(a, x), "incomplete"),
        (sympy.uppergamma(sympy.Rational(-1, 2), x, evaluate=False), "positive a"),
        (sympy.expint(sympy.Rational(5, 2), x, evaluate=False), "whole n"),
    ],
)
def test_sympy_beyond_the_table_is_refused_with_a_reason(expr, word):
    with pytest.raises(UnsupportedError, match=word):
        tl.compile(expr, inputs=[a, x])


def test_text_and_python():
    text = tl.compile(
        "f(x) = besselj(0, x)*erfcx(x) + lambertw(x)*gammainc(2, x) + ndtr(x) + trigamma(x) + e1(x)"
    )

    def traced(x):
        return (
            tl.besselj(0, x) * tl.erfcx(x)
            + tl.lambertw(x) * tl.gammainc(2, x)
            + scipy.special.ndtr(x)
            + (tl.polygamma(1, x) + scipy.special.exp1(x))
        )

    at = np.linspace(0.3, 4, 7)
    assert text(at) == pytest.approx(tl.compile(traced)(at), rel=1e-15)
    assert text(at) == pytest.approx(traced(at), rel=1e-13)
    assert text.check(0.7).ok
    assert "erfcx" in str(text.backward_formulas["x"])


def test_the_order_may_be_an_input_that_is_not_differentiated():
    f = tl.compile("besselj(v, x)", wrt=("x",))
    assert f(0.5, 2.0) == pytest.approx(scipy.special.jv(0.5, 2.0), rel=1e-14)
    with pytest.raises(DerivativeError, match="besselj by its argument v"):
        tl.compile("besselj(v, x)").grad(0.5, 2.0)


# ---------------------------------------------------------------- the check itself is checked


def test_a_wrong_coefficient_is_noticed(monkeypatch):
    broken = dict(special.parts())
    broken["sf_digamma_tail"] = broken["sf_digamma_tail"].replace("0.008333333333333333", "0.0083334")
    assert broken != special.parts()
    monkeypatch.setattr(special, "parts", lambda: broken)
    program = program_of("digamma")
    function = compile_program(program, Options(cache=False))
    assert MEASURE.measured("digamma", ((10.0, 12.0),), 30, function, program).well > 1e-13
