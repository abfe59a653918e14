"""Timing by turns. No time is asserted: clocks are ours."""

from __future__ import annotations

import gc
import time

import pytest

from tapeless.bench import measure
from tapeless.bench.measure import Timing, Way, by_turns


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only when a way lets it."""

    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

    found = Clock()
    monkeypatch.setattr(measure, "time", found)
    return found


def takes(clock, seconds, log=None, name=""):
    def call():
        clock.now += seconds
        if log is not None:
            log.append(name)

    return call


def test_each_way_gets_its_own_time(clock):
    found = by_turns({"a": Way(takes(clock, 0.01)), "b": Way(takes(clock, 0.03))}, seconds=1.0)
    assert found["a"].median == pytest.approx(0.01)
    assert found["b"].median == pytest.approx(0.03)
    assert found["a"].best == pytest.approx(found["a"].p90)


def test_short_calls_are_gathered_and_repeats_divided(clock):
    found = by_turns({"a": Way(takes(clock, 1e-6)), "b": Way(takes(clock, 1e-6), 10)}, seconds=0.1)
    assert found["a"].median == pytest.approx(1e-6)
    assert found["b"].median == pytest.approx(1e-7)


def test_turns_alternate_and_begin_with_another_way_each_time(clock):
    log = []
    ways = {name: Way(takes(clock, 0.01, log, name)) for name in "abc"}
    by_turns(ways, seconds=0.3)
    # Of a turn the first call is not timed.
    turns = "".join(log[3::2])
    assert turns.startswith("abcbcacab")


def test_a_slow_way_is_called_once(clock):
    log = []
    ways = {"slow": Way(takes(clock, 5.0, log, "slow")), "fast": Way(takes(clock, 0.01, log, "fast"))}
    found = by_turns(ways, seconds=1.0)
    assert log.count("slow") == found["slow"].samples == 1
    assert found["slow"].median == pytest.approx(5.0)
    assert found["fast"].samples >= measure.FEWEST


def test_the_budget_is_kept_roughly(clock):
    ways = {str(k): Way(takes(clock, 0.001 * (k + 1))) for k in range(10)}
    by_turns(ways, seconds=2.0)
    assert 1.0 < clock.now < 3.0


def test_nothing_to_time_and_a_tick_per_turn(clock):
    assert by_turns({}, seconds=1.0) == {}
    ticks = []
    found = by_turns({"a": Way(takes(clock, 0.1))}, seconds=1.0, tick=lambda: ticks.append(1))
    assert len(ticks) == found["a"].samples


def test_the_collector_rests_and_comes_back(clock):
    seen = []

    def call():
        clock.now += 0.1
        seen.append(gc.isenabled())

    assert gc.isenabled()
    by_turns({"a": Way(call)}, seconds=0.5)
    assert not any(seen)
    assert gc.isenabled()


def test_a_summary_of_samples():
    found = Timing.of([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.median, found.low, found.high, found.best, found.samples) == (3.0, 2.0, 4.0, 1.0, 5)
    assert found.p90 == 5.0
    assert Timing.of([7.0]) == Timing(7.0, 7.0, 7.0, 7.0, 7.0, 1)


def test_one_thread_is_measured_by_its_own_work():
    """Another process on the same core is not counted, nor is sleep."""
    assert measure.clock_for(1) is time.process_time
    assert measure.clock_for(2) is time.perf_counter
    found = by_turns({"sleeps": Way(lambda: time.sleep(0.02))}, seconds=0.01, clock=time.process_time)
    assert found["sleeps"].best < 0.02
