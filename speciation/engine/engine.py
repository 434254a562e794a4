"""The engine: slots that trials enter, train in beside thousands of others, and leave.

``admit`` fills free slots, ``advance`` trains every occupied slot up to its next evaluation and
returns the trials that ended there. A slot is free again at once: *continuous batching*, so
that a short trial never waits for a long one. Nothing about a trial depends on where it sits or
who its neighbours are.
"""

from __future__ import annotations

import json
import platform
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speciation import seeds
from speciation.engine.backends import Backend, EagerBackend, GraphBackend, compile_pair
from speciation.engine.devices import KINDS, block_shape, keep_freed_memory
from speciation.engine.layout import Layout, scale_vectors, unit_parameters
from speciation.engine.recipe import initial_scale, recipe_row
from speciation.engine.training import SEEN, Program, State, empty_state, program
from speciation.trial import grokking
from speciation.trial.task import Task, split
from speciation.trial.trial import Curves, ModelShape, Outcome, Trial, TrialResult
from speciation.trial.watch import Watch

BACKENDS = ("torch", "graph")
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What an engine is for and how it runs; picklable, so that an actor can be told.

    Args:
        task: The only task it trains.
        model: The only model it trains.
        slots: How many trials may be in it at once.
        backend: One of ``BACKENDS``.
        device: What torch calls the device.
        precision: One of ``PRECISIONS``.

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
            raise ValueError(
                f"precision must be one of {tuple(PRECISIONS)}, got {self.precision!r}"
            )


