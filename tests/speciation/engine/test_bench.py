"""Timing in turn: who is timed how often, what is reported, and that nothing stops the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from speciation.engine.bench import Row, Timing, allocate, measure
from speciation.engine.bench_ways import Way
from speciation.engine.peers.job import longest_of, mean_length
from tests.speciation.engine.peers.cases import JOB


class Clock:
    """Time passes only where somebody spends it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakePack:
    """An interval takes so many seconds, the first one ten times as many."""

    begin_seconds = 0.001
    precision = "float32"

    def __init__(self, name: str, clock: Clock, cost: float, log: list[str]) -> None:
        self._name, self._clock, self._cost, self._log = name, clock, cost, log
        self._first = True

    def run(self, intervals: int) -> float:
        seconds = self._cost * (10 if self._first else intervals)
        self._first = False
        self._clock.now += seconds
        self._log.append(f"{self._name} {intervals}")
        return seconds

    def peak_bytes(self) -> int | None:
        return 4000

    def close(self) -> None:
        self._log.append(f"{self._name} closed")


Make = Callable[..., Way]


@pytest.fixture(autouse=True)
def released(monkeypatch) -> list[bool]:
    """How often memory was given back; really to do it takes a while."""
    calls: list[bool] = []
    monkeypatch.setattr("speciation.engine.bench.release", lambda: calls.append(True))
    return calls


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def way(clock, log) -> Make:
    def make(name: str, cost: float = 0.1, **rest) -> Way:
        def open_pack(job, slots) -> FakePack:
            clock.now += 3.0
            return FakePack(name, clock, cost, log)

        return Way(name, "plain", **{"open": open_pack, **rest})

    return make


def timing(
    clock: Clock, last_call: float = 1e6, repeats: int = 5, share: float = 1.0
) -> Timing:
    return Timing(20, repeats, last_call, share, clock)


def test_ways_are_timed_in_turn(way, clock, log):
    rows = measure(JOB, [way("a"), way("b", 0.2)], 7, timing(clock, repeats=2), lambda _: None)
    warm = ["a 1", "a 1", "b 1", "b 1"]
    assert log == [*warm, "a 4", "b 4", "a 4", "b 4", "a closed", "b closed"]
    assert [row.microseconds for row in rows] == [
        pytest.approx([1e6 * cost / (5 * 7)] * 2) for cost in (0.1, 0.2)
    ]
    for row, cost in zip(rows, (0.1, 0.2), strict=True):
        assert row.start_seconds == pytest.approx(3.0)
        assert row.first_seconds == pytest.approx(10 * cost)
        assert (row.steps, row.peak_bytes, row.begin_seconds) == (20, 4000, 0.001)
        assert row.precision == "float32"


def test_a_way_has_a_row_for_each_of_its_sizes(way, clock):
    rows = measure(JOB, [way("a", sizes=(1, 4)), way("b")], 7, timing(clock), lambda _: None)
    assert [(row.way.name, row.slots) for row in rows] == [("a", 1), ("a", 4), ("b", 7)]


def test_what_cannot_be_had_says_why_once(way, clock, log):
    missing = way("a", sizes=(1, 4), missing="needs a GPU")
    rows = measure(JOB, [missing, way("b")], 7, timing(clock), lambda _: None)
    assert [(row.slots, row.reason) for row in rows] == [(1, "needs a GPU"), (7, None)]
    assert rows[0].cost is rows[0].trials_per_second(25) is None


def failing(job, slots):
    raise MemoryError("out of memory: all of it")


def test_who_fails_to_open_stops_nobody_and_keeps_no_memory(way, clock, released):
    rows = measure(JOB, [way("a", open=failing), way("b")], 7, timing(clock), lambda _: None)
    assert [row.reason for row in rows] == ["out of memory", None]
    assert len(released) == 3


