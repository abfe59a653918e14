"""The gallery: goldens that a person can read, C that two compilers accept, derivatives that are right."""

from __future__ import annotations

import difflib
import inspect
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tapeless as tl
from gallery import GALLERY
from tapeless.ir.notation import listing
from tapeless.kinds import derive

GENERATED = Path(__file__).resolve().parent.parent / "generated"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
entries = pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)


def written(program):
    """The formulas of a program, one line each, what they share named first."""
    names = dict(enumerate(item.name for item in program.inputs))
    roots = {output.name: output.nodes[0] for output in program.outputs}
    return ["    " + line for line in listing(program.graph, roots, names)]


def page(function, entry):
    """The formulas as a page: as written, forward, backward."""
    lines = [f"{entry.name}: {entry.source}", "", *inspect.cleandoc(entry.text).splitlines()]
    lines += ["", "forward", *written(function.program)]
    lines += ["", "backward", *written(derive(function.program, "backward", None))]
    lines += ["", "operations per point"]
    for kind in ("forward", "backward", "forward_backward"):
        lines.append(f"    {kind}: {function.op_counts(kind)['total']}")
    return "\n".join(lines) + "\n"


def golden_files(entry):
    function = tl.compile(entry.text)
    return {
        f"{entry.name}.c": function.source,
        f"{entry.name}.h": function.header,
        f"{entry.name}.txt": page(function, entry),
    }


@entries
def test_generated_files_are_those_of_this_code(entry, update_golden):
    for name, text in golden_files(entry).items():
        path = GENERATED / name
        if update_golden:
            path.write_text(text, encoding="utf-8")
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        difference = "\n".join(
            difflib.unified_diff(kept.splitlines(), text.splitlines(), "kept", "made", lineterm="")
        )
        assert kept == text, f"{name} differs; see `pytest --update-golden`\n{difference}"


def test_nothing_stale_lies_in_generated(update_golden):
    wanted = {f"{entry.name}.{ending}" for entry in GALLERY for ending in ("c", "h", "txt")}
    stale = {path.name for path in GENERATED.iterdir()} - wanted - {"README.md"}
    if update_golden:
        for name in stale:
            (GENERATED / name).unlink()
        stale = set()
    assert not stale


@entries
@pytest.mark.parametrize("compiler", COMPILERS)
def test_generated_c_has_no_warnings(entry, compiler, tmp_path):
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-c"]
    source = str(GENERATED / f"{entry.name}.c")
    done = subprocess.run(
        [*command, source, "-o", str(tmp_path / "x.o")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@entries
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_value_and_gradients(entry, dtype):
    function = tl.compile(entry.text, dtype=dtype)
    report = function.check(ranges=entry.ranges, points=12)
    assert report.ok, str(report)


@entries
def test_several_threads_and_layouts_give_the_same_bits(entry):
    function = tl.compile(entry.text)
    rng = np.random.default_rng(0)
    columns = [rng.uniform(*entry.ranges[name], 1000) for name in function.input_names]
    want = function(*columns)
    spread = [np.repeat(column, 2)[::2] for column in columns]
    got = function(*spread)
    for a, b in zip(np.atleast_2d(want), np.atleast_2d(got), strict=True):
        assert np.array_equal(a, b, equal_nan=True)
