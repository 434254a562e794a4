"""The dispatcher with a Ray that is a dictionary: begun, ended, stopped, lost, begun again."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping
from typing import Any

import pytest

from cluster.dispatch import Devices, Seen
from cluster.dispatcher import (
    IDLE_SECONDS,
    LOOK_SECONDS,
    MISSING_SECONDS,
    SILENT_SECONDS,
    Dispatcher,
    kept_log,
    work,
)
from cluster.executor import ExecutorError
from cluster.heartbeat import is_at_work, is_leaving
from cluster.job_queue import MOST_ATTEMPTS, JobQueue, State
from cluster.pulse import Pulse, write_pulse
from speciation.tables.files import open_files
from speciation.tables.store import Store
from tests.cluster.runs import config


class FakeJobs:
    """Ray's jobs, as they would be."""

    def __init__(self) -> None:
        self.known: dict[str, Seen] = {}
        self.asked: dict[str, tuple[str, Mapping[str, str]]] = {}
        self.stopped: list[str] = []
        self.refuses = False

    def statuses(self) -> dict[str, Seen]:
        return dict(self.known)

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        metadata: Mapping[str, str],
        runtime_env: Mapping[str, Any],
    ) -> None:
        if self.refuses:
            raise ExecutorError("the cluster refused: no room")
        self.asked[submission_id] = entrypoint, metadata
        self.known.setdefault(submission_id, Seen("RUNNING"))

    def stop(self, submission_id: str) -> None:
        self.stopped.append(submission_id)

    def logs(self, submission_id: str) -> str:
        return f"words of {submission_id}\n"

    def devices(self) -> Devices:
        return Devices(gpus=2, cores=2)


class World:
    """A store, a Ray, a clock and who dispatches."""

    def __init__(self, folder) -> None:
        self.folder, self.now = folder, 0.0
        self.ray, self.cluster = FakeJobs(), "session_1"
        self.demanded: list[tuple[int, int]] = []
        self.said: list[tuple[str, dict[str, Any]]] = []
        ticks = itertools.count(1000)
        self.queue = JobQueue(Store(folder), lambda: float(next(ticks)))
        self.dispatcher = self.another()

    def another(self) -> Dispatcher:
        return Dispatcher(
            JobQueue(Store(self.folder), lambda: 5000.0 + self.now),
            self.ray,
            {},
            self.cluster,
            say=lambda event, **values: self.said.append((event, values)),
            ask_for=lambda gpus, cores: self.demanded.append((gpus, cores)),
            clock=lambda: self.now,
        )

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.dispatcher.look()
            self.now += 2.0

    def state(self, own: str) -> State:
        return self.queue.find(own).state


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


def test_a_job_is_begun_by_name_with_readable_metadata(world):
    job, _ = world.queue.submit(config(), priority=3)
    world.look()
    own = f"run-{job.id}-1"
    words, metadata = world.ray.asked[own]
    assert world.state(job.id) is State.RUNNING
    assert shlex.split(words)[1:5] == ["-m", "cluster.cli", "run-job", "--store"]
    assert shlex.split(words)[-1] == "2"
    assert metadata["run"] == config().run_id()
    assert (metadata["attempt"], metadata["priority"]) == ("1", "3")


def test_an_autoscaler_is_told_when_the_demand_changes(world):
    job, _ = world.queue.submit(config(), devices=2.0)
    world.look(3)
    world.ray.known[f"run-{job.id}-1"] = Seen("SUCCEEDED")
    world.look(3)
    assert world.demanded == [(2, 0), (0, 0)]


def test_one_at_a_time_unless_more_are_allowed(world):
    for name in ("a", "b", "c"):
        world.queue.submit(config(name=name))
    world.look(3)
    assert len(world.ray.asked) == 1
    world.queue.limit(2)
    world.look()
    assert len(world.ray.asked) == 2


def test_a_job_that_ray_finished_has_succeeded_and_its_words_are_kept(world):
    job, _ = world.queue.submit(config())
    world.look()
    world.ray.known[f"run-{job.id}-1"] = Seen("SUCCEEDED")
    world.look()
    ended = world.queue.find(job.id)
    assert ended.state is State.SUCCEEDED
    assert kept_log(str(world.folder), ended) == f"words of run-{job.id}-1\n"


def test_words_are_kept_of_a_job_that_has_told_its_own_end(world):
    job, _ = world.queue.submit(config())
    world.look()
    world.queue.end(world.queue.find(job.id), 1, "succeeded")
    assert kept_log(str(world.folder), world.queue.find(job.id)) is None
    world.ray.known[f"run-{job.id}-1"] = Seen("SUCCEEDED")
    world.look()
    assert kept_log(str(world.folder), world.queue.find(job.id)) is not None


def test_what_a_job_says_is_kept_every_few_seconds_while_it_runs(world):
    job, _ = world.queue.submit(config())
    asked: list[float] = []
    world.ray.logs = lambda own: asked.append(world.now) or f"{len(asked)}\n"
    world.look(12)
    assert asked == [2.0, 12.0, 22.0]
    assert kept_log(str(world.folder), world.queue.find(job.id)) == "3\n"
    world.ray.known[f"run-{job.id}-1"] = Seen("SUCCEEDED")
    world.look(12)
    assert asked[3:] == [24.0]


