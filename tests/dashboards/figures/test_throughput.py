"""What trials took."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboards.figures.throughput import draw_pace, pace, work, work_table
from tests.dashboards.rows import trials

TIMES = {
    "status": "finished",
    "created": "2026-11-24T15:00:00+00:00",
    "updated": "2026-11-24T15:00:10+00:00",
}


def test_totals_are_of_the_trials_that_the_run_computed():
    done = work(trials(25, 125, 425, own=[True, True, False]), TIMES)
    assert (done.trials, done.known) == (2, 1)
    assert (done.steps, done.examples, done.slot_seconds) == (300, 1024, 4.0)
    assert done.elapsed == 10.0
    assert done.places == {("H100", "graph", "float32"): 2}


@pytest.mark.parametrize(
    "change",
    [{"status": "running"}, {"created": "yesterday"}, {"updated": None}, {"created": 5}],
)
def test_a_run_that_goes_on_or_has_no_times_has_no_pace(change):
    done = work(trials(25), TIMES | change)
    assert done.elapsed is None
    assert "a second" not in work_table(done)


def test_a_pace_is_a_lower_bound_and_says_so():
    page = work_table(work(trials(25, 125), TIMES))
    assert '<th scope="row">trials a second</th><td>at least 0.2</td>' in page
    assert '<th scope="row">training steps a second</th><td>at least 30</td>' in page


def test_devices_are_named_as_words():
    page = work_table(work(trials(25, device="<b>"), TIMES))
    assert "&lt;b&gt; · graph · float32" in page


def test_a_failed_trial_that_ran_nowhere_is_counted_so():
    gone = trials("failed", device="", backend=None)
    assert "not trained" in work_table(work(gone, TIMES))


def test_each_generation_has_its_steps_and_the_speed_of_a_slot():
    table = pace(trials(25, 125, 425, generation=[0, 0, 1], wall_seconds=[1.0, 2.0, 0.0]))
    expected = pd.DataFrame(
        {
            "generation": [0, 1],
            "trials": [2, 1],
            "steps": [300, 500],
            "slot_seconds": [3.0, 0.0],
            "steps_a_second": [100.0, np.nan],
        }
    )
    pd.testing.assert_frame_equal(table, expected)


def test_bars_say_of_how_many_trials():
    figure = draw_pace(pace(trials(25, 125)))
    assert list(figure.data[0].customdata) == [
        "300 steps of 2 trials<br>75 steps a second in a slot"
    ]
