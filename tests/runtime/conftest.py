"""Kernels written by hand, and what it takes to build and call them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tapeless.runtime import caller
from tapeless.runtime.arrays import Caller
from tapeless.runtime.build import build
from tapeless.runtime.cache import Cache
from tapeless.runtime.compiler import find_compiler
from tapeless.runtime.driver import driver, headers, source
from tapeless.runtime.load import load
from tapeless.runtime.signature import KernelSignature, Operand, Result

# T is the element type.
SOURCE = """
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#define IN(k) (const T *)in[k]
#define OUT(k) (T *)out[k]

static void line_(ptrdiff_t n, const T *restrict w, const T *restrict x, const T *restrict b, T *restrict y)
{ for (ptrdiff_t i = 0; i < n; i++) y[i] = w[i] * x[i] + b[i]; }
void line(ptrdiff_t n, const void *const *in, void *const *out)
{ line_(n, IN(0), IN(1), IN(2), OUT(0)); }

static void back_(ptrdiff_t n, const T *restrict g, const T *restrict w, const T *restrict x,
                  T *restrict gw, T *restrict gx, T *restrict gb)
{ for (ptrdiff_t i = 0; i < n; i++) { gw[i] = x[i] * g[i]; gx[i] = w[i] * g[i]; gb[i] = g[i]; } }
void line_backward(ptrdiff_t n, const void *const *in, void *const *out)
{ back_(n, IN(0), IN(1), IN(2), OUT(0), OUT(1), OUT(2)); }

/* norm(x[3], s): r = |s x|^2, d = s x */
void norm(ptrdiff_t n, const void *const *in, void *const *out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        T sum = 0, s = (IN(3))[i];
        for (int k = 0; k < 3; k++) {
            T d = s * (IN(k))[i];
            (OUT(1 + k))[i] = d;
            sum += d * d;
        }
        (OUT(0))[i] = sum;
    }
}

/* backward of d = s x alone */
void norm_backward(ptrdiff_t n, const void *const *in, void *const *out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        T sum = 0, s = (IN(6))[i];
        for (int k = 0; k < 3; k++) {
            (OUT(k))[i] = s * (IN(k))[i];
            sum += (IN(3 + k))[i] * (IN(k))[i];
        }
        (OUT(3))[i] = sum;
    }
}

/* the value itself, whose gradient is the cotangent: shows sums as they are */
void copy(ptrdiff_t n, const void *const *in, void *const *out)
{ for (ptrdiff_t i = 0; i < n; i++) (OUT(0))[i] = (IN(0))[i] + 0 * (IN(1))[i]; }

void alignment(ptrdiff_t n, const void *const *in, void *const *out)
{
    T off = (T)((uintptr_t)in[0] % sizeof(T) + (uintptr_t)out[0] % sizeof(T));
    for (ptrdiff_t i = 0; i < n; i++) memcpy((char *)out[0] + i * sizeof(T), &off, sizeof off);
}

void conditions(ptrdiff_t n, const void *const *in, void *const *out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        T x = (IN(0))[i], y = (IN(1))[i];
        (OUT(0))[i] = (x < y) + 2 * (x == y) + 4 * (x >= y) + 8 * (x != y) + 16 * !(x < y);
        (OUT(1))[i] = isnan(x) ? 1 : isinf(x) ? 2 : 0;
    }
}
"""

SIGNATURES = {
    "line": ((Operand("w"), Operand("x"), Operand("b")), (Result("y"),)),
    "line_backward": (
        (Operand("y", role="cotangent"), Operand("w"), Operand("x"), Operand("b")),
        (Result("w_bar", like=1), Result("x_bar", like=2), Result("b_bar", like=3)),
    ),
    "norm": ((Operand("x", (3,)), Operand("s")), (Result("r"), Result("d", (3,)))),
    "norm_backward": (
        (Operand("d", (3,), "cotangent"), Operand("x", (3,)), Operand("s")),
        (Result("x_bar", (3,), like=1), Result("s_bar", like=2)),
    ),
    # The second operand only spreads the batch.
    "copy": ((Operand("v"), Operand("spread")), (Result("v_copy"),)),
    "alignment": ((Operand("x"),), (Result("off"),)),
    "conditions": ((Operand("x"), Operand("y")), (Result("compared"), Result("kind"))),
}
# The backward kernel takes b as an operand so that its shape is known, and does not read it.


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TAPELESS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TAPELESS_CACHE_LIMIT", raising=False)


@pytest.fixture(scope="session")
def compiler():
    return find_compiler()


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("shared") / "cache")


@pytest.fixture(scope="session")
def pointers(compiler, shared_cache):
    def of(dtype):
        word = {"float64": "double", "float32": "float"}[dtype]
        library = build(f"#define T {word}\n{SOURCE}", compiler=compiler, cache=shared_cache)
        return load(library, SIGNATURES)

    return of


@pytest.fixture(scope="session")
def extension(compiler, shared_cache):
    """The extension with the fast caller."""
    found = caller.find(compiler, shared_cache)
    if found.extension is None:
        pytest.skip(found.reason)
    return found.extension


@pytest.fixture(scope="session")
def making(pointers, compiler, shared_cache):
    """Makes, for a way of calling, what makes callers of the kernels above and of any signature over them."""

    def through(fast):
        def of(symbol, dtype="float64", operands=None, results=None):
            default_operands, default_results = SIGNATURES[symbol]
            signature = KernelSignature(
                symbol,
                dtype,
                default_operands if operands is None else operands,
                default_results if results is None else results,
            )
            return Caller(pointers(dtype)[symbol], signature, driver(compiler, shared_cache), fast)

        return of

    return through


@pytest.fixture(scope="session", params=["fast", "cffi"])
def make(request, making):
    """Callers for both ways, which are to do the same."""
    return making(request.getfixturevalue("extension") if request.param == "fast" else None)


@pytest.fixture
def script(tmp_path):
    """An executable shell script."""

    def write(body, name="fake-cc"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return os.fspath(path)

    return write


@pytest.fixture
def driver_folder(tmp_path):
    """A folder with the driver's C."""
    for name, text in {"driver.c": source(), **headers()}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def check_program(compiler, driver_folder):
    """Build a C program of this folder around the driver, with sanitizers if need be; return what runs it."""

    def build_program(name, sanitizer, *flags):
        shutil.copy(Path(__file__).parent / name, driver_folder)
        checks = [f"-fsanitize={kind}" for kind in sanitizer]
        options = ["-std=c11", "-g", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-pthread"]
        command = [*compiler.argv, *options, *checks, "-fno-sanitize-recover=all", *flags]
        built = subprocess.run(
            [*command, "-o", "program", name, "-lm"],
            cwd=driver_folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode and sanitizer:
            trial = subprocess.run(
                [*compiler.argv, *checks, "-o", "trial", "-x", "c", "-"],
                cwd=driver_folder, input="int main(void) { return 0; }", capture_output=True, text=True, check=False,
            )  # fmt: skip
            if trial.returncode:
                pytest.skip("this compiler has no such sanitizer")
        assert built.returncode == 0, built.stderr

        def run(*words):
            done = subprocess.run(
                [driver_folder / "program", *map(str, words)],
                capture_output=True, text=True, check=False, timeout=300,
            )  # fmt: skip
            if "unexpected memory mapping" in done.stderr:
                pytest.skip("the sanitizer does not work with this kernel's address layout")
            assert done.returncode == 0, done.stderr or done.returncode

        return run

    return build_program
