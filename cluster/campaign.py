"""What the driver should do next, decided without doing it.

:class:`Campaign` takes events and returns commands. It knows nothing of Ray, GPUs, clocks or
disks, so every failure the cluster can suffer is tested here with plain values.

    event  --> Campaign.handle --> commands --> driver --> events

Blame follows one rule: *only what was running can be at fault*. When an actor dies, the trials
it held are suspects. They are run again apart from all others, in halves, and a half that kills
its actor is halved again; so a trial that kills is alone after log2(n) losses, while every
innocent has finished. What still kills alone, three times, is recorded as failed. And where
actors die again and again while nothing ever finishes, it is not the trials: the campaign is
abandoned.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from speciation.trial.trial import Outcome, Trial, TrialResult

MAX_STRIKES = 3
# More than bisection can take to find one culprit among 2**20 trials on a single actor.
MAX_BARREN_LOSSES = 24

# -- Events: what happened ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finished:
    """These trials have results. They may come late, twice, or from another campaign."""

    results: tuple[TrialResult, ...]


@dataclass(frozen=True, slots=True)
class ActorLost:
    """An actor is gone, and with it the trials it held, of which nothing is known."""

    actor: str
    trials: tuple[Trial, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class CapacityChanged:
    """From now on, at most so many trials should be in flight."""

    max_in_flight: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody wants to stop: submit nothing more, take in what still comes."""


Event = Finished | ActorLost | CapacityChanged | Stopped

# -- Commands: what to do about it --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submit:
    """Train these trials; if ``apart``, together on one actor and with nothing else there."""

    trials: tuple[Trial, ...]
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """Store these results: each is new."""

    results: tuple[TrialResult, ...]


@dataclass(frozen=True, slots=True)
class Fail:
    """Give these trials up and record them as failed."""

    trials: tuple[Trial, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Close:
    """Every trial has an end. Said once."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """Whatever is wrong, it is not one of the trials: stop, and say so."""

    reason: str


Command = Submit | Append | Fail | Close | Abandon


class Campaign:
    """A set of trials, from the first submission to the last end.

    Args:
        trials: The work, in order of submission; repeated ids count once.
        max_in_flight: Most trials submitted at a time (the back-pressure), at least 1.
        max_strikes: A trial that killed alone, or came back failed, so often is given up.
        max_barren_losses: Actors lost in a row, with no result in between, that are too many.
    """

    def __init__(
        self,
        trials: Iterable[Trial],
        *,
        max_in_flight: int,
        max_strikes: int = MAX_STRIKES,
        max_barren_losses: int = MAX_BARREN_LOSSES,
    ) -> None:
        self._open = {trial.id: trial for trial in trials}
        self._total = len(self._open)
        self._waiting = deque(self._open.values())
        self._running: dict[str, Trial] = {}
        self._suspects: deque[tuple[Trial, ...]] = deque()  # packs, next first
        self._apart: dict[str, Trial] = {}  # the pack that is running apart
        self._strikes: Counter[str] = Counter()
        self._given_up: set[str] = set()
        self._max_in_flight = max(max_in_flight, 1)
        self._max_strikes = max_strikes
        self._max_barren_losses = max_barren_losses
        self._barren_losses = 0  # in a row, without a result in between
        self._stopped = self._closed = False

    @property
    def total(self) -> int:
        """Trials in all."""
        return self._total

    @property
    def done(self) -> int:
        """Trials that have an end, failed ones included."""
        return self._total - len(self._open)

    @property
    def failed(self) -> int:
        """Trials given up."""
        return len(self._given_up)

    @property
    def in_flight(self) -> int:
        """Trials submitted and not heard of since."""
        return len(self._running) + len(self._apart)

    @property
    def suspects(self) -> int:
        """Trials that were lost with an actor and have not been cleared yet."""
        return len(self._apart) + sum(map(len, self._suspects))

    def start(self) -> list[Command]:
        """The first commands."""
        return self._next()

    def handle(self, event: Event) -> list[Command]:
        """Take in one event. After :meth:`start`, nothing else changes the state."""
        commands: list[Command] = []
        if isinstance(event, Finished):
            commands = self._finished(event.results)
        elif isinstance(event, ActorLost):
            commands = self._lost(event)
        elif isinstance(event, CapacityChanged):
            self._max_in_flight = max(event.max_in_flight, 1)
        else:
            self._stopped = True
        return commands + self._next()

    def _finished(self, results: Sequence[TrialResult]) -> list[Command]:
        fresh: list[TrialResult] = []
        for result in results:
            key = result.trial.id
            self._running.pop(key, None)
            self._apart.pop(key, None)
            if key not in self._open and key not in self._given_up:
                continue  # a duplicate, or another campaign's
            if result.outcome == Outcome.FAILED and not self._fails(key):
                continue
            if self._open.pop(key, None) is None:
                if result.outcome == Outcome.FAILED:
                    continue
                self._given_up.discard(key)  # late, and good after all
            fresh.append(result)
            self._barren_losses = 0
        return [Append(tuple(fresh))] if fresh else []

    def _fails(self, key: str) -> bool:
        """Count a result that says failed; whether it is to be believed by now."""
        trial = self._open.get(key)
        if trial is None:
            return False
        self._strikes[key] += 1
        if self._strikes[key] < self._max_strikes:
            self._waiting.appendleft(trial)
            return False
        self._given_up.add(key)
        return True

    def _lost(self, event: ActorLost) -> list[Command]:
        pack = tuple(t for t in event.trials if self._take(t.id))
        self._barren_losses += bool(pack)
        if self._barren_losses == self._max_barren_losses:
            self._stopped = True
            return [Abandon(event.reason)]
        if len(pack) > 1:
            half = (len(pack) + 1) // 2
            self._suspects.extendleft([pack[half:], pack[:half]])
        elif pack:
            return self._killed_alone(pack[0], event.reason)
        return []

    def _take(self, key: str) -> bool:
        """Take a trial out of flight; False if it was not in flight."""
        running = self._running.pop(key, None) or self._apart.pop(key, None)
        return running is not None

    def _killed_alone(self, trial: Trial, reason: str) -> list[Command]:
        self._strikes[trial.id] += 1
        if self._strikes[trial.id] < self._max_strikes:
            self._suspects.appendleft((trial,))
            return []
        del self._open[trial.id]
        self._given_up.add(trial.id)
        return [Fail((trial,), f"poison: {reason}")]

    def _next(self) -> list[Command]:
        commands: list[Command] = []
        if not self._stopped:
            commands = [*self._next_pack(), *self._refill()]
        if not self._open and not self._closed:
            self._closed = True
            commands.append(Close())
        return commands

    def _next_pack(self) -> list[Command]:
        """The next suspects, one pack at a time: at most one actor is busy with them."""
        while self._suspects and not self._apart:
            self._apart = {t.id: t for t in self._suspects.popleft() if t.id in self._open}
            if self._apart:
                return [Submit(tuple(self._apart.values()), apart=True)]
        return []

    def _refill(self) -> list[Command]:
        fresh: list[Trial] = []
        while self._waiting and len(self._running) < self._max_in_flight:
            trial = self._waiting.popleft()
            # What was lost or failed may have come back as a late result in the meantime.
            if trial.id in self._open and trial.id not in self._running:
                self._running[trial.id] = trial
                fresh.append(trial)
        return [Submit(tuple(fresh))] if fresh else []
