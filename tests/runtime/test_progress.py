"""The bar: on a terminal, after a while, and never in the way."""

import io
import sys

import pytest

from tapeless.runtime import progress
from tapeless.runtime.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """What a build of four steps writes to stderr, beginning at once."""

    def of(stream, patience=0.0):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "_PATIENCE", patience)
        with Progress("Compiling C", 4) as show:
            for done in range(5):
                show(done)
        return stream.getvalue()

    return of


def test_a_terminal_sees_the_steps(shown, monkeypatch):
    monkeypatch.delenv("TAPELESS_PROGRESS", raising=False)
    text = shown(Terminal())
    assert "Compiling C" in text
    assert "4/4" in text


def test_a_short_build_shows_nothing(shown, monkeypatch):
    monkeypatch.delenv("TAPELESS_PROGRESS", raising=False)
    assert shown(Terminal(), patience=3600.0) == ""


def test_a_file_sees_nothing(shown):
    assert shown(io.StringIO()) == ""


def test_it_can_be_turned_off(shown, monkeypatch):
    monkeypatch.setenv("TAPELESS_PROGRESS", "0")
    assert shown(Terminal()) == ""


@pytest.mark.parametrize("stream", [None, "closed"])
def test_no_stderr_is_no_trouble(monkeypatch, stream):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed if stream else None)
    with Progress("Compiling C", 1) as show:
        show(1)
