"""An engine with a few trials waiting in front of it, on whichever machine it runs.

Both executors hold engines this way: in the driver's own process, or in an actor of Ray.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from cluster.executor import EngineLike, EnginePlan
from speciation.trial.trial import Trial, TrialResult


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
        return self._engine.trial_steps

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


def make_planned_engine(plan: EnginePlan) -> EngineLike:
    """The engine that a plan describes, on this machine.

    Raises:
        ValueError: The device is not there.
    """
    # torch comes with the engine, and is not needed where only a driver runs.
    from speciation.engine.devices import default_slots, devices
    from speciation.engine.engine import EngineSpec, make_engine

    found = devices()[0]
    device = found.torch_name if plan.device == "auto" else plan.device
    backend = plan.backend
    if backend == "auto":
        backend = "torch" if device == "cpu" else "graph"
    spec = EngineSpec(
        task=plan.task,
        model=plan.model,
        slots=plan.slots or 1,
        backend=backend,
        device=device,
        precision=plan.precision,
    )
    if plan.slots is None:
        spec = replace(spec, slots=default_slots(spec, found))
    return make_engine(spec)