class Engine:
    """See the module. Use :func:`make_engine`.

    Args:
        spec: What it trains.
        clock: Seconds; only the wall times of results come from it.
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
        compiled = compile_pair(self._program) if spec.backend == "graph" else None
        self._blocks = [
            _Block(
                self._program,
                min(size, spec.slots - start),
                size,
                PRECISIONS[spec.precision],
                lambda state: (
                    EagerBackend(self._program, state)
                    if compiled is None
                    else GraphBackend(self._program, state, compiled)
                ),
            )
            for start in range(0, spec.slots, size)
        ]
        self._labels = {
            "backend": spec.backend,
            "device": _device_name(device),
            "precision": spec.precision,
            "versions": _versions(),
        }

    @property
    def occupied(self) -> int:
        """Slots with a trial in them."""
        return sum(block.occupied for block in self._blocks)

    @property
    def free(self) -> int:
        """Slots without."""
        return self.slots - self.occupied

    def admit(self, trials: Sequence[Trial]) -> None:
        """Put trials into free slots.

        Raises:
            ValueError: More trials than free slots, or a trial of another task or model.
        """
        if len(trials) > self.free:
            raise ValueError(f"{len(trials)} trials do not fit into {self.free} free slots")
        for trial in trials:
            if (trial.task, trial.model) != (self.spec.task, self.spec.model):
                raise ValueError(
                    f"this engine trains {self.spec.task} with {self.spec.model}; "
                    f"trial {trial.id} is {trial.task} with {trial.model}"
                )
        waiting = list(trials)
        for block in self._blocks:
            if not waiting:
                break
            taken, waiting = waiting[: block.free], waiting[block.free :]
            block.admit(taken)

    def advance(self) -> list[TrialResult]:
        """Train every occupied slot to its next evaluation; the trials that ended there."""
        interval = self.spec.task.eval_interval
        began = self._clock()
        busy = [block for block in self._blocks if block.occupied]
        occupied = sum(block.occupied for block in busy)
        self.trial_steps += occupied * interval
        # All blocks are started before the first is read: a GPU never waits for the host.
        seen = [block.start(interval) for block in busy]
        arrays = [part.float().cpu().numpy() for part in seen]
        share = (self._clock() - began) / max(occupied, 1)
        return [
            self._result(finished)
            for block, array in zip(busy, arrays, strict=True)
            for finished in block.look(array, share)
        ]

    def evict(self) -> list[Trial]:
        """Empty every slot; the trials that were in them, unfinished."""
        return [trial for block in self._blocks for trial in block.evict()]

    def _result(self, finished: _Finished) -> TrialResult:
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


@dataclass(frozen=True, slots=True)
class _Finished:
    trial: Trial
    curves: Curves
    wall_seconds: float


class _Block:
    """A fixed number of slots that train as one program; the last of them may stay unused."""

    def __init__(
        self,
        run: Program,
        usable: int,
        size: int,
        dtype: torch.dtype,
        backend: Callable[[State], Backend],
    ) -> None:
        self._program = run
        self._usable = usable
        self._state = empty_state(run, size, dtype)
        self._backend = backend(self._state)
        self._watch = Watch(size, run.task.eval_interval)
        self._trials: list[Trial | None] = [None] * size
        # Evaluations of all slots, (S, columns) each; those that no trial needs are forgotten.
        self._seen: deque[NDArray[np.float32]] = deque()
        self._forgotten = 0
        self._began = np.zeros(size, dtype=np.int64)  # evaluations before each slot's first
        self._seconds = np.zeros(size)

    @property
    def occupied(self) -> int:
        return sum(trial is not None for trial in self._trials)

    @property
    def free(self) -> int:
        return self._usable - self.occupied

    def admit(self, trials: Sequence[Trial]) -> None:
        if not trials:
            return
        empty = [i for i in range(self._usable) if self._trials[i] is None]
        slots = empty[: len(trials)]
        _write(self._program, self._state, slots, trials)
        for slot, trial in zip(slots, trials, strict=True):
            self._trials[slot] = trial
            self._began[slot] = self._forgotten + len(self._seen)
            self._seconds[slot] = 0.0
            self._watch.start(slot, trial.horizon, trial.to_horizon)

    def start(self, steps: int) -> Tensor:
        return self._backend.run(steps)

    def look(self, seen: NDArray[np.float32], seconds: float) -> list[_Finished]:
        columns = dict(zip(SEEN, seen.T, strict=True))
        over = self._watch.see(
            columns["train_loss"], columns["train_accuracy"], columns["validation_accuracy"]
        )
        self._seen.append(seen)
        self._seconds += seconds
        finished = []
        for slot in np.flatnonzero(over):
            if (trial := self._trials[slot]) is None:
                continue
            first = int(self._began[slot]) - self._forgotten
            history = np.stack([row[slot] for row in islice(self._seen, first, None)])
            curves = _curves(history, self._program.task.eval_interval)
            finished.append(_Finished(trial, curves, float(self._seconds[slot])))
            self._trials[slot] = None
        self._forget()
        return finished

    def _forget(self) -> None:
        """Drop the evaluations before the first of the oldest trial."""
        last = self._forgotten + len(self._seen)
        busy = [slot for slot, trial in enumerate(self._trials) if trial is not None]
        for _ in range(int(self._began[busy].min(initial=last)) - self._forgotten):
            self._seen.popleft()
            self._forgotten += 1

    def evict(self) -> list[Trial]:
        trials = [trial for trial in self._trials if trial is not None]
        self._trials = [None] * len(self._trials)
        return trials


def _write(run: Program, state: State, slots: list[int], trials: Sequence[Trial]) -> None:
    """Begin trials in these slots: initial weights, zero moments, own streams, step 0."""
    device, dtype = state.weight.device, state.weight.dtype
    index = torch.tensor(slots, device=device)

    def put(target: Tensor, rows: NDArray[np.generic]) -> None:
        target[index] = torch.from_numpy(rows).to(device=device, dtype=target.dtype)

    put(state.weight, np.stack([_initial(run.plan, trial) for trial in trials]))
    put(state.key, np.array([seeds.key_words(trial.seed) for trial in trials], dtype=np.int64))
    put(state.order, np.stack([split(run.task, trial.seed) for trial in trials]))
    rows = np.stack([recipe_row(trial.genome) for trial in trials])
    state.recipe[:, index] = torch.from_numpy(rows.T.copy()).to(device=device, dtype=dtype)
    state.mean[index] = 0.0
    state.square[index] = 0.0
    state.schedule.step[index] = 0
    state.schedule.loss_mean[index] = 0.0
    state.schedule.loss_variance[index] = 0.0
    state.schedule.decaying[index] = False
    state.schedule.decay[index] = 1.0


def _initial(plan: Layout, trial: Trial) -> NDArray[np.float32]:
    deviation, offset = scale_vectors(plan, initial_scale(trial.genome))
    return unit_parameters(plan, trial.seed) * deviation + offset


def _curves(seen: NDArray[np.float32], interval: int) -> Curves:
    step = np.arange(1, len(seen) + 1, dtype=np.int32) * np.int32(interval)
    return Curves(step=step, **{name: seen[:, i].copy() for i, name in enumerate(SEEN)})


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
