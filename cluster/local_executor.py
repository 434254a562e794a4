"""Training in this very process: nothing to start, and nothing to lose but the engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from cluster.campaign import ActorLost, Cause, Event, Finished
from cluster.engine_host import EngineHost, make_planned_engine
from cluster.executor import (
    MAX_HALVINGS,
    EnginePlan,
    ExecutorError,
    MakeEngine,
    causes,
    is_out_of_memory,
)
from cluster.results import Results
from cluster.roster import Roster
from speciation.trial.trial import Trial

ACTOR = "local"


class LocalExecutor:
    """One engine here, which waits for nothing; see ``cluster.executor.Executor``.

    Args:
        plan: Which engine.
        make: Builds it, and again after it raised.

    Raises:
        ExecutorError: The engine cannot be built.
    """

    waiting = 0

    def __init__(self, plan: EnginePlan, make: MakeEngine = make_planned_engine) -> None:
        self._plan, self._make = plan, make
        self._roster = Roster()
        self._roster.hire(ACTOR)
        self._steps_before = 0  # by engines that are gone
        self._host: EngineHost | None = self._build()

    @property
    def capacity(self) -> int:
        """Slots of the engine."""
        return self._host.slots if self._host else 0

    @property
    def occupied(self) -> int:
        """Slots with a trial in them."""
        return self._host.occupied if self._host else 0

    @property
    def trial_steps(self) -> int:
        """Training steps so far, over all slots."""
        return self._steps_before + (self._host.trial_steps if self._host else 0)

    def submit(self, trials: Sequence[Trial], apart: bool = False) -> None:
        """Take trials into the queue."""
        self._roster.add(trials, apart)

    def wait(self, timeout_s: float) -> list[Event]:
        """Train until something happened, or for about ``timeout_s`` seconds."""
        if self._host is None:
            raise ExecutorError("this executor is closed; make a new one to go on")
        fresh = self._roster.take(ACTOR, self._host.slots)
        if not self._roster.hand(ACTOR):
            time.sleep(timeout_s)
            return []
        failed: Exception | None = None
        try:
            results = self._host.work(fresh, timeout_s, until_first=True)
        except Exception as error:  # whatever an engine raises, its slots are gone
            failed = error
        # Here it is handled no longer, and so no cause of what the next engine raises.
        if failed is not None:
            return [self._lost(failed)]
        self._roster.settle(ACTOR, [result.trial.id for result in results])
        return [Finished(Results.of(results))] if results else []

    def close(self) -> list[Event]:
        """Drop the engine and what is in it."""
        # Every advance is reported by the wait that made it: there is nothing left to tell.
        self._steps_before, self._host = self.trial_steps, None
        return []

    def _lost(self, error: Exception) -> ActorLost:
        trials = self._roster.dismiss(ACTOR)
        self._roster.hire(ACTOR)
        cause, innocent = Cause.RAISED, False
        # Tracebacks hold the engine, and that the memory of the next one.
        for each in causes(error):
            each.__traceback__ = None
        if is_out_of_memory(error):
            # With a single slot there is nothing to halve: then it is the trial.
            cause, innocent = Cause.MEMORY, self.capacity > 1
            self._plan = replace(self._plan, halvings=self._plan.halvings + 1)
        self._steps_before, self._host = self.trial_steps, None
        self._host = self._build()
        return ActorLost(ACTOR, trials, f"{type(error).__name__}: {error}", cause, innocent)

    def _build(self) -> EngineHost:
        """An engine; with half of the slots, and half of those, if memory does not suffice."""
        while True:
            try:
                return EngineHost(self._make(self._plan))
            except Exception as error:
                if not is_out_of_memory(error) or self._plan.halvings >= MAX_HALVINGS:
                    raise ExecutorError(f"the engine cannot be built here: {error}") from error
            self._plan = replace(self._plan, halvings=self._plan.halvings + 1)
