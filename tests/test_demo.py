"""The demo: what it prints is right, and it is soon done."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import corpora
import tapeless
from tapeless import demo

SCRIPT = Path(sys.executable).with_name("tapeless")


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run(
        [str(SCRIPT), "demo"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(folder.iterdir())
    return done.stdout


def test_everything_holds(printed):
    verdicts = [line for line in printed.splitlines() if re.match("  (ok|NO)  ", line)]
    assert len(verdicts) == 10
    assert not [line for line in verdicts if "NO" in line]


def test_it_reads_well_in_a_pipe(printed):
    assert max(map(len, printed.splitlines())) <= 100
    assert printed.isascii()
    assert "\x1b" not in printed


def test_it_shows_formulas_c_and_checks(printed):
    assert "w_bar = out_bar*x" in printed
    assert "void line_backward(ptrdiff_t n" in printed
    assert "w_bar[i] = " in printed
    assert "void line_forward_backward" not in printed
    assert "all 4 ok" in printed
    assert "million points/s" in printed


def test_it_shows_the_certified_digits_fitted(printed):
    for name, certified in demo.MISRA1A_CERTIFIED:
        rows = [line for line in printed.splitlines() if line.startswith(f"  {name} ")]
        assert len(rows) == 2
        for row in rows:
            assert row.split()[-3:] == [certified, certified, "11.0"]


@pytest.mark.parametrize("start", demo.MISRA1A_STARTS)
def test_the_fit_reaches_the_certified_parameters(start):
    model = tapeless.compile(demo.MISRA1A_MODEL, wrt=("b1", "b2"))
    found = demo.fit(model, np.array(demo.MISRA1A_X), np.array(demo.MISRA1A_Y), start)
    values = (*found.parameters, *found.deviations, found.squares)
    for value, (_, certified) in zip(values, demo.MISRA1A_CERTIFIED, strict=True):
        assert value == pytest.approx(float(certified), rel=1e-10)
    assert found.steps < 50


def test_a_fit_that_is_cut_short_is_not_reported_as_good(monkeypatch, capsys):
    monkeypatch.setattr(demo, "_MAX_STEPS", 3)
    demo._show_fit(demo.Page())
    assert capsys.readouterr().out.count("  NO  ") == 2


def test_the_data_are_those_of_nist():
    folder = corpora.folder()
    if folder is None:
        pytest.skip("the corpora are absent: nist_strd/Misra1a.dat")
    text = (folder / "nist_strd" / "Misra1a.dat").read_text()
    rows = [line.replace("E0", "").split() for line in text.splitlines()[60:74]]
    assert [tuple(map(float, row)) for row in rows] == list(zip(demo.MISRA1A_Y, demo.MISRA1A_X, strict=True))
    for _, certified in demo.MISRA1A_CERTIFIED:
        assert certified in text


@pytest.mark.parametrize(
    ("value", "digits"),
    [(238.942129180001, 11.0), (238.94212919, 10.38), (238.9421, 6.91), (477.88, 0.0), (float("nan"), 0.0)],
)
def test_agreement(value, digits):
    assert demo.agreement(value, "2.3894212918E+02") == pytest.approx(digits, abs=0.01)


def test_the_identities_of_the_greeks_notice_a_wrong_one():
    call = tapeless.compile(demo.CALL)
    market = demo.market_of(1000)
    assert max(demo.identities(call, market).values()) < 1e-11

    class Wrong:
        def value_and_grad(self, *primals):
            value, gradient = call.value_and_grad(*primals)
            return value, tuple(1.001 * g for g in gradient)

        derivative = staticmethod(call.derivative)

    assert min(demo.identities(Wrong(), market).values()) < 1e-11  # both sides of one scale alike
    assert sorted(demo.identities(Wrong(), market).values())[1] > 1e-4


def test_the_closed_form_is_the_compiled_one():
    call = tapeless.compile(demo.CALL)
    point = (110.0, 95.0, 0.03, 0.35, 0.5)
    price, gradient = call.value_and_grad(*point)
    found = (price, *gradient[:-1], -gradient[-1])
    assert found == pytest.approx(tuple(demo.closed_form(*point).values()), rel=1e-12)


def test_gelu_by_hand():
    x = np.linspace(-5, 5, 101)
    value, slope = demo.gelu_tanh_by_hand(x)
    compiled = tapeless.compile(demo.GELU_TANH).value_and_grad(x)
    np.testing.assert_allclose(value, compiled[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(slope, compiled[1][0], rtol=0, atol=1e-14)


def test_c_function_cuts_out_one_function():
    source = "/* A. */\nvoid a(int n)\n{\n    x;\n}\n\n/* B. */\nvoid b(int n)\n{\n    y;\n}\n"
    assert demo.c_function(source, "b") == "/* B. */\nvoid b(int n)\n{\n    y;\n}"


def test_a_verdict_says_no(capsys):
    demo.Page().verdict("something", False, "why")
    assert capsys.readouterr().out == "  NO  something  (why)\n"


def test_a_terminal_gets_colour_and_the_same_words(printed, tmp_path):
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [str(SCRIPT), "demo"], cwd=tmp_path, env=environment, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        chunks = []
        while True:
            try:
                chunk = os.read(controller, 65536)
            except OSError:  # what Linux says at the end of a terminal
                break
            if not chunk:
                break
            chunks.append(chunk)
    os.close(controller)
    text = b"".join(chunks).decode()
    assert process.returncode == 0
    assert "\x1b[" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")

    def lines(page):
        """The lines without their numbers, which differ from run to run, and the spaces these take."""
        return [" ".join(re.sub(r"[-+]?\d[\d.e+-]*", "", line).split()) for line in page.splitlines()]

    assert lines(plain) == lines(printed)
