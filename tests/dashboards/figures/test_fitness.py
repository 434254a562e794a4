"""Fitness over the generations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboards.figures.fitness import COLUMNS, draw_fitness, fitness_history
from speciation.evolution.fitness import wilson
from tests.dashboards.rows import H, verdict


def history(*rows: dict, landscape: str = "sprinter") -> pd.DataFrame:
    columns = list(verdict(0, 0))
    return fitness_history(pd.DataFrame(list(rows), columns=columns), landscape)


def test_a_generation_is_told_by_its_best_its_median_and_all_its_trials():
    told = history(*(verdict(3, rank) for rank in (2, 0, 1))).to_dict("records")
    low, high = wilson(6, 12)
    assert told == [
        {
            "generation": 3,
            "genomes": 3,
            "best": 500.0,
            "best_se": 10.0,
            "passes_gate": True,
            "median": 600.0,
            "median_se": 10.0,
            "trials": 12,
            "successes": 6,
            "rate": 0.5,
            "rate_low": low,
            "rate_high": high,
        }
    ]


def test_a_genome_whose_trials_all_failed_does_not_count():
    nothing = dict.fromkeys(("sprinter", "sprinter_se"), np.nan)
    untried = verdict(0, 1, trials=0, successes=0, **nothing)
    told = history(verdict(0, 0), untried)
    assert told[["genomes", "median", "trials"]].to_numpy().tolist() == [[1, 500.0, 4]]


def test_a_generation_without_any_trial_is_left_out():
    assert history(verdict(0, 0, trials=0), verdict(1, 0))["generation"].tolist() == [1]


def test_no_generation_is_no_history():
    assert history().empty
    assert tuple(history().columns) == COLUMNS


@pytest.mark.parametrize(("landscape", "best"), [("tank", 20.0), ("sniper", 50.0)])
def test_the_drawing_shows_the_runs_own_landscape(landscape, best):
    figure = draw_fitness(history(verdict(0, 0), landscape=landscape), landscape, H)
    assert [trace.y[0] for trace in figure.data if trace.name == "best"] == [best]
    assert not figure.layout.shapes


def test_a_sprinters_horizon_is_drawn():
    figure = draw_fitness(history(verdict(0, 0)), "sprinter", H)
    assert [shape.y0 for shape in figure.layout.shapes] == [H]


def test_generations_are_drawn_from_one_with_their_errors_in_words():
    figure = draw_fitness(history(verdict(0, 0, sprinter_se=np.nan)), "sprinter", H)
    best = next(trace for trace in figure.data if trace.name == "best")
    assert list(best.x) == [1]
    assert list(best.customdata) == ["500 ± ? (of 1 genome)"]


def test_a_best_sniper_that_has_not_passed_the_gate_is_hollow():
    rows = [verdict(0, 0, passes_gate=False), verdict(1, 0)]
    figure = draw_fitness(history(*rows, landscape="sniper"), "sniper", H)
    best = next(trace for trace in figure.data if trace.name == "best")
    assert list(best.marker.symbol) == ["circle-open", "circle"]


def test_many_generations_are_thinned():
    rows = [verdict(generation, 0) for generation in range(1000)]
    figure = draw_fitness(history(*rows), "sprinter", H)
    best = next(trace for trace in figure.data if trace.name == "best")
    assert list(best.x) == [*range(1, 1001, 4), 1000]
