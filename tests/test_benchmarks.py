"""The benchmarks run, and say what they found; no time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tapeless

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import cells  # noqa: E402
import kernel_page  # noqa: E402
from kernel_formulas import KERNELS  # noqa: E402
from kernel_ways import RIVALS, typed  # noqa: E402

from tapeless.bench.compare import difference  # noqa: E402
from tapeless.bench.peers.registry import PEERS  # noqa: E402
from tapeless.bench.points import cotangents_of, find_points  # noqa: E402


def run(script, *words, cwd):
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *words],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


# ---------------------------------------------------------------- the formulas of kernels.py


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=list(KERNELS))
def test_the_derivatives_by_hand_are_right(kernel):
    function = tapeless.compile(kernel.text)
    batch = find_points(function, kernel.ranges, 0).batch(100)
    cotangents = cotangents_of(function, 100, 0)
    values, gradients = function.forward_backward(cotangents, *batch.primals)
    ours = [*(values if isinstance(values, tuple) else (values,)), *gradients]
    point = typed(kernel.by_hand, np.float64)
    theirs = np.array([point(*row) for row in zip(*batch.lanes, *cotangents, strict=True)]).T
    assert difference(theirs, ours) < 1e-12


def test_constants_by_hand_have_the_type_of_the_numbers():
    x = np.float32(0.7)
    value, slope = typed(KERNELS["silu"].by_hand, np.float32)(x, np.float32(1))
    assert not [
        c for c in typed(KERNELS["gelu"].by_hand, np.float32).__code__.co_consts if isinstance(c, float)
    ]
    assert value == pytest.approx(0.7 / (1 + np.exp(-0.7)), rel=1e-6)
    assert slope > 0


def test_there_are_twelve_and_every_rival_is_a_peer():
    assert len(KERNELS) == 12
    assert set(RIVALS) == set(PEERS)


# ---------------------------------------------------------------- cells


WORKER = """
import json, os, sys, time
job = json.loads(sys.argv[1])
def say(**message): print(json.dumps(message), flush=True)
print("a library that prints")
for name in job["names"]:
    say(event="start", rival=name)
    if name == "slow": time.sleep(600)
    if name == "crash": os._exit(11)
    say(event="timed", rival=name, seconds=1.0, part=job["part"])
say(event="start", rival="")
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setattr(cells, "HERE", tmp_path)
    return "worker.py"


def test_what_does_not_come_back_is_left_out(worker):
    jobs, found = [], {}

    def job(names):
        jobs.append(list(names))
        return {"names": names, "part": len(jobs)}

    def receive(event, rival, message):
        found[rival] = (event, message)

    names = ["tapeless", "slow", "numpy", "crash", "jax"]
    late = cells.run_cell(worker, job, names, 3.0, receive, label="a cell")
    assert late == ["slow", "crash"]
    assert jobs == [names, ["tapeless", "numpy", "crash", "jax"], ["tapeless", "numpy", "jax"]]
    assert found["jax"] == ("timed", {"seconds": 1.0, "part": 3})
    assert set(found) == {"tapeless", "numpy", "jax"}


def test_nothing_is_run_where_nothing_is_left(worker):
    def job(_names):
        return None

    assert cells.run_cell(worker, job, ["numpy"], 1.0, lambda *_: None, label="a cell") == []


def test_tapeless_itself_is_not_left_out(worker):
    import click

    (cells.HERE / worker).write_text(WORKER.replace('"crash"', '"tapeless"'))
    with pytest.raises(click.ClickException, match="a cell ended with 11 at tapeless"):
        cells.run_cell(
            worker, lambda names: {"names": names, "part": 1}, ["tapeless"], 5.0, print, label="a cell"
        )


def test_means_and_tables():
    assert cells.geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    assert np.isnan(cells.geometric_mean([]))
    text = cells.markdown(("a", "b"), [("x", 1)])
    assert text == "| a | b |\n| --- | --: |\n| x | 1 |"
    line = cells.versions(("numpy", "a-package-that-is-not-here"))
    assert f"numpy {np.__version__}" in line
    assert "no a-package-that-is-not-here" in line


# ---------------------------------------------------------------- the page


def cell(kernel, size, what="fused", dtype="float64", **ratios):
    base = 1e-9 * size
    ways = {name: {"median": base * r, "difference": 1e-15} for name, r in ratios.items()}
    ways |= {"tapeless": {"median": base, "difference": None}, "triad": {"median": base / 2}}
    return {
        "kernel": kernel, "dtype": dtype, "threads": 1, "size": size, "what": what, "bytes": 24, "ways": ways,
    }  # fmt: skip


