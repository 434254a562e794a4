"""From curves to milestones, outcome and learning class (pure functions of what was seen).

Grokking is *sustained*: the first evaluation with validation accuracy of at least 99 % that
holds at the next ``HOLD`` evaluations. The step of that first evaluation is reported, not of
the one that confirmed it. A trial is therefore watched for up to ``HOLD`` evaluations past its
horizon, but only while a streak that began in time is open; so what is said at a horizon does
not depend on how much longer somebody looked.
"""

from __future__ import annotations

from typing import Any

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
        return _within(curves, index, horizon)

    grok = _grokked_at(curves, horizon)
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
    if _grokked_at(curves, horizon) is not None:
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
    """The first class that fits, in the order of :func:`_tests`; None for a failure."""

    def told(value: float | None, unknown: float) -> float:
        return unknown if value is None else value

    tests = _tests(
        told(reached.steps_to_grok, np.inf),
        told(reached.steps_to_memorise, np.inf),
        told(reached.validation_at_memorise, np.nan),
        told(reached.least_validation_after_grok, np.nan),
        ended.value,
        horizon,
    )
    found = next((name for name, fits in tests.items() if fits), LearningClass.DELAYED)
    return LearningClass(found) if found else None


def learning_classes(
    grok: NDArray[np.float64],
    memorise: NDArray[np.float64],
    at_memorise: NDArray[np.float64],
    least_after_grok: NDArray[np.float64],
    ended: NDArray[np.object_],
    horizon: int,
) -> NDArray[np.str_]:
    """:func:`learning_class` of many trials at once.

    Args:
        grok: Steps to grok, infinite where a trial did not; shape ``(n,)``, as all others.
        memorise: Steps to memorise, infinite where it did not.
        at_memorise: Validation accuracy when it memorised, NaN where that is not known.
        least_after_grok: Least validation accuracy since it grokked, NaN likewise.
        ended: Values of :class:`Outcome`.
        horizon: H, in steps.

    Returns:
        Values of :class:`LearningClass`; an empty text for a failure.
    """
    with np.errstate(invalid="ignore"):  # what never came less what never came
        tests = _tests(grok, memorise, at_memorise, least_after_grok, ended, horizon)
    names = [str(name) for name in tests]
    return np.select(list(tests.values()), names, LearningClass.DELAYED.value)


def _tests(
    grok: Any, memorise: Any, at_memorise: Any, least: Any, ended: Any, horizon: int
) -> dict[str, Any]:
    """Class → whether it fits, in the order in which they are asked.

    Written so that numbers and arrays of numbers do alike.
    """
    never, never_memorised = grok == np.inf, memorise == np.inf
    late, ratio = grok - memorise, grok / memorise
    unknown = never_memorised | (at_memorise != at_memorise)
    return {
        "": ended == Outcome.FAILED.value,
        LearningClass.DIVERGED: ended == Outcome.DIVERGED.value,
        LearningClass.UNDERFITTER: never & never_memorised,
        LearningClass.MEMORISER: never,
        LearningClass.COLLAPSER: least < NEARLY,
        LearningClass.SMOOTH_LEARNER: unknown
        | (late <= 50)
        | (ratio <= 1.25)
        | (at_memorise >= 0.90),
        LearningClass.GROKKER: (ratio >= 2) & (late >= horizon / 10) & (at_memorise <= 0.50),
    }


def _grokked_at(curves: Curves, horizon: int) -> int | None:
    """Index of the evaluation from which on the trial had grokked in time."""
    grok = first_sustained(curves.validation_accuracy, GROKKED)
    return _within(curves, grok, horizon)


def _within(curves: Curves, index: int | None, horizon: int) -> int | None:
    return index if index is not None and curves.step[index] <= horizon else None


def _first_streak(true: NDArray[np.bool_]) -> int | None:
    """First index that begins ``HOLD + 1`` true values in a row."""
    begins = len(true) - HOLD
    if begins <= 0:
        return None
    streak = true[:begins]
    for later in range(1, HOLD + 1):
        streak = streak & true[later : begins + later]
    return _first(streak)


def _first(true: NDArray[np.bool_]) -> int | None:
    return int(true.argmax()) if true.any() else None


def _step(curves: Curves, index: int | None) -> int | None:
    return None if index is None else int(curves.step[index])
