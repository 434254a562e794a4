"""From curves to milestones, outcomes and classes; and the watch that agrees with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.trial import grokking
from speciation.trial.grokking import HOLD
from speciation.trial.trial import Curves, LearningClass, Milestones, Outcome
from speciation.trial.watch import Watch

INTERVAL = 25


def curves(validation, train=None, loss=None) -> Curves:
    validation = np.array(validation, dtype=np.float32)
    train = np.ones_like(validation) if train is None else np.array(train, dtype=np.float32)
    loss = np.zeros_like(validation) if loss is None else np.array(loss, dtype=np.float32)
    rest = dict.fromkeys(
        (
            "validation_loss",
            "zero_gradient_share",
            "gap_q10",
            "gap_q50",
            "gap_q90",
            "learning_rate",
        ),
        np.zeros_like(validation),
    )
    step = np.arange(1, len(validation) + 1, dtype=np.int32) * np.int32(INTERVAL)
    return Curves(
        step=step, train_loss=loss, train_accuracy=train, validation_accuracy=validation, **rest
    )


def test_grokking_is_reported_at_its_first_evaluation_not_at_the_confirming_one():
    reached = grokking.milestones(curves([0.2, 0.5, 0.99, 0.99, 1.0, 0.995]), horizon=2500)
    assert reached.steps_to_grok == 75


def test_a_touch_that_does_not_hold_is_no_grokking():
    reached = grokking.milestones(curves([0.99, 0.99, 0.99, 0.98, 0.99]), horizon=2500)
    assert reached.steps_to_grok is None
    assert (reached.first_95, reached.first_99, reached.sustained_95) == (25, 25, 25)


def test_memorising_notes_the_validation_accuracy_of_its_moment():
    seen = curves([0.1, 0.3, 0.4, 0.5, 0.6], train=[0.5, 0.99, 1, 1, 1])
    reached = grokking.milestones(seen, horizon=2500)
    assert reached.steps_to_memorise == 50
    assert reached.validation_at_memorise == pytest.approx(0.3)


def test_what_begins_after_the_horizon_does_not_count():
    seen = curves([0.5] * 4 + [1.0] * 6)
    assert grokking.milestones(seen, horizon=125).steps_to_grok == 125
    assert grokking.milestones(seen, horizon=100).steps_to_grok is None
    assert grokking.outcome(seen, horizon=100) == Outcome.CENSORED


def test_a_loss_that_is_not_finite_diverges_but_not_after_grokking():
    assert grokking.outcome(curves([0.1, 0.1], loss=[1, np.nan]), 2500) == Outcome.DIVERGED
    late = curves([1, 1, 1, 1, 0], loss=[0, 0, 0, 0, np.inf])
    assert grokking.outcome(late, 2500) == Outcome.GROKKED


def test_learning_and_losing_it_all_is_divergence():
    lost = curves([0.1] * 9, train=[1, 1, 1, 1, 0.5, 0.05, 0.01, 0.01, 0.02])
    assert grokking.outcome(lost, 2500) == Outcome.DIVERGED
    recovered = curves([0.1] * 9, train=[1, 1, 1, 1, 0.5, 0.05, 0.01, 0.01, 0.5])
    assert grokking.outcome(recovered, 2500) == Outcome.CENSORED


@pytest.mark.parametrize(
    ("grok", "memorise", "at_memorise", "least", "expected"),
    [
        (None, None, None, None, LearningClass.UNDERFITTER),
        (None, 500, 0.1, None, LearningClass.MEMORISER),
        (900, 300, 0.1, 0.90, LearningClass.COLLAPSER),
        (900, None, None, 0.99, LearningClass.SMOOTH_LEARNER),
        (350, 300, 0.1, 0.99, LearningClass.SMOOTH_LEARNER),
        (1250, 1000, 0.1, 0.99, LearningClass.SMOOTH_LEARNER),
        (900, 300, 0.90, 0.99, LearningClass.SMOOTH_LEARNER),
        (900, 300, 0.50, 0.99, LearningClass.GROKKER),
        (900, 300, 0.51, 0.99, LearningClass.DELAYED),
        (549, 300, 0.10, 0.99, LearningClass.DELAYED),
        (900, 600, 0.10, 0.99, LearningClass.DELAYED),
    ],
)
def test_the_learning_class_is_the_first_that_fits(
    grok, memorise, at_memorise, least, expected
):
    reached = Milestones(
        steps_to_grok=grok,
        steps_to_memorise=memorise,
        validation_at_memorise=at_memorise,
        least_validation_after_grok=least,
    )
    ended = Outcome.CENSORED if grok is None else Outcome.GROKKED
    assert grokking.learning_class(reached, ended, horizon=2500) == expected


def test_divergence_and_failure_are_decided_before_anything_else():
    reached = Milestones(steps_to_memorise=100, validation_at_memorise=0.1)
    diverged = grokking.learning_class(reached, Outcome.DIVERGED, 2500)
    assert diverged == LearningClass.DIVERGED
    assert grokking.learning_class(reached, Outcome.FAILED, 2500) is None


levels = st.sampled_from([0.0, 0.05, 0.5, 0.95, 0.99, 1.0])


@given(
    validation=st.lists(levels, min_size=40, max_size=40),
    train=st.lists(levels, min_size=40, max_size=40),
    broken=st.none() | st.integers(0, 60),
    horizon=st.integers(INTERVAL, 20 * INTERVAL),
    longer=st.integers(0, 10 * INTERVAL),
    to_horizon=st.booleans(),
)
def test_what_is_said_at_a_horizon_does_not_depend_on_how_long_was_watched(
    validation, train, broken, horizon, longer, to_horizon
):
    loss = [np.nan if broken is not None and i >= broken else 1.0 for i in range(40)]
    whole = curves(validation, train, loss)

    def watched(limit: int, keep: bool) -> Curves:
        watch = Watch(1, INTERVAL)
        watch.start(0, limit, keep)
        for i in range(40):
            one = slice(i, i + 1)
            if watch.see(
                whole.train_loss[one], whole.train_accuracy[one], whole.validation_accuracy[one]
            )[0]:
                return curves(validation[: i + 1], train[: i + 1], loss[: i + 1])
        raise AssertionError("the watch never ended the trial")

    short, long = watched(horizon, to_horizon), watched(horizon + longer, keep=False)
    at = grokking.milestones(short, horizon).steps_to_grok
    later = grokking.milestones(long, horizon + longer).steps_to_grok
    assert at == (later if later is not None and later <= horizon else None)
    assert at == _grok_if_it_lives(whole, horizon)
    assert short.step[-1] <= horizon + INTERVAL * (HOLD + 1)


def _grok_if_it_lives(whole: Curves, horizon: int) -> int | None:
    """The definition: on the whole curve, unless the trial was lost before it was confirmed."""
    steps = grokking.milestones(whole, horizon).steps_to_grok
    if steps is None:
        return None
    before = int(np.searchsorted(whole.step, steps)) + HOLD
    if not np.isfinite(whole.train_loss[:before]).all():
        return None
    return None if grokking.has_collapsed(curves_until(whole, before), 10**9) else steps


def curves_until(whole: Curves, count: int) -> Curves:
    return curves(whole.validation_accuracy[:count], whole.train_accuracy[:count])


def test_the_watch_keeps_a_slot_apart_from_its_neighbours_and_forgets_at_refill():
    watch = Watch(2, INTERVAL)
    watch.start(0, 2500, False)
    watch.start(1, 2500, False)
    high, low = np.array([1.0, 0.0], np.float32), np.zeros(2, np.float32)
    over = [watch.see(low, low, high) for _ in range(HOLD + 1)]
    assert [list(o) for o in over] == [[False, False]] * HOLD + [[True, False]]
    watch.start(0, 2500, False)
    assert not watch.see(low, low, high)[0]
