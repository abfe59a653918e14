"""Threads that help: right results from many callers at once, around forks, and no thread that was not asked for."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

import tapeless as tl
from tapeless.runtime import cores


@pytest.mark.parametrize("mode", ["threads", "fork", "exit"])
@pytest.mark.parametrize("sanitizer", [(), ("thread",)], ids=["plain", "sanitized"])
def test_helpers_are_shared_soundly(check_program, sanitizer, mode):
    if sanitizer and mode == "fork":
        pytest.skip("the sanitizer does not follow forks of several threads")
    check_program("workers_check.c", sanitizer, "-DLONGEST_REST=0")(mode)


def test_many_python_threads_call_at_once(monkeypatch):
    monkeypatch.setattr(cores, "_limit", 4)
    f = tl.compile("f(x, y) = exp(sin(x))*y + tanh(x*y)")
    rng = np.random.default_rng(3)
    points = [(rng.standard_normal(50_000), rng.standard_normal(50_000)) for _ in range(6)]
    one = tl.compile("f(x, y) = exp(sin(x))*y + tanh(x*y)", threads=1)
    expected = [one.forward_backward(1.0, x, y[0]) for x, y in points]
    wrong = []

    def work(k):
        x, y = points[k]
        for _ in range(15):
            value, (x_bar, y_bar) = f.forward_backward(1.0, x, y[0])
            good = expected[k]
            if not (value.tobytes() == good[0].tobytes() and x_bar.tobytes() == good[1][0].tobytes()):
                wrong.append(k)
            if y_bar != good[1][1]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_long_functions_run_on_several_threads(monkeypatch):
    """In parts, which pass values on through a workspace; a large one is static, each thread's own."""
    monkeypatch.setattr(cores, "_limit", 3)
    # Sines of all inputs, multiplied without any order: most of them are alive together.
    pairs = np.random.default_rng(1).permuted(np.tile(np.arange(200), (6, 1)), axis=1).reshape(-1, 2)
    text = "\n".join(
        [
            "wide(x[200]):",
            *(f"    s{k} = sin(x[{k}])" for k in range(200)),
            "    return " + " + ".join(f"s{i}*s{j}" for i, j in pairs),
        ]
    )
    several, single = tl.compile(text), tl.compile(text, threads=1)
    assert "static _Thread_local double w[" in several.source
    x = np.random.default_rng(0).random((3000, 200))
    assert several(x).tobytes() == single(x).tobytes()
    assert several.grad(x)[0].tobytes() == single.grad(x)[0].tobytes()


# Each prints what it found; a process of its own, for helpers stay in a process for good.
PREAMBLE = """
import os, sys, threading
import numpy as np
import tapeless as tl
f = tl.compile("f(x) = exp(sin(x)) + cos(x)**3", threads={threads})
x = np.linspace(0, 1, 400_000)
def count():
    return len(os.listdir("/proc/self/task"))
before = count()
value = f(x)
"""


def run(body, threads=None, **environment):
    import os

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREAMBLE.format(threads=threads) + body],
        capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
@pytest.mark.parametrize(
    ("threads", "variable", "helpers"),
    [(1, "4", 0), (None, "1", 0), (None, "3", 2), (2, "8", 1), (8, "2", 1)],
)
def test_no_more_threads_than_allowed(threads, variable, helpers):
    [found] = run("print(count() - before)", threads, TAPELESS_NUM_THREADS=variable)
    assert int(found) == helpers


def test_a_variable_that_is_no_number_is_refused():
    body = """
"""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE.format(threads=None) + body],
        capture_output=True, text=True, check=False, env={**__import__("os").environ, "TAPELESS_NUM_THREADS": "two"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "ArgumentError: TAPELESS_NUM_THREADS='two' is not a number of threads" in done.stderr


def test_children_of_a_fork_have_helpers_of_their_own():
    body = """
for _ in range(3):
    child = os.fork()
    if child == 0:
        alone = count()
        same = f(x).tobytes() == value.tobytes()
        os._exit(0 if same and alone == 1 and count() == 3 else 1)
    _, status = os.waitpid(child, 0)
    print(status)
print(int(f(x).tobytes() == value.tobytes()))
"""
    assert run(body, TAPELESS_NUM_THREADS="3") == ["0", "0", "0", "1"]


def test_children_of_a_fork_in_the_middle_of_a_call():
    body = """
stop = False
def work():
    while not stop:
        f(x)
thread = threading.Thread(target=work)
thread.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if f(x).tobytes() == value.tobytes() else 1)
    _, status = os.waitpid(child, 0)
    print(status)
stop = True
thread.join()
"""
    assert run(body, TAPELESS_NUM_THREADS="3") == ["0"] * 10


def test_a_process_ends_while_its_threads_call():
    body = """
def work():
    while True:
        f(x)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
f(x)
"""
    for _ in range(3):
        assert run(body, TAPELESS_NUM_THREADS="3") == []


def test_signals_reach_the_program():
    body = """
import signal
caught = []
signal.signal(signal.SIGUSR1, lambda *_: caught.append(threading.get_ident()))
for _ in range(20):
    os.kill(os.getpid(), signal.SIGUSR1)
    f(x)
print(int(bool(caught) and set(caught) == {threading.main_thread().ident}))
"""
    assert run(body, TAPELESS_NUM_THREADS="3") == ["1"]
