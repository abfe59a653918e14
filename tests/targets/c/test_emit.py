"""Emission: C that a person would like to read, that no user text reaches, and that no compiler complains of."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, finish
from tapeless.targets.c.emit import emit
from tapeless.targets.c.lower import lower
from tapeless.targets.c.spelling import RESERVED, is_plain_name, number
from tapeless.transforms.reverse import vjp

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


def program(build, names, outputs=("out",), name="f"):
    b = Builder()
    nodes = build(b, *(b.input(k) for k in range(len(names))))
    nodes = nodes if isinstance(nodes, tuple) else (nodes,)
    return finish(
        name, [Input(n) for n in names], [Output(o, (n,)) for o, n in zip(outputs, nodes, strict=True)], b
    )


def source(p, dtype="float64"):
    kernels = [lower(p, "forward", dtype), lower(vjp(p), "backward", dtype)]
    return emit([(p.name, kernels)], p.name)


LINE = program(lambda b, w, x, c: b.add(b.mul(w, x), c), ["w", "x", "b"], name="line")


def compiles(text, header, stem, folder, compiler="gcc", standard="-std=c11"):
    (folder / f"{stem}.c").write_text(text)
    (folder / f"{stem}.h").write_text(header)
    command = [compiler, standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-c", f"{stem}.c"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_line_reads_like_the_tutorial():
    text = source(LINE).text
    assert "out[i] = v0*v1 + v2;" in text
    assert " *     r0 = v0*v1 + v2\n" in text
    assert "b_bar[i] = v3;" in text
    assert "(void)b;" in text, "a parameter that is not read says so"


def test_nothing_but_names_of_parameters_comes_from_the_user():
    nasty = [
        'x; system("touch x"); //',
        "*/ int main(void) {",
        "x\ny",
        "größe",
        "double",
        "exp",
        "n",
        "i",
        "v0",
        "t1",
    ]
    p = program(lambda b, *xs: b.sum(list(xs)), nasty, ("system(1)",), name="rm -rf /")
    made = source(p)
    for text in (made.text, made.header):
        assert "system" not in text
        assert "main" not in text
        assert text.isascii()
        for parameter in re.findall(r"\*(?:restrict )?(\w+)[,)]", text):
            assert parameter == "in" or is_plain_name(parameter), parameter
    assert re.fullmatch("function_[0-9a-f]{8}", made.name)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_nasty_names_compile(compiler, tmp_path):
    nasty = [
        "double",
        "exp",
        "n",
        "i",
        "v0",
        "t1",
        "k0",
        "NULL",
        "larger",
        "x",
        "x_",
        "arg0",
        "res1",
        "j0",
        "sinf",
    ]
    p = program(lambda b, *xs: b.maximum(*xs), nasty, ("y",), name="log")
    made = source(p)
    compiles(made.text, made.header, made.name, tmp_path, compiler)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_everything_at_once_compiles_without_warnings(compiler, dtype, tmp_path):
    def build(b, x, y, z):
        c = b.or_(b.and_(b.compare("lt", x, y), b.compare("ne", y, z)), b.not_(b.compare("le", x, z)))
        terms = [
            b.call(op, x) for op in "sin erf loggamma sign heaviside round round_away floor abs sqrt".split()
        ]
        terms += [b.call(op, x, y) for op in "atan2 hypot fmod remainder copysign fdim fmax fmin".split()]
        terms += [b.pow(x, y), b.maximum(x, y, z), b.minimum(x, b.neg(b.named("inf"))), b.named("nan")]
        terms += [b.select(c, b.call("log", x), b.neg(b.neg(b.call("exp", y)))), b.neg(b.rational(2))]
        return b.sum(terms)

    p = program(build, ["x", "y", "z"])
    made = emit([("f", [lower(p, "forward", dtype)])], "f")
    compiles(made.text, made.header, "f", tmp_path, compiler)
    if dtype == "float32":
        assert "double" not in made.text
        assert not re.search(
            r"\d\.\d+(?:e[-+]?\d+)?(?![\dfe])", re.sub(r"/\*.*?\*/", "", made.text, flags=re.S)
        )


def test_the_header_is_c_plus_plus_as_well(tmp_path):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    (tmp_path / "line.h").write_text(source(LINE).header)
    (tmp_path / "use.cpp").write_text(
        '#include "line.h"\nusing f = decltype(&line_forward); f used = line_forward;\n'
    )
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-c", "use.cpp"], cwd=tmp_path, check=True)


def test_constants_have_a_name_and_their_meaning():
    p = program(lambda b, x: b.mul(x, b.div(b.rational(2), b.call("sqrt", b.named("pi")))), ["x"])
    assert "const double k0 = 1.1283791670955126; /* 2/sqrt(pi) */" in source(p).text


def test_arms_of_a_choice_are_computed_before_it():
    """A call inside ?: is not turned into a blend, and the loop stays scalar."""
    p = program(
        lambda b, x: b.select(b.compare("gt", x, b.rational(0)), b.call("log", x), b.call("exp", x)), ["x"]
    )
    choice = re.search(r"\? (.*) : (.*);", source(p).text)
    assert "(" not in choice[1] + choice[2]


def test_parentheses_keep_the_order_of_operations():
    p = program(lambda b, x, y, z: b.sub(x, b.sub(y, b.mul(z, b.add(x, y)))), ["x", "y", "z"])
    assert "v0 - (v1 - v2*(v0 + v1))" in source(p).text


def test_kernels_of_several_functions_never_share_a_name():
    def kernels(name):
        p = program(lambda b, x: b.mul(x, x), ["x"], name=name)
        return name, [
            lower(p, "forward", "float64"),
            lower(vjp(p, value=True), "forward_backward", "float64"),
        ]

    made = emit([kernels("f"), kernels("f_forward"), kernels("\u03bb"), kernels("\u03bc")], "layers")
    names = re.findall(r"^void (\w+)\(", made.text, flags=re.M)
    assert len(names) == len(set(names)) == 16


def test_names_of_macros_are_not_plain():
    assert not any(is_plain_name(name) for name in ("M_PI", "FP_FAST_FMA", "LINE_H", "MATH_ERRNO", "DBL_MAX"))


@pytest.mark.parametrize("value", [0.1, 1.0, 1e300, 5e-324, 123456789.0, 1 / 3, -2.5, 2.0**53])
def test_numbers_read_back_exactly(value):
    text = number(value, "float64")
    assert float(text) == value
    assert "." in text or "e" in text


def test_float32_numbers_read_back_exactly():
    import numpy as np

    for value in (0.1, 1 / 3, 1e-45, 3.4028234663852886e38, 16777216.0, 1.0):
        x = float(np.float32(value))
        assert np.float32(number(x, "float32").rstrip("f")) == np.float32(x)


def test_reserved_words_are_not_plain_names():
    assert not any(is_plain_name(word) for word in RESERVED)
    assert all(is_plain_name(name) for name in ("w", "x1", "sigma", "T_max", "out", "lambda", "E"))
    assert not any(
        is_plain_name(name) for name in ("_x", "x__y", "3x", "ä", "", "x y", "sinf", "powl", "size_t")
    )
