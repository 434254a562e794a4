"""Train these trials into this store: what a run and a validation have in common.

The trainer decides nothing about failures (that is the campaign): it carries events of the
executor to a campaign, and the campaign's commands to executor and store. What the store
answers already is not trained, and what has finished is stored whatever happens then.
"""

from __future__ import annotations

import gc
import logging
import math
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cluster.campaign import (
    Abandon,
    ActorLost,
    Answered,
    Append,
    Campaign,
    CapacityChanged,
    Command,
    Event,
    Fail,
    Stopped,
    Submit,
    Suspect,
)
from cluster.executor import Executor
from cluster.memory import give_back
from cluster.results import Results
from cluster.rows import PATIENCE_SECONDS, RowBuffer
from cluster.suspicions import suspicions
from speciation.evolution.fitness import JUDGED_BY
from speciation.tables.readers import answering
from speciation.tables.store import Store, StoreError, StoreFull, StoreUnavailable
from speciation.trial.trial import Outcome, Trial, failed

_logger = logging.getLogger(__name__)

NOTHING: Mapping[int, Sequence[Trial]] = MappingProxyType({})

WAIT_SECONDS = 0.5
MOST_SECONDS = 5.0  # between two attempts at what a store did not let us do
COLLECT_AFTER = 100_000  # new objects; Python's own number is below 1,000
# Trials in flight for each slot: one in it, and enough behind it that no slot ever waits. A
# good genome's trial takes a quarter of a second, and an actor is called once a second.
IN_FLIGHT = 12
MANY = 1_000  # trials, whose rows leave something behind that is worth giving back
STALE_SECONDS = 2.0  # after which others may have stored what we still wait to train
LOOK_SECONDS = 10.0  # between looks whether they have, while we train
LOOKING = 0.05  # the most of our time that those may take
LEAST_IN_FLIGHT = 256  # while executors start and their slots are not known yet

T = TypeVar("T")


class RunError(RuntimeError):
    """A run that cannot go on: one sentence that says why. What had finished is stored."""


class StoppedEarlyError(Exception):
    """Unwinds the loop when somebody asked to stop."""


@contextmanager
def few_collections() -> Iterator[None]:
    """Collect garbage less often.

    A collection walks through every object that is kept. Of a large generation, hundreds of
    thousands of trials are, and cycles are rare: walking took a third of a driver's time.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], COLLECT_AFTER), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass
class Tally:
    """What this process did so far."""

    finished: int = 0
    known: int = 0
    failed: int = 0
    steps: int = 0  # of trials that finished
    outcomes: Counter[str] = field(default_factory=Counter)
    devices: set[str] = field(default_factory=set)
    faults: Counter[str] = field(default_factory=Counter)  # by kind

    def take(self, results: Results) -> None:
        """Count trials that ended."""
        trials = results.trials
        self.finished += len(trials)
        for counted in trials["outcome"].value_counts().to_pylist():
            self.outcomes[counted["values"]] += counted["counts"]
        self.failed = self.outcomes[Outcome.FAILED.value]
        self.steps += pc.sum(trials["steps_run"]).as_py()
        self.devices |= set(trials["device"].unique().to_pylist())


@dataclass
class Work:
    """A campaign's rows and submissions, which the campaign itself does not keep."""

    generation: int | None
    pool: str
    trials: int
    wanted: set[str] | None  # their ids; None if there are no spare ones to tell them from
    rows: list[pa.Table]  # what fitness needs of those that have ended
    began: float
    look: float  # when we look next what others have stored
    trained: int = 0
    held: list[Submit] = field(default_factory=list)


