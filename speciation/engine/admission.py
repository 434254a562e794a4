"""How a trial begins: its initial weights, its order of examples, and everything else at zero.

NumPy draws on the CPU, and what one genome drew serves every other that meets the same seed. A
kernel may draw for itself from :func:`entries`, which is what a queue of a hundred thousand
fresh seeds needs; with logarithms and cosines in float64, so that a float32 weight is NumPy's
except where the two mathematics libraries straddle a rounding.

Axes: K trials, P parameters, E examples of the task.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speciation import seeds
from speciation.engine.layout import Layout, initial_parameters
from speciation.engine.recipe import (
    RECIPE_COLUMNS,
    InitialScale,
    initial_scale,
    of_genomes,
    recipe_row,
)
from speciation.engine.training import Program, State
from speciation.genome.genome import Genome
from speciation.trial.task import split
from speciation.trial.trial import Trial

_ROLES = tuple(field.name for field in fields(InitialScale))
ENTRY = np.dtype(
    [
        ("slot", np.int32),
        ("init", np.uint32, 2),  # key words
        ("split", np.uint32, 2),
        ("training", np.uint32, 4),  # of order, of dropout
        ("scale", np.float32, len(_ROLES)),
        ("recipe", np.float32, len(RECIPE_COLUMNS)),
    ]
)


def write(run: Program, state: State, slots: Sequence[int], trials: Sequence[Trial]) -> None:
    """Begin trials in these slots: initial weights, zero moments, own streams, step 0."""
    device, dtype = state.weight.device, state.weight.dtype
    index = torch.tensor(slots, device=device)

    def on_device(rows: NDArray[np.generic], dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(rows).to(device=device, dtype=dtype)

    drawn = [trial.drawn_from for trial in trials]
    order, dropout = (own.order for own in drawn), (own.dropout for own in drawn)
    weights = [
        initial_parameters(run.plan, initial_scale(trial.genome), own.init)
        for trial, own in zip(trials, drawn, strict=True)
    ]
    rows = np.stack(of_genomes(recipe_row, trials))
    state.key[index] = on_device(np.hstack([_words(order), _words(dropout)]), state.key.dtype)
    state.weight[index] = on_device(np.stack(weights), dtype)
    state.order[index] = on_device(orders(run, trials), state.order.dtype)
    state.recipe[:, index] = on_device(rows.T.copy(), dtype)
    state.mean[index] = 0.0
    state.square[index] = 0.0
    state.schedule.step[index] = 0
    state.schedule.loss_mean[index] = 0.0
    state.schedule.loss_variance[index] = 0.0
    state.schedule.decaying[index] = False
    state.schedule.decay[index] = 1.0


def entries(slots: Sequence[int], trials: Sequence[Trial]) -> NDArray[np.void]:
    """What a kernel has to know to begin these trials: ``(K,)`` of ``ENTRY``."""
    drawn = [trial.drawn_from for trial in trials]
    rows = np.empty(len(trials), ENTRY)
    rows["slot"] = slots
    rows["init"] = _words(own.init for own in drawn)
    rows["split"] = _words(own.split for own in drawn)
    rows["training"][:, :2] = _words(own.order for own in drawn)
    rows["training"][:, 2:] = _words(own.dropout for own in drawn)
    rows["scale"] = of_genomes(_scale_row, trials)
    rows["recipe"] = of_genomes(recipe_row, trials)
    return rows


def weights_table(plan: Layout) -> NDArray[np.int32]:
    """How each weight is drawn, ``(W, 5)``: start, real rows, stride, real columns, role.

    Roles are counted as in ``InitialScale``; the next is zero, the one after it one.
    """
    roles = {role: i for i, role in enumerate((*_ROLES, "zero", "one"))}
    table, start = [], 0
    for weight in plan.weights:
        own = (weight.rows, weight.shape[-1], weight.columns)
        table.append((start, *own, roles[weight.role]))
        start += weight.size
    return np.array(table, dtype=np.int32)


def orders(run: Program, trials: Sequence[Trial]) -> NDArray[np.int32]:
    """Their orders of examples, ``(K, E)``: what they train on comes first."""
    drawn = [split(run.task, trial.drawn_from.split) for trial in trials]
    return np.stack(drawn).astype(np.int32)


def _scale_row(genome: Genome) -> tuple[float, ...]:
    return astuple(initial_scale(genome))


def _words(of: Iterable[int]) -> NDArray[np.int64]:
    """Key words of seeds, ``(K, 2)``."""
    return np.array([seeds.key_words(seed) for seed in of], dtype=np.int64)
