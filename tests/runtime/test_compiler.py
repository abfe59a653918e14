import importlib.util
import os
import shutil
import sys
from types import SimpleNamespace

import pytest

from tapeless.errors import CompilerError
from tapeless.runtime.compiler import Compiler, find_compiler, which


@pytest.fixture
def no_compiler(monkeypatch, tmp_path):
    monkeypatch.delenv("TAPELESS_CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_no_compiler_names_both_remedies(no_compiler):
    with pytest.raises(CompilerError, match=r"apt install gcc") as raised:
        find_compiler()
    assert "pip install 'tapeless[zig]'" in str(raised.value)
    assert "TAPELESS_CC" in str(raised.value)


def test_first_of_cc_gcc_clang_is_taken(no_compiler, script):
    clang = script("", "clang")
    assert find_compiler().argv == (clang,)
    gcc = script("", "gcc")
    assert find_compiler().argv == (gcc,)
    cc = script("", "cc")
    assert find_compiler().argv == (cc,)


def test_ziglang_serves_where_there_is_nothing_else(no_compiler, monkeypatch, tmp_path):
    (tmp_path / "zig").write_bytes(b"")
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "ziglang" else None)
    compiler = find_compiler()
    assert compiler.argv == (sys.executable, "-m", "ziglang", "cc")
    assert compiler.zig
    assert str(tmp_path / "zig") in compiler.identity


def test_zig_gets_its_own_spelling(monkeypatch):
    command = Compiler(("zig", "cc"), "", zig=True).command("a.c", "a.so")
    assert "-fno-sanitize=undefined" in command
    assert not any(word.startswith("-march=x86-64") for word in command)


def test_environment_variable_may_hold_arguments(monkeypatch, script):
    path = script("", "my compiler")
    monkeypatch.setenv("TAPELESS_CC", f"'{path}' -B /somewhere")
    assert find_compiler().argv == (path, "-B", "/somewhere")


def test_argument_goes_before_environment(monkeypatch, script):
    monkeypatch.setenv("TAPELESS_CC", "/nowhere/cc")
    path = script("")
    assert find_compiler(path).argv == (path,)


@pytest.mark.parametrize("value", ["/nowhere/cc", "no-such-compiler -O2", "'unbalanced", "   "])
def test_environment_variable_that_points_nowhere_is_named(monkeypatch, value):
    monkeypatch.setenv("TAPELESS_CC", value)
    with pytest.raises(CompilerError, match=r"TAPELESS_CC") as raised:
        find_compiler()
    assert repr(value) in str(raised.value)


def test_argument_that_points_nowhere_is_named():
    with pytest.raises(CompilerError, match=r"cc='/nowhere/cc'"):
        find_compiler("/nowhere/cc")


def test_a_directory_and_a_plain_file_are_no_compilers(tmp_path):
    (tmp_path / "file").write_text("")
    assert which(str(tmp_path)) is None
    assert which(str(tmp_path / "file")) is None


@pytest.mark.parametrize("name", ["sh", "cc", "no-such-command"])
def test_search_agrees_with_the_standard_library(name):
    assert which(name) == shutil.which(name)


def test_identity_changes_with_the_executable(script):
    path = script("exit 0")
    before = find_compiler(path).identity
    assert find_compiler(path).identity == before
    os.utime(path, (1, 1))
    touched = find_compiler(path).identity
    script("exit 0 # longer")
    assert len({before, touched, find_compiler(path).identity}) == 3


def test_identity_follows_links_and_launchers(script, tmp_path):
    real = script("", "real")
    link = tmp_path / "link"
    link.symlink_to(real)
    assert find_compiler(str(link)).identity == find_compiler(real).identity
    launcher = script("", "launcher")
    before = find_compiler(f"{launcher} {real}").identity
    os.utime(real, (1, 1))
    assert find_compiler(f"{launcher} {real}").identity != before


def test_command_line_keeps_the_meaning_of_floating_point(compiler):
    command = compiler.command("a.c", "a.so", optimize="-O1", extra=("-DX=1",))
    assert {"-O1", "-DX=1", "-ffp-contract=off", "-fPIC", "-shared", "-lm"} <= set(command)
    assert not {"-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-march=native"} & set(command)
    assert not any(w.startswith("-march") for w in compiler.command("a.c", "a.so", architecture=False))
