"""The champion's figures."""

from __future__ import annotations

import math

import pytest

from dashboards.figures.champion import champion_table, draw_seeds, headline, performance
from speciation.evolution.fitness import fitness_table
from tests.dashboards.rows import H, trials


def test_performance_is_what_fitness_says():
    rows = trials(400, 600, "censored", "diverged", "failed")
    done, fitness = performance(rows, H), fitness_table(rows, H).iloc[0]
    assert done is not None
    assert (done.trials, done.successes, done.failed) == (4, 2, 1)
    assert done.steps == fitness["rmst"] == 750.0
    assert done.steps_high - done.steps == pytest.approx(1.96 * fitness["rmst_se"])
    assert done.steps - done.steps_low == pytest.approx(1.96 * fitness["rmst_se"])
    assert (done.ert, done.spread, done.spread_se) == tuple(
        fitness[["ert", "sniper", "sniper_se"]]
    )
    assert done.times.tolist() == [400, 600, 1000, 1000]


def test_a_trial_that_grokked_past_the_horizon_counts_as_the_horizon():
    done = performance(trials(400, 800), 500)
    assert done is not None
    assert (done.successes, done.times.tolist()) == (1, [400, 500])


def test_a_trial_that_ended_without_an_answer_has_no_dot():
    done = performance(trials(400, "censored", steps_run=[475, 600]), H)
    assert done is not None
    assert (done.trials, done.times.tolist()) == (1, [400])


def test_a_trial_that_the_machine_failed_has_no_dot():
    done = performance(trials(400, "failed", steps_run=[475, 1000]), H)
    assert done is not None
    assert done.times.tolist() == [400]


def test_without_a_scientific_trial_or_a_horizon_there_is_no_performance():
    assert performance(trials("failed"), H) is None
    assert performance(trials(400).iloc[:0], H) is None
    assert performance(trials(400), None) is None


ALL, SOME = performance(trials(400, 424), H), performance(trials(400, "censored"), H)
NONE, ONE = performance(trials("censored", "censored"), H), performance(trials(400), H)


@pytest.mark.parametrize(
    ("selected", "confirmed", "chosen", "said"),
    [
        (SOME, ALL, True, "Groks in 412 steps (95 % 388–436) on 2 of 2 new seeds"),
        (ALL, SOME, True, "Groks on 1 of 2 new seeds (95 % 9–91 %)"),
        (ALL, NONE, True, "Groks on none of 2 new seeds (95 % 0–66 %)"),
        (ALL, ONE, True, "Groks in 400 steps (interval unknown) on 1 of 1 new seed"),
        (
            ALL,
            None,
            True,
            "Not confirmed yet: groks in 412 steps (95 % 388–436) on 2 of 2 seeds",
        ),
        (
            SOME,
            None,
            False,
            "Leading so far, not confirmed: groks on 1 of 2 seeds (95 % 9–91 %)",
        ),
        (None, None, False, "No genome has been judged yet"),
    ],
)
def test_the_headline_is_of_new_seeds_and_comes_with_interval_and_n(
    selected, confirmed, chosen, said
):
    assert headline(selected, confirmed, chosen) == said


def test_selected_and_confirmed_stand_side_by_side():
    page = champion_table(ALL, SOME)
    assert "2 of 2 (95 % 34–100 %)" in page
    assert "1 of 2 (95 % 9–91 %)" in page
    assert "95 % 388–436" in page


def test_what_is_unknown_is_a_dash():
    page = champion_table(NONE, None)
    assert page.count('<span class="faint">–</span>') == 5
    assert "∞" in page


def test_failed_trials_are_told():
    assert "1 more failed" in champion_table(performance(trials(400, "failed"), H), None)


def test_a_seed_that_did_not_grok_is_hollow():
    assert SOME is not None
    dots, mean = draw_seeds(SOME, None).data
    assert dots.x.tolist() == [400, 1000]
    assert list(dots.marker.symbol) == ["circle", "circle-open"]
    assert list(mean.x) == [700]
    assert mean.error_x.array[0] == pytest.approx(SOME.steps_high - 700)


def test_the_mean_of_one_seed_has_no_error_bar():
    _, mean = draw_seeds(None, ONE).data
    assert list(mean.error_x.array) == [0]
    assert not any(math.isnan(x) for x in mean.error_x.array)
