"""The C that stands between kernels and hosts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tapeless import bridges
from tapeless.runtime import driver
from tapeless.runtime.headers import folders, numpy_headers, python_headers

BRIDGES = Path(bridges.__file__).parent


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", ["ufunc", "jax"])
def test_no_warnings(compiler, name, tmp_path):
    command = shutil.which(compiler)
    if command is None:
        pytest.skip(f"no {compiler}")
    if name == "jax":
        included = [pytest.importorskip("jax.ffi").include_dir()]
    else:
        included = folders((*python_headers(), *numpy_headers()))
    done = subprocess.run(
        [
            command,
            *(
                "-std=c11",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-O1",
                "-fPIC",
                "-c",
                "-o",
                str(tmp_path / "object.o"),
            ),
            *(word for folder in included for word in ("-isystem", folder)),
            str(BRIDGES / f"{name}.c"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def parameters(text, start):
    """The type and the name of each parameter of a C function, from the text after `start`."""
    rest = " ".join(text[text.index(start) + len(start) :].split())
    kernel = re.match(r"(kernel_function \*kernel|void \(\*kernel\)\([^)]*\)), ", rest)
    assert kernel is not None
    listed = rest[kernel.end() : rest.index(")", kernel.end())].split(", ")
    return {"kernel": "kernel", **{name: kind for kind, name in (re.split(r"(?=\b\w+$)", p) for p in listed)}}


DEFINED = parameters(driver.source(), "int tapeless_drive(")


@pytest.mark.parametrize(
    "path", [BRIDGES / "ufunc.c", BRIDGES / "jax.c", Path(driver.__file__).parent / "caller.c"]
)
def test_the_driver_is_called_as_it_is_defined(path):
    """What calls it by its address is told of a change by no compiler."""
    assert list(DEFINED)[:5] == ["kernel", "itemsize", "cost", "threads", "dimensions"]
    found = parameters(path.read_text(encoding="utf-8"), "typedef int drive_function(")
    assert list(found.items()) == list(DEFINED.items())


def test_cffi_calls_the_driver_as_it_is_defined():
    assert list(parameters(driver.DRIVER.cdef, "int f(").items()) == list(DEFINED.items())


def test_numba_calls_the_driver_as_it_is_defined():
    pytest.importorskip("numba")
    from llvmlite import ir

    from tapeless.bridges import numba

    kinds = {
        "kernel": numba._POINTER,
        "int ": ir.IntType(32),
        "double ": ir.DoubleType(),
        "ptrdiff_t ": numba._WORD,
        "const ptrdiff_t *": numba._WORD.as_pointer(),
        "const void *const *": numba._TABLE,
        "void *const *": numba._TABLE,
    }
    assert list(numba._DRIVER.args) == [kinds[kind] for kind in DEFINED.values()]
