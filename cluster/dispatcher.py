"""The dispatcher: one job of Ray's that begins the others, in the order of the queue.

It holds no state of its own. Whatever it knows stands in the store or at Ray, so it may die at
any moment, be started twice, or be started on another cluster: the next one goes on.

Started by ``speciation submit``; by hand: ``python -m cluster.dispatcher --store URI``.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cluster.dispatch import Begin, Devices, End, Seen, decide, demand
from cluster.executor import ExecutorError
from cluster.heartbeat import write_beat
from cluster.job_queue import Job, JobQueue, State, at_once, jobs_of, submission_id
from cluster.launch import stop_signals
from cluster.log_lines import Say, json_lines
from cluster.pulse import read_pulse
from speciation.tables.files import StoreError, open_files
from speciation.tables.manifests import RUNS

LOOK_SECONDS = 2.0
IDLE_SECONDS = 600.0  # without a job, until it ends; `submit` starts the next one
# A job may be asked for a moment before Ray shows it.
MISSING_SECONDS = 15.0
# An attempt that another cluster began may take so long to be heard of.
SILENT_SECONDS = 60.0
LOG_BYTES = 2**20
LOG_SECONDS = 10.0  # between two looks at what a job says that runs

OVER = ("SUCCEEDED", "FAILED", "STOPPED")


class Jobs(Protocol):
    """What a dispatcher needs of Ray; see ``cluster.jobs.RayJobs``."""

    def statuses(self) -> dict[str, Seen]:
        """What Ray says of every job that it knows."""
        ...

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        metadata: Mapping[str, str],
        runtime_env: Mapping[str, Any],
    ) -> None:
        """Hand a job over."""
        ...

    def stop(self, submission_id: str) -> None:
        """Ask a job to stop."""
        ...

    def logs(self, submission_id: str) -> str:
        """What a job has said."""
        ...

    def devices(self) -> Devices:
        """What there is to train on."""
        ...


@dataclass
class Dispatcher:
    """Looks at the queue and at Ray, and does what :func:`decide` says.

    Args:
        queue: The queue.
        jobs: Ray's jobs.
        runtime_env: What a run is given: this dispatcher's own code.
        cluster: The session of Ray that this is.
        say: Told what happens.
        ask_for: Told how many GPUs and cores the queue could use, when that changes.
        clock: Seconds, never going back.
    """

    queue: JobQueue
    jobs: Jobs
    runtime_env: Mapping[str, Any]
    cluster: str
    say: Say
    ask_for: Callable[[int, int], None] = lambda gpus, cores: None
    clock: Callable[[], float] = time.monotonic
    _demanded: tuple[int, int] = (0, 0)
    _missing: dict[str, float] = field(default_factory=dict)
    _stopped: set[str] = field(default_factory=set)
    _due: dict[str, float] = field(default_factory=dict)  # when words are to be kept again

    def look(self) -> list[Job]:
        """One round: notice what ended, stop what was cancelled, begin what is due.

        Returns:
            The jobs as they were before.

        Raises:
            ExecutorError: Ray does not answer.
            StoreError: The store does not.
        """
        facts = self.queue.facts()
        jobs, answers = jobs_of(facts), self.jobs.statuses()
        self._keep_logs(jobs, answers)
        seen = self._seen(jobs, answers)
        limit, devices = at_once(facts), self.jobs.devices()
        if (wanted := demand(jobs, limit, devices)) != self._demanded:
            self._demanded = wanted
            self.ask_for(*wanted)
        for action in decide(jobs, seen, limit, devices):
            own = submission_id(action.job.id, action.number)
            if isinstance(action, Begin):
                self._begin(action, own)
            elif isinstance(action, End):
                self.queue.end(action.job, action.number, action.how, action.reason)
                self.say("ended", job=action.job.id, how=action.how, reason=action.reason)
            elif own not in self._stopped:  # asked twice, it would drop everything
                self._stopped.add(own)
                self.jobs.stop(own)
                self.say("stopping", job=action.job.id)
        return jobs

    def _begin(self, action: Begin, own: str) -> None:
        job = action.job
        self.queue.begin(job, action.number, self.cluster)
        words = [
            "-m",
            "cluster.cli",
            "run-job",
            "--store",
            self.queue.store.uri,
            "--job",
            job.id,
        ]
        words += ["--attempt", str(action.number), "--devices", f"{action.devices:g}"]
        metadata = {
            "role": "run",
            "job": job.id,
            "run": job.run,
            "attempt": str(action.number),
            "priority": str(job.priority),
            "store": self.queue.store.uri,
        }
        try:
            self.jobs.submit(
                own, shlex.join([sys.executable, *words]), metadata, self.runtime_env
            )
        except ExecutorError as error:
            self.queue.end(job, action.number, "lost", str(error))
            self.say("refused", job=job.id, reason=str(error))
        else:
            self.say("began", job=job.id, attempt=action.number, devices=action.devices)

    def _seen(self, jobs: list[Job], answers: Mapping[str, Seen]) -> dict[str, Seen]:
        """Ray's answers about running attempts; of a missing one, only after a while."""
        seen = {}
        for job in jobs:
            own = job.submission_id
            if job.state is not State.RUNNING or own is None:
                continue
            if own in answers:
                self._missing.pop(own, None)
                seen[own] = answers[own]
            elif self._is_gone(job, own):
                seen[own] = Seen("MISSING", "the cluster that ran it is gone")
        return seen

    def _is_gone(self, job: Job, own: str) -> bool:
        """Whether an attempt that this Ray does not know of runs nowhere.

        Another cluster may have it, as long as the run's pulse is heard.
        """
        missing = self.clock() - self._missing.setdefault(own, self.clock())
        if job.last is not None and job.last.cluster == self.cluster:
            return missing >= MISSING_SECONDS
        pulse = read_pulse(open_files(self.queue.store.uri), job.run)
        silent = pulse is None or self.queue.clock() - pulse.at >= SILENT_SECONDS
        return silent and missing >= SILENT_SECONDS

    def _keep_logs(self, jobs: list[Job], answers: Mapping[str, Seen]) -> None:
        """Ray forgets with the cluster what a job said; the store does not."""
        now = self.clock()
        for job in jobs:
            own = job.submission_id
            if own is None or own not in answers:
                continue
            over, due = answers[own].status in OVER, self._due.get(own, now)
            if now < due and not (over and due < math.inf):
                continue
            self._due[own] = math.inf if over else now + LOG_SECONDS
            with contextlib.suppress(ExecutorError, StoreError):
                text = self.jobs.logs(own).encode()[-LOG_BYTES:]
                open_files(self.queue.store.uri).replace(log_path(job, own), text)


