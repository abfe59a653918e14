"""Hostile, broken and huge input: each is met as the design says, and nothing is run, hung or half-written."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import sympy as sp

import tapeless as tl
import tapeless.runtime.cache


def test_text_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tl.FormulaError):
        tl.compile("__import__('os').system('touch x')")
    assert list(tmp_path.iterdir()) == []


def test_a_symbol_may_have_any_name_and_c_sees_none_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = sp.Symbol('x; system("touch x"); //', real=True)
    f = tl.compile(evil**2 + sp.sin(evil))
    assert f(2.0) == pytest.approx(4 + np.sin(2.0))
    assert f.grad(2.0)[0] == pytest.approx(4 + np.cos(2.0))
    assert "system" not in f.source + f.header
    folder = f.export(tmp_path / "out")
    assert not any("system" in path.read_text() for path in folder.glob("*.[chp]*"))
    code = "import f; print(f.forward(2.0))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == f(2.0)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("9**9**9", tl.LimitError, ""),
        ("x + 9**9**9", tl.LimitError, ""),
        ("factorial(10**7)", tl.FormulaError, "factorial"),
        ("x*factorial(10**7)", tl.FormulaError, "factorial"),
        ("(" * 10_000 + "x" + ")" * 10_000, tl.LimitError, "1000 deep"),
        ("", tl.FormulaError, "empty"),
        ("   \n", tl.FormulaError, "empty"),
        ("x^2", tl.FormulaError, r"\*\*"),
        ("2x", tl.FormulaError, r"2\*x"),
        ("foo(x)", tl.FormulaError, "foo"),
        ("lambda x: x", tl.FormulaError, ""),
        ("x.__class__", tl.FormulaError, ""),
        ("x[0]", tl.TapelessError, ""),
        ("1/0 + x", tl.FormulaError, ""),
        ("10**400*x", tl.LimitError, ""),
        ("x +", tl.FormulaError, ""),
        ("x = = 3", tl.FormulaError, ""),
        ("sqrt(x", tl.FormulaError, ""),
        ("'x'", tl.FormulaError, ""),
        ("x\x00", tl.FormulaError, ""),
    ],
)
def test_refused_texts(text, kind, says):
    start = time.monotonic()
    with pytest.raises(kind, match=says or None) as caught:
        tl.compile(text)
    assert isinstance(caught.value, tl.TapelessError)
    assert len(str(caught.value)) < 1000
    assert time.monotonic() - start < 20, "refused, not worked at"


def test_a_sum_of_a_hundred_thousand_terms_parses():
    from tapeless.frontend.text import parse

    text = " + ".join(f"{k}*x{k % 7}" for k in range(1, 100_001))
    formula = parse(text)
    assert len(formula.outputs[0].args) == 100_000


def test_c_keywords_are_fine_as_variables():
    f = tl.compile("f(double, int, exp, restrict) = double*int + exp(exp)*restrict")
    assert f(1.0, 2.0, 0.0, 3.0) == 5.0
    assert f.grad(1.0, 2.0, 0.0, 3.0) == (2.0, 1.0, 3.0, 1.0)


def test_gamma_beta_and_friends_alone_are_variables():
    f = tl.compile("E*I + S*N + gamma*beta + gamma(gamma)")
    assert set(f.input_names) == {"E", "I", "S", "N", "gamma", "beta"}


@pytest.mark.parametrize("compiler", ["/nowhere/cc", "no-such-compiler-anywhere", ""])
def test_no_compiler(compiler, empty_cache, monkeypatch):
    if compiler:
        monkeypatch.setenv("TAPELESS_CC", compiler)
        says = "TAPELESS_CC"
    else:
        monkeypatch.delenv("TAPELESS_CC", raising=False)
        monkeypatch.setenv("PATH", str(empty_cache))
        monkeypatch.setitem(sys.modules, "ziglang", None)
        says = "tapeless\\[zig\\]"
    with pytest.raises(tl.CompilerError, match=says):
        tl.compile("x + 17")


def test_cc_pointing_nowhere(empty_cache):
    with pytest.raises(tl.CompilerError, match="/nowhere"):
        tl.compile("x + 17", cc="/nowhere/cc")


def test_an_unwritable_cache_directory(tmp_path, monkeypatch):
    """A file stands where the directory should be: nobody can write there, root included."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TAPELESS_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(tl.CacheError, match="TAPELESS_CACHE_DIR"):
        tl.compile("x + 18")
    assert tl.compile("x + 18", cache=False)(1.0) == 19.0


def test_a_world_writable_cache_directory(empty_cache):
    empty_cache.chmod(0o777)
    with pytest.raises(tl.CacheError, match="chmod"):
        tl.compile("x + 19")
    assert list(empty_cache.iterdir()) == []


def test_a_full_disk(empty_cache, monkeypatch):
    class Full:
        """A file on a disk that fills up while it is written."""

        def __init__(self, path):
            self.file = open(path, "xb")  # noqa: SIM115

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            self.file.close()

        def write(self, content):
            self.file.write(content[:3])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(path, mode="r", **options):
        return Full(path) if mode == "xb" else open(path, mode, **options)

    monkeypatch.setattr(tapeless.runtime.cache, "open", opened, raising=False)
    with pytest.raises(tl.CacheError, match="No space left"):
        tl.compile("x + 20")
    monkeypatch.undo()
    monkeypatch.setenv("TAPELESS_CACHE_DIR", str(empty_cache))
    left = [path for path in empty_cache.rglob("*") if path.is_file()]
    assert left == [], "nothing half-written"
    assert tl.compile("x + 20")(1.0) == 21.0


def test_a_truncated_library_is_rebuilt(empty_cache):
    assert tl.compile("x + 21")(1.0) == 22.0
    libraries = list(empty_cache.rglob("*.so"))
    assert libraries
    for path in libraries:
        cut = path.with_suffix(".cut")
        cut.write_bytes(path.read_bytes()[:1000])
        os.replace(cut, path)
    code = "import tapeless; print(tapeless.compile('x + 21')(1.0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == 22.0


def test_the_environment_does_not_reach_the_compiler(empty_cache, tmp_path, monkeypatch):
    (tmp_path / "math.h").write_text("#error poisoned\n")
    for name in ("CPATH", "C_INCLUDE_PATH", "CFLAGS", "COMPILER_PATH", "GCC_EXEC_PREFIX", "LIBRARY_PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    assert tl.compile("sin(x) + 22")(0.0) == 22.0


def test_a_deep_formula_is_differentiated_without_recursion():
    @tl.compile
    def deep(x):
        y = x
        for _ in range(1500):
            y = tl.sin(y) * x
        return y

    limit = sys.getrecursionlimit()
    assert np.isfinite(deep(1.1))
    assert np.isfinite(deep.grad(1.1)[0])
    assert sys.getrecursionlimit() == limit


@pytest.mark.skipif(shutil.which("cc") is None, reason="no cc on PATH")
def test_nothing_of_a_failed_compile_stays_behind(empty_cache, tmp_path, monkeypatch):
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'internal compiler error' >&2\nkill -11 $$\n")
    broken.chmod(0o755)
    with pytest.raises(tl.CompilerError, match=r"(?s)crash|signal|internal"):
        tl.compile("x + 23", cc=str(broken))
    assert [path for path in empty_cache.rglob("*") if path.is_file()] == []
