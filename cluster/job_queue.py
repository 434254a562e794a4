"""The queue: which runs are wanted, and what became of each, as facts beside the results.

A job is a request: the settings of a run, hashed, so that asking twice is asking once. What
happens to it is a fact in the table ``jobs`` (submitted, begun, ended, cancelled, reopened,
limited), and its state is what the facts add up to, in any order and however often they were
written. So the queue needs no server and no lock, survives whatever the cluster does not, and
is taken along by whoever copies the store.

A job is opened in rounds: ``cancel`` closes a round, ``retry`` opens the next. In a round there
are attempts, each of them one job of Ray's, ``run-<job>-<attempt>``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Any

from cluster.config import RunConfig, make_config
from cluster.config_sentences import hint, listed
from cluster.manifest import settings_of
from speciation.genome.canonical import canonical_json
from speciation.genome.genome import content_hash
from speciation.tables.files import StoreError
from speciation.tables.manifests import parse_manifest
from speciation.tables.store import Store

MOST_QUEUED = 1000
MOST_ATTEMPTS = 5  # that a round may lose in a row, to failures of the cluster
LONG_SECONDS = 600.0  # a life after which being lost is no reason against the next attempt
AT_ONCE = 1
REASON = 1000  # most characters of a reason
TABLE = "jobs"
SETTINGS = "*"  # in place of a job: what is true of the whole queue


class QueueError(ValueError):
    """The queue cannot do what was asked: one sentence."""


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


# Of several reports of one end, the first of these is believed: who finished knows best. A run
# that gave up could not go on where it was, and said so; one that was lost said nothing.
ENDS = ("succeeded", "failed", "cancelled", "gave up", "lost")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One job of Ray's. ``ended`` is None while nobody has said that it is over."""

    number: int
    round: int
    began: float
    cluster: str = ""  # the session of Ray that it was handed to
    ended: str | None = None
    reason: str = ""
    ended_at: float | None = None

    @property
    def in_vain(self) -> bool:
        """Whether it gave up, or was lost before it can have done much."""
        at = self.began if self.ended_at is None else self.ended_at
        lost_young = self.ended == "lost" and at - self.began < LONG_SECONDS
        return lost_young or self.ended == "gave up"


