"""The fast caller: built once, found again, done without; memory, references, other threads, other processes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import tapeless as tl
from tapeless.runtime import caller, warm
from tapeless.runtime import driver as driver_module
from tapeless.runtime.arrays import Caller
from tapeless.runtime.build import build
from tapeless.runtime.cache import Cache
from tapeless.runtime.compiler import find_compiler, which
from tapeless.runtime.driver import driver
from tapeless.runtime.load import load
from tapeless.runtime.signature import KernelSignature, Operand, Result


@pytest.fixture
def unloaded(monkeypatch):
    """As in a process that has not looked for the fast caller yet."""
    monkeypatch.setattr(caller.EXTENSION, "_loaded", {})
    monkeypatch.setattr(caller.EXTENSION, "_missing", {})
    monkeypatch.delenv(caller.VARIABLE, raising=False)


@pytest.fixture
def forget():
    return caller.EXTENSION.forget


@pytest.fixture
def no_build(monkeypatch):
    import tapeless.runtime.build

    def refuse(*args, **options):
        raise AssertionError("nothing was to be built")

    return lambda: monkeypatch.setattr(tapeless.runtime.build, "build", refuse)


@pytest.fixture(scope="session")
def line(making, extension):
    return making(extension)("line")


@pytest.fixture(scope="session")
def backward(making, extension):
    return making(extension)("line_backward")


@pytest.fixture(scope="session")
def norm(making, extension):
    return making(extension)("norm")


# Found, built, done without


def test_built_once_and_found_again(unloaded, forget, no_build, compiler):
    cache = Cache()
    first = caller.find(compiler, cache)
    assert first.extension is not None, first.reason
    assert os.path.dirname(first.path).startswith(cache.root)
    assert caller.find(compiler, None) is first
    forget()
    no_build()
    again = caller.find(compiler, cache)
    assert again.path == first.path
    assert again.extension.Plan is first.extension.Plan


def test_loading_it_takes_no_compiler_and_no_headers(unloaded, forget, compiler, monkeypatch):
    cache = Cache()
    assert caller.find(compiler, cache).extension is not None
    forget()
    monkeypatch.setattr(caller.EXTENSION, "headers", lambda: pytest.fail("headers were looked for"))
    assert caller.find(compiler, cache).extension is not None


def test_turned_off_by_the_environment(unloaded, monkeypatch, compiler):
    monkeypatch.setenv(caller.VARIABLE, "0")
    found = caller.find(compiler, Cache())
    assert found.extension is None
    assert caller.VARIABLE in found.reason
    assert caller.VARIABLE in found.remedy
    monkeypatch.setenv(caller.VARIABLE, "1")
    assert caller.find(compiler, Cache()).extension is not None


def test_without_a_cache_nothing_is_built(unloaded, no_build, compiler):
    no_build()
    found = caller.find(compiler, None)
    assert found.extension is None
    assert "cache" in found.reason


def test_without_headers(unloaded, no_build, compiler, monkeypatch, tmp_path):
    no_build()
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    found = caller.find(compiler, Cache())
    assert found.extension is None
    assert "Python.h" in found.reason
    assert "python3-dev" in found.remedy


def test_a_cache_that_cannot_be_written(unloaded, no_build, compiler, monkeypatch):
    no_build()
    cache = Cache()
    cache.note("0" * 64, {})  # so that it exists
    monkeypatch.setattr("os.access", lambda *_: False)
    found = caller.find(compiler, cache)
    assert found.extension is None
    assert "cannot be written" in found.reason


def test_a_disk_that_is_full(unloaded, compiler, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tapeless.runtime.cache._make_private", full)
    found = caller.find(compiler, Cache())
    assert found.extension is None
    assert "No space left" in found.reason


def test_a_compiler_that_refuses_is_asked_once(unloaded, forget, script, tmp_path, monkeypatch):
    path = script(f"echo x >> {tmp_path}/asked; echo 'no such thing' >&2; exit 1")
    cache = Cache()
    for _ in range(3):
        found = caller.find(find_compiler(path), cache)
        assert found.extension is None
        assert "no such thing" in found.reason
        forget()
    asked = len((tmp_path / "asked").read_text())
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 2 * 86400)
    assert "no such thing" in caller.find(find_compiler(path), cache).reason
    assert len((tmp_path / "asked").read_text()) == 2 * asked
    assert asked in (2, 4)  # "x" and a line end, per attempt


def test_a_damaged_extension_is_built_anew(unloaded, forget, compiler):
    cache = Cache()
    path = caller.find(compiler, cache).path
    with open(path, "r+b") as file:
        file.write(b"damaged")
    forget()
    assert caller.find(compiler, cache).extension is not None


def test_an_extension_that_cannot_be_imported(unloaded, compiler, monkeypatch):
    def fail(path):
        raise ImportError("wrong ABI")

    monkeypatch.setattr(caller.EXTENSION, "_import", fail)
    found = caller.find(compiler, Cache())
    assert found.extension is None
    assert "wrong ABI" in found.reason


@pytest.mark.parametrize(
    ("what", "value", "says"),
    [
        ("sys.implementation", type("pypy", (), {"name": "pypy"}), "pypy"),
        ("sys.abiflags", "t", "GIL"),
    ],
)
def test_other_pythons_are_not_served(unloaded, no_build, compiler, monkeypatch, what, value, says):
    no_build()
    monkeypatch.setattr(what, value)
    found = caller.find(compiler, Cache())
    assert found.extension is None
    assert says in found.reason


@pytest.mark.parametrize("change", ["numpy", "python"])
def test_another_numpy_or_python_has_its_own(unloaded, compiler, monkeypatch, change):
    before = caller.EXTENSION.key(compiler)
    if change == "numpy":
        monkeypatch.setattr(np, "__version__", "0.0")
    else:
        monkeypatch.setattr("_imp.extension_suffixes", lambda: [".other.so"])
    assert caller.EXTENSION.key(compiler) != before


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_compiles_without_a_warning(cc):
    if which(cc) is None:
        pytest.skip(f"no {cc}")
    folders = [flag for folder in caller.EXTENSION.include_folders() for flag in ("-isystem", folder)]
    flags = [
        "-std=c11",
        "-O2",
        "-fsyntax-only",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-missing-field-initializers",
    ]
    done = subprocess.run(
        [cc, *flags, *folders, "-x", "c", "-"],
        input=caller.EXTENSION.read(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# Plans


def test_a_plan_says_when_it_is_not_for_it(line, extension):
    plan = line.plan
    x = np.ones(3)
    assert plan((x, x, x), None)[0][0] == 2.0
    for operands, out in [
        ((x, x), None),
        ([x, x, x], None),
        ((x, x, [1.0, 2.0, 3.0]), None),
        ((x, x, x[::-1]), None),
        ((x, x, np.ones(3, "float32")), None),
        ((x, x, np.ones((1, 3))), None),
        ((x, x, x), x),
        ((x, x, x), [np.empty(3)]),
        ((np.empty(0),) * 3, None),
    ]:
        assert plan(operands, out) is NotImplemented
    with pytest.raises(TypeError):
        plan((x, x, x))
    with pytest.raises(TypeError):
        plan((x, x, x), out=None)


def test_long_calls_are_left_to_the_driver(line, extension):
    plan = line.plan
    short, long = np.ones(plan.limit - 1), np.ones(plan.limit)
    assert plan((short,) * 3, None)[0].shape == short.shape
    assert plan((long,) * 3, None) is NotImplemented


def test_what_counts_as_long_follows_from_results_and_cost(extension, pointers):
    def plan(cost, lanes=1):
        signature = KernelSignature(
            "line",
            "float64",
            (Operand("x"),),
            (Result("y", (lanes,)),) if lanes > 1 else (Result("y"),),
            cost,
        )
        return Caller(pointers("float64")["line"], signature, None, extension).plan

    assert plan(0).limit == 32768
    assert plan(0, 8).limit == 4096
    assert plan(0, 40_000).limit == 1
    assert plan(100.0).limit < plan(1.0).limit < plan(0.0).limit
    assert plan(1e9).limit == 2
    assert plan(100.0).release < plan(1.0).release
    assert plan(1e9).release == 1


def test_what_no_plan_is_made_of(extension, pointers):
    many = KernelSignature("line", "float64", tuple(Operand(f"x{k}") for k in range(65)), (Result("y"),))
    empty = KernelSignature("line", "float64", (Operand("x"),), (Result("y", (0,)),))
    for signature in (many, empty):
        assert Caller(pointers("float64")["line"], signature, None, extension).plan is None
    fits = ((), 0), ((), -1)
    for arguments in [
        (1, np.dtype(int), fits[:1], fits[1:], 10, 10),
        (0, np.dtype(float), fits[:1], fits[1:], 10, 10),
        (1, np.dtype(float), (), fits[1:], 10, 10),
        (1, np.dtype(float), (((0,), 0),), fits[1:], 10, 10),
        (1, np.dtype(float), ((("a",), 0),), fits[1:], 10, 10),
        (1, np.dtype(float), ((1, 0),), fits[1:], 10, 10),
        (1, np.dtype(float), (1,), fits[1:], 10, 10),
        (1,),
    ]:
        with pytest.raises((TypeError, ValueError, OverflowError)):
            extension.Plan(*arguments)


def test_tables_take_plans_that_fit(line, backward, extension):
    table = extension.Table(("w", "x", "b"), 1)
    table.add("forward", None, line.plan)
    table.add("sparse_jacobian", None, line.plan)
    for method, wrong in [("forward", backward), ("backward", line), ("jacobian", backward)]:
        with pytest.raises(ValueError, match=method):
            table.add(method, None, wrong.plan)
    with pytest.raises(TypeError):
        table.add("forward", None, "no plan")


def test_only_one_class_is_specialised(extension):
    import tapeless as tl

    assert extension.specialise(tl.Function) is extension.specialise(tl.Function)
    assert extension.specialise(type("Other", (), {"__slots__": ("_fast",)})) is None
    again = "import sys; [sys.modules.pop(n) for n in list(sys.modules) if n.startswith('tapeless')]; "
    code = f"import tapeless; tapeless.compile('x*2'); {again}import tapeless; print(tapeless.compile('x*2')(3.0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6.0"]


# Memory of results


@pytest.mark.parametrize("n", [1, 2, 100, 128, 129, 1000, 5000, 15_000])
def test_results_own_aligned_memory(line, n):
    x = np.ones(n)
    kept = [line((x, x, x))[0] for _ in range(5)]
    for y in kept:
        assert y.flags.owndata
        assert y.flags.c_contiguous
        assert y.flags.aligned
        assert y.flags.writeable
        assert y.base is None
        assert y.ctypes.data % 64 == 0
    assert len({y.ctypes.data for y in kept}) == 5
    kept[0][...] = 7.0
    assert all((y == 2.0).all() for y in kept[1:])


def test_results_can_be_resized_and_reshaped(line, extension):
    x = np.ones(100)
    for size in (1, 100, 200, 50_000):
        y = line((x, x, x))[0]
        y.resize(size, refcheck=False)
        assert (y[:100] == 2.0).all()
        assert (y[100:] == 0.0).all()
        del y
    y = line((x, x, x))[0]
    y = y.reshape(4, 25).view("float32")
    assert y.nbytes == 800


def test_memory_is_used_again_and_let_go(line, extension):
    x = np.ones(3000)
    extension.release()
    first = line((x, x, x))[0].ctypes.data
    assert {line((x, x, x))[0].ctypes.data for _ in range(100)} == {first}
    many = [line((x, x, x))[0] for _ in range(300)]
    del many
    extension.release()
    extension.release()
    assert line((x, x, x))[0][0] == 2.0


@pytest.mark.parametrize("size", [30_000, 100_000])
def test_what_is_kept_is_bounded_by_the_user_and_counted(line, extension, size):
    x = np.ones(size)
    line((x, x, x))  # after one that was long for it, the caller has the driver
    extension.release()
    assert extension.release() == 0
    try:
        line((x, x, x))
        assert x.nbytes <= extension.release() <= 1.3 * x.nbytes
        extension.limit(x.nbytes - 1)
        line((x, x, x))
        assert extension.release() == 0
        extension.limit(1 << 70)  # no more than is worth keeping
        many = [line((x, x, x)) for _ in range(16 * (1 << 20) // x.nbytes + 2)]
        del many
        assert 3 << 20 < extension.release() <= 16 << 20
        with pytest.raises(TypeError):
            extension.limit("much")
    finally:
        extension.limit(1 << 70)


def test_results_are_seen_by_memory_statistics(line, extension):
    x = np.ones(1000)
    line((x, x, x))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        y = line((x, x, x))[0]
        assert tracemalloc.get_traced_memory()[0] - before >= y.nbytes
        del y
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 4000
    finally:
        tracemalloc.stop()


def test_nothing_leaks(line, backward, norm):
    """References to operands, outs, plans and the dtype are as before; so is the memory, and (nearly) None."""
    x, out, p, wrong = np.ones(50), np.empty(50), np.ones(3), np.ones(3)
    value = np.float64(3.0)
    watched = [x, out, p, value, x.dtype, line.plan, backward.plan, norm.plan]

    def everything():
        line((x, x, x))
        line((x, value, 2))
        line((x, x, x), out)
        line((x, x, x), (out,))
        line((value, 1.0, True))
        backward((x, x, x, x))
        backward((1.0, x, x, x), (None, out, None))
        norm((p, value))
        norm((p, 2.0), (None, p.copy()))
        for operands, outs in [
            ((x, x), None),
            ((x, x[::2], x), None),
            ((x, 10**400, x), None),
            ((x, x, x), wrong),
            ((x, x, None), None),
        ]:
            line.plan(operands, outs)

    everything()
    gc.collect()
    tracemalloc.start()
    try:
        everything()
        counts = [sys.getrefcount(item) for item in watched]
        none = sys.getrefcount(None)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(500):
            everything()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
        after = [sys.getrefcount(item) for item in watched]
        assert after == counts
        assert abs(sys.getrefcount(None) - none) < 100
    finally:
        tracemalloc.stop()


# Threads and processes

WAITS = """
#include <stddef.h>
#include <time.h>
/* Waits until somebody writes to its input, at most half a minute; returns whether somebody did. */
void waits(ptrdiff_t n, const void *const *in, void *const *out)
{
    const volatile double *flag = in[0];
    struct timespec step = {0, 1000000};
    for (int k = 0; k < 30000 && *flag == 0.0; k++)
        nanosleep(&step, NULL);
    for (ptrdiff_t i = 0; i < n; i++)
        ((double *)out[0])[i] = *flag;
}
"""


def test_other_threads_run_while_a_long_kernel_does(extension, compiler, shared_cache):
    source = "#define _POSIX_C_SOURCE 200809L\n" + WAITS
    function = load(build(source, compiler=compiler, cache=shared_cache), ["waits"])["waits"]
    signature = KernelSignature("waits", "float64", (Operand("x"),), (Result("y"),), cost=1e9)
    waits = Caller(function, signature, driver(compiler, shared_cache), extension)
    assert waits.plan.release == 1
    x, found = np.zeros(1), []
    thread = threading.Thread(target=lambda: found.append(waits.plan((x,), None)))
    thread.start()
    time.sleep(0.05)
    x[0] = 1.0  # never reached if the thread kept the GIL
    thread.join()
    assert found[0][0] == 1.0


def test_threads_share_memory_lists(line, extension):
    errors = []

    def work(seed):
        try:
            rng = np.random.default_rng(seed)
            for _ in range(300):
                n = int(rng.integers(1, 3000))
                w, x, b = rng.normal(size=(3, n))
                kept = [line((w, x, b))[0] for _ in range(3)]
                for y in kept:
                    np.testing.assert_array_equal(y, w * x + b)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


FORKS = """
import os, sys, numpy as np, tapeless as tl
f = tl.compile("w*x + b")
x = np.ones(100)
kept = f(x, x, x)
child = os.fork()
good = all((f(x, x, np.full(100, float(k))) == 1.0 + k).all() for k in range(100)) and (kept == 2.0).all()
if child == 0:
    os._exit(0 if good else 1)
