"""export: files that work without tapeless, whatever the names are."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tapeless as tl
from tapeless.export import files_of, python_names, wrapped

RUFF = Path(sys.executable).parent / "ruff"


@pytest.fixture(scope="module")
def line():
    return tl.compile("line(w, x, b) = w*x + b")


@pytest.fixture(scope="module")
def polar():
    return tl.compile("polar(r, t):\n    x = r*cos(t)\n    y = r*sin(t)\n    return x, y")


def run(folder, code):
    """Run code beside exported files, in a process of its own; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_export_runs_without_tapeless(polar, tmp_path):
    """The exported Python file in a process that cannot import tapeless, sympy or jinja2."""
    folder = polar.export(tmp_path / "deep" / "down")
    assert sorted(p.name for p in folder.iterdir()) == ["libpolar.so", "polar.c", "polar.h", "polar.py"]
    code = """
import sys
for name in ("tapeless", "sympy", "jinja2"):
    sys.modules[name] = None
import numpy as np, polar
x, y = polar.forward(np.ones((3, 1)), [0.0, 1.0])
gr, gt = polar.backward((1.0, 0.0), np.ones((3, 1)), [0.0, 1.0])
(a, b), grads = polar.polar.forward_backward((x, y), 2.0, np.zeros((3, 2), np.float32))
print(x.shape, gr.shape, gt.shape, grads[1].dtype, float(gr[0, 0]))
try:
    polar.backward((np.ones(5), 0.0), np.ones((3, 1)), [0.0, 1.0])
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"(3, 2) (3, 1) (2,) float32 {1 + np.cos(1.0)}"
    assert "(5,)" in lines[1]


def test_exported_c_stands_alone(line, tmp_path):
    line.export(tmp_path)
    (tmp_path / "main.c").write_text(
        """
#include <stdio.h>
#include "line.h"

int main(void)
{
    const double w[2] = {1.0, 2.0}, x[2] = {3.0, 4.0}, b[2] = {5.0, 6.0}, one[2] = {1.0, 1.0};
    double out[2], gw[2], gx[2], gb[2];
    line_forward(2, w, x, b, out);
    line_backward(2, w, x, b, one, gw, gx, gb);
    printf("%g %g %g %g %g\\n", out[0], out[1], gw[1], gx[1], gb[1]);
    return 0;
}
"""
    )
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "main.c", "line.c", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "8 14 4 2 1\n"


def test_cotangents_are_counted(polar, line, tmp_path):
    polar.export(tmp_path)
    line.export(tmp_path)
    code = """
import polar, line
for call in (
    lambda: polar.backward(1.0, 2.0, 3.0),
    lambda: polar.backward((1.0, 2.0, 3.0), 2.0, 3.0),
    lambda: polar.forward_backward((), 2.0, 3.0),
    lambda: line.backward((1.0, 2.0), 2.0, 3.0, 4.0),
):
    try:
        print(call())
    except ValueError as error:
        print(error)
print(*polar.backward([1.0, None], 2.0, 0.0))
"""
    assert run(tmp_path, code) == [
        "2 cotangents are needed, one for each output, not 1",
        "2 cotangents are needed, one for each output, not 3",
        "2 cotangents are needed, one for each output, not 0",
        "1 cotangents are needed, one for each output, not 2",
        "1.0 0.0",
    ]


@pytest.mark.parametrize("name", ["forward", "backward", "forward_backward", "np", "kernel", "f"])
def test_a_function_of_any_name(name, tmp_path):
    f = tl.compile("tuple*isinstance + len*cotangents", name=name)
    f.export(tmp_path)
    called = f"{name}_" if name.endswith("ward") else name
    code = f"""
