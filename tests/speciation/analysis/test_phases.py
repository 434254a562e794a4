"""Median learning curves: every seed counts at every step."""

from __future__ import annotations

import numpy as np
import pytest

from speciation.analysis.phases import MEASURES, _ranks, phases
from speciation.tables.store import Store


@pytest.fixture
def store(tmp_path):
    place = Store(tmp_path)
    rows = []
    for i in range(21):
        count = 4 + i % 3
        level = np.full(count, i / 20, dtype=np.float32)
        rows.append(
            {
                "trial_id": f"t{i:02}",
                "step": np.arange(1, count + 1, dtype=np.int32) * 25,
                **dict.fromkeys(MEASURES, level),
            }
        )
    place.append("curves", rows[:11])
    place.append("curves", rows[9:])
    return place


IDS = [f"t{i:02}" for i in range(21)]


def test_the_median_is_over_all_seeds_and_who_ended_keeps_the_last_value(store):
    own = phases(store, {"arm": IDS}, 1000)["arm"]
    assert own.trials == 21
    assert own.step.tolist() == [25, 50, 75, 100, 125, 150]
    assert np.allclose(own.bands["validation_accuracy"].median, 0.5)


def test_steps_beyond_the_horizon_are_not_looked_at(store):
    assert phases(store, {"arm": IDS}, 100)["arm"].step.tolist() == [25, 50, 75, 100]


def test_of_many_evaluations_evenly_spaced_ones_are_kept(store):
    assert phases(store, {"arm": IDS}, 1000, most_steps=3)["arm"].step.tolist() == [25, 75, 150]


def test_an_arm_without_curves_is_left_out(store):
    assert set(phases(store, {"arm": IDS[:3], "none": ["other"]}, 1000)) == {"arm"}
    assert phases(store, {"none": ["other"]}, 1000) == {}


@pytest.mark.parametrize("n", [1, 2, 5, 21, 100])
def test_the_band_lies_around_the_median(n):
    low, high = _ranks(n)
    assert 0 <= low <= (n - 1) / 2 <= high < n
    assert low + high == n - 1


def test_the_band_covers_the_median():
    rng = np.random.default_rng(0)
    low, high = _ranks(40)
    seen = np.sort(rng.normal(size=(4000, 40)), axis=1)
    covered = (seen[:, low] <= 0) & (seen[:, high] >= 0)
    assert 0.945 <= covered.mean() <= 0.985
