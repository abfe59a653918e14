"""A whole benchmark over tiny sizes, its table, its picture and its JSON."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from rich.console import Console

import tapeless
from tapeless.bench import machine, plot, session
from tapeless.bench.compare import difference
from tapeless.bench.peers.registry import Peer
from tapeless.bench.report import OURS, REUSED
from tapeless.bench.session import Settings, run
from tapeless.bench.stream import ARRAYS
from tapeless.bench.table import short, show
from tapeless.errors import ArgumentError, UnsupportedError

CORES = machine.cores()


class Fake:
    """A peer in NumPy, for w*x + b."""

    reuses = False
    error = 0.0
    lacks = ()

    def __init__(self, problem):
        self.problem = problem

    def bind(self, what, lanes, cotangents):
        if what in self.lacks:
            raise UnsupportedError(f"no {what} here")
        w, x, b = lanes
        value, slopes = w * x + b, (x, w, np.ones_like(b))
        bar = cotangents[0] if cotangents else 1.0
        results = [] if what == "backward" else [value * (1 + self.error)]
        results += [] if what == "forward" else [bar * slope for slope in slopes]
        return lambda: results


class Wrong(Fake):
    error = 1e-3


class Forward(Fake):
    lacks = ("backward", "fused")


class Broken(Fake):
    def __init__(self, problem):
        raise RuntimeError("no luck\nwith this one")


def peer(name, kind):
    return type("FakePeer", (), {"name": name, "packages": ("numpy",), "prepare": staticmethod(kind)})()


@pytest.fixture(scope="module")
def report():
    function = tapeless.compile("line(w, x, b) = w*x + b", threads=1)
    peers = [peer(kind.__name__.lower(), kind) for kind in (Fake, Wrong, Forward, Broken)]
    absent = [Peer("heyoka", ("heyoka",), "", "")]
    return run(function, Settings(sizes=(100, 1, 100), seconds=0.05, peers=peers, absent=absent))


def test_every_way_at_every_size(report):
    assert report.sizes == (1, 100)
    assert list(report.work) == ["forward", "backward", "fused"]
    assert report.peers == ("fake", "wrong", "forward")
    for what in report.work:
        for size in report.sizes:
            ways = {cell.way for cell in report.cells if (cell.what, cell.size) == (what, size)}
            assert {OURS, REUSED, "fake", "copy", "triad"} <= ways
            assert ("forward" in ways) == (what == "forward")
            assert report.ratio(what, size, OURS) == 1.0
            assert report.limit(what, size) > 0
    assert report.cell("forward", 7, OURS) is None
    assert report.ratio("backward", 1, "forward") is None


def test_the_work_of_an_element(report):
    forward, backward, fused = report.work.values()
    assert (forward.kind, forward.reads, forward.writes, forward.bytes, forward.operations) == (
        "forward",
        3,
        1,
        32,
        2,
    )
    # b is not read for the cotangents.
    assert (backward.reads, backward.writes, backward.operations) == (3, 3, 2)
    assert (fused.kind, fused.reads, fused.writes) == ("value_and_grad", 3, 4)
    time = report.cell("forward", 100, OURS).timing.median
    assert report.bandwidth("forward", 100) == pytest.approx(3200 / time)
    triad = report.cell("forward", 100, "triad").timing.median
    assert report.bandwidth("forward", 100, "triad") == pytest.approx(3200 / triad)
    assert report.nanoseconds("forward", 100, OURS) == pytest.approx(time * 1e7)


def test_notes_say_what_was_left_out_and_what_differs(report):
    text = "\n".join(report.notes)
    assert "broken: RuntimeError: no luck" in text
    assert "with this one" not in text
    assert "forward, backward: no backward here" in text
    assert "not installed: heyoka" in text
    assert re.search(r"the numbers of wrong differ from ours, relatively by up to 1.\de-03", text)
    assert "of fake" not in text


def test_json_holds_everything(report):
    data = json.loads(json.dumps(report.to_json()))
    assert len(data["cells"]) == len(report.cells)
    assert data["work"]["fused"]["bytes"] == 56
    assert data["versions"]["numpy"] == np.__version__
    assert {"median", "low", "high", "best", "p90", "samples", "ratio", "difference"} <= set(data["cells"][0])


@pytest.mark.parametrize("width", [80, 120, 40])
def test_the_table_fits(report, width):
    stream = io.StringIO()
    show(report, Console(file=stream, width=width, highlight=False))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    whole = " ".join(stream.getvalue().split())
    assert "line(w, x, b) -> out, float64, 1 thread" in whole
    assert "forward: values; 3 in, 1 out, 32 bytes, 2 operations per element" in whole
    assert "fused: value and gradient" in whole
    rows = [line.split() for line in lines if line.split()]
    assert [row[1:] for row in rows if row[0] == "n"] == [["1", "100"]] * 4
    assert sum(row[0] == "tapeless" and "out=" not in row for row in rows) == 3
    assert sum(row[:2] == ["of", "triad"] for row in rows) == 3


def test_sizes_that_do_not_fit_go_below_each_other(report):
    stream = io.StringIO()
    show(report, Console(file=stream, width=30, highlight=False))
    heads = [line.split() for line in stream.getvalue().splitlines() if line.startswith("n ")]
    assert heads == [["n", "1"], ["n", "100"]] * 4


def test_colour_only_on_a_terminal(report):
    plain, coloured = io.StringIO(), io.StringIO()
    show(report, Console(file=plain, width=80))
    show(report, Console(file=coloured, width=80, force_terminal=True, color_system="standard", _environ={}))
    assert "\x1b[" not in plain.getvalue()
    assert "\x1b[" in coloured.getvalue()


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (1, "1"),
        (100, "100"),
        (1000, "1e3"),
        (10_000, "1e4"),
        (15_000, "1.5e4"),
        (12_345, "12,345"),
        (10**7, "1e7"),
    ],
)
def test_sizes_are_written_short(size, text):
    assert short(size) == text


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture(report, tmp_path, ending):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"picture.{ending}"
    plot.plot(report, path)
    content = path.read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending])
    assert len(content) > 5000


def test_a_picture_of_unknown_kind(report, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ArgumentError, match=r"try .png, .svg or .pdf"):
        plot.plot(report, tmp_path / "picture.nothing")


def test_a_picture_without_matplotlib(monkeypatch):
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match=r"pip install 'tapeless\[bench\]'"):
        plot.require_matplotlib()


def test_several_outputs_are_fused_with_cotangents():
    function = tapeless.compile("f(x[2], y):\n    return y*x, x[0]", threads=1, dtype="float32")
    found = run(function, Settings(sizes=(3,), seconds=0.01))
    assert found.work["fused"].kind == "forward_backward"
    assert found.work["forward"].bytes == (3 + 3) * 4
    assert found.cell("fused", 3, REUSED) is not None


def test_a_formula_without_derivative_in_c():
    function = tapeless.compile("besselj(x, 2.5)", threads=1)
    found = run(function, Settings(sizes=(1,), seconds=0.01, ranges={"x": (1.0, 2.0)}))
    assert list(found.work) == ["forward"]
    assert "backward is left out: the derivative of besselj by its argument v is not known" in found.notes[0]


def test_long_formulas_are_timed_alone_unless_peers_are_named(monkeypatch):
    monkeypatch.setattr(session, "LARGE", 1)
    function = tapeless.compile("line(w, x, b) = w*x + b", threads=1)
    settings = {"sizes": (1,), "seconds": 0.01, "peers": [peer("fake", Fake)]}
    found = run(function, Settings(**settings))
    assert found.peers == ()
    assert "peers are left out" in found.notes[0]
    assert run(function, Settings(**settings, patient=True)).peers == ("fake",)


def test_sizes_beyond_the_memory_are_left_out(monkeypatch):
    monkeypatch.setattr(session, "free_memory", lambda: 10_000)
    function = tapeless.compile("x*y", threads=1)
    found = run(function, Settings(sizes=(1, 1000), seconds=0.01))
    assert found.sizes == (1,)
    assert "n = 1,000 is left out" in found.notes[0]
    with pytest.raises(ArgumentError, match="no memory for any"):
        run(function, Settings(sizes=(1000,), seconds=0.01))


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ([[1.0, 2.0]], [[1.0, 2.0]], 0.0),
        ([[1.0, np.nan]], [[1.0, np.nan]], 0.0),
        ([[1.0, np.inf]], [[1.0, np.inf]], 0.0),
        ([[1.0, np.nan]], [[1.0, 2.0]], np.inf),
        ([[1.0, 4.0, 1e-20]], [[1.0, 2.0, 0.0]], 1.0),
        ([1, [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]], 0.0),
        ([[0.0, 1e-3]], [[0.0, 0.0]], 1e-3),
    ],
)
def test_differences_are_relative_and_know_nan(theirs, ours, expected):
    assert difference([np.array(a) for a in theirs], [np.array(b) for b in ours]) == pytest.approx(expected)


# ---------------------------------------------------------------- the machine


def test_this_machine():
    found = machine.this_machine()
    assert found.cores >= 1
    assert found.processor
    assert all(level in range(1, 6) and size >= 1024 for level, size in found.caches)
    assert "load" in str(found)


def test_a_machine_that_says_nothing(monkeypatch):
    monkeypatch.setattr(machine, "_lines", lambda path: iter(()))
    monkeypatch.setattr(machine, "_CACHES", "/nowhere/{core}")
    assert machine.caches() == ()
    assert machine.free_memory() is None
    assert machine.processor()


def test_cores_are_given_back(report):
    assert machine.cores() == CORES
    with machine.on_cores(1):
        assert len(machine.cores()) == 1
    assert machine.cores() == CORES
    with machine.on_cores(len(CORES) + 1):
        assert machine.cores() == CORES


def test_measures_of_bandwidth_have_names_of_their_own():
    assert not set(ARRAYS) & {OURS, REUSED}
