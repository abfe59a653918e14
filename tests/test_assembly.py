"""From Programs to libraries: what the compiler is asked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tapeless.api import read
from tapeless.assembly import build_source
from tapeless.kinds import derive
from tapeless.runtime.cache import Cache
from tapeless.runtime.compiler import find_compiler
from tapeless.targets.c.emit import emit
from tapeless.targets.c.lower import lower


@pytest.mark.parametrize("scalars", [6, 23])
def test_constant_outputs_are_no_calls_of_memset(scalars, tmp_path):
    """Of the hundreds in a matrix full of zeros, gcc takes minutes to make such calls; clang is quick at it."""
    compiler = find_compiler()
    asked = subprocess.run([*compiler.argv, "--version"], capture_output=True, text=True, check=True)
    if "clang" in asked.stdout:
        pytest.skip("this compiler is clang")
    program = derive(read(f"f(x[{scalars}]) = x**2"), "jacobian", None)
    kernel = lower(program, "jacobian", "float64")
    library = build_source(emit([("f", [kernel])], "f"), [kernel], compiler, Cache(tmp_path / "cache"))
    assert b"memset" not in Path(library.path).read_bytes()