import {name} as module
print(module.forward(2.0, 3.0, 5.0, 7.0))
print(*module.backward(1.0, tuple=2.0, isinstance=3.0, len=5.0, cotangents=7.0))
print(module.{called}.forward_backward(1.0, 2.0, 3.0, 5.0, 7.0)[0])
"""
    assert run(tmp_path, code) == ["41.0", "3.0 2.0 7.0 5.0", "41.0"]


def test_names_of_builtins_and_other_alphabets_in_a_module(tmp_path):
    formulas = {
        "tuple": "2*x",
        "tuple_": "3*x",
        "zip": "4*x",
        "_np": "5*x",
        "_lib": "6*x",
        "θ": "7*x",
        "φ": "8*x*ψ",
    }
    tl.compile_module(formulas, name="names").export(tmp_path)
    code = """
import names
found = [v for v in vars(names).values() if isinstance(v, type) and "forward" in vars(v)]
print(sorted(v.forward(*[1.0] * v.forward.__code__.co_argcount).item() for v in found))
print(names.tuple_.forward(1.0), names.tuple__.forward(1.0), names.zip_.forward(1.0))
"""
    assert run(tmp_path, code) == ["[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]", "3.0 2.0 4.0"]


def test_two_names_of_another_alphabet_in_one_folder(tmp_path):
    names = ("θ", "φ")
    for factor, name in enumerate(names):
        tl.compile(f"{factor + 2}*x", name=name).export(tmp_path)
    wanted = [file for name in names for file in files_of(name)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(wanted)
    assert all(file.isascii() for file in wanted)
    stems = [files_of(name).python.removesuffix(".py") for name in names]
    assert run(tmp_path, f"import {stems[0]} as a, {stems[1]} as b; print(a.forward(1), b.forward(1))") == [
        "2.0 3.0"
    ]


def test_names_of_c_keep_their_python_file(tmp_path):
    assert tl.compile("exp(x)", name="exp").export(tmp_path) == tmp_path
    assert run(tmp_path, "import exp; print(exp.forward(0.0), exp.exp.backward(2.0, 0.0)[0])") == ["1.0 2.0"]


@pytest.mark.parametrize("name", ["math", "random", "types", "numpy", "cffi", "_cffi_backend"])
def test_files_that_would_hide_a_module_are_refused(name, tmp_path):
    with pytest.raises(tl.ArgumentError, match=f"name='{name}_f'"):
        tl.compile("x*2", name=name).export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("folder", [3, None, ["a"]])
def test_a_folder_is_a_path(line, folder):
    with pytest.raises(tl.ArgumentError, match="folder must be a path"):
        line.export(folder)


def test_a_path_that_cannot_be(line, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", "a\0b"):
        with pytest.raises(tl.TapelessError, match="cannot write"):
            line.export(folder)


def test_shaped_inputs(tmp_path):
    f = tl.compile("norm(x[3], s):\n    return s*(x[0]**2 + x[1]**2 + x[2]**2), x[0]*x[2]")
    f.export(tmp_path)
    code = """
import numpy as np, norm
x = np.arange(6.0).reshape(2, 3)
print(*[v.tolist() for v in norm.forward(x, 2.0)])
gx, gs = norm.backward((1.0, np.ones(2)), x, 2.0)
print(gx.tolist(), gs)
print(norm.forward(np.empty((0, 3)), 1.0)[0].shape)
try:
    norm.forward(2.0, 3.0)
except ValueError as error:
    print(error)
