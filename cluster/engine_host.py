"""An engine with a few trials waiting in front of it, on whichever machine it runs.

Both executors hold engines this way: in the driver's own process, or in an actor of Ray.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cluster.executor import EngineLike, EnginePlan
from speciation.genome.genome import kind_named
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape, Trial, TrialResult

if TYPE_CHECKING:
    from speciation.engine.engine import EngineSpec

# What suits a kind of device, where nothing else is asked for.
BACKEND = "fused"
SLOTS = {"cpu": 36, "cuda": 2048}


class EngineHost:
    """See the module.

    Args:
        engine: What trains.
        clock: Seconds, never going back.
    """

    def __init__(self, engine: EngineLike, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._waiting: deque[Trial] = deque()
        self._steps_before = 0

    @property
    def slots(self) -> int:
        """How many trials train at once."""
        return self._engine.slots

    @property
    def occupied(self) -> int:
        """Slots with a trial in them."""
        return self._engine.occupied

    @property
    def trial_steps(self) -> int:
        """Training steps so far, over all slots."""
        return self._engine.trial_steps - self._steps_before

    def try_out(self, trial: Trial) -> None:
        """Train a trial that nobody asked for.

        Whatever compiles at first use does so now, and a device that hangs does so before it
        holds a trial that could be blamed.
        """
        self.work([trial], math.inf)
        self._steps_before = self._engine.trial_steps

    def work(
        self, trials: Sequence[Trial], seconds: float, until_first: bool = False
    ) -> list[TrialResult]:
        """Take trials in and train for about so many seconds; what finished meanwhile.

        Args:
            trials: Admitted as slots become free, in this order.
            seconds: No advance begins later than that.
            until_first: Return as soon as anything finished.
        """
        self._waiting.extend(trials)
        deadline = self._clock() + seconds
        finished: list[TrialResult] = []
        while self._admit():
            finished += self._engine.advance()
            if self._clock() >= deadline or (until_first and finished):
                break
        # Slots that were just freed are filled now, so that `occupied` tells the truth.
        self._admit()
        return finished

    def _admit(self) -> bool:
        """Fill free slots; whether there is anything to train."""
        count = min(self._engine.free, len(self._waiting))
        if count:
            self._engine.admit([self._waiting.popleft() for _ in range(count)])
        return self._engine.occupied > 0


def first_trial(plan: EnginePlan) -> Trial:
    """The shortest trial of a plan, of a genome in the middle of everything."""
    kind = kind_named(plan.kind)
    [genome] = kind.decode(np.full((1, len(kind.columns)), 0.5))
    interval = plan.task.eval_interval
    return Trial(genome, plan.task, plan.model, 0, interval, precision=plan.precision)


def make_planned_engine(plan: EnginePlan) -> EngineLike:
    """The engine that a plan describes, on this machine.

    Raises:
        ValueError: The device is not there.
    """
    from speciation.engine.devices import give_back_memory
    from speciation.engine.engine import make_engine

    give_back_memory()
    return make_engine(planned_spec(plan))


def planned_spec(plan: EnginePlan) -> EngineSpec:
    """What a plan comes to on this machine: device, backend and slots decided.

    Raises:
        ValueError: A value is not one that engines know.
    """
    # torch comes with these, and is not needed where only a driver runs.
    from speciation.engine.devices import devices
    from speciation.engine.engine import EngineSpec

    found = devices()[0]
    device = found.torch_name if plan.device == "auto" else plan.device
    kind = device.partition(":")[0]
    slots = plan.slots or _slots_that_fit(plan, kind, int(found.memory_bytes * plan.share))
    return EngineSpec(
        task=plan.task,
        model=plan.model,
        slots=max(slots >> plan.halvings, min(slots, 1)),  # what is below 1 is refused
        backend=BACKEND if plan.backend == "auto" else plan.backend,
        device=device,
        precision=plan.precision,
    )


def engine_bytes(task: Task, model: ModelShape, slots: int, kind: str) -> int:
    """About how much memory of a kind of device so many slots take, one block at work.

    Of any backend: the kernel of a GPU keeps most, the others need room to work.
    """
    from speciation.engine.devices import block_bytes, block_shape, slot_bytes
    from speciation.engine.fused_cuda import outside_bytes, tiles

    working = block_bytes(task, model, *block_shape(kind, task, model))
    kept = slot_bytes(task, model)
    if kind == "cuda" and model.layers == 1:
        kept = slot_bytes(task, model, tiles(model)) + outside_bytes(task, model)
    return slots * kept + working


def _slots_that_fit(plan: EnginePlan, kind: str, memory_bytes: int) -> int:
    """The usual number of slots, or as many as fit into half of the memory.

    One block is the least that an engine has.
    """
    from speciation.engine.devices import block_shape

    least = block_shape(kind, plan.task, plan.model).slots
    slots = SLOTS[kind]
    while slots > least and engine_bytes(plan.task, plan.model, slots, kind) > memory_bytes / 2:
        slots //= 2
    return slots
