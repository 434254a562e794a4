"""A cluster that goes wrong in every way there is, by a seed: actors, machines, memory, disk.

Nothing is a process here, so hundreds of runs fit into a minute. ``test_chaos.py`` drives whole
runs over it, and kills their driver as well.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.campaign import ActorLost, Cause, Event, Finished
from cluster.executor import ExecutorError
from cluster.report import report_of
from cluster.results import Results
from cluster.roster import Roster
from speciation.tables.store import Store
from speciation.trial.trial import Trial, TrialResult
from tests.cluster.synthetic import Behaviour, SyntheticEngine

ADVANCES = 12  # of a call
CAUSES = [cause for cause in Cause if cause is not Cause.STARTING]  # of actors that hold trials
INNOCENT = (Cause.LEFT, Cause.MEMORY)


class ChaosExecutor:
    """Some actors over synthetic engines, any of which may be lost at any call.

    Args:
        rng: Decides what goes wrong.
        trouble: Probability that a call loses its actor.
        poison: Ids of trials that kill their actor, always.
        actors: At first; machines leave and join.
        slots: Of an actor.
    """

    trial_steps = waiting = 0

    def __init__(
        self,
        rng: random.Random,
        trouble: float = 0.03,
        poison: frozenset[str] = frozenset(),
        actors: int = 4,
        slots: int = 6,
    ) -> None:
        self._rng, self._trouble, self._poison = rng, trouble, poison
        self._slots, self._born = slots, 0
        self._roster = Roster()
        self._engines: dict[str, SyntheticEngine] = {}
        self._late: list[tuple[TrialResult, ...]] = []
        self.losses: dict[str, int] = {}  # by trial: actors lost with it, blamed or not
        self.most_packs = 0
        for _ in range(actors):
            self._join()

    @property
    def capacity(self) -> int:
        return self._slots * len(self._engines)

    @property
    def occupied(self) -> int:
        return sum(engine.occupied for engine in self._engines.values())

    def submit(self, trials: Sequence[Trial], apart: bool = False) -> None:
        self._roster.add(trials, apart)

    def wait(self, timeout_s: float) -> list[Event]:
        if self._rng.random() < 0.05 or not self._engines:
            self._join()
        names = list(self._engines)
        self._rng.shuffle(names)
        events: list[Event] = []
        for name in names:
            events += self._call(name)
        if self._late and self._rng.random() < 0.3:
            events.append(
                Finished(Results.of(self._late.pop()))
            )  # of an actor that was given up long ago
        self._rng.shuffle(events)
        return events

    def close(self) -> list[Event]:
        return []

    def _call(self, name: str) -> list[Event]:
        engine = self._engines[name]
        engine.admit(self._roster.take(name, engine.free + len(self._roster.hand(name))))
        held = self._roster.hand(name)
        if not held:
            return []
        if any(trial.id in self._poison for trial in held):
            return [self._lose(name, Cause.DIED)]
        if self._rng.random() < self._trouble:
            cause = self._rng.choice(CAUSES)
            if self._rng.random() < 0.5:  # it had done its work, and its answer was lost
                self._late.append(tuple(engine.advance()))
            return [self._lose(name, cause)]
        advances = [r for _ in range(ADVANCES) for r in engine.advance()]
        results = report_of(advances, 0, 0, 1.0).results
        self._roster.settle(name, results.ids)
        self._roster.pace(name, self._rng.uniform(1, 4))
        events: list[Event] = [Finished(results)] if len(results) else []
        if len(results) and self._rng.random() < 0.1:
            events *= 2  # an answer that is delivered twice
        return events

    def _lose(self, name: str, cause: Cause) -> ActorLost:
        del self._engines[name]
        held = self._roster.dismiss(name)
        for trial in held:
            self.losses[trial.id] = self.losses.get(trial.id, 0) + 1
        if cause is not Cause.LEFT:
            self._join()
        return ActorLost(name, held, "chaos", cause, innocent=cause in INNOCENT)

    def _join(self) -> None:
        name = f"actor-{self._born}"
        self._born += 1
        if self._born > 100_000:
            raise ExecutorError("this never ends")
        self._engines[name] = SyntheticEngine(Behaviour(slots=self._slots))
        self._roster.hire(name)


class Killed(BaseException):
    """What SIGKILL does to a driver in this process."""


class ChaosStore(Store):
    """Fails, is full, says no though it did it, or takes the driver with it."""

    def __init__(self, folder: Path, rng: random.Random, trouble: float, death: float) -> None:
        super().__init__(folder)
        self._rng, self._trouble, self._death = rng, trouble, death

    def append(self, table: str, rows: Any) -> str | None:
        self._perhaps_die()
        with failing_disk(self._rng, self._trouble):
            name = super().append(table, rows)
        self._perhaps_die()
        return name

    def write_manifest(self, run: str, manifest: Any) -> None:
        self._perhaps_die()
        with failing_disk(self._rng, self._trouble):
            super().write_manifest(run, manifest)

    def _perhaps_die(self) -> None:
        if self._rng.random() < self._death:
            raise Killed


@contextmanager
def failing_disk(rng: random.Random, trouble: float) -> Iterator[None]:
    """Some system calls fail, before or after they did what they should."""
    real = {name: getattr(os, name) for name in ("write", "fsync", "link")}

    def mortal(name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            fate = rng.random()
            code = rng.choice([errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EAGAIN])
            if fate < trouble / 2:
                raise OSError(code, os.strerror(code))
            done = real[name](*args, **kwargs)
            if fate < trouble and name != "write":
                raise OSError(code, os.strerror(code))
            return done

        return call

    for name in real:
        setattr(os, name, mortal(name))
    try:
        yield
    finally:
        for name, call in real.items():
            setattr(os, name, call)


def rot(folder: Path, rng: random.Random) -> None:
    """Flip a bit of some part, or cut it short."""
    parts = sorted(folder.glob("*/*.parquet"))
    parts = [part for part in parts if part.parent.name != "curves"]
    if parts:
        part = rng.choice(parts)
        data = bytearray(part.read_bytes())
        if rng.random() < 0.5:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            del data[rng.randrange(len(data)) :]
        part.write_bytes(data)
