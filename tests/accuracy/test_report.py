"""The report of a search, how it reads, and where the option goes: keys, copies, modules, exports."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from click.testing import CliRunner

import tapeless as tl
from tapeless.accuracy.report import AccuracyReport, KernelAccuracy, OutputAccuracy, Replacement, shortened
from tapeless.cli import command
from tapeless.options import read_options

TEXT = "f(x) = exp(x) - 2 + exp(-x)"
RANGES = {"x": (-2.0, 2.0)}
ROW = KernelAccuracy(
    kind="backward",
    wrt=("x", "y"),
    note="the search ended at its limit of work",
    replaced=(Replacement("conjugate", "sqrt(x) - 1", "(x - 1)/(sqrt(x) + 1)", "abs(x) < 2", ("x_bar",)),),
    outputs=(
        OutputAccuracy("x_bar", 10.04, 0.31, 50.0, 2.0, 96),
        OutputAccuracy("y_bar", 0.5, 0.5, 1.0, 1.0, 96),
    ),
    operations_before=3,
    operations_after=8,
)


def test_it_reads_as_a_table():
    assert str(AccuracyReport("f", "float64", (ROW,))).splitlines() == [
        "f, float64: accuracy by search",
        "backward by x, y: 4.9 bits gained, 3 -> 8 operations",
        "  conjugate in x_bar",
        "    sqrt(x) - 1",
        "    -> (x - 1)/(sqrt(x) + 1), where abs(x) < 2",
        "  bits of error  mean before  after  worst before  after",
        "  x_bar                 10.0    0.3          50.0    2.0",
        "  y_bar                  0.5    0.5           1.0    1.0",
        "  the search ended at its limit of work",
    ]


def test_nothing_found_is_said_with_what_was_measured():
    row = KernelAccuracy(
        "forward", (), "nothing found", (), (OutputAccuracy("y", 0.2, 0.2, 1.0, 1.0, 96),), 4, 4
    )
    assert row.lines() == [
        "forward: nothing found",
        "  bits of error  mean  worst",
        "  y               0.2    1.0",
    ]
    assert row.gained == 0


def test_it_is_kept_as_plain_lists():
    report = AccuracyReport.of("f", "float64", [ROW.to_json()])
    assert report.kernels == (ROW,)
    assert report["backward"] == ROW
    with pytest.raises(KeyError):
        report["forward"]


def test_long_formulas_lose_their_middle():
    assert shortened("x" * 100) == "x" * 100
    assert len(shortened("x" * 1000)) <= 100
    assert " ... " in shortened("x" * 101)


def test_many_outputs_are_not_all_shown():
    rows = tuple(OutputAccuracy(f"y[{k}]", 1.0, 0.5, 2.0, 1.0, 96) for k in range(40))
    text = "\n".join(KernelAccuracy("forward", (), "", ROW.replaced, rows, 1, 1).lines())
    assert "y[11]" in text
    assert "y[12]" not in text
    assert "and 28 more" in text


def test_the_search_and_its_ranges_are_part_of_the_key():
    plain = read_options(assume={"x": (0.0, 1.0)}).key()
    one, two = (
        read_options(assume={"x": ends}, accuracy="search").key() for ends in ((0.0, 1.0), (0.0, 2.0))
    )
    assert one != two
    assert one != plain


@pytest.mark.parametrize("accuracy", ["best", "Search", 3, True])
def test_another_value_is_refused_with_the_choices(accuracy):
    for call in (
        lambda: tl.compile("x", accuracy=accuracy),
        lambda: tl.compile_module({"f": "x"}, accuracy=accuracy),
    ):
        with pytest.raises(tl.ArgumentError, match="None, 'search'"):
            call()


WARM = """
import sys, tapeless
f = tapeless.compile({text!r}, accuracy="search", assume={ranges!r})
print("mpmath" in sys.modules)
report = f.accuracy_report
print("mpmath" in sys.modules)
print(report)
"""


def test_a_warm_start_knows_the_report_and_does_not_search(empty_cache):
    code = WARM.format(text=TEXT, ranges=RANGES)
    first, second = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first.splitlines()[:2] == ["True", "True"]
    assert second.splitlines()[:2] == ["False", "False"]
    assert first.splitlines()[2:] == second.splitlines()[2:]
    assert "4*sinh(0.5*x)**2" in second


@pytest.fixture(scope="module")
def searched():
    return tl.compile(TEXT, accuracy="search", assume=RANGES)


def test_copies_search_as_well(searched):
    copy = pickle.loads(pickle.dumps(searched))
    assert copy.options == searched.options
    assert str(copy.accuracy_report) == str(searched.accuracy_report)
    assert "sinh" in searched.source
    assert searched.op_counts()["total"] == searched.accuracy_report["forward"].operations_after
    assert tl.compile(searched, name="g").accuracy_report is None  # the options are those of the call


def test_a_decorator_and_a_module_search(searched):
    @tl.compile(accuracy="search", assume=RANGES)
    def g(x):
        return tl.exp(x) - 2 + tl.exp(-x)

    assert g(1e-7) == searched(1e-7) == pytest.approx(1e-14, rel=1e-13)
    module = tl.compile_module({"g": TEXT, "h": "x*y"}, accuracy="search", assume=RANGES)
    assert module.g(1e-7) == g(1e-7)
    assert module.g.accuracy_report["forward"].replaced
    assert module.h.accuracy_report["forward"].note == "nothing found"
    assert "sinh" in module.source
    assert pickle.loads(pickle.dumps(module)).g(1e-7) == g(1e-7)


def test_an_export_holds_what_was_found(searched, tmp_path):
    folder = searched.export(tmp_path / "out")
    assert "sinh" in (folder / "f.c").read_text()


def test_the_formulas_shown_are_those_given(searched):
    assert "sinh" not in str(searched.formulas["out"])
    assert searched.check(ranges={"x": (0.1, 2.0)}).ok


def run(*arguments):
    return CliRunner().invoke(command, arguments)


def test_the_command_line_reports():
    done = run("derive", "--accuracy", "search", "--assume", "x=-2:2", TEXT)
    assert done.exit_code == 0
    assert "-> 4*sinh(0.5*x)**2" in done.output
    assert "backward by x" in done.output
    done = run("compile", "--accuracy", "search", "--assume", "x=-2:2", TEXT)
    assert "-> 4*sinh(0.5*x)**2" in done.output
    assert "accuracy by search" not in run("compile", TEXT).output
    done = run("check", "--accuracy", "search", "--assume", "x=-2:2", TEXT)
    assert done.exit_code == 0
    assert "accuracy by search" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--accuracy", "best"), "search"),
        (("--accuracy", "search", "--assume", "y=1:2"), "the inputs of f are x"),
        (("--accuracy", "search", "--assume", "x=3"), "not of the form"),
        (("--accuracy", "search", "--assume", "x=2:1"), "pair"),
    ],
)
def test_the_command_line_refuses(arguments, message):
    done = run("derive", *arguments, TEXT)
    assert done.exit_code == 2
    assert message in done.output


def test_a_replacement_says_what_and_where(searched):
    [row] = searched.accuracy_report["forward"].replaced
    assert row == Replacement("hyperbolic cosine", "exp(x) - 2 + exp(-x)", "4*sinh(0.5*x)**2", "", ("out",))
