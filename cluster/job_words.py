"""What a job says, as programs read it: JSON lines alone, one attempt after the other.

Ray writes a line or two of its own into every log, and what crashes leaves a traceback. Such a
line is told as an event too, so that whoever reads JSON reads on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from cluster.job_queue import Job, JobQueue, State

LOOK_SECONDS = 1.0
ENDS = ("finished", "stopped", "failed")
NOT_BEGUN = "waiting until it begins …"


class Talking(Protocol):
    """What is needed of Ray; see ``cluster.jobs.RayJobs``."""

    def statuses(self) -> Mapping[str, Any]:
        """What Ray says of every job that it knows, by submission id."""
        ...

    def follow(self, submission_id: str) -> Iterator[str]:
        """What a job says, until it is over."""
        ...


def json_lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """Each line of a text that comes in pieces, as a JSON object."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from _told(lines)
    yield from _told([rest])


def has_end(text: str) -> bool:
    """Whether a run has said in its log how it ended."""
    return any(f'"event": "{end}"' in text for end in ENDS)


def _told(lines: Iterable[str]) -> Iterator[str]:
    for line in filter(str.strip, lines):
        yield line if _is_event(line) else json.dumps({"event": "text", "message": line})


def _is_event(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def followed(
    queue: JobQueue,
    own: str,
    cluster: Talking,
    tell: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """What a job says, in pieces, until it is over: what runs, and attempts yet to begin.

    Args:
        queue: Its queue.
        own: Its id.
        cluster: That it runs on.
        tell: Told once if it waits for its turn.
        pause: Sleeps.

    Raises:
        ExecutorError: The cluster does not answer.
    """
    job = queue.find(own)
    heard = max((a.number for a in job.attempts if a.ended is not None), default=0)
    while True:
        if _speaks(job, heard, cluster):
            heard = job.last.number if job.last else heard
            yield from cluster.follow(str(job.submission_id))
        elif job.state not in (State.QUEUED, State.RUNNING):
            return
        else:
            if job.state is State.QUEUED:
                tell(NOT_BEGUN)
                tell = _nobody
            pause(LOOK_SECONDS)
        job = queue.find(own)


def _speaks(job: Job, heard: int, cluster: Talking) -> bool:
    """Whether an attempt has begun that was not heard yet. The queue knows before Ray does."""
    began = job.last is not None and job.last.number > heard
    return began and job.submission_id in cluster.statuses()


def _nobody(sentence: str) -> None:
    pass
