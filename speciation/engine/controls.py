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

from speciation.engine import model as factored
from speciation.engine import optimizer
from speciation.engine.engine import Engine, EngineSpec
from speciation.engine.recipe import RECIPE_COLUMNS
from speciation.engine.training import Program, State, evaluate, gradients, step_examples
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
            block._backend = _L2Backend(self._program, block._state)


class _L2Backend:
    """See ``speciation.engine.backends.EagerBackend``."""

    def __init__(self, program: Program, state: State) -> None:
        self._program, self._state = program, state

    @torch.no_grad()
    def run(self, steps: int, occupied: Sequence[int]) -> Tensor:
        for _ in range(steps):
            l2_step(self._program, self._state)
        return evaluate(self._program, self._state)


def l2_step(run: Program, state: State) -> None:
    """``training.train_step``, but for weight decay: a part of the gradient, as in plain Adam.

    There it is divided by the root of the second moment like every gradient, so that weights
    with large gradients hardly decay (Loshchilov 2019, section 2).
    """
    recipe = dict(zip(RECIPE_COLUMNS, state.recipe.unbind(0), strict=True))
    loss, grads = gradients(run, state, step_examples(run, state))
    flat = optimizer.clip(factored.flatten(run.plan, grads), recipe["grad_clip"])
    optimizer.adamw(
        state.weight,
        flat + recipe["weight_decay"][:, None] * state.weight,
        state.mean,
        state.square,
        state.schedule.step + 1,
        optimizer.learning_rate(state.schedule, recipe),
        recipe | {"weight_decay": torch.zeros_like(recipe["weight_decay"])},
    )
    optimizer.advance_schedule(state.schedule, loss, recipe)


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