def test_who_has_no_room_beside_the_others_is_timed_alone(way, clock, log):
    def greedy(job, slots) -> FakePack:
        if "b closed" not in log:
            raise RuntimeError("CUDA out of memory.")
        return FakePack("a", clock, 0.1, log)

    rows = measure(JOB, [way("a", open=greedy), way("b")], 7, timing(clock), lambda _: None)
    assert [(row.reason, row.alone, len(row.microseconds)) for row in rows] == [
        (None, True, 5),
        (None, False, 5),
    ]
    assert log[-1] == "a closed"


@pytest.mark.parametrize("ran", [0, 1, 3])
def test_who_fails_on_the_way_stops_nobody_and_keeps_no_figure(way, clock, log, ran):
    class Failing(FakePack):
        left = ran

        def run(self, intervals: int) -> float:
            if not self.left:
                raise ValueError("no more")
            self.left -= 1
            return super().run(intervals)

    bad = way("a", open=lambda job, slots: Failing("a", clock, 0.1, log))
    rows = measure(JOB, [bad, way("b")], 7, timing(clock), lambda _: None)
    assert [row.reason for row in rows] == ["ValueError: no more", None]
    assert [len(row.microseconds) for row in rows] == [0, 5]
    assert "a closed" in log


def test_after_the_last_call_nothing_is_begun(way, clock, log):
    clock.now = 11.0
    rows = measure(JOB, [way("a")], 7, timing(clock, last_call=10.0), lambda _: None)
    assert [row.reason for row in rows] == ["no time left"]
    assert log == []


def test_peers_are_not_begun_late_but_the_engine_and_its_measure_are(way, clock, log):
    ways = [way("first"), way("peer"), way("engine, torch")]
    rows = measure(JOB, ways, 1, timing(clock, last_call=3.0), lambda _: None)
    assert [row.reason for row in rows] == [None, "no time left", None]
    assert [len(row.microseconds) for row in rows] == [1, 0, 1]


def test_who_turns_out_slower_than_it_seemed_is_stopped(way, clock, log):
    class Tiring(FakePack):
        def run(self, intervals: int) -> float:
            self._cost *= 2
            return super().run(intervals)

    ways = [way("a", open=lambda job, slots: Tiring("a", clock, 0.1, log))]
    (row,) = measure(JOB, ways, 1, timing(clock, last_call=11.0), lambda _: None)
    assert len(row.microseconds) == 2


def test_where_time_is_short_the_slow_are_timed_less(way, clock, log):
    # The two take 3 s each to begin, and 0.22 and 2.2 s to warm up: of 5.58 s, half is theirs.
    ways = [way("quick", 0.02), way("slow", 0.2)]
    rows = measure(JOB, ways, 1, timing(clock, last_call=14.0, share=0.5), lambda _: None)
    assert [len(row.microseconds) for row in rows] == [5, 5]
    assert rows[0].steps == 20
    assert rows[1].steps == 5 * 2


@pytest.mark.parametrize(
    ("seconds", "costs", "plans"),
    [
        (1000.0, [1.0, 2.0], [(5, 20), (5, 20)]),
        (100.0, [1.0], [(5, 20)]),
        (50.0, [1.0], [(5, 10)]),
        (4.0, [1.0], [(4, 1)]),
        (0.0, [1.0], [(2, 1)]),
        (-9.0, [1.0], [(2, 1)]),
        (110.0, [0.1, 1.0], [(5, 20), (5, 20)]),  # what the quick one leaves over
        (60.0, [1.0, 0.1], [(5, 10), (5, 20)]),
        (10.0, [], []),
    ],
)
def test_shares_of_time(seconds, costs, plans):
    assert allocate(seconds, costs, intervals=20, repeats=5) == plans


def test_trials_a_second_are_those_of_the_mean_or_of_the_longest(way):
    kept = Row(way("a", refills=True), 512, 64, [1.0, 2.0, 3.0], begin_seconds=0.5)
    pack = Row(way("a"), 512, 64, [1.0, 2.0, 3.0])
    assert kept.trials_per_second(25) == pytest.approx(1 / (2e-6 * mean_length(25) + 0.5))
    assert pack.trials_per_second(25) == pytest.approx(1 / (2e-6 * longest_of(64, 25)))
