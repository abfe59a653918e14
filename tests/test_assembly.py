"""Assembly: which kernels go into one library, and what the compiler is asked for."""

import numpy as np
import pytest

import tapeless as tl
from tapeless import assembly

TEXT = "f(x, y) = x*exp(x*y) + sin(y)"


@pytest.fixture
def built(monkeypatch):
    """The C texts and flags handed to the compiler, in order."""
    from tapeless.runtime import build as module

    seen, build = [], module.build

    def spy(source, **options):
        seen.append((source, options))
        return build(source, **options)

    monkeypatch.setattr(module, "build", spy)
    return seen


def kinds_in(source):
    return [kind for kind in ("forward", "backward", "forward_backward") if f"void f_{kind}(" in source]


def test_a_small_function_is_built_whole(built):
    tl.compile(TEXT, cache=False).backward(1.0, 0.3, 0.4)
    assert [kinds_in(source) for source, _ in built] == [["forward", "backward", "forward_backward"]]


def test_kinds_of_a_large_function_are_built_when_they_are_called(built, monkeypatch):
    wanted = tl.compile(TEXT, cache=False).forward_backward(1.0, 0.3, 0.4)
    built.clear()
    monkeypatch.setattr(assembly, "_ALL_KINDS", 3)
    f = tl.compile(TEXT, cache=False)
    assert [kinds_in(source) for source, _ in built] == [["forward"]]
    assert f(0.3, 0.4) == wanted[0]
    np.testing.assert_allclose(f.backward(1.0, 0.3, 0.4), wanted[1], rtol=1e-15)
    f.backward(1.0, 0.3, 0.5)
    assert [kinds_in(source) for source, _ in built] == [["forward"], ["backward"]]


def test_a_large_function_is_found_again(tmp_path, built, monkeypatch):
    monkeypatch.setenv("TAPELESS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(assembly, "_ALL_KINDS", 3)
    for _ in range(2):
        assert np.all(np.isfinite(tl.compile(TEXT).backward(1.0, 0.3, 0.4)))
    assert len(built) == 2


def test_long_kernels_are_compiled_with_less(built, monkeypatch):
    tl.compile(TEXT, cache=False)
    monkeypatch.setattr(assembly, "_LARGE", 3)
    f = tl.compile(TEXT, cache=False)
    assert [options["optimize"] for _, options in built] == ["-O3", "-O1"]
    assert [bool(options["extra_flags"]) for _, options in built] == [False, True]
    assert f(0.0, 0.0) == 0.0
