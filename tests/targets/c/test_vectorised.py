"""Loops over points become vector code: read in the compiler's report and in the object code, not taken on trust."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from gallery import GALLERY
from tapeless.api import compile as compile_formula
from tapeless.assembly import module_source
from tapeless.errors import TapelessError
from tapeless.ir.graph import Builder
from tapeless.ir.primitives import OVER, PRIMITIVES
from tapeless.ir.program import Input, Output, finish
from tapeless.ir.special import NAMES as SPECIAL_FUNCTIONS
from tapeless.kinds import KINDS
from tapeless.options import Options
from tapeless.runtime import cpu
from tapeless.runtime.compiler import find_compiler
from tapeless.targets.c.emit import emit
from tapeless.targets.c.lower import lower
from tapeless.targets.c.spelling import VECTORISED
from tapeless.targets.c.vector_math import OWN

COMPILER = find_compiler()
VECTOR_MATH = COMPILER.gcc and cpu.host().vector_math
DTYPES = ("float64", "float32")
SCALAR = {
    "gamma", "loggamma", "fmod", "remainder", "logb", "fdim", "fmax", "fmin", "round_away",
}  # fmt: skip
"""Of these there are no vector versions anywhere, nor instructions."""
LEAVES = {"input", "rational", "named", "true", "false", "extern"}
LOGIC = {"and", "or", "not", "select"}
LEVEL = next((flag for flag in cpu.host().flags if flag.startswith("-march=")), "")
needs_gcc = pytest.mark.skipif(
    not VECTOR_MATH or LEVEL not in ("-march=x86-64-v3", "-march=x86-64-v4"),
    reason="the promise is for gcc on x86-64 from level 3 on, with glibc from 2.35 on",
)


def report(source, folder, command=None):
    """Compile a source; return (loops in the report of what was vectorised, the library)."""
    (folder / f"{source.name}.c").write_text(source.text)
    (folder / f"{source.name}.h").write_text(source.header)
    library = folder / f"{source.name}.so"
    # Kernels of two kinds may be one and the same function, which would be compiled once.
    command = command or COMPILER.command(
        f"{source.name}.c", library.name, extra=("-fopt-info-vec-optimized", "-fno-ipa-icf")
    )
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return set(re.findall(r"\.c:(\d+):\d+: optimized: loop vectorized", run.stderr)), library


def loops(source):
    """Lines of the source at which a loop over points begins whose turns do more than copy and fill."""
    lines = source.text.splitlines()
    starts = [
        k for k, line in enumerate(lines) if re.match(r" +for \(ptrdiff_t ([ij] = 0|i = i_start);", line)
    ]
    found = []
    for start in starts:
        indent = lines[start].partition("for")[0]
        body = lines[start + 1 : lines.index(f"{indent}}}", start)]
        if indent == "    " and "i = i_start" in lines[start]:
            continue  # points with large angles: rare, and the C library's, one by one
        sides = [line.partition("=")[2] for line in body]
        if any(re.search(r"\b[vtu]\d", side) and not re.fullmatch(r" \w+;", side) for side in sides):
            found.append(start + 1)
    return found


def primitive_source(name, dtype):
    row = PRIMITIVES[name]
    builder = Builder()
    count = len(row.samples) if row.nary else len(row.args)
    orders = [builder.rational(2)] if name in OVER else []
    count -= len(orders)
    node = builder.node(name, (*(builder.input(k) for k in range(count)), *orders))
    if row.boolean:
        node = builder.node("select", (node, builder.input(0), builder.rational(0)))
    inputs = [Input(f"a{k}") for k in range(count)]
    program = finish("f", inputs, [Output("y", (node,))], builder)
    return emit([("f", [lower(program, "forward", dtype)])], "f")


@needs_gcc
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(PRIMITIVES) - LEAVES - LOGIC - SCALAR - SPECIAL_FUNCTIONS))
def test_every_primitive(name, dtype, tmp_path):
    source = primitive_source(name, dtype)
    vectorised, _ = report(source, tmp_path)
    assert {str(line) for line in loops(source)} <= vectorised


def test_the_scalar_ones_are_told():
    assert not SCALAR & (VECTORISED | OWN)


@needs_gcc
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)
def test_the_gallery_in_all_kinds(entry, dtype, tmp_path):
    program = compile_formula(entry.text, dtype=dtype).program
    kinds = []
    for kind, row in KINDS.items():
        try:
            if not row.single or len(program.outputs) == 1:
                module_source([(program, Options(dtype=dtype))], (kind,), "m")
                kinds.append(kind)
        except TapelessError:
            continue
    source = module_source([(program, Options(dtype=dtype))], kinds, entry.name)
    vectorised, library = report(source, tmp_path)
    assert {str(line) for line in loops(source)} <= vectorised
    if shutil.which("objdump"):
        assert_no_scalar_call_inside(library)


def assert_no_scalar_call_inside(library):
    """In each loop that uses whole vector registers, every call is one of a vector function."""
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True
    ).stdout
    found = 0
    for function in text.split("\n\n"):
        lines = function.splitlines()
        places = {m[1]: k for k, line in enumerate(lines) if (m := re.match(r"\s+([0-9a-f]+):", line))}
        back = []
        for k, line in enumerate(lines):
            jump = re.search(r"\tj\w+\s+([0-9a-f]+)", line)
            if jump and places.get(jump[1], k) < k:
                back.append((places[jump[1]], k))
        for start, end in back:
            if any(start < other < end for _, other in back):
                continue  # not the innermost loop
            body = lines[start : end + 1]
            if any(re.search(r"p[ds]\s.*%[yz]mm", part) for part in body):
                found += 1
                calls = [part for part in body if "call" in part]
                assert all("_ZGV" in part or "<mem" in part for part in calls), calls
    assert found, "no loop uses vector registers"


@needs_gcc
def test_a_long_kernel_in_parts(tmp_path):
    def chain(x, y):
        total = x
        for k in range(1, 140):
            total = total * 0.5 + (y - total / k) * (x + k)
        return total

    program = compile_formula(chain).program
    source = module_source([(program, Options())], ("forward_backward",), "chain")
    assert "part1(" in source.text
    vectorised, _ = report(source, tmp_path)
    assert {str(line) for line in loops(source)} <= vectorised


@pytest.mark.skipif(shutil.which("clang") is None, reason="no clang")
@pytest.mark.parametrize("name", sorted(OWN))
def test_clang_vectorises_our_own_functions(name, tmp_path):
    source = primitive_source(name, "float64")
    (tmp_path / "f.c").write_text(source.text)
    (tmp_path / "f.h").write_text(source.header)
    command = ["clang", "-std=c11", "-O3", "-march=x86-64-v3", "-fno-math-errno", "-fno-trapping-math"]
    command += ["-Rpass=loop-vectorize", "-c", "f.c"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "unknown target CPU" in run.stderr:
        pytest.skip("another processor")
    assert "vectorized loop" in run.stderr
