"""A long text as several units: the same text, compiled in shares or in one go."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import pytest

from tapeless.targets.c.emit import _NATURAL, _UNIT, emit
from tapeless.targets.c.kernel import Kernel, Literal, Param, Statement

FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-fPIC"]
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


def chain(length, kind="forward"):
    """A kernel x -> x + 1 + 1 ..., each sum divided by two, so that the result is near 1."""
    statements = [Statement("load", (0,))]
    for place in range(length):
        op, other = ("add", Literal(1.0)) if place % 2 == 0 else ("div", Literal(2.0))
        statements.append(Statement(op, (place, other)))
    return Kernel(
        kind,
        "float64",
        (Param("x"),),
        (Param("out"),),
        tuple(statements),
        (length,),
        ("",),
    )


def copies(lanes):
    """A kernel that copies its inputs to its outputs."""
    return Kernel(
        "forward",
        "float64",
        tuple(Param("x", k) for k in range(lanes)),
        tuple(Param("out", k) for k in range(lanes)),
        tuple(Statement("load", (k,)) for k in range(lanes)),
        tuple(range(lanes)),
        ("",) * lanes,
    )


@pytest.fixture(scope="module")
def long_source():
    # Lines of C hold several of these statements.
    return emit(
        [("extended", [chain(8 * _UNIT), chain(8 * _UNIT, "backward")]), ("brief", [chain(3)])], "both"
    )


def write(source, folder):
    (folder / f"{source.name}.c").write_text(source.text)
    (folder / f"{source.name}.h").write_text(source.header)


def compile_c(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_short_text_is_one_unit():
    source = emit([("brief", [chain(1000)])], "brief")
    assert source.units == 1
    assert "UNIT" not in source.text


def test_a_long_text_is_several_of_like_size(long_source):
    assert long_source.units > 3
    shares = long_source.text.split("#if UNIT(")[1:]
    sizes = [len(share) for share in shares if int(share.split(")")[0])]
    assert {int(share.split(")")[0]) for share in shares} == set(range(long_source.units))
    assert max(sizes) < 2 * sum(sizes) / (long_source.units - 1)


def test_the_number_of_units_is_bounded():
    assert 2 < emit([("extended", [chain(100 * _UNIT)])], "extended").units <= 16


@pytest.mark.parametrize("compiler", COMPILERS)
def test_shares_and_whole_compute_the_same(compiler, long_source, tmp_path):
    write(long_source, tmp_path)
    objects = []
    for unit in range(long_source.units):
        objects.append(f"unit{unit}.o")
        compile_c(tmp_path, compiler, *FLAGS, f"-DTAPELESS_UNIT={unit}", "-c", "-o", objects[-1], "both.c")
    compile_c(tmp_path, compiler, "-shared", "-o", "shares.so", *objects, "-lm")
    compile_c(tmp_path, compiler, *FLAGS, "-shared", "-o", "whole.so", "both.c", "-lm")
    for symbol in ("extended_forward", "extended_backward", "brief_forward"):
        found = []
        for name in ("shares.so", "whole.so"):
            x, out = (ctypes.c_double * 2)(3.0, 1e9), (ctypes.c_double * 2)()
            getattr(ctypes.CDLL(str(tmp_path / name)), symbol)(ctypes.c_ssize_t(2), x, out)
            found.append(list(out))
        assert found[0] == found[1]
        assert found[0][1] > 0


@pytest.mark.skipif(not shutil.which("nm"), reason="needs nm")
def test_parts_stay_inside_the_library(long_source, tmp_path):
    write(long_source, tmp_path)
    objects = []
    for unit in range(long_source.units):
        objects.append(f"unit{unit}.o")
        compile_c(tmp_path, "cc", *FLAGS, f"-DTAPELESS_UNIT={unit}", "-c", "-o", objects[-1], "both.c")
    compile_c(tmp_path, "cc", "-shared", "-o", "shares.so", *objects, "-lm")
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", "shares.so"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert "extended_forward_lanes" in listed
    assert "_part" not in listed


def test_a_function_of_very_many_arrays_takes_tables_only():
    few, many = emit([("f", [copies(_NATURAL // 2)])], "f"), emit([("f", [copies(_NATURAL)])], "f")
    assert "void f_forward(" in few.header
    assert "f_forward(" not in many.text
    assert "f_forward(" not in many.header
    assert "void f_forward_lanes(" in many.text
    assert few.units == many.units == 1
