"""What a run has to say of itself, as numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.plan import Judged, Plan
from cluster.summary import MOST_COLOURS, Measured, figures, plain, summarise
from speciation.evolution.fitness import fitness_table
from speciation.genome.genome import Genomes
from tests.cluster.runs import config
from tests.cluster.synthetic import genome

HORIZON = config().the_horizon()


def rows(steps: list[list[float | None]]) -> pd.DataFrame:
    """Trials of genomes 0, 1, …: the step each grokked at, None if not, NaN if it failed."""
    told = [
        {
            "trial_id": f"{number}/{seed}",
            "genome_id": genome(number).id,
            "outcome": "censored" if at is None else "failed" if math.isnan(at) else "grokked",
            "steps_to_grok": math.nan if at is None else at,
            "steps_run": HORIZON,
            "best_validation_accuracy": 0.5,
        }
        for number, own in enumerate(steps)
        for seed, at in enumerate(own)
    ]
    return pd.DataFrame(told)


def closed(steps: list[list[float | None]], landscape: str = "sprinter") -> Any:
    """The summary of a generation in which that happened."""
    told = config(
        evolution={
            "landscape": landscape,
            "population": max(len(steps), 3),
            "seeds": len(steps[0]),
        }
    )
    genomes = Genomes.of([genome(number) for number in range(len(steps))])
    seeds = tuple(range(0, 2 * len(steps[0]), 2))
    plan = Plan.of(told, 4, genomes, np.zeros(len(steps), np.int64), seeds)
    evolution = told.evolution
    table = fitness_table(rows(steps), HORIZON, landscape, evolution.gate)
    return summarise(Judged(plan, table), told)


def test_a_generation_tells_its_best_its_median_and_its_trials():
    told = closed([[100, 200], [300, 300], [None, None]])
    assert told.best_genome == genome(0).id
    assert (told.best.value, told.median.value) == (150, 300)
    assert (told.generation, told.trials, told.successes, told.failed) == (4, 6, 4, 0)
    assert told.success_rate == 4 / 6
    assert 0 < told.success_low < 4 / 6 < told.success_high < 1


def test_failed_trials_are_told_and_count_for_nobody():
    told = closed([[math.nan, 200], [300, math.nan], [None, None]])
    assert (told.trials, told.failed, told.successes) == (4, 2, 2)


def test_a_generation_of_failures_alone_has_no_best_and_still_a_summary():
    told = closed([[math.nan], [math.nan], [math.nan]])
    assert told.best_genome is None
    assert math.isnan(told.best.value)
    assert math.isnan(told.success_rate)
    assert json.dumps(plain(told), allow_nan=False)


def test_a_genome_that_never_groks_is_not_praised_for_its_spread():
    told = closed([[None] * 8, [None] * 8], "sniper")
    assert math.isnan(told.best.value)
    told = closed([[100] * 8, [None] * 8], "sniper")
    assert (told.best.value, math.isnan(told.median.value)) == (0, True)


def test_colours_stand_in_the_order_of_the_ranking():
    first = closed([[100], [200], [300]]).colours
    turned = closed([[300], [200], [100]]).colours
    assert first == turned[::-1]
    assert all(len(colour) == 7 and colour[0] == "#" for colour in first)


def test_of_many_genomes_evenly_spaced_colours_are_told():
    assert len(closed([[float(i)] for i in range(1, 301)]).colours) == MOST_COLOURS


def test_figures_count_a_trial_that_did_not_grok_as_the_horizon():
    told = figures(rows([[100, 200, None, None]]), config())
    assert (told.trials, told.successes) == (4, 2)
    assert told.steps == (300 + 2 * HORIZON) / 4
    assert told.steps_low < told.steps < told.steps_high
    assert told.success_low < 0.5 < told.success_high


@pytest.mark.parametrize("steps", [[[]], [[math.nan, math.nan]]])
def test_there_are_no_figures_without_a_scientific_trial(steps):
    empty = rows([[1.0]]).iloc[:0]
    assert figures(rows(steps) if steps[0] else empty, config()) is None


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.tuples(inner), max_leaves=9))
def test_plain_values_are_json_whatever_is_not_finite(value):
    json.dumps(plain(value), allow_nan=False)


def test_plain_knows_numpy_genomes_and_summaries():
    assert plain((np.float32("nan"), np.int64(3), Measured(1.0, math.inf))) == [
        None,
        3,
        {"value": 1.0, "error": None},
    ]
    assert plain(genome(1)) == {
        "id": genome(1).id,
        "kind": "hyper17",
        "genes": dict(genome(1).genes),
    }
