"""An engine that trains nothing: what a trial's result is, is read off its id.

Everything but the mathematics is real (slots, admission, evaluations, curves), so the cluster's
machinery can be driven hard in milliseconds, and two runs can be compared row for row.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cluster.executor import EnginePlan
from speciation.genome.genome import KINDS, Genome
from speciation.trial.task import Task
from speciation.trial.trial import (
    Curves,
    LearningClass,
    Milestones,
    ModelShape,
    Outcome,
    Trial,
    TrialResult,
)

TASK = Task()
MODEL = ModelShape()


def genome(number: int = 0) -> Genome:
    """One of a fixed row of genomes."""
    return KINDS["hyper17"].random(1, np.random.default_rng(number))[0]


_ANY = genome()


def trial(number: int, horizon: int = 100, of: Genome | None = None) -> Trial:
    """A trial told apart by its seed."""
    return Trial(of or _ANY, TASK, MODEL, seed=number, horizon=horizon)


PLAN = EnginePlan(TASK, MODEL)


def trials(count: int, horizon: int = 100) -> list[Trial]:
    """So many different trials."""
    return [trial(i, horizon) for i in range(count)]


def steps_to_grok(trial: Trial) -> int:
    """When a trial would grok if nobody stopped it: a multiple of the evaluation interval.

    A genome is a better or worse one, and a seed kinder or harder, as in life.
    """
    talent = int(trial.genome.id[:8], 16) / 2**32
    luck = int(trial.id[:8], 16) / 2**32
    evaluations = 1 + int(40 * talent + 12 * luck)
    return evaluations * trial.task.eval_interval


def result(trial: Trial) -> TrialResult:
    """The one and only result of a trial."""
    grok: int | None = steps_to_grok(trial)
    assert grok is not None
    # A trial diverges when it does: who looks at a shorter horizon has not seen it yet.
    diverged = trial.id[8] == "0" and grok <= trial.horizon
    steps = min(grok, trial.horizon)
    if diverged or grok > trial.horizon:
        grok = None
    outcome = Outcome.DIVERGED if diverged else Outcome.GROKKED if grok else Outcome.CENSORED
    step = np.arange(trial.task.eval_interval, steps + 1, trial.task.eval_interval, np.int32)
    rise = (step / max(steps, 1)).astype(np.float32)
    accuracy = rise if grok else rise / 2
    return TrialResult(
        trial=trial,
        outcome=outcome,
        learning_class=LearningClass.DIVERGED if diverged else LearningClass.SMOOTH_LEARNER,
        milestones=Milestones(steps_to_grok=grok, first_95=grok, first_99=grok),
        final_train_accuracy=1.0,
        final_validation_accuracy=float(accuracy[-1]),
        final_train_loss=0.1,
        final_validation_loss=0.2,
        best_validation_accuracy=float(accuracy[-1]),
        steps_run=steps,
        wall_seconds=0.01,
        backend="synthetic",
        device="none",
        versions="{}",
        curves=Curves(step, 1 - rise, rise, 1 - accuracy, accuracy, *(rise,) * 5),
    )


@dataclass(frozen=True)
class Behaviour:
    """How synthetic engines behave. Called with a plan, makes one; picklable."""

    slots: int = 4
    seconds: float = 0.0  # that an advance takes
    poison: frozenset[str] = frozenset()  # ids of trials that raise
    killer: frozenset[str] = frozenset()  # ids of trials that take the process with them
    hanging: frozenset[str] = frozenset()  # ids of trials that never come back
    sick: frozenset[str] = frozenset()  # GPUs by number, machines by $MACHINE: all starts hang
    broken: frozenset[str] = frozenset()  # where all starts fail, named as the sick ones are

    def __call__(self, plan: EnginePlan) -> SyntheticEngine:
        here = {os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "MACHINE")}
        if self.sick & here:
            time.sleep(3600)
        if self.broken & here:
            raise RuntimeError("no engine starts here")
        return SyntheticEngine(self)


class SyntheticEngine:
    """Slots that count evaluations instead of training."""

    def __init__(self, behaviour: Behaviour = Behaviour()) -> None:
        self.behaviour = behaviour
        self.slots = behaviour.slots
        self.trial_steps = 0
        self._slots: list[tuple[Trial, int]] = []

    @property
    def occupied(self) -> int:
        return len(self._slots)

    @property
    def free(self) -> int:
        return self.slots - len(self._slots)

    def admit(self, trials: Sequence[Trial]) -> None:
        assert len(trials) <= self.free
        self._slots += [(trial, 0) for trial in trials]

    def advance(self) -> list[TrialResult]:
        if self.behaviour.seconds:
            time.sleep(self.behaviour.seconds)
        still, finished = [], []
        for trial, step in self._slots:
            if trial.id in self.behaviour.poison:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            if trial.id in self.behaviour.killer:
                os._exit(1)
            if trial.id in self.behaviour.hanging:
                time.sleep(3600)
            ran = step + trial.task.eval_interval
            self.trial_steps += trial.task.eval_interval
            if ran >= min(steps_to_grok(trial), trial.horizon):
                finished.append(result(trial))
            else:
                still.append((trial, ran))
        self._slots = still
        return finished

    def evict(self) -> list[Trial]:
        evicted = [trial for trial, _ in self._slots]
        self._slots = []
        return evicted