def log_path(job: Job, own: str) -> str:
    """Where an attempt's last words are kept, in the store."""
    return f"{RUNS}/{job.run}/logs/{own}.log"


def kept_log(store: str, job: Job) -> str | None:
    """The last words of a job's latest attempt, seconds old if it runs; None if none are."""
    with contextlib.suppress(StoreError):
        path = log_path(job, str(job.submission_id))
        return open_files(store).read(path, LOG_BYTES).decode(errors="replace")
    return None


def work(
    dispatcher: Dispatcher,
    count: Callable[[list[State]], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Dispatch until there has been nothing to do for a while, or somebody asks to stop.

    Args:
        dispatcher: Who looks.
        count: Told the state of every job at each look.
        stop: Asked before each look.
        pause: Sleeps between them.
    """
    queue, clock = dispatcher.queue, dispatcher.clock
    files, busy, leaving = open_files(queue.store.uri), clock(), False
    while not stop():
        try:
            states = [job.state for job in dispatcher.look()]
        except (ExecutorError, StoreError) as error:
            dispatcher.say("waiting", reason=str(error))
            busy = clock()  # nobody knows that there is nothing to do
        else:
            count(states)
            if State.QUEUED in states or State.RUNNING in states:
                busy, leaving = clock(), False
            elif leaving:
                return
            leaving = clock() - busy >= IDLE_SECONDS
            write_beat(files, queue.clock(), leaving)
        pause(LOOK_SECONDS)


def session_folder() -> Path:
    """The folder of the Ray that this process is connected to."""
    from ray._private.worker import _global_node

    assert _global_node is not None
    return Path(_global_node.get_session_dir_path())


def main() -> None:
    """Dispatch until there has been nothing to do for a while."""
    parser = argparse.ArgumentParser(prog="cluster.dispatcher", description=__doc__)
    parser.add_argument("--store", required=True, help="whose queue")
    uri = parser.parse_args().store

    import ray

    from cluster.grafana import place
    from cluster.jobs import RayJobs, ask_autoscaler, own_runtime_env
    from cluster.metrics import Metrics
    from speciation.tables.store import Store

    ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    say = json_lines(sys.stdout, source="dispatcher")
    with contextlib.suppress(OSError):
        place(session_folder())
    queue = JobQueue(Store(uri), time.time)
    cluster = session_folder().name
    dispatcher = Dispatcher(
        queue, RayJobs("auto"), own_runtime_env(), cluster, say, ask_autoscaler
    )
    say("dispatching", store=uri)
    with stop_signals() as stop:
        work(dispatcher, Metrics().queue, stop)
    say("over", reason="asked to stop" if stop() else "nothing to do")


if __name__ == "__main__":
    main()