_, status = os.waitpid(child, 0)
print(type(f) is not tl.Function, good, os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_calls_on(extension):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True", "0"]


def test_the_key_is_found_without_reading_headers(compiler):
    assert caller.EXTENSION.key(compiler) == caller.EXTENSION.key(compiler)
    assert caller.EXTENSION.key(compiler) != warm.request_key("fast caller", {}, compiler)


# ---------------------------------------------------------------- calls for the driver

LONG = 300_000


def test_long_calls_need_no_python_once_the_driver_is_there(monkeypatch):
    f = tl.compile("f(x, y) = exp(sin(x))*y + x", threads=2)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(LONG), rng.standard_normal(LONG)
    expected = f(x, y)
    by_number = f(x, 0.5)
    pulled = f.forward_backward(x, x, y)

    def refuse(*_):
        raise AssertionError("this call went through Python")

    monkeypatch.setattr(Caller, "__call__", refuse)
    assert f(x, y).tobytes() == expected.tobytes()
    assert f(x, 0.5).tobytes() == by_number.tobytes()
    out = np.empty(LONG)
    assert f(x, y, out=out) is out
    assert out.tobytes() == expected.tobytes()
    value, gradients = f.forward_backward(x, x, y)
    assert value.tobytes() == pulled[0].tobytes()
    assert [g.tobytes() for g in gradients] == [g.tobytes() for g in pulled[1]]
    plane = f(x.reshape(3, -1), y.reshape(3, -1))
    assert plane.shape == (3, LONG // 3)
    assert plane.tobytes() == expected.tobytes()
    with pytest.raises(AssertionError, match="went through Python"):
        f(x[::2], y[::2])
    with pytest.raises(AssertionError, match="went through Python"):
        f(x, y, out=x)


def test_long_results_lie_where_large_results_lie():
    f = tl.compile("f(x) = 2*x")
    x = np.arange(float(LONG))
    f(x)
    f(x)
    found = f(x)
    assert type(found) is np.ndarray
    assert found.base is not None, "a block of the pool"
    assert found.ctypes.data % 64 == 0
    assert found.flags.writeable
    kept = found[5:7]
    del found
    f(x + 1)
    assert kept.tolist() == [10.0, 12.0]


def test_the_number_of_threads_is_asked_for_again_after_a_fork(monkeypatch):
    f = tl.compile("f(x) = 2*x")
    x = np.arange(float(LONG))
    f(x)
    assert driver_module._MOST_THREADS[0] >= 1
    driver_module._forget()
    went = []
    plain = Caller.__call__
    monkeypatch.setattr(Caller, "__call__", lambda *args: went.append(1) or plain(*args))
    assert f(x)[3] == 6.0
    assert went == [1]
    assert f(x)[3] == 6.0
    assert went == [1]
    assert driver_module._MOST_THREADS[0] >= 1
