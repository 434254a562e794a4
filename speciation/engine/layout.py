"""Where each weight lives in a trial's flat vector of parameters, and how it begins.

All weights of a trial are one row of length ``size``, so that the optimiser is a handful of
elementwise lines and a slot is refilled by writing one row. Named tensors are views of it.

The vocabulary is padded to a multiple of 16: matrix kernels run up to three times faster on
such widths. Padded logits get a bias of ``PAD_LOGIT``, whose exponential is exactly zero, so
the padding has no probability, no gradient, and stays zero for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from speciation import seeds
from speciation.engine.recipe import InitialScale
from speciation.seeds import Purpose
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape

PAD_LOGIT = -1e30
_PAD_TO = 16

Role = Literal["embed", "query_key", "value", "ffn", "bias", "one", "zero"]


@dataclass(frozen=True, slots=True)
class Weight:
    """One named tensor: its shape as stored, how many leading columns are real, its role."""

    name: str
    shape: tuple[int, ...]
    columns: int
    role: Role

    @property
    def size(self) -> int:
        """Numbers stored."""
        return prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """The weights of one model on one task, in their order in the flat vector."""

    weights: tuple[Weight, ...]
    elements: int
    vocabulary: int  # padded

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return sum(weight.size for weight in self.weights)

    @property
    def parameter_count(self) -> int:
        """Trained numbers, padding not counted."""
        return sum(weight.size // weight.shape[-1] * weight.columns for weight in self.weights)

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """Named views of flat parameters ``(..., size)``, each ``(..., *shape)``."""
        views, start = {}, 0
        for weight in self.weights:
            part = flat[..., start : start + weight.size]
            views[weight.name] = part.reshape(*flat.shape[:-1], *weight.shape)
            start += weight.size
        return views


def layout(task: Task, model: ModelShape) -> Layout:
    """The layout of a model on a task.

    There is no key bias: it would shift the three scores of a softmax alike and so be inert,
    while Adam would turn the rounding noise of its zero gradient into full steps.
    """
    width, n = model.d_model, task.element_count
    vocabulary = -(-n // _PAD_TO) * _PAD_TO

    def dense(name: str, rows: int, columns: int, role: Role) -> Weight:
        return Weight(name, (rows, columns), columns, role)

    def vector(name: str, length: int, role: Role) -> Weight:
        return Weight(name, (length,), length, role)

    weights = [dense("tokens", n + 1, width, "embed"), dense("positions", 3, width, "embed")]
    for i in range(model.layers):
        weights += [
            vector(f"{i}.norm1.gain", width, "one"),
            vector(f"{i}.norm1.shift", width, "zero"),
            dense(f"{i}.query", width, width, "query_key"),
            vector(f"{i}.query.bias", width, "bias"),
            dense(f"{i}.key", width, width, "query_key"),
            dense(f"{i}.value", width, width, "value"),
            vector(f"{i}.value.bias", width, "bias"),
            dense(f"{i}.out", width, width, "value"),
            vector(f"{i}.out.bias", width, "bias"),
            vector(f"{i}.norm2.gain", width, "one"),
            vector(f"{i}.norm2.shift", width, "zero"),
            dense(f"{i}.up", width, model.d_ff, "ffn"),
            vector(f"{i}.up.bias", model.d_ff, "bias"),
            dense(f"{i}.down", model.d_ff, width, "ffn"),
            vector(f"{i}.down.bias", width, "bias"),
        ]
    weights += [
        vector("norm.gain", width, "one"),
        vector("norm.shift", width, "zero"),
        Weight("unembed", (width, vocabulary), n, "embed"),
        Weight("unembed.bias", (vocabulary,), n, "bias"),
    ]
    return Layout(tuple(weights), elements=n, vocabulary=vocabulary)


@lru_cache(maxsize=4096)
def unit_parameters(plan: Layout, seed: int) -> NDArray[np.float32]:
    """Standard normal draws for every random weight, shape ``(size,)``; 0 elsewhere.

    Every genome that meets this seed starts from the same draws, scaled by its own genes:
    comparisons between genomes are paired, and admission rarely has to draw at all.
    """
    parts = [_unit(weight, seed, i) for i, weight in enumerate(plan.weights)]
    flat = np.concatenate(parts)
    flat.setflags(write=False)
    return flat


def scale_vectors(plan: Layout, scale: InitialScale) -> tuple[NDArray[np.float32], ...]:
    """Standard deviation and offset of every weight, each of shape ``(size,)``.

    Initial parameters are ``unit * deviation + offset`` in float32, which every device rounds
    alike.
    """
    deviation, offset = [], []
    for weight in plan.weights:
        random = weight.role not in ("one", "zero")
        deviation.append(np.full(weight.size, getattr(scale, weight.role) if random else 0.0))
        offset.append(np.full(weight.size, 1.0 if weight.role == "one" else 0.0))
    return (
        np.concatenate(deviation).astype(np.float32),
        np.concatenate(offset).astype(np.float32),
    )


def initial_parameters(plan: Layout, scale: InitialScale, seed: int) -> NDArray[np.float32]:
    """A trial's parameters before its first step, shape ``(size,)``."""
    deviation, offset = scale_vectors(plan, scale)
    return unit_parameters(plan, seed) * deviation + offset


def _unit(weight: Weight, seed: int, index: int) -> NDArray[np.float32]:
    stored = np.zeros((weight.size // weight.shape[-1], weight.shape[-1]), dtype=np.float32)
    if weight.role not in ("one", "zero"):
        count = stored.shape[0] * weight.columns
        draws = seeds.normals(seed, Purpose.INIT, index, count)
        stored[:, : weight.columns] = draws.reshape(-1, weight.columns)
    return stored.reshape(-1)
