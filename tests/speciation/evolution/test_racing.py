"""Who races on, decided from rows."""

from __future__ import annotations

import pandas as pd
import pytest

from speciation.evolution.fitness import fitness_table
from speciation.evolution.racing import RacingParams, ranked_by_rung, rungs, survivors

H = 1000


def rows(times: dict[str, list[int | None]]) -> pd.DataFrame:
    """Rows of trials: of each genome, when it grokked on each seed."""
    return pd.DataFrame(
        [
            {
                "trial_id": f"{genome}-{seed}",
                "genome_id": genome,
                "outcome": "censored" if time is None else "grokked",
                "steps_to_grok": time,
                "steps_run": H if time is None else time,
                "best_validation_accuracy": 0.5,
            }
            for genome, each in times.items()
            for seed, time in enumerate(each)
        ]
    )


def on(times: dict[str, list[int | None]], **params: object) -> tuple[str, ...]:
    return survivors(fitness_table(rows(times), H), RacingParams(**params))


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [(1, (1,)), (2, (2,)), (3, (2, 3)), (8, (2, 4, 8)), (9, (2, 4, 8, 9))],
)
def test_rungs_double_and_end_with_all_seeds(seeds, expected):
    assert rungs(seeds, RacingParams()) == expected


def test_the_better_half_goes_on_best_first():
    times = {"a": [400, 500], "b": [100, 200], "c": [300, 300], "d": [900, 900]}
    assert on(times, least=1) == ("b", "c")


def test_the_order_of_rows_decides_nothing():
    frame = rows({"a": [400, 500], "b": [100, 200], "c": [300, 300], "d": [900, 900]})
    params = RacingParams(least=1)
    expected = survivors(fitness_table(frame, H), params)
    for seed in range(10):
        shuffled = frame.sample(frac=1, random_state=seed)
        assert survivors(fitness_table(shuffled, H), params) == expected


def test_no_fewer_than_the_least_go_on():
    assert on({"a": [1, 1], "b": [2, 2], "c": [3, 3]}, least=2, keep=0.1) == ("a", "b")


def test_the_hopeless_are_dropped_even_where_there_would_be_room():
    times = {"a": [400, 500], "b": [None, None], "c": [None, None], "d": [None, None]}
    assert on(times, least=1, keep=0.9) == ("a",)
    assert len(on(times, least=1, keep=0.9, cap=False)) == 4
    assert len(on(times, least=2)) == 2  # too few have a success: then none is hopeless


def test_who_came_further_ranks_first_whatever_luck_says():
    frame = rows({"lucky": [100, 100], "far": [150, 90, 800, 800], "also": [90, 90, 500, 400]})
    ranked = ranked_by_rung(fitness_table(frame, H), frame)
    assert ranked["genome_id"].tolist() == ["also", "far", "lucky"]
    assert ranked["rank"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("wrong", [{"first": 0}, {"keep": 0.0}, {"keep": 1.0}, {"least": 0}])
def test_what_is_no_race_is_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        RacingParams(**wrong)
