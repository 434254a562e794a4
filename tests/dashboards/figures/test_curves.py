"""The champion's curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboards.figures.curves import (
    MEASURES,
    MOST_SEEDS,
    draw_learning,
    learning,
    median_time,
)
from tests.dashboards.rows import H, trials

NAN, INF = np.nan, np.inf


def curves(**values: list[float]) -> pd.DataFrame:
    """The same values for every measure, at steps 25, 50, …"""
    rows = [
        {"trial_id": name, "step": np.arange(25, 25 * len(seen) + 1, 25, dtype=np.int32)}
        | dict.fromkeys(MEASURES, np.array(seen, dtype=np.float32))
        for name, seen in values.items()
    ]
    return pd.DataFrame(rows, columns=["trial_id", "step", *MEASURES])


def test_curves_stand_on_one_grid_with_gaps_where_seeds_have_ended():
    learned = learning(trials(50, 75), curves(t0=[0, 1], t1=[0, 0, 1]), H)
    assert learned.steps.tolist() == [25, 50, 75]
    np.testing.assert_array_equal(
        learned.seeds["train_accuracy"], [[0.0, 1.0, NAN], [0.0, 0.0, 1.0]]
    )


def test_in_the_median_a_seed_that_has_ended_keeps_its_last_value():
    seen = curves(t0=[0.5, 1], t1=[0, 0.5, 0.5], t2=[0, 1])
    learned = learning(trials(50, 75, 50), seen, H)
    assert learned.medians["validation_loss"].tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_value_that_is_not_finite_is_a_gap_and_the_last_finite_one_counts(bad):
    learned = learning(trials("diverged"), curves(t0=[0.5, bad]), H)
    assert np.isnan(learned.seeds["train_loss"][0, 1])
    assert learned.medians["train_loss"].tolist() == [0.5, 0.5]


def test_seeds_stand_in_order_with_their_milestones():
    rows = trials(400, "censored", 800, seed=[9, 5, 7])
    learned = learning(rows, curves(t0=[1], t1=[1], t2=[1]), 500)
    assert learned.grokked.tolist() == [INF, INF, 400.0]  # 800 is past the horizon
    assert learned.memorised.tolist() == [INF, 400.0, 200.0]


def test_a_trial_whose_curve_was_lost_is_left_out():
    learned = learning(trials(400, 800), curves(t1=[0, 1]), H)
    assert learned.count == 1
    assert learned.grokked.tolist() == [800.0]


def test_without_curves_there_is_nothing_to_see():
    assert learning(trials(400), curves(), H).count == 0
    assert learning(trials(400), curves(t0=[]), H).count == 0


@pytest.mark.parametrize(
    ("times", "middle"),
    [([300, 100, 200], 200), ([100, 200, INF, INF], 200), ([100, INF, INF], None), ([], None)],
)
def test_half_of_the_seeds_got_there_by_the_median(times, middle):
    assert median_time(np.array(times, dtype=np.float64)) == middle


def test_milestones_are_drawn_where_half_of_the_seeds_had_reached_them():
    learned = learning(trials(400, 600, "censored"), curves(t0=[1], t1=[1], t2=[1]), H)
    figure = draw_learning(learned)
    assert sorted(shape.x0 for shape in figure.layout.shapes) == [300, 600]
    said = {annotation.text for annotation in figure.layout.annotations}
    assert {"grokked at 600", "memorised at 300"} <= said


def test_a_milestone_that_most_seeds_never_reached_is_not_drawn():
    learned = learning(trials("censored", "censored", 400), curves(t0=[1], t1=[1], t2=[1]), H)
    assert not draw_learning(learned).layout.shapes


def test_many_seeds_are_thinned_and_a_loss_of_zero_has_no_place_on_a_log_scale():
    many = {f"t{i}": [0.0, 1.0] for i in range(100)}
    figure = draw_learning(learning(trials(*[50] * 100), curves(**many), H))
    thin, thick = figure.data[4], figure.data[5]
    assert len(thin.x) == MOST_SEEDS * 3  # two evaluations and a gap
    np.testing.assert_array_equal(thick.y, [NAN, 1.0])
    assert figure.layout.yaxis2.type == "log"
