"""Engines that are wrong on purpose: what a comparison of engines has to catch.

A comparison that has never failed may be unable to. So these are put in the place of an engine,
each with one fault of the kind that is made in earnest: training goes on, and losses fall. They
are for proofs and tests alone; what they return must never be stored as what a trial does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speciation.engine import optimizer
from speciation.engine.backends import EagerBackend
from speciation.engine.engine import Engine, EngineSpec
from speciation.engine.recipe import RECIPE_COLUMNS
from speciation.engine.training import Program, State, train_step
from speciation.trial.trial import Trial

WRONG_BETA2 = 0.999


@dataclass(frozen=True, slots=True)
class Control:
    """A fault, and the engine that has it.

    Args:
        fault: What is wrong, as a clause.
        build: The engine; of a specification whose backend is ``torch``.
    """

    fault: str
    build: Callable[[EngineSpec], Engine]


class _L2Engine(Engine):
    def __init__(self, spec: EngineSpec) -> None:
        super().__init__(spec)
        for block in self._blocks:
            block._backend = EagerBackend(self._program, block._state, l2_step)


def l2_step(run: Program, state: State) -> None:
    """A step with weight decay as a part of the gradient, as in plain Adam.

    There it is divided by the root of the second moment like every gradient, so that weights
    with large gradients hardly decay (Loshchilov 2019, section 2).
    """
    train_step(run, state, _l2_adam)


def _l2_adam(
    weight: Tensor,
    grad: Tensor,
    mean: Tensor,
    square: Tensor,
    count: Tensor,
    learning_rate: Tensor,
    recipe: dict[str, Tensor],
) -> None:
    decay = recipe["weight_decay"]
    grad = grad + decay[:, None] * weight
    without = recipe | {"weight_decay": torch.zeros_like(decay)}
    optimizer.adamw(weight, grad, mean, square, count, learning_rate, without)


class _StaleStepEngine(Engine):
    def admit(self, trials: Sequence[Trial]) -> None:
        before = [block._state.schedule.step.clone() for block in self._blocks]
        super().admit(trials)
        for block, step in zip(self._blocks, before, strict=True):
            block._state.schedule.step.copy_(step)


class _Beta2Engine(Engine):
    def admit(self, trials: Sequence[Trial]) -> None:
        super().admit(trials)
        wrong = {"one_minus_beta2": 1 - WRONG_BETA2, "log_beta2": math.log(WRONG_BETA2)}
        for block in self._blocks:
            for column, value in wrong.items():
                block._state.recipe[RECIPE_COLUMNS.index(column)] = value


CONTROLS: dict[str, Control] = {
    "l2-decay": Control("weight decay is added to the gradient, not decoupled", _L2Engine),
    "stale-step": Control("a slot that is refilled keeps its step counter", _StaleStepEngine),
    "fixed-beta2": Control(f"beta2 is {WRONG_BETA2} whatever the genome says", _Beta2Engine),
}
"""Every control by its name."""
