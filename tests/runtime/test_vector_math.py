"""Vector functions of the C library: the same numbers as its scalar ones, to a few ulp, at special values as well."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl
from tapeless.runtime import cpu
from tapeless.runtime.compiler import Compiler
from tapeless.runtime.cpu import Cpu, with_vector_math
from tapeless.targets.c.spelling import VECTORISED

TWO = {"atan2", "hypot", "pow"}
SPECIAL = (
    0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-300, -1e-300, 1e300, -1e300, 0.5, -0.5, 2.0, -2.0, 100.0,
    -100.0, 710.0, -745.0, -746.0, 88.8, -104.0, 1e5, 3.141592653589793, 1e22, 0.9999999999, 1.0000000001, 1e-8,
    1e-17, 20.0, -20.0, 37.0, 5e-324, -5e-324, 1e-310, 2.2e-308, 1e-45, 1e-40, -1e-40, 3e38,
)  # fmt: skip


def points(dtype):
    with np.errstate(over="ignore", under="ignore"):
        return np.array((*SPECIAL, *np.linspace(-8, 8, 256 - len(SPECIAL))), dtype)


def ulps(found, expected):
    kind = np.int64 if found.dtype == np.float64 else np.int32
    same = (np.isnan(found) & np.isnan(expected)) | (found == expected)
    gap = found.view(kind).astype(object) - expected.view(kind).astype(object)
    return np.where(same, 0, np.abs(gap)).astype(float)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", sorted(VECTORISED))
def test_lane_by_lane_as_one_by_one(name, dtype):
    text = (
        "f(a, b) = a**b"
        if name == "pow"
        else f"f(a, b) = {name}(a, b)"
        if name in TWO
        else f"f(a) = {name}(a)"
    )
    f = tl.compile(text, dtype=dtype)
    x = points(dtype)
    operands = [x] if name not in TWO else [np.repeat(x[:48], 48), np.tile(x[:48], 48)]
    together = f(*operands)
    apart = np.array(
        [f(*(operand[k : k + 1] for operand in operands))[0] for k in range(len(operands[0]))], dtype
    )
    assert np.array_equal(np.isnan(together), np.isnan(apart))
    zero = apart == 0
    assert np.array_equal(np.signbit(together[zero]), np.signbit(apart[zero]))
    assert ulps(together, apart).max() <= 4, "the worst that glibc's own tests allow"


def test_vector_functions_are_there_from_glibc_2_35_on():
    plain = Cpu("x86_64/x86-64-v3", ("-march=x86-64-v3",))
    found = with_vector_math(plain, "x86_64", "glibc 2.36")
    assert found.vector_math
    assert found.name != plain.name, "the name is part of cache keys"
    for machine, libc in (
        ("x86_64", "glibc 2.34"),
        ("x86_64", ""),
        ("aarch64", "glibc 2.39"),
        ("x86_64", "musl 1.2"),
    ):
        assert with_vector_math(plain, machine, libc) == plain


def test_flags_of_gcc_go_to_gcc_alone():
    gcc = Compiler(("gcc",), "", gcc=True).command("f.c", "f.so")
    assert ("-DTAPELESS_VECTOR_MATH=1" in gcc) == cpu.host().vector_math
    assert "-fschedule-insns" in gcc
    assert "-fschedule-insns" not in Compiler(("gcc",), "", gcc=True).command("f.c", "f.so", optimize="-O1")
    other = Compiler(("clang",), "").command("f.c", "f.so")
    assert not {"-fno-tree-sink", "-fno-thread-jumps", "-DTAPELESS_VECTOR_MATH=1"} & set(other)


@pytest.mark.skipif(not cpu.host().vector_math, reason="no vector functions here")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "formula", ["sinh(x)", "x*tan(y) + cosh(y)*cosh(x)", "where(x > 0, atan(x)*y, tan(y))"]
)
def test_loops_call_the_vector_functions(formula, dtype, tmp_path):
    """Read in the object code: the symbols of vector functions, and no scalar call inside the vector loop."""
    import subprocess

    from tapeless.runtime.compiler import find_compiler

    compiler = find_compiler()
    if (
        b"Free Software Foundation"
        not in subprocess.run([*compiler.argv, "--version"], capture_output=True, check=True).stdout
    ):
        pytest.skip("the declarations are gcc's")
    f = tl.compile(formula, dtype=dtype)
    (tmp_path / "f.h").write_text(f.header)
    (tmp_path / "f.c").write_text(f.source)
    command = compiler.command("f.c", "f.so", extra=("-fopt-info-vec-optimized",))
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stderr.count("loop vectorized") >= 3, "forward, backward and both"
    names = subprocess.run(
        ["nm", "-D", "f.so"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert "_ZGV" in names
