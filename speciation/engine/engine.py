"""The engine: slots that trials enter, train in beside thousands of others, and leave.

``admit`` fills free slots, ``advance`` trains every occupied slot up to its next evaluation and
returns the trials that ended there. A slot is free again at once: *continuous batching*, so
that a short trial never waits for a long one. Nothing about a trial depends on where it sits or
who its neighbours are.
"""

from __future__ import annotations

import json
import logging
import math
import platform
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import repeat

import numpy as np
import torch

from speciation.engine import fused
from speciation.engine.backends import (
    Backend,
    EagerBackend,
    GraphBackend,
    GraphMemory,
    block_map,
    compile_pair,
)
from speciation.engine.block import Block, Finished, Landing
from speciation.engine.devices import KINDS, block_shape, keep_freed_memory
from speciation.engine.training import Program, State, program
from speciation.trial import grokking
from speciation.trial.task import Task
from speciation.trial.trial import (
    PRECISIONS,
    Curves,
    ModelShape,
    Outcome,
    Trial,
    TrialResult,
)

_log = logging.getLogger(__name__)
BACKENDS = ("torch", "graph", "fused")
_DTYPES = {"float32": torch.float32, "float64": torch.float64, "fp16": torch.float32}


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What an engine is for and how it runs; picklable, so that an actor can be told.

    Args:
        task: The only task it trains.
        model: The only model it trains.
        slots: How many trials may be in it at once.
        backend: One of ``BACKENDS``; where ``fused`` cannot be had, the next takes its place.
        device: What torch calls the device.
        precision: The only one it trains in; one of ``PRECISIONS``.

    Raises:
        ValueError: A value is not one of those.
    """

    task: Task
    model: ModelShape
    slots: int
    backend: str = "torch"
    device: str = "cpu"
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ValueError(f"an engine needs at least 1 slot, got {self.slots}")
        if self.backend not in BACKENDS:
            raise ValueError(f"backend must be one of {BACKENDS}, got {self.backend!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {PRECISIONS}, got {self.precision!r}")


@dataclass(frozen=True, slots=True)
class _Flight:
    """A block that is being trained."""

    block: Block
    landing: Landing
    began: float


class Engine:
    """See the module. Use :func:`make_engine`.

    Args:
        spec: What it trains.
        clock: Seconds; only the wall times of results come from it.

    Attributes:
        without_fused: Why the fused backend that was asked for does not train here, or None.
    """

    def __init__(
        self, spec: EngineSpec, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        device = torch.device(spec.device)
        if device.type == "cpu":
            keep_freed_memory()
        self.spec = spec
        self.slots = spec.slots
        self.trial_steps = 0
        self._clock = clock
        size, chunk = block_shape(device.type, spec.task, spec.model)
        self._program = program(spec.task, spec.model, device, chunk)
        backend, self.without_fused = backend_of(spec)
        if self.without_fused:
            _log.warning("training with %s: %s", backend, self.without_fused)
        self._ahead = backend == "fused" and device.type == "cuda"
        if backend == "fused":
            self._program = fused.own_program(self._program)
            size = _fused_block(device.type, spec.slots)
        make = _maker(backend, self._program)
        self._blocks = [
            Block(
                self._program,
                size,
                min(size, spec.slots - start),
                _DTYPES[spec.precision],
                make,
                torch.cuda.Stream(device, priority=-1) if self._ahead else None,
            )
            for start in range(0, spec.slots, size)
        ]
        self._flights: deque[_Flight] = deque()
        self._landed = 0.0
        self._start_each = block_map(device.type, backend)
        self._labels = {
            "backend": backend,
            "device": _device_name(device),
            "versions": _versions(),
        }

    @property
    def occupied(self) -> int:
        """Slots with a trial in them."""
        return sum(block.occupied for block in self._blocks)

    @property
    def free(self) -> int:
        """Slots that a trial may enter now: empty ones, where nothing is being trained."""
        return sum(block.free for block in self._resting())

    def admit(self, trials: Sequence[Trial]) -> None:
        """Put trials into free slots.

        Raises:
            ValueError: More trials than free slots, or a trial of another task, model or
                precision.
        """
        if len(trials) > self.free:
            raise ValueError(f"{len(trials)} trials do not fit into {self.free} free slots")
        own = self.spec
        trained = (own.task, own.model, own.precision)
        for trial in trials:
            if (trial.task, trial.model, trial.precision) != trained:
                raise ValueError(
                    f"this engine trains {own.task} with {own.model} in {own.precision}; "
                    f"trial {trial.id} is {trial.task} with {trial.model} in {trial.precision}"
                )
        waiting = list(trials)
        # Fuller blocks first: they are computed anyway. Where one trains while the host looks
        # at another, each gets its share.
        blocks = sorted(self._resting(), key=lambda block: block.free)
        for left, block in zip(range(len(blocks), 0, -1), blocks, strict=True):
            share = math.ceil(len(waiting) / left) if self._ahead else len(waiting)
            count = min(share, block.free)
            block.admit(waiting[:count])
            waiting = waiting[count:]

    def advance(self) -> list[TrialResult]:
        """Train every occupied slot towards its next evaluation; the trials that ended there.

        Where blocks are trained ahead, one of them is looked at and the others go on training.
        """
        if not self._ahead:
            self._gather()
        self._take_off()
        landing = [self._flights.popleft()] if self._ahead and self._flights else self._flights
        finished = [result for flight in landing for result in self._land(flight)]
        if not self._ahead:
            self._flights.clear()
        return finished

    def evict(self) -> list[Trial]:
        """Empty every slot; the trials that were in them, unfinished."""
        while self._flights:
            self._flights.popleft().landing()
        return [trial for block in self._blocks for trial in block.evict()]

    def _resting(self) -> list[Block]:
        flying = {id(flight.block) for flight in self._flights}
        return [block for block in self._blocks if id(block) not in flying]

    def _take_off(self) -> None:
        """Start every block at rest that has something to train."""
        interval = self.spec.task.eval_interval
        began = self._clock()
        busy = [block for block in self._resting() if block.occupied]
        self.trial_steps += sum(block.occupied for block in busy) * interval
        landings = self._start_each(Block.start, busy, repeat(interval))
        for block, landing in zip(busy, landings, strict=True):
            self._flights.append(_Flight(block, landing, began))

    def _land(self, flight: _Flight) -> list[TrialResult]:
        seen = flight.landing()
        now = self._clock()
        # Flights overlap: each is charged for the time since the last one was over.
        share = (now - max(flight.began, self._landed)) / max(flight.block.occupied, 1)
        self._landed = now
        return [self._result(finished) for finished in flight.block.look(seen, share)]

    def _gather(self) -> None:
        """Empty a block while the others have room for its trials: it need not be computed."""
        busy = sorted((b for b in self._resting() if b.occupied), key=lambda b: b.occupied)
        while len(busy) > 1 and busy[0].occupied <= sum(block.free for block in busy[1:]):
            emptiest, *busy = busy
            for block in busy:
                block.take_from(emptiest)

    def _result(self, finished: Finished) -> TrialResult:
        trial, curves = finished.trial, finished.curves
        ended = grokking.outcome(curves, trial.horizon)
        reached = grokking.milestones(curves, trial.horizon)
        return TrialResult(
            trial=trial,
            outcome=ended,
            learning_class=grokking.learning_class(reached, ended, trial.horizon),
            milestones=reached,
            final_train_accuracy=float(curves.train_accuracy[-1]),
            final_validation_accuracy=float(curves.validation_accuracy[-1]),
            final_train_loss=float(curves.train_loss[-1]),
            final_validation_loss=float(curves.validation_loss[-1]),
            best_validation_accuracy=float(curves.validation_accuracy.max()),
            steps_run=int(curves.step[-1]),
            wall_seconds=finished.wall_seconds,
            reason=_reason(ended, curves),
            curves=curves,
            **self._labels,
        )


def make_engine(spec: EngineSpec) -> Engine:
    """An engine as specified.

    Raises:
        ValueError: The device is not there.
    """
    device = torch.device(spec.device)
    if device.type not in KINDS:
        raise ValueError(f"device must be {' or '.join(KINDS)}, got {spec.device!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {spec.device!r} is not there; torch sees "
            f"{torch.cuda.device_count()} CUDA devices"
        )
    return Engine(spec)


def backend_of(spec: EngineSpec) -> tuple[str, str | None]:
    """The backend that will train here, and why it is not the fused one that was asked for."""
    if spec.backend != "fused":
        return spec.backend, None
    device = torch.device(spec.device)
    _, chunk = block_shape(device.type, spec.task, spec.model)
    reason = fused.missing(program(spec.task, spec.model, device, chunk), spec.precision)
    if reason is None:
        return "fused", None
    return ("graph" if device.type == "cuda" else "torch"), reason


def _fused_block(kind: str, slots: int) -> int:
    """Slots of a block where each is computed for itself and an empty one costs nothing.

    On a GPU two blocks, so that one trains while the host looks at the other; on a CPU small
    ones, so that no core waits long for another.
    """
    return -(-slots // 2) if kind == "cuda" else 4


def _maker(backend: str, run: Program) -> Callable[[State], Backend]:
    if backend == "fused":
        return lambda state: fused.backend(run, state)
    if backend == "graph":
        compiled, memory = compile_pair(run), GraphMemory()
        return lambda state: GraphBackend(run, state, compiled, memory)
    return lambda state: EagerBackend(run, state)


def _reason(ended: Outcome, curves: Curves) -> str | None:
    if ended != Outcome.DIVERGED:
        return None
    finite = np.isfinite(curves.train_loss).all()
    return "collapsed after memorising" if finite else "loss became non-finite"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


def _versions() -> str:
    try:
        own = version("speciation-cluster")
    except PackageNotFoundError:
        own = "source"
    versions = {
        "speciation": own,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return json.dumps(versions, sort_keys=True)
