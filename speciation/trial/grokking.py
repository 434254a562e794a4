"""From curves to milestones, outcome and learning class (pure functions of what was seen).

Grokking is *sustained*: the first evaluation with validation accuracy of at least 99 % that
holds at the next ``HOLD`` evaluations. The step of that first evaluation is reported, not of
the one that confirmed it. A trial is therefore watched for up to ``HOLD`` evaluations past its
horizon, but only while a streak that began in time is open; so what is said at a horizon does
not depend on how much longer somebody looked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speciation.trial.trial import Curves, LearningClass, Milestones, Outcome

HOLD = 3
GROKKED = np.float32(0.99)
NEARLY = np.float32(0.95)
MEMORISED = np.float32(0.99)
COLLAPSED = np.float32(0.10)


def first_touch(accuracy: NDArray[np.float32], threshold: np.float32) -> int | None:
    """Index of the first evaluation at or above a threshold."""
    return _first(accuracy >= threshold)


def first_sustained(accuracy: NDArray[np.float32], threshold: np.float32) -> int | None:
    """Index of the first evaluation at or above a threshold that holds for ``HOLD`` more."""
    return _first_streak(accuracy >= threshold)


def milestones(curves: Curves, horizon: int) -> Milestones:
    """When what was reached, counting only what began at or before the horizon."""
    train, validation = curves.train_accuracy, curves.validation_accuracy

    def within(index: int | None) -> int | None:
        return index if index is not None and curves.step[index] <= horizon else None

    grok = within(first_sustained(validation, GROKKED))
    memorise = within(first_sustained(train, MEMORISED))
    return Milestones(
        steps_to_grok=_step(curves, grok),
        first_95=_step(curves, within(first_touch(validation, NEARLY))),
        first_99=_step(curves, within(first_touch(validation, GROKKED))),
        sustained_95=_step(curves, within(first_sustained(validation, NEARLY))),
        steps_to_memorise=_step(curves, memorise),
        validation_at_memorise=None if memorise is None else float(validation[memorise]),
        least_validation_after_grok=(
            None if grok is None else float(np.nan_to_num(validation[grok:]).min())
        ),
    )


def outcome(curves: Curves, horizon: int) -> Outcome:
    """How the trial ended at its horizon.

    A trial that had grokked stays grokked, whatever came after (its class tells).
    """
    if milestones(curves, horizon).steps_to_grok is not None:
        return Outcome.GROKKED
    seen = curves.step <= horizon
    if not np.isfinite(curves.train_loss[seen]).all() or has_collapsed(curves, horizon):
        return Outcome.DIVERGED
    return Outcome.CENSORED


def has_collapsed(curves: Curves, horizon: int) -> bool:
    """Learned and lost: train accuracy stays at or below 10 % after memorisation held."""
    train = curves.train_accuracy[curves.step <= horizon]
    memorised = first_sustained(train, MEMORISED)
    if memorised is None:
        return False
    return _first_streak(train[memorised:] <= COLLAPSED) is not None


def learning_class(reached: Milestones, ended: Outcome, horizon: int) -> LearningClass | None:
    """The first class that fits, in the order of the lines below; None for a failure."""
    grok, memorise = reached.steps_to_grok, reached.steps_to_memorise
    if ended == Outcome.FAILED:
        return None
    if ended == Outcome.DIVERGED:
        return LearningClass.DIVERGED
    if grok is None:
        return LearningClass.UNDERFITTER if memorise is None else LearningClass.MEMORISER
    least = reached.least_validation_after_grok
    if least is not None and least < NEARLY:
        return LearningClass.COLLAPSER
    at_memorise = reached.validation_at_memorise
    if memorise is None or at_memorise is None:
        return LearningClass.SMOOTH_LEARNER
    if grok - memorise <= 50 or grok / memorise <= 1.25 or at_memorise >= 0.90:
        return LearningClass.SMOOTH_LEARNER
    if grok / memorise >= 2 and grok - memorise >= horizon / 10 and at_memorise <= 0.50:
        return LearningClass.GROKKER
    return LearningClass.DELAYED


def _first_streak(true: NDArray[np.bool_]) -> int | None:
    """First index that begins ``HOLD + 1`` true values in a row."""
    if len(true) <= HOLD:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(true, HOLD + 1)
    return _first(np.asarray(windows.all(axis=1)))


def _first(true: NDArray[np.bool_]) -> int | None:
    return int(true.argmax()) if true.any() else None


def _step(curves: Curves, index: int | None) -> int | None:
    return None if index is None else int(curves.step[index])