CELLS = [
    cell("gelu", 100, numpy=2.0, jax=3.0, heyoka=0.5, **{"tapeless out=": 1.0}),
    cell("silu", 100, numpy=8.0, jax=3.0),
    cell("silu", 100, what="forward", numpy=4.0),
]


def test_the_page():
    rows = {"calls": [{"what": "3 in", "way": "numba", "nanoseconds": 700.0, "over": 2.0}]}
    text = kernel_page.page(
        CELLS, rows, ["torch (gelu)"], how="quick", flags=" --quick", versions="v", machine="m", limit=9.0
    )
    assert "| float64 | 1 | 100 | fused | 1 (1) | 4 | – | – | 3 | – | – | 0.5 (1) |" in text
    assert "| 100 | gelu | 1 | 0.5 | heyoka | – | 1 | 50 % |" in text
    assert "### float64, 1 thread, n = 100" in text
    assert "| silu | forward | 1 | 24 | 50 % | – | 4 |" in text
    assert "| 3 in | numba | 700 | 2 |" in text
    assert "1.0e-15" in text
    assert "torch (gelu)" in text


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    kernel_page.picture(CELLS, tmp_path / "kernels.png")
    assert (tmp_path / "kernels.png").read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------- whole runs, as small as they can be


def test_kernels_runs(tmp_path):
    words = (
        "--only",
        "line",
        "--rivals",
        "numpy",
        "--sizes",
        "1,50",
        "--seconds",
        "0.02",
        "--sections",
        "calls",
    )
    flags = ("--dtype", "float64", "--threads", "1", "--output", str(tmp_path))
    done = run("kernels.py", *words, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "line, float64, 1 thread" in done.stdout
    assert "| 3 in, 1 out | np.add |" in done.stdout
    found = json.loads((tmp_path / "kernels.json").read_text())
    assert {(row["size"], row["what"]) for row in found["cells"]} == {
        (size, what) for size in (1, 50) for what in ("forward", "backward", "fused")
    }
    for row in found["cells"]:
        assert row["ways"]["numpy"]["difference"] == 0
        assert row["ways"]["tapeless"]["median"] > 0
    assert (tmp_path / "kernels.png").stat().st_size
    assert "Twelve" not in (tmp_path / "kernels.md").read_text()


def test_the_sections_of_kernels_run(tmp_path):
    words = ("--only", "none", "--sections", "allocation,memory,threads,build", "--sizes", "1000")
    done = run("kernels.py", *words, "--seconds", "0.01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    parts = done.stdout.split("\n## ")[1:]
    assert [part.partition("\n")[0] for part in parts] == [
        kernel_page.SECTION_TABLES[name][0] for name in ("allocation", "memory", "threads", "build")
    ]
    assert all(part.count("\n|") > 4 for part in parts)


def test_kernels_refuses_what_it_does_not_know(tmp_path):
    for words in (("--only", "nothing"), ("--sections", "weather")):
        done = run("kernels.py", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_cell_of_derivatives_runs(tmp_path):
    job = {"name": "rosenbrock-12", "kind": "value_and_grad", "batch": 10, "rounds": 2, "names": ["tapeless"]}
    done = run("worker.py", json.dumps(job), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    timed = [message for message in messages if message["event"] == "timed"]
    assert [set(message) & {"one", "many"} for message in timed] == [{"one"}, {"many"}]


# ---------------------------------------------------------------- accuracy


def test_bits_of_error_count_doubles():
    import accuracy

    one = np.array([1.0, 1.0, 1.0, 0.0, np.inf, 1.0, np.nan])
    off = np.array([1.0, 1.0 + 2.0**-52, np.nan, -5e-324, np.finfo(float).max, -1.0, 1.0])
    found = accuracy.bits(off, one)
    assert np.array_equal(found[:5], [0, 1, 64, 1, 1])
    assert 62 < found[5] < 64
    assert np.isnan(found[6])


def test_a_condition_does_not_hide_behind_inputs_that_balance():
    import accuracy

    columns = {"g": np.array([1e3, 1e-3] * 8), "t": np.array([0.5, 1.0] * 8)}
    _, well = accuracy.truths(accuracy.Case("f", "", "", "exp(g*t)", columns))
    assert not well[::2].any()
    assert well[1::2].all()


def test_accuracy_measures_a_formula(tmp_path):
    done = run(
        "accuracy.py", "--only", "damped", "--ways", "tapeless", "--benign", "3", "--wild", "2",
        "--output", "page.md", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| gallery | benign | tapeless |" in page
    assert "| gallery | wild | tapeless |" in page
