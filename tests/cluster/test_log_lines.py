"""Logs for machines: one JSON object a line."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cluster.log_lines import PROGRESS_SECONDS, LogReporter, json_lines, log_as_json
from tests.cluster.runs import carry_out, config
from tests.cluster.test_pulse import NOW


class Lines:
    """A stream, and the objects in it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.say = json_lines(self.stream, lambda: datetime(2026, 1, 2, tzinfo=UTC), job="j")

    def __call__(self) -> list[dict]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def lines() -> Lines:
    return Lines()


def test_a_line_says_when_what_and_whose(lines):
    lines.say("began", attempt=2, text="two\nlines")
    [line] = lines()
    assert line == {
        "at": "2026-01-02T00:00:00.000+00:00",
        "event": "began",
        "job": "j",
        "attempt": 2,
        "text": "two\nlines",
    }


def test_a_run_is_its_generations_and_its_end(lines, tmp_path):
    with LogReporter(lines.say) as reporter:
        summary = carry_out(config(), tmp_path, report_progress=reporter)
    events = [line for line in lines() if line["event"] != "progress"]
    assert [line["event"] for line in events] == ["generation"] * 3 + ["finished"]
    assert events[-1]["finished"] == summary.finished


def test_progress_is_said_now_and_then(lines):
    now = 0.0
    reporter = LogReporter(lines.say, lambda: now)
    for _ in range(8):
        reporter.snapshot(NOW)
        now += PROGRESS_SECONDS / 4
    assert [line["occupied"] for line in lines()] == [6, 6]


@pytest.fixture
def loggers() -> Iterator[None]:
    """Give the process its loggers back."""
    ours = [logging.getLogger(name) for name in ("", "ray")]
    kept = [(who, who.handlers[:], who.level, who.propagate) for who in ours]
    yield
    for who, handlers, level, propagate in kept:
        who.handlers[:], who.propagate = handlers, propagate
        who.setLevel(level)


@pytest.mark.parametrize("name", ["some.library", "ray.something"])
@pytest.mark.parametrize("aloof", [True, False])
def test_what_libraries_log_is_an_event_too(lines, loggers, name, aloof):
    logging.getLogger("ray").propagate = not aloof  # as Ray sets it when it is imported
    logging.getLogger("ray").setLevel(logging.NOTSET)  # an earlier Ray may have changed it
    log_as_json(lines.say)
    logging.getLogger(name).warning("a node is %s", "gone")
    logging.getLogger(name).debug("not worth a line")
    [line] = lines()
    assert (line["event"], line["level"], line["logger"]) == ("log", "warning", name)
    assert line["message"] == "a node is gone"
