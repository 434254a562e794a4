"""Numbers and settings in words."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from dashboards import words
from speciation.evolution.fitness import LANDSCAPES
from speciation.trial.task import OPERATIONS, TRACKS, Task
from speciation.trial.trial import ModelShape

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (411.7, "412"),
        (1234567, "1,234,567"),
        (2.345, "2.35"),
        (7.0, "7"),
        (INF, "∞"),
        (NAN, "–"),
    ],
)
def test_a_number_has_the_digits_that_matter(value, said):
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.00532, "0.00532"), (1.09e-7, "1.09 × 10⁻⁷"), (0.0, "0"), (2e12, "2 × 10¹²")],
)
def test_a_small_number_is_a_product(value, said):
    assert words.scientific(value) == said


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (412.3, 12.4, "412 ± 12"),
        (2.345, 0.123, "2.35 ± 0.12"),
        (412.3, NAN, "412 ± ?"),
        (NAN, NAN, "–"),
    ],
)
def test_a_value_comes_with_its_error_or_says_that_there_is_none(value, error, said):
    assert words.plus_minus(value, error) == said


def test_an_interval_of_one_trial_is_unknown():
    assert words.interval(388.2, 435.9) == "95 % 388–436"
    assert words.interval(NAN, NAN) == "interval unknown"


def test_a_share_comes_with_wilsons_interval_and_its_n():
    assert words.share(16, 16) == "16 of 16 (95 % 81–100 %)"
    assert words.share(0, 0) == "none yet"


def test_tank_is_shown_in_per_cent_and_the_others_in_steps():
    assert words.fitness(0.5, 0.1, "tank") == "50 ± 10 %"
    assert words.fitness(500.0, 10.0, "sniper") == "500 ± 10"


def test_every_landscape_and_operation_has_words():
    assert words.LANDSCAPES.keys() == LANDSCAPES.keys()
    assert words.OPERATIONS.keys() == set(OPERATIONS)


@pytest.mark.parametrize(
    ("seconds", "said"), [(42.4, "42 s"), (115, "1 min 55 s"), (7500, "2 h 05 min")]
)
def test_a_duration_says_as_much_as_matters(seconds, said):
    assert words.duration(seconds) == said


def test_things_are_counted_in_singular_and_plural():
    assert [words.counted(n, "seed") for n in (0, 1, 1000)] == [
        "0 seeds",
        "1 seed",
        "1,000 seeds",
    ]


def test_figures_of_a_genome_file_are_mean_steps_and_successes():
    told = {"steps": 276.81, "successes": 9999, "trials": 10000}
    assert words.performance(told) == "277 steps, 9,999 of 10,000"


@pytest.mark.parametrize(
    "told", [None, "fast", {}, {"steps": None, "successes": 1, "trials": 1}, [1, 2, 3]]
)
def test_figures_that_a_genome_file_lacks_are_a_dash(told):
    assert words.performance(told) == words.NOTHING


def test_figures_too_large_for_a_number_are_a_dash():
    told = {"steps": 10**400, "successes": 1, "trials": 1}
    assert words.performance(told) == words.NOTHING


def test_a_task_is_said_as_mathematics():
    assert words.task(asdict(Task())) == (
        "a + b mod 97; 50 % of all pairs to learn from, 512 pairs a step"
    )
    full = asdict(TRACKS["add113-full"].task) | {"batch": 0}  # as a row of trials has it
    assert words.task(full) == (
        "a + b mod 113; 30 % of all pairs to learn from, all of them each step"
    )
    group = asdict(Task(operation="s5-compose", modulus=120))
    assert words.task(group).startswith("a ∘ b in S₅; ")


def test_a_model_is_said_by_its_sizes():
    assert words.model(asdict(ModelShape())) == "1 layer, width 32, 4 heads, feed-forward 64"
