"""Which job runs next: decided from the queue and from what Ray says, without doing it.

    queue, Ray's answer  --> decide --> begin, end, stop --> dispatcher

Infrastructure and science are kept apart here. A run that says itself that it can never go on
has failed. One that cannot go on where it is gives up, and one that is gone without a word was
lost: both are begun again, up to a bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cluster.job_queue import Job, State, due

EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Seen:
    """What Ray says of an attempt: ``status`` is one of Ray's, or "MISSING"."""

    status: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Devices:
    """What a cluster has to train on at the moment."""

    gpus: float
    cores: float

    def for_job(self, job: Job) -> float:
        """How many there are of the kind that a job trains on: GPUs, unless it wants none."""
        return self.gpus if self.on_gpus(job) else self.cores

    def on_gpus(self, job: Job) -> bool:
        """Whether a job would train on GPUs here."""
        return job.device == "cuda" or (self.gpus > 0 and job.device != "cpu")


@dataclass(frozen=True, slots=True)
class Begin:
    """Hand an attempt to Ray; it may use so many devices."""

    job: Job
    number: int
    devices: float


@dataclass(frozen=True, slots=True)
class End:
    """An attempt is over."""

    job: Job
    number: int
    how: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask a running attempt to stop."""

    job: Job
    number: int


Action = Begin | End | Stop


def decide(
    jobs: Sequence[Job], seen: Mapping[str, Seen], at_once: int, devices: Devices
) -> list[Action]:
    """What to do now.

    Args:
        jobs: All jobs of the queue.
        seen: What Ray says, by submission id, of the attempts that are not known to be over.
            Of one that is not there, nothing is known yet.
        at_once: How many jobs may run at a time.
        devices: What Ray has.
    """
    actions = [action for job in jobs for action in _look(job, seen)]
    over = {action.job.id for action in actions if isinstance(action, End)}
    running = [job for job in jobs if job.state is State.RUNNING and job.id not in over]
    return [*actions, *_admit(jobs, running, at_once, devices)]


def share(job: Job, at_once: int, devices: Devices) -> float:
    """How many devices a job may use: what it asks for, or an equal part."""
    return job.devices if job.devices is not None else devices.for_job(job) / at_once


def too_large(job: Job, devices: Devices) -> bool:
    """Whether a job asks for more devices than there are, and so waits for them to join."""
    there = devices.for_job(job)
    return not there or (job.devices or 0.0) > there + EPSILON


def demand(jobs: Sequence[Job], at_once: int, devices: Devices) -> tuple[int, int]:
    """GPUs and cores that the jobs at work and next in turn ask for, for an autoscaler to see.

    A job that names no number asks for one, and takes what else is there.
    """
    at_work = sorted((j for j in jobs if j.state in (State.RUNNING, State.QUEUED)), key=_turn)
    asked = [(devices.on_gpus(job), math.ceil(job.devices or 1)) for job in at_work[:at_once]]
    return (
        sum(count for on_gpus, count in asked if on_gpus),
        sum(count for on_gpus, count in asked if not on_gpus),
    )


def _turn(job: Job) -> tuple[bool, tuple[int, float, str]]:
    return job.state is State.QUEUED, due(job)


def _look(job: Job, seen: Mapping[str, Seen]) -> Iterator[Action]:
    """What Ray's answer means for a running job."""
    answer = seen.get(job.submission_id or "")
    if job.state is not State.RUNNING or job.last is None or answer is None:
        return
    number = job.last.number
    if answer.status == "SUCCEEDED":
        yield End(job, number, "succeeded")
    elif answer.status in ("STOPPED", "FAILED", "MISSING"):
        # A run that failed by its own judgement has said so itself before it ended; and only
        # people stop a job, here or at Ray.
        how = "cancelled" if job.cancelling or answer.status == "STOPPED" else "lost"
        yield End(job, number, how, answer.message or f"Ray says {answer.status}")
    elif job.cancelling:
        yield Stop(job, number)


def _admit(
    jobs: Sequence[Job], running: Sequence[Job], at_once: int, devices: Devices
) -> Iterator[Begin]:
    """Queued jobs in their order, as long as there is room.

    A job that does not fit at the moment holds the later ones back, or it would wait for ever.
    One that no room would be enough for does not. A run has one driver at a time: a second job
    of the same run waits, and later finds the first one's results.
    """
    free = at_once - len(running)
    room = {True: devices.gpus, False: devices.cores}
    for job in running:
        room[devices.on_gpus(job)] -= share(job, at_once, devices)
    runs = {job.run for job in running}
    for job in sorted(jobs, key=due):
        if job.state is not State.QUEUED or job.run in runs or too_large(job, devices):
            continue
        wanted, kind = share(job, at_once, devices), devices.on_gpus(job)
        if free < 1 or wanted > room[kind] + EPSILON:
            return
        free, runs = free - 1, runs | {job.run}
        room[kind] -= wanted
        yield Begin(job, job.last.number + 1 if job.last else 1, wanted)
