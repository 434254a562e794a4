"""How a run is doing, as numbers: kept beside its manifest while it runs.

Tables are the truth about results, but slots that are occupied now are no result. The driver
writes them into one small file, replaced every few seconds, which is read wherever the store
is: no port is needed to see a run, and no token. The same numbers are what Ray's metrics say.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.progress_text import Pace
from cluster.summary import GenerationSummary, RunSummary, Snapshot, plain
from speciation.tables.files import Files, StoreError
from speciation.tables.manifests import RUNS, parse_manifest

PULSE_SECONDS = 3.0
PULSE_BYTES = 2**16
SILENT_SECONDS = 30.0  # a run that has not been heard of for so long is not running


@dataclass(frozen=True, slots=True)
class Pulse:
    """A run at a moment. Counts of trials and steps are those of the process that runs it."""

    run: str
    state: str = "starting"  # then "running", "finished", "stopped"
    phase: str = "evolve"
    generation: int = 0  # closed so far
    generations: int = 0
    trials: int = 0  # of the generation at hand
    done: int = 0
    finished: int = 0
    failed: int = 0
    trial_steps: int = 0
    trials_a_second: float = 0.0
    steps_a_second: float = 0.0
    occupied: int = 0
    capacity: int = 0
    best: float | None = None
    best_genome: str | None = None
    eta_seconds: float | None = None
    store_is_full: bool = False
    waiting: int = 0  # engines that no machine has room for yet
    outcomes: Mapping[str, int] = field(default_factory=dict)
    host: str = ""  # of the process that runs it
    began: float = 0.0  # when that process did; seconds since 1970, as ``at``
    at: float = 0.0

    def is_alive(self, now: float) -> bool:
        """Whether the process has been heard of lately; ``now`` is seconds since 1970."""
        return self.state in ("starting", "running") and now - self.at < SILENT_SECONDS


class PulseKeeper:
    """Makes pulses of what the driver tells, and passes them on every few seconds.

    Args:
        run: Its id.
        tell: Takes pulses; see :func:`write_pulse`.
        clock: Seconds since 1970.
        monotonic: Seconds, never going back.
    """

    def __init__(
        self,
        run: str,
        tell: Callable[[Pulse], None],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell, self._clock, self._monotonic = tell, clock, monotonic
        self._pulse = Pulse(run, host=socket.gethostname(), began=clock())
        self._pace = Pace()
        self._told_at = -math.inf

    def __call__(self, progress: Snapshot | GenerationSummary | RunSummary) -> None:
        """Take in what the driver tells."""
        if isinstance(progress, Snapshot):
            self._snapshot(progress)
        elif isinstance(progress, GenerationSummary):
            best = progress.best.value
            self._change(
                generation=progress.generation + 1,
                best=best if math.isfinite(best) else None,
                best_genome=progress.best_genome,
            )
            self._now()
        else:
            self._change(
                state="stopped" if progress.stopped else "finished",
                generation=progress.generations,
                generations=max(progress.generations, self._pulse.generations),
                finished=progress.finished,
                failed=progress.failed,
                trial_steps=progress.trial_steps,
                trials_a_second=0.0,
                steps_a_second=0.0,
                occupied=0,
                eta_seconds=None,
                outcomes=progress.outcomes,
            )
            self._now()

    def _snapshot(self, now: Snapshot) -> None:
        self._pace.see(now)
        trials, steps = self._pace.rates
        self._change(
            state="running",
            phase=now.phase,
            generation=now.generation + (now.phase == "confirm"),
            generations=now.generations,
            trials=now.trials,
            done=now.done,
            finished=now.finished,
            failed=now.failed,
            trial_steps=now.trial_steps,
            trials_a_second=trials,
            steps_a_second=steps,
            occupied=now.occupied,
            capacity=now.capacity,
            eta_seconds=now.eta_seconds,
            store_is_full=now.store_is_full,
            waiting=now.waiting,
            outcomes=now.outcomes,
        )
        if self._monotonic() - self._told_at >= PULSE_SECONDS:
            self._now()

    def _change(self, **values: Any) -> None:
        self._pulse = dataclasses.replace(self._pulse, **values, at=self._clock())

    def _now(self) -> None:
        self._told_at = self._monotonic()
        self._tell(self._pulse)


def write_pulse(files: Files, pulse: Pulse) -> None:
    """Put a pulse beside the run's manifest. Nothing is lost if that cannot be done."""
    with contextlib.suppress(StoreError):
        files.replace(_path(pulse.run), json.dumps(plain(pulse)).encode())


def read_pulse(files: Files, run: str) -> Pulse | None:
    """A run's latest pulse; None if there is none that can be read."""
    try:
        told = parse_manifest(_path(run), files.read(_path(run), PULSE_BYTES))
    except StoreError:
        return None
    kinds = {f.name: str(f.type) for f in dataclasses.fields(Pulse)}
    known = {name: value for name, value in told.items() if _is(value, kinds.get(name, ""))}
    return Pulse(**{**known, "run": run})


def _is(value: Any, kind: str) -> bool:
    """Whether a value is of a field's type; anybody may have written the file."""
    if value is None:
        return "None" in kind
    if kind.startswith("Mapping"):
        return isinstance(value, dict) and all(type(v) is int for v in value.values())
    types: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
    }
    wanted = types.get(kind.split(" ")[0], ())
    return isinstance(value, wanted) and (kind == "bool" or not isinstance(value, bool))


def _path(run: str) -> str:
    return f"{RUNS}/{run}/pulse.json"
