"""What a job says: JSON alone, and one attempt after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.job_queue import JobQueue
from cluster.job_words import NOT_BEGUN, followed, json_lines_of
from speciation.tables.store import Store
from tests.cluster.runs import config

EVENT = '{"event": "started"}'


def test_what_is_no_event_is_told_as_one():
    said = f"Running entrypoint for job j\n{EVENT}\n\nTraceback:\n[1, 2]\n"
    assert [json.loads(line) for line in json_lines_of([said])] == [
        {"event": "text", "message": "Running entrypoint for job j"},
        {"event": "started"},
        {"event": "text", "message": "Traceback:"},
        {"event": "text", "message": "[1, 2]"},
    ]


@given(st.lists(st.integers(0, 60)))
def test_in_whichever_pieces_it_comes(cuts):
    said = f"Überall\n{EVENT}\r\n{EVENT}\nand no end"
    ends = sorted({0, *(min(cut, len(said)) for cut in cuts), len(said)})
    pieces = [said[start:end] for start, end in pairwise(ends)]
    assert list(json_lines_of(pieces)) == list(json_lines_of([said]))


class Told:
    """A Ray whose jobs speak, and during whose pauses the queue goes on."""

    def __init__(self, queue: JobQueue, *steps) -> None:
        self.queue, self.known, self.steps = queue, set(), list(steps)

    def statuses(self) -> dict[str, str]:
        return dict.fromkeys(self.known, "RUNNING")

    def follow(self, submission_id: str) -> Iterator[str]:
        yield f"{submission_id}\n"

    def pause(self, seconds: float) -> None:
        self.steps.pop(0)()


@pytest.fixture
def queue(tmp_path) -> JobQueue:
    return JobQueue(Store(tmp_path), lambda: 1000.0)


def test_a_job_is_followed_from_before_its_beginning_through_all_its_attempts(queue):
    job, _ = queue.submit(config())
    ray = Told(
        queue,
        lambda: queue.begin(job, 1),
        lambda: ray.known.add(f"run-{job.id}-1"),
        lambda: None,  # it has died, and nobody has noticed yet
        lambda: queue.end(job, 1, "lost"),
        lambda: (queue.begin(job, 2), ray.known.add(f"run-{job.id}-2")),
        lambda: queue.end(job, 2, "succeeded"),
    )
    said: list[str] = []
    words = list(followed(queue, job.id, ray, said.append, ray.pause))
    assert words == [f"run-{job.id}-1\n", f"run-{job.id}-2\n"]
    assert said == [NOT_BEGUN]
    assert not ray.steps


def test_what_earlier_attempts_said_is_not_told_again(queue):
    job, _ = queue.submit(config())
    queue.begin(job, 1)
    queue.end(job, 1, "failed")
    queue.retry(queue.find(job.id))
    reopened = queue.find(job.id)
    ray = Told(
        queue,
        lambda: (queue.begin(reopened, 2), ray.known.add(f"run-{job.id}-2")),
        lambda: queue.end(reopened, 2, "succeeded"),
    )
    ray.known.add(f"run-{job.id}-1")
    assert list(followed(queue, job.id, ray, pause=ray.pause)) == [f"run-{job.id}-2\n"]
