"""`tapeless bench`: what it prints, writes and refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tapeless import cli

TINY = ("--sizes", "1,50", "--seconds", "0.05")


def run(*words):
    return CliRunner().invoke(cli.command, ("bench", *words), prog_name="tapeless")


def test_a_table_numbers_and_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    numbers, picture = tmp_path / "numbers.json", tmp_path / "picture.png"
    result = run(
        "line(w, x, b) = w*x + b", *TINY, "--peers", "numpy", "--json", str(numbers), "--plot", str(picture)
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert "line(w, x, b) -> out, float64, 1 thread" in result.stdout
    for word in ("forward: ", "backward: ", "fused: ", "tapeless out=", "numpy", "GB/s", "triad"):
        assert word in result.stdout
    data = json.loads(numbers.read_text())
    assert data["sizes"] == [1, 50]
    assert {cell["way"] for cell in data["cells"]} >= {"tapeless", "tapeless out=", "numpy", "triad"}
    assert picture.stat().st_size


def test_options_reach_the_measurement():
    result = run(
        "x*y",
        *TINY,
        "--peers",
        "none",
        "--dtype",
        "float32",
        "--threads",
        "2",
        "--wrt",
        "y",
        "--range",
        "x=1:2",
    )
    assert result.exit_code == 0
    assert "float32, 2 threads" in result.stdout
    assert "forward: values; 2 in, 1 out, 12 bytes, 1 operation per element" in result.stdout
    assert "fused: value and gradient; 2 in, 2 out" in result.stdout
    assert "numpy " not in result.stdout.partition("forward")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x^2",), "**"),
        ((), "give one formula"),
        (("x", "--sizes", "ten"), "'ten' is no number of elements"),
        (("x", "--sizes", "1.5"), "'1.5' is no number"),
        (("x", "--sizes", "0"), "'0' is no number"),
        (("x", "--sizes", "nan"), "'nan' is no number"),
        (("x", "--peers", "gnuplot"), "there is no peer 'gnuplot'"),
        (("x", "--peers", ","), "--peers takes all, none, or names"),
        (("x", "--range", "y=0:1", "--peers", "none"), "a range is given for 'y'"),
        (("x", "--range", "x=2:1"), "the lower one first"),
        (("sqrt(-1 - x**2)", "--peers", "none"), "--range x=LOW:HIGH"),
        (("x", "--threads", "0"), "0 is not in the range"),
        (("x", "--seconds", "0"), "0"),
    ],
)
def test_bad_input(words, said):
    result = run(*words)
    assert result.exit_code == 2
    assert not result.stdout
    assert "Traceback" not in result.stderr
    assert said in result.stderr


def test_a_picture_needs_matplotlib_and_says_so_first(monkeypatch):
    from tapeless.bench import plot, session

    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    monkeypatch.setattr(session, "run", lambda *_: pytest.fail("measured all the same"))
    result = run("x", "--plot", "x.png")
    assert result.exit_code == 2
    assert "tapeless[bench]" in result.stderr


def test_a_file_that_cannot_be_written(tmp_path):
    result = run("x", *TINY, "--peers", "none", "--json", str(tmp_path / "nowhere" / "x.json"))
    assert result.exit_code == 2
    assert "No such file or directory" in result.stderr
    assert "GB/s" in result.stdout  # what was measured is not lost
