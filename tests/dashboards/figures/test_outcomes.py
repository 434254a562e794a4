"""How trials ended."""

from __future__ import annotations

import pytest

from dashboards.figures.outcomes import draw_outcomes, outcomes
from tests.dashboards.rows import H, trials


def test_every_trial_is_counted_once_in_its_generation():
    rows = trials(
        400, 500, "censored", "diverged", "failed", 300, generation=[0, 0, 0, 0, 0, 2]
    )
    assert outcomes(rows, H).to_dict("records") == [
        {
            "generation": 0,
            "grokked": 2,
            "censored": 1,
            "diverged": 1,
            "failed": 1,
            "unanswered": 0,
        },
        {
            "generation": 2,
            "grokked": 1,
            "censored": 0,
            "diverged": 0,
            "failed": 0,
            "unanswered": 0,
        },
    ]


@pytest.mark.parametrize(
    ("word", "ran", "horizon", "ended"),
    [
        (400, 475, 400, "grokked"),
        (400, 475, 399, "censored"),  # grokked later, in a longer trial
        ("diverged", 300, 300, "diverged"),
        ("diverged", 300, 299, "censored"),
        ("censored", 500, 1000, "unanswered"),
        ("failed", 1000, 1000, "failed"),
    ],
)
def test_what_came_after_the_horizon_does_not_count(word, ran, horizon, ended):
    table = outcomes(trials(word, steps_run=ran), horizon)
    assert table[ended].tolist() == [1]


def test_only_outcomes_that_happened_are_drawn():
    figure = draw_outcomes(outcomes(trials(400, "failed"), H))
    assert [bar.name for bar in figure.data] == ["grokked", "failed"]
    assert list(figure.data[0].x) == [1]
    assert figure.data[1].marker.pattern.shape == "/"
