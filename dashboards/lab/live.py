"""How the runs of a store are doing now, for pages that look every second.

A :class:`Live` reads each part of the store once and keeps what it adds up to, so that a look
costs what is new and not what is there. Pages share one, ``sources.shared(Live)``. States, best
genomes and paces are those of ``speciation top`` (``cluster.overview``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cluster.dispatcher import kept_log
from cluster.heartbeat import idle_note
from cluster.job_queue import JobQueue, State
from cluster.overview import RunView, latest_jobs, manifest_or_nothing, run_view
from cluster.pulse import Pulse, read_pulse
from cluster.top import age, wanted
from dashboards.lab.growing import Growing
from dashboards.lab.sources import Sources
from dashboards.lab.tally import BIRTHS, PLANS, TRIALS, Tally
from dashboards.lab.works import TAIL_BYTES, Work, tail, works
from speciation.tables.files import open_files
from speciation.tables.schema import TABLES
from speciation.tables.store import Store

age_text = age  # how long ago, in the largest unit that fits
MOST_TALLIES = 4  # runs that are kept added up
MOST_BEATS = 600  # of each, the latest
READ = {
    "plans": PLANS,
    "genomes": BIRTHS,
    "generations": tuple(TABLES["generations"].columns),
    "trials": TRIALS,
}
"""Tables that are watched, in the order in which their facts are written."""


@dataclass(frozen=True, slots=True)
class RunNow:
    """A run at this moment.

    Args:
        view: What ``top`` says of it.
        tally: What its rows add up to. It grows: only look at it while holding ``Live.lock``.
        beats: Its latest pulses, oldest first.
        alive: Whether it has been heard of lately.
        work: The process that the Lab started for it, if it did.
        generations: How many it is to have.
        judged: Trials that its closed generations were judged by.
    """

    view: RunView
    tally: Tally
    beats: tuple[Pulse, ...]
    alive: bool
    work: Work | None
    generations: int
    judged: int = 0

    @property
    def since(self) -> float:
        """When it was begun, if it runs; else when it was last heard of. Seconds since 1970."""
        pulse, work, job = self.view.pulse, self.work, self.view.job
        if work is not None and work.running:
            return work.began
        if pulse is not None:
            return pulse.began if self.alive and pulse.began else pulse.at
        return job.submitted if job is not None else 0.0

    def age(self, at: float) -> str:
        """How long ago that is; ``at`` is seconds since 1970."""
        return age_text(at - self.since) if self.since else ""

    @property
    def complete(self) -> bool:
        """Whether all that was planned has been tried."""
        return self.view.state in ("finished", "succeeded")

    @property
    def busy(self) -> bool:
        """Whether somebody drives it, or is about to."""
        job = self.view.job
        waits = job is not None and job.state in (State.QUEUED, State.RUNNING)
        return self.alive or waits or bool(self.work and self.work.running)


class Live:
    """What a store's runs are doing.

    Args:
        sources: The store.

    Attributes:
        lock: Held by whoever looks at a tally.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._store = Store(sources.store)
        self._files = open_files(sources.store)
        self._queue = JobQueue(self._store, time.time)
        self._tables = {n: Growing(self._files, n, columns) for n, columns in READ.items()}
        self._tallies: dict[str, Tally] = {}
        self._beats: dict[str, deque[Pulse]] = {}
        self._judged: dict[str, dict[int, int]] = {}  # run → generation → trials
        self._firsts = TABLES["generations"].empty().to_pandas()  # every generation's best
        self.lock = threading.RLock()

    @property
    def reads(self) -> int:
        """How many parts were ever read."""
        return sum(table.reads for table in self._tables.values())

    @property
    def progress(self) -> tuple[int, int]:
        """Parts that were read, of how many that are known; nothing is waited for."""
        return self.reads, sum(table.listed for table in self._tables.values())

    @property
    def damaged(self) -> tuple[str, ...]:
        """A sentence for each part that had to be left out."""
        return tuple(said for table in self._tables.values() for said in table.bad.values())

    def names(self) -> list[str]:
        """Every run that was begun, started here or asked for; the latest first.

        Raises:
            StoreError: The store cannot be read.
        """
        started = {own.name: own.began for own in self._works().values()}
        asked = {job.run: job.submitted for job in self._queue.jobs()}
        begun = {run: self._heard(run) for run in self._store.runs()}
        latest = dict.fromkeys((*begun, *asked, *started), 0.0)
        for known in (begun, asked, started):
            for name, at in known.items():
                latest[name] = max(latest[name], at)
        return sorted(latest, key=lambda name: (-latest[name], name))

    def begun(self) -> frozenset[str]:
        """Runs that have a manifest: there is something of them to see.

        Raises:
            StoreError: The store cannot be read.
        """
        return frozenset(self._store.runs())

    def run(self, run: str) -> RunNow | None:
        """A run as it stands; None if there is none of that id.

        Raises:
            StoreError: The store cannot be read.
        """
        with self.lock:
            job = latest_jobs(self._queue.jobs()).get(run)
            work = self._works().get(run)
            manifest = manifest_or_nothing(self._store, run)
            if job is None and work is None and not manifest:
                return None
            self._grow()
            tally = self._tally(run)
            pulse = read_pulse(self._files, run)
            view = run_view(run, job, manifest, tally.ended(), self._bests(run), pulse)
            now = time.time()
            return RunNow(
                view, tally, self._beat(run, pulse), view.alive(now), work, wanted(view)
            )

    def runs(self) -> list[RunNow]:
        """Every run, the latest first, without its trials.

        Raises:
            StoreError: The store cannot be read.
        """
        with self.lock:
            self._grow()
            jobs, started, now = latest_jobs(self._queue.jobs()), self._works(), time.time()
            found = []
            for run in self.names():
                view = run_view(
                    run,
                    jobs.get(run),
                    manifest_or_nothing(self._store, run),
                    {},
                    self._bests(run),
                    read_pulse(self._files, run),
                )
                alive = view.alive(now)
                judged = sum(self._judged.get(run, {}).values())
                found.append(
                    RunNow(view, Tally(run), (), alive, started.get(run), wanted(view), judged)
                )
            return found

    def validations(self) -> list[Work]:
        """Validations that were started here, the latest first."""
        return [work for work in works(self._sources.store) if work.kind == "validation"]

    def log(self, name: str) -> str:
        """The end of what a run, job or validation said: one of those that are shown.

        Raises:
            StoreError: The store cannot be read.
        """
        if said := tail(self._sources.store, name):
            return said
        job = latest_jobs(self._queue.jobs()).get(name)
        if job is None or job.submission_id is None:
            return ""
        kept = kept_log(self._store.uri, job)
        if kept is not None:
            return kept[-TAIL_BYTES:]
        return f"It has said nothing yet that is kept; Ray knows: speciation logs {job.id}\n"

    def note(self) -> str:
        """What is to be said of the queue, if nobody works on it."""
        waiting = sum(job.state in (State.QUEUED, State.RUNNING) for job in self._queue.jobs())
        return idle_note(self._files, waiting, time.time())

    # -- Inside -------------------------------------------------------------------------

    def _grow(self) -> None:
        """Read what is new, and give it to every tally."""
        for name, table in self._tables.items():
            new = table.grow()
            if not new:
                continue
            rows = table.together(new)
            for tally in self._tallies.values():
                self._give(tally, name, rows)
            if name == "generations":
                self._judge(rows)
                firsts = rows.filter(pc.equal(rows["rank"], 0)).to_pandas()
                both = pd.concat([self._firsts, firsts]) if len(self._firsts) else firsts
                self._firsts = both.drop_duplicates(["run", "generation"])

    def _tally(self, run: str) -> Tally:
        """A run added up; the ones looked at longest ago are forgotten."""
        tally = self._tallies.pop(run, None)
        if tally is None:
            tally = Tally(run)
            for name, table in self._tables.items():  # all plans before any trial
                tally.take(name, table.together())
        self._tallies[run] = tally
        while len(self._tallies) > MOST_TALLIES:
            del self._tallies[next(iter(self._tallies))]
        return tally

    def _give(self, tally: Tally, table: str, rows: pa.Table) -> None:
        """Give a tally new rows; what it newly asks for may have been computed before."""
        before = tally.horizon
        if asked := tally.take(table, rows):
            known = self._tables["trials"].together()
            if before is not None:  # else it could not count anything yet
                ids = pa.array(sorted(asked), pa.string())
                known = known.filter(pc.is_in(known["trial_id"], value_set=ids))
            tally.take("trials", known)

    def _judge(self, rows: pa.Table) -> None:
        """Count the trials of closed generations; one that comes twice counts once."""
        counted = rows.group_by(["run", "generation"]).aggregate([("trials", "sum")])
        for row in counted.to_pylist():
            self._judged.setdefault(row["run"], {})[row["generation"]] = row["trials_sum"] or 0

    def _bests(self, run: str) -> pd.DataFrame:
        """The best genome of each closed generation of a run."""
        return self._firsts[self._firsts["run"] == run]

    def _beat(self, run: str, pulse: Pulse | None) -> tuple[Pulse, ...]:
        beats = self._beats.setdefault(run, deque(maxlen=MOST_BEATS))
        if pulse is not None and (not beats or beats[-1].at < pulse.at):
            beats.append(pulse)
        return tuple(beats)

    def _works(self) -> Mapping[str, Work]:
        """Runs that were started here."""
        return {own.name: own for own in works(self._sources.store) if own.kind == "run"}

    def _heard(self, run: str) -> float:
        pulse = read_pulse(self._files, run)
        return pulse.at if pulse is not None else 0.0
