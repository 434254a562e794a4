"""Where each weight lives in a trial's flat vector of parameters, and how it begins.

All weights of a trial are one row of length ``size``, so that the optimiser is a handful of
elementwise lines and a slot is refilled by writing one row. Named tensors are views of it.

The vocabulary is padded to a multiple of 16: matrix kernels run up to three times faster on
such widths. Padded logits get a bias of ``PAD_LOGIT``, whose exponential is exactly zero, so
the padding has no probability, no gradient, and stays zero for ever. A kernel that multiplies
in tiles may have the widths of the model padded likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from speciation import seeds
from speciation.engine.recipe import InitialScale
from speciation.seeds import Purpose
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape

PAD_LOGIT = -1e30
TILE = 16  # rows and columns that a tensor core takes

Role = Literal["embed", "query_key", "value", "ffn", "bias", "one", "zero"]


@dataclass(frozen=True, slots=True)
class Weight:
    """One named tensor: its shape as stored, the leading part of it that is real, its role."""

    name: str
    shape: tuple[int, ...]
    real: tuple[int, ...]
    role: Role

    @property
    def size(self) -> int:
        """Numbers stored."""
        return prod(self.shape)

    @property
    def rows(self) -> int:
        """Real ones; of a vector, one."""
        return prod(self.real[:-1])

    @property
    def columns(self) -> int:
        """Real numbers of a row."""
        return self.real[-1]


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
        return sum(prod(weight.real) for weight in self.weights)

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """Named views of flat parameters ``(..., size)``, each ``(..., *shape)``."""
        views, start = {}, 0
        for weight in self.weights:
            part = flat[..., start : start + weight.size]
            views[weight.name] = part.reshape(*flat.shape[:-1], *weight.shape)
            start += weight.size
        return views


class _Axis(NamedTuple):
    """How long a side of a weight is, and how much of it is stored."""

    real: int
    stored: int


def layout(task: Task, model: ModelShape, tiles: tuple[int, int] = (1, 1)) -> Layout:
    """The layout of a model on a task; d_model and d_ff are padded to multiples of ``tiles``.

    There is no key bias: it would shift the three scores of a softmax alike and so be inert,
    while Adam would turn the rounding noise of its zero gradient into full steps.
    """
    n = task.element_count
    width, hidden, numbers = (
        _Axis(real, padded(real, tile))
        for real, tile in zip((model.d_model, model.d_ff, n), (*tiles, TILE), strict=True)
    )

    def dense(name: str, rows: _Axis, columns: _Axis, role: Role) -> Weight:
        return Weight(name, (rows.stored, columns.stored), (rows.real, columns.real), role)

    def vector(name: str, axis: _Axis, role: Role) -> Weight:
        return Weight(name, (axis.stored,), (axis.real,), role)

    weights = [
        dense("tokens", _Axis(n + 1, n + 1), width, "embed"),
        dense("positions", _Axis(3, 3), width, "embed"),
    ]
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
            dense(f"{i}.up", width, hidden, "ffn"),
            vector(f"{i}.up.bias", hidden, "bias"),
            dense(f"{i}.down", hidden, width, "ffn"),
            vector(f"{i}.down.bias", width, "bias"),
        ]
    weights += [
        vector("norm.gain", width, "one"),
        vector("norm.shift", width, "zero"),
        dense("unembed", width, numbers, "embed"),
        vector("unembed.bias", numbers, "bias"),
    ]
    return Layout(tuple(weights), elements=n, vocabulary=numbers.stored)


def padded(length: int, tile: int) -> int:
    """The least multiple of ``tile`` that is no less."""
    return -(-length // tile) * tile


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
        offset.append(_stored(weight, 1.0 if weight.role == "one" else 0.0))
    return (
        np.concatenate(deviation).astype(np.float32),
        np.concatenate(offset).astype(np.float32),
    )


def initial_parameters(plan: Layout, scale: InitialScale, seed: int) -> NDArray[np.float32]:
    """A trial's parameters before its first step, shape ``(size,)``."""
    deviation, offset = scale_vectors(plan, scale)
    return unit_parameters(plan, seed) * deviation + offset


def _unit(weight: Weight, seed: int, index: int) -> NDArray[np.float32]:
    if weight.role in ("one", "zero"):
        return np.zeros(weight.size, dtype=np.float32)
    draws = seeds.normals(seed, Purpose.INIT, index, prod(weight.real))
    return _stored(weight, draws.reshape(weight.real))


def _stored(weight: Weight, values: NDArray[np.float64] | float) -> NDArray[np.float32]:
    """All that a weight stores, ``(size,)``, given its real part; padding is 0."""
    stored = np.zeros(weight.shape, dtype=np.float32)
    stored[tuple(map(slice, weight.real))] = values
    return stored.reshape(-1)
