"""Several campaigns at one executor, so that slots which one leaves empty are another's.

A generation is judged when its last trial has ended, and until then a campaign alone leaves
more and more slots empty. With several, each in a process of its own, they are not:

    driver ── Seat ──┐
    driver ── Seat ──┼── Dealer ── executor
    driver ── Seat ──┘

A seat is an executor to its driver. The dealer hands in what seats submit, each trial once
though several may ask for it, and deals out what happened to those whom it concerns. Which
seat hears when depends on timing; what it hears does not.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import pyarrow.compute as pc

from cluster.campaign import ActorLost, Event, Finished
from cluster.executor import Executor, ExecutorError
from cluster.parcel import Parcel, parcel, unpacked
from cluster.results import Results
from speciation.tables.schema import TABLES
from speciation.trial.trial import Trial

# -- What is said between a seat and the dealer's process ---------------------------------


@dataclass(frozen=True, slots=True)
class Submitted:
    """A seat hands in trials; see ``Executor.submit``."""

    trials: Parcel
    apart: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A seat asks what happened, and listens until it is answered.

    Nothing is told unasked: of two that both talk, each would wait for the other to listen.
    """


@dataclass(frozen=True, slots=True)
class Dealt:
    """The answer: what concerns the seat, how many slots there are, and whether to stop."""

    events: tuple[Event, ...]
    capacity: int
    stop: bool


# -- A seat -------------------------------------------------------------------------------


class Seat:
    """An executor at the other end of a connection; see ``cluster.executor.Executor``.

    Args:
        connection: To the dealer's process, which says nothing else while a campaign runs.
        capacity: Slots at the beginning.
    """

    waiting = 0  # it is given slots that there are

    def __init__(self, connection: Connection, capacity: int) -> None:
        self._connection, self.capacity = connection, capacity
        self._in_flight: set[str] = set()
        self._closed = False
        self.trial_steps = 0
        self.stop_asked = False

    @property
    def occupied(self) -> int:
        """Trials that were handed in and have not ended: it is not known which are in slots."""
        return len(self._in_flight)

    def submit(self, trials: Sequence[Trial], apart: bool = False) -> None:
        """Hand in."""
        self._in_flight |= {trial.id for trial in trials}
        try:
            self._connection.send(Submitted(parcel(trials), apart))
        except OSError as error:
            raise _gone() from error

    def wait(self, timeout_s: float) -> list[Event]:
        """What happened since; the dealer answers within a moment, whatever the time-out."""
        if self._closed:
            raise ExecutorError("this seat is closed; take a new one to go on")
        try:
            self._connection.send(Waiting())
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise _gone() from error
        self._take(answer)
        return list(answer.events)

    def close(self) -> list[Event]:
        """Take no more."""
        self._closed = True
        return []

    def _take(self, answer: Dealt) -> None:
        self.capacity = answer.capacity
        self.stop_asked |= answer.stop
        for event in answer.events:
            if isinstance(event, Finished):
                self._in_flight.difference_update(event.results.ids)
                self.trial_steps += pc.sum(event.results.trials["steps_run"]).as_py() or 0
            elif isinstance(event, ActorLost):
                self._in_flight.difference_update(trial.id for trial in event.trials)


def _gone() -> ExecutorError:
    return ExecutorError("the process that trains is gone")


# -- The dealer ---------------------------------------------------------------------------


class Dealer:
    """See the module. Knows seats by whatever names them.

    Args:
        executor: Where trials are trained.
        curves: Deal out learning curves too: most of the bytes, and judged by nobody.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        curves: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._executor, self._curves, self._clock = executor, curves, clock
        self._wanted_by: defaultdict[str, list[Hashable]] = defaultdict(list)
        self._untold: defaultdict[Hashable, list[Event]] = defaultdict(list)

    @property
    def busy(self) -> bool:
        """Whether somebody waits for a trial."""
        return bool(self._wanted_by)

    @property
    def capacity(self) -> int:
        """Slots of the executor."""
        return self._executor.capacity

    def take(self, seat: Hashable, message: Submitted) -> None:
        """Hand in what a seat submits, but for what is being trained already."""
        trials = unpacked(message.trials)
        fresh = [trial for trial in trials if trial.id not in self._wanted_by]
        for trial in trials:
            self._wanted_by[trial.id].append(seat)
        if fresh:
            self._executor.submit(fresh, apart=message.apart)

    def leave(self, seat: Hashable) -> None:
        """From now on nothing concerns this seat."""
        self._untold.pop(seat, None)
        for owners in self._wanted_by.values():
            owners[:] = [owner for owner in owners if owner != seat]

    def deal(self, seconds: float) -> None:
        """Train for so long or until nobody waits, and keep for each seat what it is to hear.

        What finishes meanwhile is dealt out at once: taking a table apart for a seat costs as
        much for two rows as for a hundred.

        Raises:
            ExecutorError: Nothing can be trained here.
        """
        deadline, left = self._clock() + seconds, seconds
        finished: list[Results] = []
        while True:
            for event in self._executor.wait(left):
                if isinstance(event, Finished):
                    finished.append(event.results)
                elif isinstance(event, ActorLost):
                    self._deal_loss(event)
            left = deadline - self._clock()
            if left <= 0 or sum(map(len, finished)) >= len(self._wanted_by):
                break
        if finished:
            self._deal_results(Results.together(finished))

    def answer(self, seat: Hashable, stop: bool = False) -> Dealt:
        """What a seat has not been told yet."""
        return Dealt(tuple(self._untold.pop(seat, ())), self._executor.capacity, stop)

    def _deal_results(self, results: Results) -> None:
        if not self._curves:
            results = Results(results.trials, TABLES["curves"].empty())
        for seat, ids in self._owners(results.ids).items():
            self._untold[seat].append(Finished(results.only(ids)))

    def _deal_loss(self, event: ActorLost) -> None:
        lost = {trial.id: trial for trial in event.trials}
        for seat, ids in self._owners(lost).items():
            own = tuple(lost[key] for key in ids)
            self._untold[seat].append(replace(event, trials=own))

    def _owners(self, ids: Iterable[str]) -> dict[Hashable, list[str]]:
        """Seat → which of these trials it waits for; from now on nobody does."""
        owners: dict[Hashable, list[str]] = {}
        for key in ids:
            for seat in dict.fromkeys(self._wanted_by.pop(key, ())):
                owners.setdefault(seat, []).append(key)
        return owners