def test_a_job_that_says_itself_that_it_failed_is_not_tried_again(world):
    job, _ = world.queue.submit(config())
    world.look()
    world.queue.end(world.queue.find(job.id), 1, "failed", "no such ancestor")
    world.ray.known[f"run-{job.id}-1"] = Seen("FAILED", "exit code 2")
    world.look(3)
    assert world.state(job.id) is State.FAILED
    assert world.queue.find(job.id).reason == "no such ancestor"
    assert len(world.ray.asked) == 1


def test_a_job_that_died_is_begun_again_under_the_next_name(world):
    job, _ = world.queue.submit(config())
    world.look()
    world.ray.known[f"run-{job.id}-1"] = Seen("FAILED", "killed")
    world.look(2)
    assert set(world.ray.asked) == {f"run-{job.id}-1", f"run-{job.id}-2"}
    assert world.state(job.id) is State.RUNNING


def test_a_job_that_dies_again_and_again_is_given_up(world):
    job, _ = world.queue.submit(config())
    for number in range(1, MOST_ATTEMPTS + 3):
        world.look(2)
        if f"run-{job.id}-{number}" in world.ray.known:
            world.ray.known[f"run-{job.id}-{number}"] = Seen("FAILED", "out of memory")
    world.look()
    assert world.state(job.id) is State.FAILED
    assert "out of memory" in world.queue.find(job.id).reason
    assert len(world.ray.asked) == MOST_ATTEMPTS


def test_a_cancelled_job_is_asked_to_stop_once(world):
    job, _ = world.queue.submit(config())
    world.look()
    world.queue.cancel(world.queue.find(job.id))
    world.look(3)
    assert world.ray.stopped == [f"run-{job.id}-1"]
    world.ray.known[f"run-{job.id}-1"] = Seen("STOPPED")
    world.look()
    assert world.state(job.id) is State.CANCELLED


def test_a_cluster_that_is_gone_is_noticed_after_a_while_and_another_goes_on(world):
    job, _ = world.queue.submit(config())
    world.look()
    world.ray, world.cluster = FakeJobs(), "session_2"
    world.dispatcher = world.another()
    world.look(int(SILENT_SECONDS / 2) - 1)
    assert world.ray.asked == {}
    assert world.state(job.id) is State.RUNNING
    world.look(3)
    assert set(world.ray.asked) == {f"run-{job.id}-2"}


def test_what_another_cluster_runs_is_let_alone_while_its_pulse_is_heard(world):
    job, _ = world.queue.submit(config())
    world.look()
    world.ray, world.cluster = FakeJobs(), "session_2"
    world.dispatcher = world.another()
    files = open_files(world.folder)
    for _ in range(100):
        write_pulse(files, Pulse(job.run, state="running", at=5000.0 + world.now))
        world.look()
    assert world.ray.asked == {}
    world.look(int(SILENT_SECONDS / 2) + 2)
    assert set(world.ray.asked) == {f"run-{job.id}-2"}


def test_a_cluster_that_refuses_costs_an_attempt_and_says_why(world):
    job, _ = world.queue.submit(config())
    world.ray.refuses = True
    world.look()
    assert world.queue.find(job.id).state is State.QUEUED
    assert "no room" in world.queue.find(job.id).reason
    world.ray.refuses = False
    world.look()
    assert set(world.ray.asked) == {f"run-{job.id}-2"}


def test_two_dispatchers_begin_a_job_under_one_name(world):
    job, _ = world.queue.submit(config())
    other = world.another()
    world.dispatcher.look()
    other.look()
    assert set(world.ray.asked) == {f"run-{job.id}-1"}


def test_a_dispatcher_that_died_between_noting_and_asking_loses_nothing(world):
    job, _ = world.queue.submit(config())
    world.queue.begin(job, 1, world.cluster)  # and no more than that
    world.look(3)
    assert world.ray.asked == {}
    world.now += MISSING_SECONDS
    world.look(2)
    assert set(world.ray.asked) == {f"run-{job.id}-2"}


# -- Until there is nothing to do -----------------------------------------------------------


def test_without_a_job_a_dispatcher_leaves_after_a_while_and_says_so(world):
    def pause(seconds: float) -> None:
        world.now += seconds

    work(world.dispatcher, pause=pause)
    assert IDLE_SECONDS < world.now < IDLE_SECONDS + 3 * LOOK_SECONDS
    assert is_leaving(open_files(world.folder))


def test_a_job_that_comes_when_a_dispatcher_is_about_to_leave_is_begun(world):
    files, begun = open_files(world.folder), []

    def pause(seconds: float) -> None:
        world.now += seconds
        if is_leaving(files) and not begun:
            begun.append(world.queue.submit(config())[0].id)

    states: list[list[State]] = []
    work(world.dispatcher, states.append, lambda: len(states) > 400, pause)
    assert set(world.ray.asked) == {f"run-{begun[0]}-1"}
    assert not is_leaving(files)


def test_while_ray_does_not_answer_nobody_leaves(world, monkeypatch):
    asked = []

    def statuses() -> dict[str, Seen]:
        asked.append(world.now)
        raise ExecutorError("no Ray cluster answers")

    def pause(seconds: float) -> None:
        world.now += IDLE_SECONDS

    monkeypatch.setattr(world.ray, "statuses", statuses)
    work(world.dispatcher, stop=lambda: len(asked) == 5, pause=pause)
    assert world.said[-1] == ("waiting", {"reason": "no Ray cluster answers"})
    assert not is_at_work(open_files(world.folder), 5000.0)