"""
    assert run(tmp_path, code) == [
        "[10.0, 100.0] [0.0, 15.0]",
        "[[2.0, 4.0, 8.0], [17.0, 16.0, 23.0]] 55.0",
        "(0,)",
        "an input has shape (); its last dimensions must be (3,)",
    ]


def test_gradients_by_some_inputs(tmp_path):
    tl.compile("line(w, x, b) = w*x + b", wrt=("b", "w")).export(tmp_path)
    assert run(tmp_path, "import line; print(*line.backward(2.0, 3.0, 5.0, [7.0, 1.0])[::-1])") == [
        "20.0 [2. 2.]"
    ]


def sources(tmp_path):
    many = [f"input_number_{k}" for k in range(60)]
    some = [f"input_number_{k}" for k in range(4, 9)]
    formulas = {
        "many": f"many({', '.join(many)}) = {' * '.join(many)}",
        "some": f"some({', '.join(some)}) = {' * '.join(some)}",
        "one": "x*2",
        "norm": "norm(x[3], y[2, 2]):\n    return x[0]*y[0, 1], x[1] + x[2]",
        "a_function_with_a_long_name_that_goes_on_and_on_and_on": "x*y",
    }
    tl.compile_module(formulas, name="several").export(tmp_path)
    for name, formula in formulas.items():
        tl.compile(formula, name=name).export(tmp_path)
    return sorted(tmp_path.glob("*.py"))


def test_the_python_reads_well(tmp_path):
    for path in sources(tmp_path):
        text = path.read_text(encoding="utf-8")
        assert "\n\n\n\n" not in text
        assert max(map(len, text.splitlines())) <= 110
        tree = ast.parse(text)
        assert [
            ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        ].count(None) == 0
    if not RUFF.exists():
        pytest.skip("ruff is not installed in this environment")
    for command in (["format", "--check"], ["check", "--select", "E,F,W,I"]):
        done = subprocess.run(
            [RUFF, *command, "--isolated", "--no-cache", "--line-length", "110", tmp_path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_exported_files_move_together(line, tmp_path):
    line.export(tmp_path / "a")
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert run(tmp_path / "b", "import line; print(line.forward(2, 3, 4))") == ["10.0"]


def test_python_names():
    assert python_names(["arg0", "θ", "if", "_x"], (), ["arg0", "arg0", "arg2", "arg3"]) == [
        "arg0",
        "arg0_",
        "if_",
        "arg3",
    ]


def test_wrapped():
    assert wrapped("f(", ["a", "b"], ")", 4) == "f(a, b)"
    assert wrapped("(", ["a"], ")", 4, single=True) == "(a,)"
    assert (
        wrapped("f(", ["a" * 60, "b" * 42], ")", 4) == f"f(\n        {'a' * 60},\n        {'b' * 42},\n    )"
    )
    rows = ["a" * 60, "b" * 42]
    assert wrapped("name = f(", rows, ")", 0) == f"name = f(\n    {', '.join(rows)}\n)"
    assert wrapped("f(", ["a" * 60, "b" * 60], ")", 0) == f"f(\n    {'a' * 60},\n    {'b' * 60},\n)"


def test_a_library_in_use_is_not_changed_under_its_user(tmp_path):
    """Exporting again over a library that a process has loaded: the process keeps the old one and lives."""
    tl.compile("again(x) = x*x + 1").export(tmp_path)
    code = """
import again, tapeless as tl
before = again.forward(2.0)
tl.compile("again(x) = exp(sin(x))*tanh(x) + erf(x)/(1 + x**2)").export(".")
print(before, again.forward(2.0))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["5.0", "5.0"]
    assert len(list(tmp_path.glob("*again*"))) == 4, "nothing temporary stays"


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    def full(path, content):
        if path.name.startswith(".half.h"):
            raise OSError(28, "No space left on device")
        path.touch()

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(tl.TapelessError, match="No space left"):
        tl.compile("half(x) = x + 31").export(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "value", ["1j", "np.array(['a'])", "np.ma.array([1.0], mask=[1])", "None", "[object()]"]
)
def test_exported_functions_refuse_what_is_not_a_real_number(value, tmp_path):
    tl.compile("strict(x) = x*x").export(tmp_path)
    code = f"""
import numpy as np, strict
for call in (strict.forward, lambda x: strict.backward(1.0, x), lambda x: strict.forward_backward(x, 2.0)):
    try:
        call({value})
    except TypeError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    refused = 2 if value == "None" else 3  # a cotangent of None stands for zero
    assert done.stdout.count("expected real numbers") == refused