class Trainer:
    """See the module.

    Args:
        store: Where rows go.
        executor: Where trials are trained. It is closed if ``stop`` asks to stop.
        run: Id of the run, for sentences and rows.
        watch: Told of a campaign and its work whenever the trainer looks up.
        stop: Asked as often.
        patience: Seconds that a store is waited for which is full or does not answer.
        clock: Seconds, never going back.
        deal: A number that no other trainer of this store has. Trials are taken in an order of
            it, so that two that want the same do not train the same at the same time.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        run: str,
        watch: Callable[[Campaign, Work], None] = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
        *,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        deal: int | None = None,
    ) -> None:
        self._store, self._executor, self._run = store, executor, run
        self._watch, self._stop, self._clock = watch, stop, clock
        self._patience = patience
        self._deal = secrets.randbits(64) if deal is None else deal
        self._rows = RowBuffer(store, run, patience=patience, clock=clock)
        self._lent: dict[str, int] = {}  # spare trials that have not ended → generation
        self._under_way_still: tuple[Trial, ...] = ()  # spare trials of the campaign before
        self.tally = Tally()
        self.seconds_a_trial: float | None = None  # of the last campaign that trained any

    @property
    def store_is_full(self) -> bool:
        """Nothing new is begun until the store can be written to."""
        return self._rows.full

    def save(self) -> None:
        """Store what has finished, if that is still possible."""
        try:
            self._rows.flush()
        except StoreError:
            return

    def insist(self, do: Callable[[], T], patience: float = math.inf) -> T:
        """Do something that may be done twice; again and again while the store fails us.

        Args:
            do: It.
            patience: For how many seconds, if for less than is usual.

        Raises:
            StoreUnavailable: It has failed for longer than our patience.
        """
        failing_since: float | None = None
        patience, pause = min(patience, self._patience), WAIT_SECONDS
        while True:
            try:
                return do()
            except StoreUnavailable as error:
                now = self._clock()
                if failing_since is None:
                    failing_since = now
                    self.tally.faults["store unavailable"] += 1
                if now - failing_since >= patience:
                    raise
                if now == failing_since:
                    _logger.warning("waiting for the store: %s", error)
                if self._stop():
                    raise StoppedEarlyError from None
            time.sleep(pause)
            pause = min(2 * pause, MOST_SECONDS)

    def train(
        self,
        trials: Sequence[Trial],
        generation: int | None,
        pool: str,
        spare: Mapping[int, Sequence[Trial]] = NOTHING,
    ) -> pa.Table:
        """What fitness needs of each trial's row, once every trial has one.

        A trial that was given up and came back after all has two.

        Args:
            trials: What is asked for; the store may answer some of them.
            generation: That asks, if one does.
            pool: Of the seeds; see ``speciation.tables.schema.result_rows``.
            spare: Generation of evolution → its trials that empty slots may be lent to.

        Raises:
            StoppedEarlyError: ``stop`` asked to stop.
            RunError: No trial can be finished.
            ExecutorError: There is nowhere to train.
            StoreError: The store cannot be read or written.
        """
        later = [trial for own in spare.values() for trial in own]
        answers = self.insist(lambda: answering(self._store, [*trials, *later], JUDGED_BY))
        known = set(answers["trial_id"].to_pylist())
        self._lent |= {t.id: number for number, own in spare.items() for t in own}
        wanted = {trial.id for trial in trials} if self._lent else None
        rows = answers
        if wanted is not None:
            asked = pa.array(list(wanted), pa.string())
            rows = answers.filter(pc.is_in(answers["trial_id"], value_set=asked))
        self.tally.known += len(rows)
        now = self._clock()
        work = Work(generation, pool, len(trials), wanted, [rows], now, now + LOOK_SECONDS)
        unknown = [t for t in trials if t.id not in known]
        if len(unknown) > self._room():
            random.Random(self._deal).shuffle(unknown)
        campaign = Campaign(
            unknown,
            max_in_flight=self._room(),
            suspicions=self.insist(lambda: suspicions(self._store, self._run, unknown)),
            spare=[trial for trial in later if trial.id not in known],
            under_way=self._under_way_still,
        )
        commands = campaign.start()
        room = self._room()
        while not self._execute(commands, work):
            self._check_stop(campaign, work)
            self._flush_if_due()
            self._watch(campaign, work)
            began = self._executor.capacity > 0
            events: list[Event] = self._executor.wait(WAIT_SECONDS)
            if self._executor.capacity and not began:
                events += self._answered_meanwhile(campaign.unfinished, work)
            elif self._clock() >= work.look:
                events += self._answered_meanwhile(campaign.waiting, work)
            if room != self._room():
                room = self._room()
                events.append(CapacityChanged(room))
            self._count(events)
            commands = [command for event in events for command in campaign.handle(event)]
        self._flush(campaign, work)
        self._under_way_still = campaign.under_way
        self._lent = {trial.id: self._lent[trial.id] for trial in campaign.under_way}
        if work.trained:
            self.seconds_a_trial = (self._clock() - work.began) / work.trained
        rows = pa.concat_tables(work.rows).combine_chunks()
        if work.trained >= MANY:
            give_back()
        return rows

    def _execute(self, commands: Iterable[Command], work: Work) -> bool:
        """Do as the campaign says; whether it is closed."""
        closed = False
        for command in commands:
            if isinstance(command, Submit):
                work.held.append(command)
            elif isinstance(command, Append):
                self._take(command.results, work)
            elif isinstance(command, Suspect):
                self.tally.faults["suspects"] += sum(len(p.trials) for p in command.packs)
                self._rows.suspect(command.packs)
            elif isinstance(command, Fail):
                lost = [failed(trial, command.reason) for trial in command.trials]
                self._take(Results.of(lost), work)
            elif isinstance(command, Abandon):
                raise RunError(
                    f"run {self._run}: actors die again and again without finishing a trial, "
                    f"the last of this: {command.reason}"
                )
            else:
                closed = True
        # While the store fails us nothing new is begun, and so memory stays bounded; and while
        # nobody can train, others may still do so.
        while work.held and not self._rows.full and self._executor.capacity:
            submit = work.held.pop(0)
            self._executor.submit(submit.trials, apart=submit.apart)
        return closed

    def _answered_meanwhile(self, asked: Sequence[Trial], work: Work) -> list[Event]:
        """What others have stored since we began to wait for it is not trained again.

        A store that does not answer is not waited for: training it twice harms nobody.
        """
        now = self._clock()
        if not asked or now - work.began < STALE_SECONDS:
            return []
        try:
            answers = answering(self._store, asked, JUDGED_BY)
        except StoreUnavailable:
            return []
        finally:
            work.look = self._clock() + max(LOOK_SECONDS, (self._clock() - now) / LOOKING)
        work.rows.append(answers)
        self.tally.known += len(answers)
        ids = frozenset(answers["trial_id"].to_pylist())
        left = (tuple(t for t in s.trials if t.id not in ids) for s in work.held)
        held = zip(work.held, left, strict=True)
        work.held = [replace(submit, trials=trials) for submit, trials in held if trials]
        return [Answered(ids)] if ids else []

    def _take(self, results: Results, work: Work) -> None:
        asked, spare = _parted(results, work.wanted)
        if asked:
            self._rows.add(asked, work.generation, work.pool)
            work.rows.append(_copied(asked.trials.select(JUDGED_BY)))
        self._take_spare(spare, results)
        work.trained += len(results)
        self.tally.take(results)

    def _take_spare(self, keys: Sequence[str], results: Results) -> None:
        """Spare trials belong to the generations that asked for them."""
        for generation in sorted({self._lent[key] for key in keys}):
            own = [key for key in keys if self._lent[key] == generation]
            self._rows.add(results.only(own), generation, "A")

    def _count(self, events: Iterable[Event]) -> None:
        """Faults, for the summary."""
        for event in events:
            if isinstance(event, ActorLost):
                self.tally.faults[f"actor {event.cause}"] += 1

    def _check_stop(self, campaign: Campaign, work: Work) -> None:
        if not self._stop():
            return
        campaign.handle(Stopped())
        self._rows.flush()  # closing takes a while, and whoever asked may not wait for it
        for event in self._executor.close():
            self._execute(campaign.handle(event), work)
        self._rows.flush()
        if self._rows.waiting:
            raise StoreFull(
                f"the store {self._store.uri} is full, and {self._rows.waiting} finished "
                "trials could not be stored; they will be trained again"
            )
        raise StoppedEarlyError

    def _flush(self, campaign: Campaign, work: Work) -> None:
        """Store every row; wait for a full disk as long as our patience lasts."""
        self._rows.flush()
        while self._rows.waiting:
            self._check_stop(campaign, work)
            self._watch(campaign, work)
            time.sleep(WAIT_SECONDS)
            self._flush_if_due()

    def _flush_if_due(self) -> None:
        worked = not self._rows.full
        self._rows.flush_if_due()
        if worked and self._rows.full:
            self.tally.faults["store unavailable"] += 1

    def _room(self) -> int:
        return max(IN_FLIGHT * self._executor.capacity, LEAST_IN_FLIGHT)


def _copied(rows: pa.Table) -> pa.Table:
    """The same rows in memory of their own: columns keep the whole message alive."""
    return rows.take(pa.array(np.arange(len(rows))))


def _parted(results: Results, wanted: set[str] | None) -> tuple[Results, list[str]]:
    """The results that were asked for, and the ids of the others."""
    if wanted is None:
        return results, []
    asked = [key for key in results.ids if key in wanted]
    return results.only(asked), [key for key in results.ids if key not in wanted]
