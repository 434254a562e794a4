"""What the driver should do next, decided without doing it.

:class:`Campaign` takes events and returns commands. It knows nothing of Ray, GPUs, clocks or
disks, so every failure the cluster can suffer is tested here with plain values.

    event  --> Campaign.handle --> commands --> driver --> events

Blame follows one rule: *only what was running can be at fault*. When an actor dies, the trials
it held are suspects. They are run again apart from all others, in halves, and a half that kills
its actor is halved again; so a trial that kills is alone after log2(n) losses, while every
innocent has finished. What still kills alone, three times, is recorded as failed. Every
suspicion is stored before its suspects are tried again, so a driver that dies forgets none. A
machine that leaves, or has too little memory, puts nobody under suspicion. And where actors die
again and again while nothing ever finishes, it is not the trials: the campaign is abandoned.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from cluster.results import Results
from speciation.trial.trial import Trial

MAX_STRIKES = 3
# More than bisection can take to find one culprit among 2**20 trials on a single actor.
MAX_BARREN_ROUNDS = 24

# -- Events: what happened ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finished:
    """These trials have results. They may come late, twice, or from another campaign."""

    results: Results


class Cause(StrEnum):
    """Why an actor is gone."""

    DIED = "died"  # its process ended
    RAISED = "raised"  # its engine did, and may be unusable
    HUNG = "hung"  # it did not answer in time
    STARTING = "hung while starting"  # and so before it held anything
    MEMORY = "out of memory"  # of its GPU or its machine
    LEFT = "left"  # its machine was lost, drained or could not be reached


@dataclass(frozen=True, slots=True)
class ActorLost:
    """An actor is gone, and with it the trials it held, of which nothing is known.

    Args:
        actor: Its name.
        trials: What it held.
        reason: One sentence.
        cause: The kind of reason.
        innocent: The trials had no part in it, and are simply run again.
    """

    actor: str
    trials: tuple[Trial, ...]
    reason: str
    cause: Cause = Cause.DIED
    innocent: bool = False


@dataclass(frozen=True, slots=True)
class CapacityChanged:
    """From now on, at most so many trials should be in flight."""

    max_in_flight: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The store has these trials' results by now, from somebody else."""

    trial_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody wants to stop: submit nothing more, take in what still comes."""


Event = Finished | ActorLost | CapacityChanged | Answered | Stopped

# -- Commands: what to do about it --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submit:
    """Train these trials; if ``apart``, together on one actor and with nothing else there."""

    trials: tuple[Trial, ...]
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """Store these results: each is new."""

    results: Results


@dataclass(frozen=True, slots=True)
class Pack:
    """Suspects that run together, apart from all others.

    Args:
        trials: The suspects.
        strikes: How often it killed, if it is one trial alone.
        losses: How many actors were lost with these trials so far.
        reason: Of the last loss.
    """

    trials: tuple[Trial, ...]
    strikes: int = 0
    losses: int = 1
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Suspect:
    """Store these suspicions, before anything that is submitted after them."""

    packs: tuple[Pack, ...]


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


Command = Submit | Append | Suspect | Fail | Close | Abandon


class Campaign:
    """A set of trials, from the first submission to the last end.

    Args:
        trials: The work, in order of submission; repeated ids count once.
        max_in_flight: Most trials submitted at a time (the back-pressure), at least 1.
        max_strikes: A trial that killed alone, or came back failed, so often is given up.
        max_barren_rounds: Rounds of losses in a row, with no result in between, that are too
            many; see :meth:`_too_many_losses`.
        suspicions: What an earlier campaign suspected, and did not live to find out.
        spare: Trials that may be wanted later, in order. They fill slots that would be empty;
            nobody waits for them, and one that is lost is forgotten.
        under_way: Trials that an earlier campaign has submitted as spare ones, and not seen
            end; those that are among ``trials`` are not submitted again.
    """

    def __init__(
        self,
        trials: Iterable[Trial],
        *,
        max_in_flight: int,
        max_strikes: int = MAX_STRIKES,
        max_barren_rounds: int = MAX_BARREN_ROUNDS,
        suspicions: Iterable[Pack] = (),
        spare: Iterable[Trial] = (),
        under_way: Iterable[Trial] = (),
    ) -> None:
        self._open = {trial.id: trial for trial in trials}
        self._total = len(self._open)
        self._suspects = deque(suspicions)  # next first
        suspected = {trial.id for pack in self._suspects for trial in pack.trials}
        self._lent = {trial.id: trial for trial in under_way}
        self._running = self._lent.keys() & self._open.keys()
        self._lent = {own: t for own, t in self._lent.items() if own not in self._running}
        begun = suspected | self._running
        self._waiting = deque(t for own, t in self._open.items() if own not in begun)
        self._spare = deque(t for t in spare if t.id not in self._lent)
        self._apart: dict[str, Trial] = {}  # what of the pack is running apart
        self._pack = Pack(())  # as it was when it was submitted
        self._strikes: Counter[str] = Counter()  # of results that say failed
        self._given_up: set[str] = set()
        self._max_in_flight = max(max_in_flight, 1)
        self._max_strikes = max_strikes
        self._max_barren_rounds = max_barren_rounds
        self._barren_rounds = 0  # in a row, without a result in between
        self._lost_this_round: set[str] = set()
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
    def under_way(self) -> tuple[Trial, ...]:
        """Spare trials that were submitted and not heard of since."""
        return tuple(self._lent.values())

    @property
    def unfinished(self) -> tuple[Trial, ...]:
        """Trials that have no end yet."""
        return tuple(self._open.values())

    @property
    def waiting(self) -> tuple[Trial, ...]:
        """Trials that have not been submitted yet."""
        return tuple(
            t for t in self._waiting if t.id in self._open and t.id not in self._running
        )

    @property
    def suspects(self) -> int:
        """Trials that were lost with an actor and have not been cleared yet."""
        return len(self._apart) + sum(len(pack.trials) for pack in self._suspects)

    def start(self) -> list[Command]:
        """The first commands."""
        return self._next()

    def handle(self, event: Event) -> list[Command]:
        """Take in one event. After :meth:`start`, nothing else changes the state."""
        commands: list[Command] = []
        if isinstance(event, Finished):
            commands = self._finished(event)
        elif isinstance(event, ActorLost):
            commands = self._lost(event)
        elif isinstance(event, CapacityChanged):
            self._max_in_flight = max(event.max_in_flight, 1)
        elif isinstance(event, Answered):
            self._answered(event.trial_ids)
        else:
            self._stopped = True
        return commands + self._next()

    def _finished(self, event: Finished) -> list[Command]:
        ids, failed = event.results.ids, event.results.failed
        self._running.difference_update(ids)
        if self._apart:
            self._apart = {own: self._apart[own] for own in self._apart.keys() - ids}
        if failed or self._lent or self._given_up:
            fresh = [key for key in ids if self._is_news(key, key in failed)]
        else:  # as nearly always, of thousands a second
            fresh = [key for key in ids if self._open.pop(key, None)]
        if not fresh:
            return []
        self._barren_rounds = 0
        self._lost_this_round.clear()
        return [Append(event.results.only(fresh))]

    def _answered(self, ids: frozenset[str]) -> None:
        """Nobody need train these; what comes of those that somebody does is no news."""
        for own in ids:
            self._open.pop(own, None)
        self._running.difference_update(ids)
        self._apart = {own: self._apart[own] for own in self._apart.keys() - ids}

    def _is_news(self, key: str, has_failed: bool) -> bool:
        """Take in one result; whether it is to be stored."""
        if self._lent.pop(key, None) is not None and not has_failed:
            return True
        if key not in self._open and key not in self._given_up:
            return False  # a duplicate, or another campaign's
        if has_failed and not self._fails(key):
            return False
        if self._open.pop(key, None) is None:
            if has_failed:
                return False
            self._given_up.discard(key)  # late, and good after all
        return True

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
        apart = any(trial.id in self._apart for trial in event.trials)
        for trial in event.trials:
            self._lent.pop(trial.id, None)
        lost = tuple(t for t in event.trials if self._take(t.id))
        if lost and self._too_many_losses(event.actor, apart):
            self._stopped = True
            return [Abandon(event.reason)]
        before = self._pack if apart else Pack((), losses=0)
        if event.innocent:
            if apart:
                self._suspects.appendleft(replace(before, trials=lost))
            else:
                self._waiting.extendleft(reversed(lost))
            return []
        return self._suspect(lost, before, event.reason)

    def _too_many_losses(self, actor: str, apart: bool) -> bool:
        """Whether actors were lost too often.

        An actor that is lost again begins a round, and so does every pack, as packs run one
        after the other; a whole cluster that is lost at once makes one.
        """
        if apart or not self._lost_this_round or actor in self._lost_this_round:
            self._barren_rounds += 1
            self._lost_this_round.clear()
        self._lost_this_round.add(actor)
        return self._barren_rounds >= self._max_barren_rounds

    def _take(self, key: str) -> bool:
        """Take a trial out of flight; False if it was not in flight."""
        if key in self._running:
            self._running.remove(key)
            return True
        return self._apart.pop(key, None) is not None

    def _suspect(self, lost: tuple[Trial, ...], before: Pack, reason: str) -> list[Command]:
        """Halve what was lost; what is one trial has killed alone, if it ran alone."""
        if not lost:
            return []
        half = (len(lost) + 1) // 2
        halves = [lost[:half], lost[half:]] if len(lost) > 1 else [lost]
        strikes = before.strikes + 1 if len(lost) == 1 else 0
        packs = tuple(Pack(half, strikes, before.losses + 1, reason) for half in halves)
        self._suspects.extendleft(reversed(packs))
        return [Suspect(packs)]

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
        commands: list[Command] = []
        while self._suspects and not self._apart:
            pack = self._suspects.popleft()
            if pack.strikes >= self._max_strikes:
                commands += self._give_up(pack)
                continue
            self._apart = {t.id: t for t in pack.trials if t.id in self._open}
            self._pack = pack
            if self._apart:
                commands.append(Submit(tuple(self._apart.values()), apart=True))
        return commands

    def _give_up(self, pack: Pack) -> list[Command]:
        trials = tuple(t for t in pack.trials if self._open.pop(t.id, None))
        self._given_up |= {trial.id for trial in trials}
        return [Fail(trials, f"poison: {pack.reason}")] if trials else []

    def _refill(self) -> list[Command]:
        fresh: dict[str, Trial] = {}
        while self._waiting and (room := self._max_in_flight - len(self._running)) > 0:
            next_ones = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
            # What was lost or failed may have come back as a late result in the meantime.
            due = {
                t.id: t for t in next_ones if t.id in self._open and t.id not in self._running
            }
            fresh |= due
            self._running.update(due)
        idle = self._max_in_flight - len(self._running) - len(self._lent)
        while self._spare and not self._waiting and self._open and idle > 0:
            trial = self._spare.popleft()
            self._lent[trial.id] = fresh[trial.id] = trial
            idle -= 1
        return [Submit(tuple(fresh.values()))] if fresh else []
