"""How fast a trial-step could be: its arithmetic and its traffic, against what a device can do.

The work of a step follows from the shapes alone (:func:`step_work`), the abilities of the
device are measured (:func:`abilities`), and the *ceiling* is the longer of the two times that
they give (Williams 2009). Counted is what the exact algebra of ``model.py`` needs, so a way
that does more shows a smaller share.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from speciation.engine.layout import layout
from speciation.engine.peers.precision import tf32
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape

FLOAT_BYTES = 4
PASSES = 3  # of every product: forward, gradient of its input, gradient of its weight
_ADAMW_FLOPS = 16  # a parameter: clipping 3, moments 7, root and quotient 4, decay and move 2
_LEAST_RUNS, _SECONDS = 5, 0.5


@dataclass(frozen=True, slots=True)
class Work:
    """What one trial-step takes, its share of the evaluation included."""

    train_flops: float
    evaluation_flops: float
    bytes: float

    @property
    def flops(self) -> float:
        """All of them."""
        return self.train_flops + self.evaluation_flops


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a device was measured to do, each a second; ``tf32_flops`` is None on a CPU.

    ``threads`` are those that torch uses on the CPU.
    """

    fp32_flops: float
    tf32_flops: float | None
    bytes: float
    threads: int


def step_work(task: Task, model: ModelShape) -> Work:
    """The work of a trial-step of a one-layer model in its factored form.

    With B examples a step, E in all, n elements, D = d_model, F = d_ff, H heads and P
    parameters, a product of (m × k) and (k × l) counting 2 m k l, the forward pass takes

    * for the table, once: keys and values of its 2 n + 1 rows, 2 · 2 D² each; their scores,
      2 D; the query, 2 D²;
    * for each example: the weighted sum of three rows, 2 · 3 D; out, 2 D²; up and down,
      2 · 2 D F; the logits, 2 D n.

    A step is three such passes (the gradient of a product is two products of its size) and
    AdamW, 16 P. An evaluation is one pass over E examples, every ``eval_interval`` steps.
    Norms, softmax and random numbers are not counted, though the last are dear on a CPU.

    Traffic is what no way of computing can avoid while the moments of all slots exceed the
    device's caches: weights and two moments, read once and written once, 24 P bytes.

    Raises:
        ValueError: The model has several layers, where the exact algebra ends.
    """
    if model.layers != 1:
        raise ValueError(f"the factored work is that of one layer, got {model.layers}")
    width, n = model.d_model, task.element_count
    table = (2 * n + 1) * (4 * width**2 + 2 * width) + 2 * width**2
    example = 6 * width + 2 * width**2 + 4 * width * model.d_ff + 2 * width * n
    parameters = layout(task, model).parameter_count
    return Work(
        train_flops=PASSES * (table + task.batch_size * example) + _ADAMW_FLOPS * parameters,
        evaluation_flops=(table + task.pair_count * example) / task.eval_interval,
        bytes=3 * 2 * FLOAT_BYTES * parameters,
    )


def ceilings(work: Work, able: Abilities) -> dict[str, float]:
    """Least microseconds a trial-step, by what bounds it: ``fp32``, ``tf32`` and ``memory``.

    ``fp32`` and ``tf32`` are of arithmetic in these formats; the ceiling of a way is the
    greater of its format's and the memory's.
    """
    limits = {"fp32": work.flops / able.fp32_flops, "memory": work.bytes / able.bytes}
    if able.tf32_flops is not None:
        limits["tf32"] = work.flops / able.tf32_flops
    return {name: 1e6 * seconds for name, seconds in limits.items()}


def abilities(device: str) -> Abilities:
    """Measure a device: matrix products in both formats, and a copy of more than any cache."""
    kind = torch.device(device).type
    side, numbers = (8192, 2**28) if kind == "cuda" else (1024, 2**25)
    matrix = torch.rand(side, side, device=device)
    product = torch.empty_like(matrix)

    def multiply() -> None:
        torch.mm(matrix, matrix, out=product)

    flops = 2.0 * side**3
    fp32 = flops / _least_seconds(multiply, kind)
    fast = None
    if kind == "cuda":
        with tf32():
            fast = flops / _least_seconds(multiply, kind)
    source = torch.zeros(numbers, device=device)
    target = torch.empty_like(source)
    copying = _least_seconds(lambda: target.copy_(source), kind)
    moved = 2.0 * FLOAT_BYTES * numbers
    return Abilities(fp32, fast, moved / copying, torch.get_num_threads())


def better(one: Abilities, other: Abilities) -> Abilities:
    """Of two measurements of a device, the greater of each number."""
    fast = [each.tf32_flops for each in (one, other) if each.tf32_flops is not None]
    return Abilities(
        fp32_flops=max(one.fp32_flops, other.fp32_flops),
        tf32_flops=max(fast, default=None),
        bytes=max(one.bytes, other.bytes),
        threads=max(one.threads, other.threads),
    )


def _least_seconds(work: Callable[[], object], kind: str) -> float:
    """Of many runs after a first, the quickest: what the device can do, not what it did."""

    def once() -> float:
        began = time.perf_counter()
        work()
        if kind == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    once()
    taken = [once()]
    while sum(taken) < _SECONDS or len(taken) < _LEAST_RUNS:
        taken.append(once())
    return min(taken)
