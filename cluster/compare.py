"""Carry a comparison out: many runs at once, each in a process, all at one executor.

A run's driver is busy between two generations, and its slots would be empty meanwhile; so there
are as many drivers as there are cores, and the process that trains does nothing else. What came
of a repeat is kept as a record beside the stores; a comparison that was stopped goes on with
what is missing, and inside of a repeat where it was.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from cluster.checkpoints import champions_at
from cluster.comparison import Entry
from cluster.driver import Progress, run
from cluster.executor import Executor
from cluster.seats import Dealer, Seat, Submitted, Waiting
from cluster.summary import GenerationSummary
from cluster.training import StoppedEarlyError
from speciation.tables.files import Files
from speciation.tables.store import Store, StoreError

LISTEN_SECONDS = 0.2  # while nobody trains
TRAIN_SECONDS = 0.2  # between two looks at what drivers say
LARGEST_RECORD = 2**24

Record = dict[str, Any]
Tell = Callable[[str, int, int], None]


# -- Messages ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """Carry out an entry, at an executor of so many slots."""

    entry: Entry
    capacity: int


@dataclass(frozen=True, slots=True)
class Spent:
    """An entry has closed a generation, and spent so many trial-steps, about."""

    steps: int


@dataclass(frozen=True, slots=True)
class Done:
    """An entry has ended: with a record, or stopped early without one."""

    record: Record | None


# -- A driver's process -----------------------------------------------------------------------


def drive(connection: Connection) -> None:
    """Carry out entries until there are no more; what a driver's process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that trains
    while True:
        try:
            begin = connection.recv()
        except EOFError:
            return
        if isinstance(begin, Begin):
            seat = Seat(connection, begin.capacity)
            connection.send(Done(_record(begin.entry, seat, connection)))


def _record(entry: Entry, seat: Seat, connection: Connection) -> Record | None:
    """What comes of an entry; of one that fails, why."""

    def report(progress: Progress) -> None:
        if isinstance(progress, GenerationSummary):
            connection.send(Spent(seat.trial_steps))

    try:
        rows = carried_out(entry, seat, report, lambda: seat.stop_asked)
    except Exception as error:
        return failed(entry, f"{type(error).__name__}: {error}")
    return None if rows is None else {**about(entry), "failure": None, "rows": rows}


