"""What machines read of a log: one JSON object a line.

Every line has ``at`` (UTC), ``event``, and whose it is (``job`` and ``attempt``, or
``source``); the rest is the event's own. Never a token, an address of a host, or the
environment.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

from cluster.progress_text import Pace, Reporter
from cluster.summary import GenerationSummary, RunSummary, Snapshot, plain

PROGRESS_SECONDS = 10.0


class Say(Protocol):
    """Writes an event."""

    def __call__(self, event: str, **values: Any) -> None:
        """Write it."""
        ...


def json_lines(
    stream: TextIO, clock: Callable[[], datetime] = lambda: datetime.now(UTC), **always: Any
) -> Say:
    """What writes events to a stream.

    Args:
        stream: Where to.
        clock: The time of day.
        always: What every line says besides.
    """

    def say(event: str, **values: Any) -> None:
        at = clock().isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, "event": event, **always, **values})
        print(line, file=stream, flush=True)

    return say


class LogReporter(Reporter):
    """A run as events: its progress now and then, each generation, and the end.

    Args:
        say: Writes them.
        monotonic: Seconds, never going back.
    """

    def __init__(self, say: Say, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._say, self._monotonic = say, monotonic
        self._pace, self._said_at = Pace(), -math.inf

    def snapshot(self, now: Snapshot) -> None:
        """An event "progress", not too often."""
        self._pace.see(now)
        if self._monotonic() - self._said_at < PROGRESS_SECONDS:
            return
        self._said_at = self._monotonic()
        trials, steps = self._pace.rates
        self._say("progress", **plain(now), trials_a_second=trials, steps_a_second=steps)

    def generation(self, closed: GenerationSummary) -> None:
        """An event "generation"."""
        self._say("generation", **plain(closed))

    def end(self, summary: RunSummary) -> None:
        """An event "finished" or "stopped"."""
        self._say("stopped" if summary.stopped else "finished", **plain(summary))


def log_as_json(say: Say) -> None:
    """Let what libraries log be events too, Ray included, whose loggers keep to themselves."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told = {"level": record.levelname.lower(), "logger": record.name}
            say("log", **told, message=record.getMessage())

    handler = Handler()
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    ray = logging.getLogger("ray")
    ray.handlers[:], ray.propagate = [handler], False
