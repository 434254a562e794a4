"""How a trial begins: its initial weights and its order of examples.

On a CPU NumPy draws them, and what one genome drew serves every other that meets the same
seed. A GPU draws for all trials that enter together, which is what a queue of a hundred
thousand fresh seeds needs; its logarithms and cosines are taken in float64, so that a float32
weight is the CPU's except where the two mathematics libraries straddle a rounding.

Axes: K trials, P parameters, E examples of the task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, fields
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from speciation import seeds
from speciation.engine import streams
from speciation.engine.layout import Layout, initial_parameters
from speciation.engine.recipe import InitialScale, initial_scale, of_genomes
from speciation.engine.training import Program
from speciation.seeds import Purpose
from speciation.trial.task import split
from speciation.trial.trial import Streams, Trial

_ROLES = tuple(field.name for field in fields(InitialScale))


class Beginning(NamedTuple):
    """What trials begin with, on the program's device."""

    weight: Tensor  # (K, P) float32
    order: Tensor  # (K, E) int32


def begin(run: Program, trials: Sequence[Trial], device: torch.device) -> Beginning:
    """Initial weights and orders of trials, drawn on a device."""
    drawn = [trial.drawn_from for trial in trials]
    if device.type == "cpu":
        weights = [
            initial_parameters(run.plan, initial_scale(trial.genome), own.init)
            for trial, own in zip(trials, drawn, strict=True)
        ]
        return Beginning(torch.from_numpy(np.stack(weights)), _orders(run, drawn))
    scale = np.array(list(map(astuple, of_genomes(initial_scale, trials))), np.float32)
    key = _key([own.init for own in drawn], device)
    weight = initial_weights(_draws(run.plan, device), key, torch.from_numpy(scale))
    if run.task.symmetric:
        return Beginning(weight, _orders(run, drawn).to(device))
    key = _key([own.split for own in drawn], device)
    return Beginning(weight, order(key, run.task.pair_count))


class Draws(NamedTuple):
    """Which random words make which weight; constants of a layout, on a device."""

    block: Tensor  # (N,) counters of the random words, four each
    step: Tensor  # (N,) and the weight that they belong to
    place: Tensor  # (R,) the random parameters
    radius: Tensor  # (R,) their first word, and their second
    angle: Tensor  # (R,)
    sine: Tensor  # (R,) bool
    role: Tensor  # (P,) whose scale a parameter has; the last is "none"
    offset: Tensor  # (P,)


def initial_weights(draws: Draws, key: Tensor, scale: Tensor) -> Tensor:
    """See :func:`speciation.engine.layout.initial_parameters`, for all trials at once.

    Args:
        draws: Of the layout.
        key: Key words of the trials' seeds, ``(K, 2)`` int64.
        scale: Their standard deviations in the order of ``InitialScale``, ``(K, 5)`` float32.

    Returns:
        ``(K, P)`` float32.
    """
    counter = (draws.block[None], draws.step[None], int(Purpose.INIT), 0)
    four = seeds.philox(counter, (key[:, 0:1], key[:, 1:2]))
    words = torch.stack(four, dim=-1).flatten(1)
    uniform = (words.double() + 0.5) / 2.0**32
    radius = torch.sqrt(-2.0 * torch.log(uniform[:, draws.radius]))
    angle = 2.0 * math.pi * uniform[:, draws.angle]
    unit = radius * torch.where(draws.sine, torch.sin(angle), torch.cos(angle))
    weight = torch.zeros(key.shape[0], draws.role.shape[0], device=key.device)
    weight[:, draws.place] = unit.float()
    none = torch.zeros(key.shape[0], 1)
    deviation = torch.cat([scale, none], dim=1).to(key.device)
    return weight * deviation[:, draws.role] + draws.offset


def order(key: Tensor, count: int) -> Tensor:
    """See :func:`speciation.seeds.permutation`, for all seeds at once: ``(K, count)`` int32."""
    blocks = torch.arange(streams.block_count(count), device=key.device)
    step = torch.zeros(key.shape[0], dtype=torch.int64, device=key.device)
    four = streams.words(key, Purpose.SPLIT, step, blocks)
    words = torch.stack(four, dim=-1).flatten(1)[:, :count]
    return words.sort(dim=1, stable=True).indices.int()


@cache
def _draws(plan: Layout, device: torch.device) -> Draws:
    block, step, place, radius, angle, sine, role, offset = ([] for _ in range(8))
    start = words = 0
    for i, weight in enumerate(plan.weights):
        random = weight.role in _ROLES
        role.append(np.full(weight.size, _ROLES.index(weight.role) if random else len(_ROLES)))
        offset.append(np.full(weight.size, weight.role == "one", dtype=np.float32))
        if random:
            rows = np.arange(weight.size // weight.shape[-1])[:, None] * weight.shape[-1]
            own = (rows + np.arange(weight.columns)).reshape(-1)
            half = (len(own) + 1) // 2
            draw = np.arange(len(own))
            blocks = streams.block_count(2 * half)
            block.append(np.arange(blocks))
            step.append(np.full(blocks, i))
            place.append(start + own)
            radius.append(words + draw % half)
            angle.append(words + half + draw % half)
            sine.append(draw >= half)
            words += 4 * blocks
        start += weight.size
    columns = (block, step, place, radius, angle, sine, role, offset)
    parts = [torch.from_numpy(np.concatenate(column)).to(device) for column in columns]
    return Draws._make(parts)


def _key(of: Sequence[int], device: torch.device) -> Tensor:
    """Key words of seeds, ``(K, 2)``."""
    return torch.tensor([seeds.key_words(seed) for seed in of], device=device)


def _orders(run: Program, drawn: Sequence[Streams]) -> Tensor:
    orders = np.stack([split(run.task, own.split) for own in drawn])
    return torch.from_numpy(orders.astype(np.int32))
