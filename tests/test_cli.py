"""The command `tapeless`: what it prints, its exit status, and what it says of bad input."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import tapeless
from tapeless import cli, doctor

LINE = "line(w, x, b) = w*x + b"
SCRIPT = Path(sys.executable).with_name("tapeless")


def run(*words, stdin=None):
    return CliRunner().invoke(cli.command, words, input=stdin, prog_name="tapeless")


def start(*words, cwd, **environment):
    """Run the installed command as a process of its own."""
    return subprocess.run(
        [str(SCRIPT), *words],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def assert_refused(result, *words):
    """Exit status 2, a message on standard error, and nothing of Python's."""
    assert result.exit_code == 2, result.output
    assert not result.stdout
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


# ---------------------------------------------------------------- compile


def test_compile_writes_files_that_stand_alone(tmp_path):
    done = start("compile", LINE, "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("line.c", "line.h", "libline.so", "line.py"):
        assert (tmp_path / "out" / name).stat().st_size
        assert name in done.stdout
    code = """
import sys, line
print(line.forward(2.0, 5.0, 1.0), "tapeless" in sys.modules, "sympy" in sys.modules)
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True, check=False
    )
    assert loaded.stdout.split() == ["11.0", "False", "False"], loaded.stderr


MAIN = r"""#include <stdio.h>
#include "line.h"
int main(void)
{
    const double w[2] = {2, 3}, x[2] = {5, 7}, b[2] = {1, 1}, g[2] = {1, 1};
    double out[2], w_bar[2], x_bar[2], b_bar[2];
    line_forward(2, w, x, b, out);
    line_backward(2, w, x, b, g, w_bar, x_bar, b_bar);
    return printf("%g %g; %g %g %g\n", out[0], out[1], w_bar[1], x_bar[1], b_bar[1]) < 0;
}
"""


@pytest.mark.parametrize("compiler", ["cc", "clang"])
def test_exported_c_compiles_strictly(tmp_path, compiler):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    assert run("compile", LINE, "-o", str(tmp_path)).exit_code == 0
    (tmp_path / "main.c").write_text(MAIN)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "main.c", "line.c", "-lm", "-o", "main"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    assert printed == "11 22; 7 3 1\n"


def test_compile_alone_shows_formulas_and_operations():
    result = run("compile", LINE)
    assert result.exit_code == 0
    assert "line(w, x, b) -> out, float64, (),(),()->()" in result.stdout
    assert "w_bar = out_bar*x" in result.stdout
    assert "(1 mul, 1 add)" in result.stdout


def test_compile_takes_name_inputs_wrt_and_dtype():
    result = run(
        "compile", "w*x", "--name", "product", "--inputs", "x, w, unused", "--wrt", "w", "--dtype", "float32"
    )
    assert result.exit_code == 0
    assert "product(x, w, unused) -> out, float32" in result.stdout
    assert "w_bar = out_bar*x" in result.stdout
    assert "x_bar" not in result.stdout


def test_compile_without_a_derivative_in_c_says_so():
    result = run("compile", "besselj(x, 2)")
    assert result.exit_code == 0
    assert "besselj by its argument v" in result.stdout.splitlines()[-1]


def test_what_the_files_hold(tmp_path):
    whole = run("compile", LINE, "-o", str(tmp_path)).stdout
    assert "plain C11: forward, backward, both in one pass" in whole
    assert "without" not in whole
    result = run("compile", "besselj(x, 2)", "-o", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].endswith("plain C11: forward")
    assert "without backward: the derivative of besselj by its argument v" in result.stdout


def test_standard_output_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(run("compile", LINE, "-o", "-"), "folder")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_c_reserves_is_listed_as_it_was_written(tmp_path):
    result = run("compile", "double(x) = 2*x", "-o", str(tmp_path))
    assert result.exit_code == 0
    listed = {line.split()[0] for line in result.stdout.splitlines()[1:]}
    assert listed == {path.name for path in tmp_path.iterdir()}


# ---------------------------------------------------------------- where the formula comes from


@pytest.mark.parametrize("way", ["-", "@file", "--file"])
def test_a_formula_from_elsewhere(tmp_path, way):
    path = tmp_path / "formula.txt"
    text = "norm(x, y):\n    r2 = x**2 + y**2\n    return sqrt(r2)\n"
    path.write_text(text)
    words = {"-": ["-"], "@file": [f"@{path}"], "--file": ["--file", str(path)]}[way]
    result = run("derive", *words, stdin=text if way == "-" else None)
    assert result.exit_code == 0
    assert result.stdout.startswith("norm(x, y) -> out\n")


def test_a_formula_that_begins_with_minus():
    assert_refused(run("derive", "-x"), "tapeless derive -- '-x'")
    assert "out = -x" in run("derive", "--", "-x").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give one formula"),
        (("x", "--file", __file__), "give one formula"),
        (("@/nowhere/formula",), "/nowhere/formula: No such file"),
        (("@",), "@formula.txt"),
        (("--file", os.sep), "Is a directory"),
    ],
)
def test_no_formula_or_too_many(words, said):
    assert_refused(run("derive", *words), said)


def test_bytes_that_are_no_text():
    assert_refused(run("derive", "-", stdin=b"x*\xff"), "UTF-8 (byte 2)")


# ---------------------------------------------------------------- bad formulas


@pytest.mark.parametrize("subcommand", ["compile", "derive", "check"])
@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("w*(x + b", "^"),
        ("x^2", "**"),
        ("foo(x)", "foo"),
        ("", "empty"),
        ("2x", "2*x"),
        ("1 + 2", "no input"),
    ],
)
def test_bad_formulas(subcommand, formula, said):
    assert_refused(run(subcommand, formula), said)


def test_the_caret_stands_under_the_offending_character():
    text, caret = run("derive", "alpha + x^2").stderr.splitlines()[-2:]
    assert text[caret.index("^")] == "^"


@pytest.mark.parametrize("words", [("derive", "x", "--wrt", "q"), ("compile", "x", "--wrt", "q")])
def test_wrt_that_is_no_input(words):
    assert_refused(run(*words), "'q'")


def test_an_unknown_command_is_bad_input():
    assert_refused(run("frobnicate"), "frobnicate")


# ---------------------------------------------------------------- derive


def test_derive_aligns_the_formulas():
    result = run("derive", "f(w, alpha) = w*alpha")
    assert result.stdout.splitlines() == [
        "f(w, alpha) -> out",
        "",
        "forward",
        "  out = alpha*w",
        "",
        "backward, from out_bar",
        "  w_bar     = alpha*out_bar",
        "  alpha_bar = out_bar*w",
    ]


def test_derive_needs_no_compiler(monkeypatch):
    monkeypatch.setenv("TAPELESS_CC", "/nowhere")
    assert "x_bar = 2*out_bar*x" in run("derive", "x**2").stdout


@pytest.mark.parametrize("assumed", ["q=positive", "x=2:1"])
def test_derive_refuses_a_range_before_it_prints(assumed):
    result = run("derive", "x**2", "--assume", assumed)
    assert_refused(result, assumed[0])
    assert not result.stdout


def test_derive_latex():
    result = run("derive", "f(alpha, x) = alpha*x**2", "--latex", "--wrt", "x")
    assert result.stdout.splitlines() == [
        r"\begin{aligned}",
        r"  out &= \alpha x^{2} \\",
        r"  \bar{x} &= 2 \alpha \bar{out} x",
        r"\end{aligned}",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_names_of_any_alphabet_in_any_terminal(tmp_path, encoding):
    done = subprocess.run(
        [str(SCRIPT), "derive", "α*x"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


# ---------------------------------------------------------------- check


def test_check_prints_the_table():
    result = run(
        "check", "sin(x)/y", "--range", "x=0.1:3", "--range", "y=1:2", "--points", "5", "--seed", "7"
    )
    assert result.exit_code == 0, result.output
    assert "5 points drawn with seed 7" in result.stdout
    assert "d out/d y" in result.stdout
    table, _, singular = result.stdout.partition("\n\n")
    assert table.splitlines()[-1] == "all 3 ok"
    assert singular.startswith("not differentiable:\nout is infinite where y = 0")


def test_a_failed_check_exits_with_1(monkeypatch):
    right = tapeless.Function.backward
    monkeypatch.setattr(
        tapeless.Function,
        "backward",
        lambda self, *given, **named: tuple(1.001 * gradient for gradient in right(self, *given, **named)),
    )
    result = run("check", "x*y")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert not result.stderr


def test_a_derivative_that_c_does_not_have_is_noted():
    result = run("check", "besselj(x, 2)", "--range", "x=1:2")
    assert result.exit_code == 0
    assert "d out/d x: the derivative is not available" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 of 2 ok, 1 not checked"


def test_points_are_drawn_from_the_range():
    assert run("check", "log(x)", "--range", "x=0.5:2").exit_code == 0
    assert_refused(run("check", "log(x)", "--range", "x=-2:-1"), "no point", "--range x=LOW:HIGH")


@pytest.mark.parametrize("text", ["x", "x=1", "x=2:1", "x=a:b", "=1:2", "x=nan:1", "y=1:2"])
def test_bad_ranges(text):
    assert_refused(run("check", "x**2", "--range", text), "range")


def test_no_points():
    assert_refused(run("check", "x", "--points", "0"), "--points")


# ---------------------------------------------------------------- surroundings that are broken


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    assert_refused(run("compile", LINE, "-o", str(tmp_path / "file" / "out")), "Not a directory")


@pytest.mark.parametrize("subcommand", ["compile", "check"])
def test_no_compiler(monkeypatch, subcommand):
    monkeypatch.setenv("TAPELESS_CC", "/nowhere")
    assert_refused(run(subcommand, "w*x + b"), "/nowhere")
    assert_refused(run(subcommand, "w*x + b", "--cc", "/elsewhere"), "/elsewhere")


def test_a_cache_that_cannot_be_used(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TAPELESS_CACHE_DIR", str(tmp_path / "file" / "cache"))
    for words in (("compile", "w*x"), ("check", "w*x"), ("cache", "info"), ("cache", "clear", "--yes")):
        result = run(*words)
        assert_refused(result, "TAPELESS_CACHE_DIR")
        assert "cache=False" not in result.stderr
        assert ("--no-cache" in result.stderr) == (words[0] != "cache")
    assert "--no-cache" in by_subject()["cache"].remedy


def test_without_the_cache(tmp_path, empty_cache):
    for words in (("compile", "w*x"), ("compile", "w*x", "-o", str(tmp_path / "out")), ("check", "w*x")):
        assert run(*words, "--no-cache").exit_code == 0
    assert list(empty_cache.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OSError(28, "No space left on device", "/full"), 2, "/full: No space left on device"),
        (MemoryError(), 2, "out of memory"),
        (RecursionError(), 2, "too deeply"),
        (ZeroDivisionError("oh"), 2, "unexpected ZeroDivisionError: oh"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_no_error_ends_in_a_traceback(monkeypatch, error, status, said):
    def fail(*_):
        raise error

    monkeypatch.setattr(cli, "_program", fail)
    result = run("derive", "x")
    assert result.exit_code == status
    assert said in result.stderr
    assert not isinstance(result.exception, type(error))


def test_the_traceback_can_be_had(monkeypatch):
    monkeypatch.setattr(cli, "_program", lambda *_: 1 / 0)
    result = run("--traceback", "derive", "x")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: unexpected ZeroDivisionError")


def test_a_pipe_that_closes_is_no_error(tmp_path):
    line = f"'{SCRIPT}' compile --help | true; '{SCRIPT}' derive 'x**2' | true; '{SCRIPT}' demo | head -n 1"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("tapeless")


# ---------------------------------------------------------------- version, start


@pytest.mark.parametrize("command", [[str(SCRIPT)], [sys.executable, "-m", "tapeless"]])
def test_version_from_anywhere(tmp_path, command):
    done = subprocess.run([*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"tapeless {tapeless.__version__}\n"


def test_the_version_does_not_wait_for_sympy(tmp_path):
    code = """
import sys
from tapeless import cli
try:
    cli.command(["--version"])
except SystemExit:
    print([name for name in ("sympy", "jinja2", "rich", "pycparser") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", [("-h",), ("--help",), ("compile", "-h"), ("cache", "clear", "--help")])
def test_help(words):
    result = run(*words)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: tapeless")


# ---------------------------------------------------------------- cache


def test_cache_info_and_clear(empty_cache):
    assert str(empty_cache) in run("cache", "clear", "--yes").stdout
    assert run("compile", "w*x").exit_code == 0
    info = run("cache", "info").stdout
    assert str(empty_cache) in info
    assert ["libraries", "0"] not in [line.split() for line in info.splitlines()]
    assert "nothing was removed" in run("cache", "clear", stdin="n\n").stdout
    assert_refused(run("cache", "clear"), "nothing was removed", "--yes")
    assert list(empty_cache.rglob("*.so"))
    assert "removed" in run("cache", "clear", stdin="y\n").stdout
    assert not list(empty_cache.rglob("*.so"))
    assert ["libraries", "0"] in [line.split() for line in run("cache", "info").stdout.splitlines()]


# ---------------------------------------------------------------- doctor


def by_subject():
    return {finding.subject: finding for finding in doctor.examine()}


def test_doctor_on_a_machine_that_works(empty_cache):
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "ready to compile"
    found = by_subject()
    assert found["test compile"].state == found["cached compile"].state == "ok"
    assert "-std=c11" in found["flags"].text
    assert str(empty_cache) in found["cache"].text
    assert "mode 700" in found["cache"].text


def test_doctor_tells_of_the_fast_caller(monkeypatch):
    monkeypatch.delenv("TAPELESS_CALLER", raising=False)
    found = by_subject()["fast caller"]
    assert found.state in ("ok", "missing")
    assert found.text
    monkeypatch.setenv("TAPELESS_CALLER", "0")
    found = by_subject()["fast caller"]
    assert (found.state, found.remedy) == ("missing", "unset TAPELESS_CALLER")
    assert not found.fatal


def test_doctor_tells_of_threads_and_memory(monkeypatch):
    from tapeless.runtime import cores
    from tapeless.runtime.pool import POOL

    monkeypatch.setattr(cores, "_limit", None)
    monkeypatch.setattr(POOL, "_limit", None)
    monkeypatch.setenv("TAPELESS_NUM_THREADS", "3")
    monkeypatch.setenv("TAPELESS_POOL_LIMIT", "5000000")
    found = by_subject()
    assert "3 at most for a call" in found["threads"].text
    assert "by TAPELESS_NUM_THREADS" in found["threads"].text
    assert "up to 5 MB kept for large results" in found["memory"].text
    monkeypatch.setattr(cores, "_limit", None)
    monkeypatch.setattr(POOL, "_limit", None)
    monkeypatch.setenv("TAPELESS_NUM_THREADS", "many")
    monkeypatch.setenv("TAPELESS_POOL_LIMIT", "much")
    found = by_subject()
    assert (found["threads"].state, found["threads"].remedy) == (
        "missing",
        "set it to 1 or more, or unset it",
    )
    assert (found["memory"].state, found["memory"].remedy) == ("missing", "0 keeps nothing")


def test_doctor_without_a_compiler(monkeypatch):
    monkeypatch.setenv("TAPELESS_CC", "/nowhere")
    result = run("doctor")
    assert result.exit_code == 1
    assert "-> give the name or path of one" in result.stdout
    assert "FAILED: formulas cannot be compiled" in result.stdout


def test_doctor_with_no_compiler_at_all_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.delenv("TAPELESS_CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    finding = by_subject()["compiler"]
    assert finding.text.startswith("no C compiler found")
    assert finding.remedy.startswith("Install a compiler")


def test_doctor_with_a_compiler_that_fails(monkeypatch, tmp_path):
    fake = tmp_path / "cc"
    fake.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("TAPELESS_CC", str(fake))
    result = run("doctor")
    assert result.exit_code == 1
    assert "exits with 3" in result.stdout
    assert "broken" in result.stdout


def test_doctor_with_a_compiler_that_only_knows_its_version(monkeypatch, tmp_path):
    fake = tmp_path / "cc"
    fake.write_text('#!/bin/sh\ntest "$1" = --version && echo fake 1.0 && exit 0\nexit 3\n')
    fake.chmod(0o755)
    monkeypatch.setenv("TAPELESS_CC", str(fake))
    found = by_subject()
    assert found["compiler"].text.startswith("fake 1.0")
    assert found["test compile"].fatal


def test_doctor_with_an_unsafe_or_unreachable_cache(monkeypatch, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "file").touch()
    for path, said in ((shared, "chmod 700"), (tmp_path / "file" / "cache", "TAPELESS_CACHE_DIR")):
        monkeypatch.setenv("TAPELESS_CACHE_DIR", str(path))
        assert run("doctor").exit_code == 1
        assert said in by_subject()["cache"].remedy


def test_doctor_finds_a_wrong_result(monkeypatch):
    wrong = SimpleNamespace(value_and_grad=lambda *_: (11.0, (5.0, 2.0, 1.5)))
    monkeypatch.setattr(tapeless, "compile", lambda *_, **__: wrong)
    assert by_subject()["test compile"].fatal


def test_doctor_survives_a_package_that_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "_PACKAGES", ("numpy", "a_package_that_is_not_here"))
    finding = by_subject()["a_package_that_is_not_here"]
    assert finding.fatal
    assert finding.remedy == "pip install a_package_that_is_not_here"


def test_doctor_survives_anything(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr(tapeless, "compile", fail)
    assert "RuntimeError: boom" in by_subject()["test compile"].text


def test_doctor_looks_for_hosts_without_importing_them(tmp_path):
    code = """
import sys
from tapeless.doctor import examine
examine()
print([name for name in ("scipy", "torch", "jax") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# ---------------------------------------------------------------- report


def test_report_writes_a_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("report", LINE, "-o", "line.html", "--points", "4")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "line: all 4 ok, written to line.html\n"
    page = (tmp_path / "line.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "w*x + b" in page


def test_report_to_standard_output(tmp_path):
    done = start("report", LINE, "-o", "-", "--points", "2", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.rstrip().endswith("</html>")


def test_report_over_ranges(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("report", "log(x - 10)", "--range", "x=11:12", "--points", "2", "--bench")
    assert done.exit_code == 0
    assert "Throughput" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert_refused(run("report", "log(x - 10)"), "--range x=LOW:HIGH")
    assert_refused(run("report", LINE, "--range", "q=0:1"), "'q'", "w, x, b")
    assert_refused(run("report", LINE, "-o", "nowhere/line.html"), "nowhere/line.html")


def test_report_exits_with_1_where_the_check_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right = tapeless.Function.backward
    wrong = lambda self, bars, *primals: tuple(2.0 * part for part in right(self, bars, *primals))  # noqa: E731
    monkeypatch.setattr(tapeless.Function, "backward", wrong)
    done = run("report", "f(x) = x**2", "--points", "4")
    assert done.exit_code == 1
    assert "FAILED" in done.stdout
    assert "FAILED" in (tmp_path / "report.html").read_text(encoding="utf-8")
