"""A block: a fixed number of slots that train as one program, and the trials in them.

However many slots an engine has, its blocks have the same shape, so a trial's bits depend
neither on that number nor on the slot it sits in. A trial may even move to another block in the
middle of its life: as an engine runs empty, the trials that are left gather in ever fewer
blocks.

Axes: S slots, C columns of an evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from speciation.engine.backends import Backend, tensors
from speciation.engine.training import SEEN, Program, State, empty_state
from speciation.trial.trial import Curves, Trial
from speciation.trial.watch import Watch

_EVALUATIONS_AT_FIRST = 64  # room for curves; doubled when a trial needs more


# Waits for an evaluation of every slot, (S, C).
Landing = Callable[[], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial that left, and what was seen of it."""

    trial: Trial
    curves: Curves
    wall_seconds: float


class Block:
    """See the module.

    Args:
        run: What is trained.
        size: S, the slots that are computed.
        usable: The slots that may be occupied, at most S.
        dtype: Of weights and moments.
        backend: Makes what trains the block's state.
        stream: What it asks a GPU for goes through it, if others are to be trained beside it.
    """

    def __init__(
        self,
        run: Program,
        size: int,
        usable: int,
        dtype: torch.dtype,
        backend: Callable[[State], Backend],
        stream: torch.cuda.Stream | None = None,
    ) -> None:
        self._program, self._usable, self._stream = run, usable, stream
        self._state = empty_state(run, size, dtype)
        self._backend = backend(self._state)
        if stream is not None:  # which is to see the state that has been made
            stream.wait_stream(torch.cuda.current_stream(stream.device))
        self._watch = Watch(size, run.task.eval_interval)
        self._trials: list[Trial | None] = [None] * size
        self._seen = np.zeros((size, _EVALUATIONS_AT_FIRST, len(SEEN)), dtype=np.float32)
        self._evaluations = np.zeros(size, dtype=np.int64)
        self._seconds = np.zeros(size)

    @property
    def occupied(self) -> int:
        """Slots with a trial in them."""
        return self._usable - len(self._empty())

    @property
    def free(self) -> int:
        """Slots that a trial may enter."""
        return len(self._empty())

    def admit(self, trials: Sequence[Trial]) -> None:
        """Begin trials, no more than there are free slots."""
        slots = self._empty()[: len(trials)]
        if not slots:
            return
        with torch.cuda.stream(self._stream):
            self._backend.begin(slots, trials)
        self._evaluations[slots] = 0
        self._seconds[slots] = 0.0
        for slot, trial in zip(slots, trials, strict=True):
            self._trials[slot] = trial
            self._watch.start(slot, trial.horizon, trial.to_horizon)

    def start(self, steps: int) -> Landing:
        """Train for some steps and evaluate; what is returned waits for the evaluation.

        A GPU is not waited for here.
        """
        occupied = [slot for slot, trial in enumerate(self._trials) if trial is not None]
        if self._stream is None:
            seen = self._backend.run(steps, occupied)
            return lambda: seen.float().cpu().numpy()
        with torch.cuda.stream(self._stream):
            seen = self._backend.run(steps, occupied)
            here = torch.empty(seen.shape, pin_memory=True)
            here.copy_(seen, non_blocking=True)
            over = torch.cuda.Event()
            over.record()

        def land() -> NDArray[np.float32]:
            over.synchronize()
            return here.numpy()

        return land

    def look(self, seen: NDArray[np.float32], seconds: float) -> list[Finished]:
        """Take in an evaluation ``(S, C)``; the trials that ended with it leave."""
        columns = dict(zip(SEEN, seen.T, strict=True))
        over = self._watch.see(
            columns["train_loss"], columns["train_accuracy"], columns["validation_accuracy"]
        )
        self._remember(seen)
        self._seconds += seconds
        finished = []
        for slot in np.flatnonzero(over).tolist():
            if (trial := self._trials[slot]) is not None:
                curves = self._curves(slot)
                finished.append(Finished(trial, curves, float(self._seconds[slot])))
                self._trials[slot] = None
        return finished

    def take_from(self, other: Block) -> None:
        """Take in as many of another block's trials as there is room for, as they are."""
        theirs = [slot for slot, trial in enumerate(other._trials) if trial is not None]
        pairs = list(zip(self._empty(), theirs, strict=False))
        if not pairs:
            return
        mine, theirs = map(list, zip(*pairs, strict=True))
        for own, from_ in zip(tensors(self._state), tensors(other._state), strict=True):
            if own is self._state.recipe:  # its slots are the second axis
                own[:, mine] = from_[:, theirs]
            else:
                own[mine] = from_[theirs]
        self._make_room(other._seen.shape[1])
        self._seen[mine, : other._seen.shape[1]] = other._seen[theirs]
        self._evaluations[mine] = other._evaluations[theirs]
        self._seconds[mine] = other._seconds[theirs]
        self._watch.take_from(mine, other._watch, theirs)
        for own_slot, slot in pairs:
            self._trials[own_slot], other._trials[slot] = other._trials[slot], None

    def evict(self) -> list[Trial]:
        """Empty every slot; the trials that were in them, unfinished."""
        trials = [trial for trial in self._trials if trial is not None]
        self._trials = [None] * len(self._trials)
        return trials

    def _empty(self) -> list[int]:
        return [slot for slot in range(self._usable) if self._trials[slot] is None]

    def _remember(self, seen: NDArray[np.float32]) -> None:
        idle = [slot for slot, trial in enumerate(self._trials) if trial is None]
        self._evaluations[idle] = 0
        self._make_room(int(self._evaluations.max()) + 1)
        self._seen[np.arange(len(seen)), self._evaluations] = seen
        self._evaluations += 1

    def _make_room(self, evaluations: int) -> None:
        size, room, columns = self._seen.shape
        while room < evaluations:
            room *= 2
        if room > self._seen.shape[1]:
            seen = np.zeros((size, room, columns), dtype=np.float32)
            seen[:, : self._seen.shape[1]] = self._seen
            self._seen = seen

    def _curves(self, slot: int) -> Curves:
        count = self._evaluations[slot]
        step = np.arange(1, count + 1, dtype=np.int32) * self._program.task.eval_interval
        seen = self._seen[slot, :count].T.copy()
        return Curves(step.astype(np.int32), **dict(zip(SEEN, seen, strict=True)))