def carried_out(
    entry: Entry,
    executor: Executor,
    report: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[dict[str, Any]] | None:
    """Run an entry to its end, and confirm its champions; None if it was stopped.

    Raises: as ``cluster.driver.run``.
    """
    store = Store(entry.config.store)
    if run(entry.config, store, executor, report, stop).stopped:
        return None
    try:
        return champions_at(
            entry.config, store, executor, entry.checkpoints, entry.confirm, stop
        )
    except StoppedEarlyError:
        return None


# -- The process that trains ------------------------------------------------------------------


def compare(
    entries: Sequence[Entry],
    files: Files,
    executor: Executor,
    drivers: int,
    tell: Tell = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Carry out entries that have not ended yet.

    Args:
        entries: In the order in which they begin; one that failed before begins again.
        files: Where records are kept.
        executor: Where all of them train.
        drivers: Processes that drive runs, at least 1.
        tell: Told of each arm how many trial-steps it has spent, and of how many.
        stop: Asked a few times a second; once it says yes, every driver stores what has
            finished, and this returns.

    Returns:
        Whether every entry has ended.

    Raises:
        ExecutorError: Nothing can be trained here.
        StoreError: A record cannot be written.
    """
    missing = [entry for entry in entries if not has_ended(entry, files)]
    if not missing:
        return True
    office = _Office(missing, files, Dealer(executor, curves=False), tell)
    try:
        for _ in range(min(drivers, len(missing))):
            office.hire()
        while office.drivers:
            office.listen(stop())
    finally:
        office.dismiss()
    return not office.waiting and not office.stopping


@dataclass
class _Driver:
    """A driver's process, and what it is at."""

    process: BaseProcess
    entry: Entry | None = None


class _Office:
    """Drivers, what they are at, and what is left to do."""

    def __init__(
        self, entries: Sequence[Entry], files: Files, dealer: Dealer, tell: Tell
    ) -> None:
        self.waiting = deque(entries)
        self.drivers: dict[Connection, _Driver] = {}
        self.stopping = False
        self._files, self._dealer, self._tell = files, dealer, tell
        self._of_arm = Counter(entry.arm for entry in entries)
        self._asking: set[Connection] = set()
        self._spent: dict[tuple[str, int], int] = {}

    def hire(self) -> None:
        """Start a driver, with something to do."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=drive, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        self.drivers[ours] = _Driver(process)
        self._next(ours)

    def listen(self, stop: bool) -> None:
        """Take in what drivers say, train for a moment, and answer those that wait."""
        self.stopping = self.stopping or stop
        idle = not self._dealer.busy or self.stopping
        for ready in wait(list(self.drivers), LISTEN_SECONDS if idle else 0.0):
            assert isinstance(ready, Connection)
            self._hear(ready)
        if (self._dealer.busy or not self._dealer.capacity) and not self.stopping:
            self._dealer.deal(TRAIN_SECONDS)
        for connection in self._asking:
            self._say(connection, self._dealer.answer(connection, self.stopping))
        self._asking.clear()

    def dismiss(self) -> None:
        """End every driver; one that is at work has stored all but the last seconds."""
        for connection, driver in self.drivers.items():
            connection.close()
            driver.process.terminate()
            driver.process.join()
        self.drivers.clear()

    def _hear(self, connection: Connection) -> None:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            self._lose(connection)
            return
        entry = self.drivers[connection].entry
        if isinstance(message, Submitted):
            self._dealer.take(connection, message)
        elif isinstance(message, Waiting):
            self._asking.add(connection)
        elif entry is not None and isinstance(message, Spent):
            self._show(entry, message.steps)
        elif entry is not None and isinstance(message, Done):
            self._end(connection, entry, message.record)

    def _end(self, connection: Connection, entry: Entry, record: Record | None) -> None:
        self._dealer.leave(connection)
        if record is not None:
            keep(entry, record, self._files)
            self._show(entry, entry.checkpoints[-1])
        self._next(connection)

    def _next(self, connection: Connection) -> None:
        """The next entry for a driver; without one it is let go."""
        driver = self.drivers[connection]
        if self.waiting and not self.stopping:
            driver.entry = self.waiting.popleft()
            self._say(connection, Begin(driver.entry, self._dealer.capacity))
            self._show(driver.entry, 0)
            return
        del self.drivers[connection]
        connection.close()
        driver.process.join()

    def _lose(self, connection: Connection) -> None:
        """A driver's process is gone: what it was at has failed; another takes its place."""
        driver = self.drivers.pop(connection)
        driver.process.join()
        self._dealer.leave(connection)
        connection.close()
        if driver.entry is not None and not self.stopping:
            code = driver.process.exitcode
            keep(driver.entry, failed(driver.entry, f"its process ended ({code})"), self._files)
        if self.waiting and not self.stopping:
            self.hire()

    def _say(self, connection: Connection, message: object) -> None:
        """Tell a driver; one that is gone is found out when it is listened to."""
        with suppress(OSError):
            connection.send(message)

    def _show(self, entry: Entry, steps: int) -> None:
        budget = entry.checkpoints[-1]
        self._spent[entry.arm, entry.repeat] = min(steps, budget)
        spent = sum(own for (arm, _), own in self._spent.items() if arm == entry.arm)
        self._tell(entry.arm, spent, budget * self._of_arm[entry.arm])


# -- Records ----------------------------------------------------------------------------------


def about(entry: Entry) -> Record:
    """What a record says of the entry that it is of."""
    return {
        "arm": entry.arm,
        "repeat": entry.repeat,
        "seed": entry.config.seed,
        "run": entry.config.run_id(),
        "question": entry.question(),
    }


def failed(entry: Entry, reason: str) -> Record:
    """The record of an entry that could not be carried out."""
    return {**about(entry), "failure": reason, "rows": []}


def keep(entry: Entry, record: Record, files: Files) -> None:
    """Write a record.

    Raises:
        StoreError: It cannot be written.
    """
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    files.replace(f"records/{entry.name}.json", text.encode("utf-8"))


def record_of(entry: Entry, files: Files) -> Record | None:
    """The record of an entry; None if there is none, or only one of another question."""
    try:
        record = json.loads(files.read(f"records/{entry.name}.json", LARGEST_RECORD))
    except (StoreError, OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("question") != entry.question():
        return None
    return record


def has_ended(entry: Entry, files: Files) -> bool:
    """Whether there is a record of an entry that did not fail."""
    record = record_of(entry, files)
    return record is not None and record["failure"] is None
