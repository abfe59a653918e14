"""Long kernels in parts: every value reaches its reader, and slots are used again."""

from __future__ import annotations

import shutil
import subprocess
import threading

import numpy as np
import pytest

import tapeless as tl
from tapeless.targets.c.kernel import Kernel, Literal, Param, Statement
from tapeless.targets.c.parts import WHOLE, partition


def chain(length, far=()):
    """A kernel x -> x + 1 + 1 ..., in which statement `late` also reads statement `early` for each pair in far."""
    statements = [Statement("load", (0,))]
    reads = dict(far)
    for place in range(1, length):
        other = reads.get(place, Literal(1.0))
        statements.append(Statement("add", (place - 1, other)))
    return Kernel(
        "forward", "float64", (Param("x"),), (Param("out"),), tuple(statements), (length - 1,), ("",)
    )


def test_a_short_kernel_is_one_part():
    cut = partition(chain(WHOLE - 1))
    assert len(cut.parts) == 1
    assert cut.slots == 0
    assert cut.parts[0].stores == (0,)


def test_parts_cover_every_statement_once():
    kernel = chain(1001)
    cut = partition(kernel, whole=10, size=100)
    assert [p.start for p in cut.parts] == [0, *(p.stop for p in cut.parts[:-1])]
    assert cut.parts[-1].stop == 1001
    assert len(cut.parts) == 10
    assert [p.stores for p in cut.parts] == [()] * 9 + [(0,)]


def test_every_read_finds_the_value_that_was_written_last():
    far = {900: 5, 901: 5, 500: 250, 999: 430, 431: 2}
    cut = partition(chain(1001, far), whole=10, size=50)
    memory = {}
    for part in cut.parts:
        for place, slot in part.reads:
            assert memory[slot] == place
        memory.update({slot: place for place, slot in part.writes})


def test_slots_are_used_again():
    cut = partition(chain(5000), whole=10, size=50)
    assert cut.slots == 1


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_long_function_computes_what_a_short_one_does(dtype):
    """Truth values, constants with a name, several outputs and unused inputs across parts."""

    def terms(x, y):
        total, other = x, y
        for k in range(1, 200):
            low = x * k < y
            total = total + tl.where(low, tl.sin(total) / (k + np.pi), y / k)
            other = tl.where(low, other * 0.5, other - x / k)
        return total, other

    f = tl.compile(lambda x, y, spare: terms(x, y), name="extended", dtype=dtype)
    assert "APART void extended_forward_backward_part2(\n" in f.source

    def plain(x, y):
        total, other = x, y
        for k in range(1, 200):
            low = x * k < y
            total = total + (np.sin(total) / (k + np.pi) if low else y / k)
            other = other * 0.5 if low else other - x / k
        return total, other

    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.1, 2, (2, 7)).astype(dtype)
    got = np.array(f(x, y, 0.0))
    want = np.array([plain(float(a), float(b)) for a, b in zip(x, y, strict=True)]).T
    tolerance = 1e-12 if dtype == "float64" else 1e-3
    assert np.allclose(got, want, rtol=tolerance)
    gx, gy, spare = f.backward((1.0, 2.0), x, y, 0.0)
    assert spare == 0.0
    if dtype == "float64":
        step = 1e-6
        up, down = (np.array(f(x + s, y, 0.0)) for s in (step, -step))
        assert np.allclose(gx, ((up - down) / (2 * step)).T @ [1, 2], rtol=1e-6)
        up, down = (np.array(f(x, y + s, 0.0)) for s in (step, -step))
        assert np.allclose(gy, ((up - down) / (2 * step)).T @ [1, 2], rtol=1e-6)


@pytest.mark.parametrize("compiler", [name for name in ("gcc", "clang") if shutil.which(name)])
def test_parts_compile_without_warnings(compiler, tmp_path):
    def build(x, y, w, out):
        total = x
        for k in range(300):
            total = tl.where(total * k < y, tl.sin(total), total / (k + 2)) * w
        return total + out

    f = tl.compile(build, name="parted")
    (tmp_path / "parted.c").write_text(f.source)
    (tmp_path / "parted.h").write_text(f.header)
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-c", "parted.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_many_outputs_are_stored_in_parts():
    """The gradient of a long sum: hardly a statement, but a store for each input."""
    text = " + ".join(f"x{k}" for k in range(700))
    f = tl.compile(text, name="total")
    grads = f.backward(2.0, *np.ones(700))
    assert len(grads) == 700
    assert set(map(float, grads)) == {2.0}
    assert "total_backward_part4(" in f.source
    assert f(*np.arange(700.0)) == 699 * 350


def test_a_large_workspace_is_not_on_the_stack():
    """A backward that keeps thousands of values, called in a thread with a stack of 128 KiB."""

    def deep(x):
        y = x
        for _ in range(3000):
            y = tl.sin(y) * x
        return y

    f = tl.compile(deep)
    assert "static _Thread_local double w[" in f.source
    want = f.backward(1.0, 1.2)
    got = []
    before = threading.stack_size(131072)
    try:
        thread = threading.Thread(target=lambda: got.append(f.backward(1.0, 1.2)))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert got == [want]