@dataclass(frozen=True, slots=True)
class Job:
    """A run that somebody asked for, and where it stands. Times are seconds since 1970."""

    id: str
    run: str
    settings: Mapping[str, Any]
    priority: int
    devices: float | None  # at most so many for itself; None is an equal share
    state: State
    submitted: float
    round: int
    attempts: tuple[Attempt, ...]
    cancelling: bool
    reason: str

    @property
    def last(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def device(self) -> str:
        """What it wants to train on: "auto", "cpu" or "cuda"."""
        engine = self.settings.get("engine")
        return str(engine.get("device", "auto")) if isinstance(engine, dict) else "auto"

    @property
    def submission_id(self) -> str | None:
        """What Ray calls the latest attempt."""
        return submission_id(self.id, self.last.number) if self.last else None


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of the table ``jobs``."""

    job: str
    kind: str
    round: int
    attempt: int
    at: float
    content: Mapping[str, Any]


def submission_id(job: str, attempt: int) -> str:
    """The name of an attempt at Ray: submitted twice, it runs once."""
    return f"run-{job}-{attempt}"


def job_id(config: RunConfig) -> str:
    """Which job a configuration is: its run, and a hash of everything that was asked."""
    return f"{config.run_id()}-{content_hash(settings_of(config))[:6]}"


# -- From facts to jobs ---------------------------------------------------------------------


def jobs_of(facts: Iterable[Fact]) -> list[Job]:
    """Every job that was submitted, by what is known of it; the order in which they are due."""
    by_job: dict[str, list[Fact]] = {}
    for fact in facts:
        by_job.setdefault(fact.job, []).append(fact)
    jobs = [_job(own, told) for own, told in by_job.items() if own != SETTINGS]
    return sorted((job for job in jobs if job is not None), key=due)


def due(job: Job) -> tuple[int, float, str]:
    """Sorts jobs by when it is their turn."""
    return -job.priority, job.submitted, job.id


def at_once(facts: Iterable[Fact]) -> int:
    """How many jobs may run at a time."""
    told = [fact for fact in facts if fact.kind == "limited"]
    latest = max(told, key=lambda fact: fact.at, default=None)
    return int(latest.content["at_once"]) if latest else AT_ONCE


def _job(own: str, facts: Sequence[Fact]) -> Job | None:
    submitted = [fact for fact in facts if fact.kind == "submitted"]
    if not submitted:
        return None  # its request is not here (yet): a copy of the store may lack a part
    asked = max(submitted, key=lambda fact: fact.at)
    round_ = max((fact.round for fact in facts if fact.kind == "reopened"), default=0)
    attempts = tuple(_attempts(facts))
    cancelling = any(fact.kind == "cancelled" and fact.round == round_ for fact in facts)
    state, reason = _state([a for a in attempts if a.round == round_], cancelling)
    return Job(
        id=own,
        run=asked.content["run"],
        settings=asked.content["settings"],
        priority=asked.content["priority"],
        devices=asked.content["devices"],
        state=state,
        submitted=min(fact.at for fact in submitted),
        round=round_,
        attempts=attempts,
        cancelling=cancelling and state is State.RUNNING,
        reason=reason,
    )


def _attempts(facts: Sequence[Fact]) -> Iterable[Attempt]:
    began = {fact.attempt: fact for fact in facts if fact.kind == "began"}
    for number in sorted(began):
        ends = [f for f in facts if f.kind == "ended" and f.attempt == number]
        end = min(ends, key=lambda f: (ENDS.index(f.content["how"]), f.at), default=None)
        yield Attempt(
            number,
            began[number].round,
            began[number].at,
            began[number].content["cluster"],
            end.content["how"] if end else None,
            end.content["reason"] if end else "",
            end.at if end else None,
        )


def _state(attempts: Sequence[Attempt], cancelled: bool) -> tuple[State, str]:
    """Where a round stands, and why."""
    last = attempts[-1] if attempts else None
    if any(attempt.ended == "succeeded" for attempt in attempts):
        return State.SUCCEEDED, ""
    if last is not None and last.ended is None:
        return State.RUNNING, ""
    if cancelled:
        return State.CANCELLED, ""
    if last is not None and last.ended == "cancelled":
        return State.CANCELLED, "somebody stopped it at Ray"
    if last is not None and last.ended == "failed":
        return State.FAILED, last.reason
    if last is None:
        return State.QUEUED, ""
    vain = sum(1 for _ in takewhile(lambda attempt: attempt.in_vain, reversed(attempts)))
    if vain >= MOST_ATTEMPTS:
        return State.FAILED, f"died {vain} times in a row with little done; last: {last.reason}"
    return State.QUEUED, f"starts again: {last.reason}"


# -- The queue in a store -------------------------------------------------------------------


class JobQueue:
    """The queue of a store.

    Args:
        store: Where it is kept.
        clock: Seconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.store, self.clock = store, clock
        self._read: dict[tuple[str, str], Fact | None] = {}

    def facts(self) -> list[Fact]:
        """Everything that is known. Rows that are no facts of ours are left out."""
        rows = self.store.scan(TABLE).table.to_pylist()
        for row in rows:
            key = row["job"], row["fact"]
            if key not in self._read:
                self._read[key] = _fact(row)
        return [fact for row in rows if (fact := self._read[row["job"], row["fact"]])]

    def jobs(self) -> list[Job]:
        """Every job, in the order in which they are due."""
        return jobs_of(self.facts())

    def find(self, text: str) -> Job:
        """The job of this id, or the one whose id begins so.

        Of several jobs of one run, as of one that was extended, that is the one that is not
        over, or the latest.

        Raises:
            QueueError: There is none, or there are several.
        """
        jobs = self.jobs()
        found = [job for job in jobs if job.id == text] or [
            job for job in jobs if job.id.startswith(text)
        ]
        if (meant := _meant(found)) is not None:
            return meant
        ids = [job.id for job in jobs]
        if found:
            several = listed([job.id for job in found])
            raise QueueError(f"{text!r} is the beginning of {len(found)} jobs: {several}")
        raise QueueError(
            f"there is no job {text!r} in {self.store.uri}; its jobs are "
            f"{listed(ids[:10]) or 'none'}{hint(text, ids)}"
        )

    def submit(
        self, config: RunConfig, priority: int | None = None, devices: float | None = None
    ) -> tuple[Job, bool]:
        """Ask for a run, and whether that is new.

        Asked again, it takes a priority and a number of devices over, if any are given. A job
        that failed or was cancelled is not opened again by this; see :meth:`retry`.

        Raises:
            QueueError: The queue is full.
            StoreError: The store cannot be read or written.
        """
        own = job_id(config)
        jobs = self.jobs()
        known = next((job for job in jobs if job.id == own), None)
        if known is None:
            waiting = sum(job.state is State.QUEUED for job in jobs)
            if waiting >= MOST_QUEUED:
                raise QueueError(
                    f"the queue of {self.store.uri} is full: {waiting:,} jobs are waiting; "
                    "cancel some, or submit again when some have run"
                )
        if priority is None:
            priority = known.priority if known else 0
        if devices is None:
            devices = known.devices if known else None
        if known is None or (known.priority, known.devices) != (priority, devices):
            content = {
                "run": config.run_id(),
                "settings": settings_of(config),
                "priority": priority,
                "devices": devices,
            }
            self._add(own, "submitted", content)
        return self.find(own), known is None

    def cancel(self, job: Job) -> None:
        """Ask that a job be run no further. What it has finished is kept.

        Raises:
            QueueError: It is over already.
        """
        if job.state not in (State.QUEUED, State.RUNNING):
            raise QueueError(f"job {job.id} {_stands(job)} already")
        self._add(job.id, "cancelled", {}, job.round)

    def retry(self, job: Job) -> None:
        """Open a job again that failed or was cancelled: it goes on from what is stored.

        Raises:
            QueueError: It is in any other state.
        """
        if job.cancelling:
            raise QueueError(f"job {job.id} is still stopping; try again in some seconds")
        if job.state not in (State.FAILED, State.CANCELLED):
            raise QueueError(
                f"job {job.id} {_stands(job)}; only what failed or was cancelled can be tried "
                "again, and to extend a run submit it with more --generations or --seeds"
            )
        self._add(job.id, "reopened", {}, job.round + 1)

    def begin(self, job: Job, number: int, cluster: str = "") -> None:
        """Note that an attempt is about to be handed to a session of Ray."""
        self._add(job.id, "began", {"cluster": cluster}, job.round, number)

    def end(self, job: Job, number: int, how: str, reason: str = "") -> None:
        """Note how an attempt ended: one of ``ENDS``."""
        content = {"how": how, "reason": _printable(reason)}
        self._add(job.id, "ended", content, job.round, number)

    def limit(self, at_once: int) -> None:
        """Let so many jobs run at a time."""
        self._add(SETTINGS, "limited", {"at_once": at_once})

    def config_of(self, job: Job, overrides: Mapping[str, Any] | None = None) -> RunConfig:
        """The run that a job asks for, with its results in this store.

        Raises:
            ConfigError: Its settings cannot be used; another version of this program wrote
                them.
        """
        # Where it runs is ours to say: our token must not be shown to whom a store names.
        here = {"store": self.store.uri, "address": None, "executor": "ray"}
        settings = {**job.settings, **here}
        return make_config(settings, f"job {job.id}", overrides)

    def _add(
        self,
        job: str,
        kind: str,
        content: Mapping[str, Any],
        round_: int = 0,
        attempt: int = 0,
    ) -> None:
        row: dict[str, Any] = {
            "job": job,
            "kind": kind,
            "round": round_,
            "attempt": attempt,
            "at": float(self.clock()),
            "content": json.dumps(json.loads(canonical_json(content)), sort_keys=True),
        }
        self.store.append(TABLE, [{**row, "fact": content_hash(row)}])


def _meant(jobs: Sequence[Job]) -> Job | None:
    """Which of these jobs somebody means who names none exactly; None if nobody can say."""
    if len({job.run for job in jobs}) != 1:
        return None
    at_work = [job for job in jobs if job.state in (State.QUEUED, State.RUNNING)]
    if not at_work:
        return max(jobs, key=lambda job: job.submitted)
    return at_work[0] if len(at_work) == 1 else None


def _fact(row: Mapping[str, Any]) -> Fact | None:
    """A row as a fact; None if it is none of ours. Anybody may have written the store."""
    if row["job"] != SETTINGS and not _is_name(row["job"]):
        return None
    try:
        content = parse_manifest(f"job {row['job']}", row["content"].encode())
    except StoreError:
        return None
    if not _FORMS.get(row["kind"], lambda _: False)(content):
        return None
    told = {name: row[name] for name in ("job", "kind", "round", "attempt", "at")}
    return Fact(**told, content=content)


def _stands(job: Job) -> str:
    """Where a job stands, as a sentence goes on."""
    has = job.state in (State.SUCCEEDED, State.FAILED)
    return f"{'has' if has else 'is'} {job.state.value}"


def _is_name(value: Any) -> bool:
    """Whether something may be part of a path: a run or a job, as we name them."""
    return (
        isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,79}", value) is not None
    )


def _printable(text: str) -> str:
    """A text as one line that a terminal only shows."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:REASON]


def _is_number(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high


def _is_request(content: Mapping[str, Any]) -> bool:
    devices = content.get("devices")
    return (
        _is_name(content.get("run"))
        and isinstance(content.get("settings"), dict)
        and type(content.get("priority")) is int
        and (devices is None or (_is_number(devices, 0, 1e6) and devices > 0))
    )


def _is_end(content: Mapping[str, Any]) -> bool:
    reason = content.get("reason")
    return (
        content.get("how") in ENDS and isinstance(reason, str) and reason == _printable(reason)
    )


# What each kind of fact must hold.
_FORMS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "submitted": _is_request,
    "began": lambda content: isinstance(content.get("cluster"), str),
    "ended": _is_end,
    "cancelled": lambda content: True,
    "reopened": lambda content: True,
    "limited": lambda content: (
        type(k := content.get("at_once")) is int and 1 <= k <= MOST_QUEUED
    ),
}
