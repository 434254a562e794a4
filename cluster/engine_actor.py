"""An engine in a process of its own, beside its device: all that Ray starts for training.

A device waits while such a process starts, also where one takes the place of another that was
lost. So little is imported here: what a driver needs besides would take twice as long.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import ray

from cluster.engine_host import EngineHost, first_trial
from cluster.executor import EnginePlan, MakeEngine
from cluster.parcel import Parcel, unpacked
from cluster.report import Report, report_of


@dataclass(frozen=True, slots=True)
class Ready:
    """What an actor says once its engine is built."""

    slots: int
    node: str
    seconds: float  # that it took


class EngineActor:
    """Holds an engine; Ray calls one method at a time."""

    def __init__(self, plan: EnginePlan, make: MakeEngine) -> None:
        began = time.monotonic()
        self._host = EngineHost(make(plan))
        self._host.try_out(first_trial(plan))
        self._took = time.monotonic() - began

    def ready(self) -> Ready:
        """Answers once the engine is built and has trained."""
        return Ready(self._host.slots, ray.get_runtime_context().get_node_id(), self._took)

    def work(self, sent: Parcel | None, seconds: float) -> Report:
        """Take trials in and train for about so many seconds."""
        began = time.monotonic()
        results = self._host.work(unpacked(sent) if sent else [], seconds)
        host, took = self._host, time.monotonic() - began
        return report_of(results, host.occupied, host.trial_steps, took)
