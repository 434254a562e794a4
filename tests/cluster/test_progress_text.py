"""Progress in words and in JSON."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.progress_text import (
    RATE_SECONDS,
    STORE_FAILS,
    JsonReporter,
    LineReporter,
    Pace,
    duration_text,
    fitness_text,
    fitness_unit,
    rate_text,
    share_text,
)
from cluster.summary import GenerationSummary, Measured, RunSummary, Snapshot
from speciation.evolution.fitness import LANDSCAPES
from tests.cluster.runs import config

NOW = Snapshot(
    phase="evolve",
    generation=1,
    generations=5,
    trials=16,
    done=4,
    under_way=2.5,
    known=0,
    failed=0,
    suspects=0,
    capacity=8,
    occupied=8,
    finished=20,
    trial_steps=10_000,
    seconds=10.0,
    eta_seconds=75.0,
)
CLOSED = GenerationSummary(
    generation=1,
    landscape="sprinter",
    best_genome="0123456789abcdef",
    best=Measured(1234.4, 56.7),
    median=Measured(2000.0, math.nan),
    trials=16,
    successes=12,
    failed=0,
    success_low=0.505,
    success_high=0.898,
    diversity=0.912,
    elites=2,
    deaths=1,
    colours=("#ff0000", "#00ff00"),
)
ENDED = RunSummary("test-1", False, 5, None, 80, 0, 0, 10_000, 12.0)


# -- Numbers as text ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "landscape", "text"),
    [
        (Measured(1234.4, 56.7), "sprinter", "1,234 ± 57"),
        (Measured(1234.4, math.nan), "sprinter", "1,234"),
        (Measured(math.nan, math.nan), "sprinter", "–"),
        (Measured(0.876, 0.05), "tank", "88 ± 5"),
        (Measured(30.0, 2.0), "sniper", "30 ± 2"),
    ],
)
def test_fitness_is_told_with_its_error(measured, landscape, text):
    assert fitness_text(measured, landscape) == text


def test_every_landscape_has_its_unit():
    assert all(fitness_unit(landscape, 1000) for landscape in LANDSCAPES)


def test_a_mean_that_unfinished_trials_are_in_is_told_with_its_most():
    assert fitness_unit("sprinter", 1000) == "steps, of at most 1,000"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (3700, "1 h 01"),
    ],
)
def test_durations_are_as_long_as_they_are(seconds, text):
    assert duration_text(seconds).startswith(text)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0, "0.0"),
        (9.94, "9.9"),
        (9.96, "10"),
        (999.4, "999"),
        (999.9, "1.0 k"),
        (2.5e6, "2.5 M"),
    ],
)
def test_a_rate_is_told_with_about_three_digits(rate, text):
    assert rate_text(rate) == text


@given(st.floats(0, 1e10), st.floats(0, 1e10))
def test_a_greater_rate_never_reads_as_a_smaller_one(one, other):
    size = {"k": 1e3, "M": 1e6}
    low, high = (
        float(number) * size.get("".join(unit), 1)
        for number, *unit in (rate_text(rate).split() for rate in sorted((one, other)))
    )
    assert low <= high


def test_a_share_of_nothing_is_nothing():
    assert share_text(0, 0, math.nan, math.nan) == "–"
    assert share_text(3, 4, 0.301, 0.954) == "75 % (30–95)"


# -- Pace ---------------------------------------------------------------------------------


@given(st.floats(0.5, 100), st.floats(0.1, 5), st.integers(2, 300))
def test_a_steady_pace_is_told_as_it_is(rate, every, moments):
    pace = Pace()
    for i in range(moments):
        seconds = i * every
        pace.see(replace(NOW, seconds=seconds, finished=1000 * i, trial_steps=7000 * i))
    trials, steps = pace.rates
    assert trials == pytest.approx(1000 / every)
    assert steps == pytest.approx(7000 / every)


def test_an_old_pace_is_forgotten():
    pace = Pace()
    for i in range(1000):
        pace.see(replace(NOW, seconds=i * 0.1, finished=i * 100))
    for i in range(1, 2 + round(RATE_SECONDS * 10)):
        pace.see(replace(NOW, seconds=100 + i * 0.1, finished=99_900))
    assert pace.rates[0] == 0


def test_one_moment_is_no_pace():
    pace = Pace()
    assert pace.rates == (0, 0)
    pace.see(NOW)
    assert pace.rates == (0, 0)
    pace.see(NOW)  # at the very same moment
    assert pace.rates == (0, 0)


# -- Lines --------------------------------------------------------------------------------


def lines(*progress: object) -> list[str]:
    said: list[str] = []
    with LineReporter(config(evolution={"generations": 5}), said.append) as reporter:
        for piece in progress:
            reporter(piece)
    return said


def test_a_run_is_a_line_when_work_begins_and_one_a_generation():
    first, second = lines(NOW, replace(NOW, seconds=11.0), CLOSED, ENDED)
    assert first == f"run {config().run_id()}: 5 generations of 8 genomes × 2 seeds"
    assert second == (
        "generation 2/5: best 1,234 ± 57, median 2,000 (steps, of at most 1,000), "
        "grokked 75 % (50–90), diversity 0.91, 0.0 trials/s, 0.0 steps/s, 8 slots, "
        "about 1 min 15 s to go"
    )


def test_a_generation_that_the_store_knew_is_a_line_too():
    assert lines(CLOSED)[0].endswith("diversity 0.91")


def test_failures_are_told():
    assert ", 3 failed" in lines(replace(CLOSED, failed=3))[0]


def test_a_full_store_is_told_once_each_time_it_fills():
    full = replace(NOW, store_is_full=True)
    said = [line for line in lines(NOW, full, full, NOW, full) if "full" in line]
    assert said == [STORE_FAILS] * 2


def test_a_note_is_a_line():
    said: list[str] = []
    LineReporter(config(), said.append).note("joined")
    assert said == ["joined"]


# -- JSON ---------------------------------------------------------------------------------


def test_json_is_an_object_a_line_without_nan():
    stream = io.StringIO()
    with JsonReporter(stream) as reporter:
        for piece in (NOW, CLOSED, replace(ENDED, stopped=True), ENDED):
            reporter(piece)

    def refuse(text: str) -> None:
        raise AssertionError(text)

    told = [json.loads(t, parse_constant=refuse) for t in stream.getvalue().splitlines()]
    assert [t["event"] for t in told] == ["generation", "stopped", "finished"]
    assert told[0]["median"] == {"value": 2000.0, "error": None}
