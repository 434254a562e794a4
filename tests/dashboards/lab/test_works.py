"""What is started from the Lab outlives it, runs once, and is found again from its files."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from dashboards.lab.works import (
    FOLDER,
    Work,
    is_name,
    read_work,
    start_work,
    stop_work,
    tail,
    works,
)

WAITING = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: exit(130))
print("here")
time.sleep(60)
"""

pytestmark = pytest.mark.filterwarnings("ignore:subprocess:ResourceWarning")


def start(folder: Path, name: str = "mine-1", code: str = WAITING) -> bool:
    command = [sys.executable, "-u", "-c", code]
    return start_work(folder, name, "run", f"run {name}", command, dict(os.environ))


def until(true, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def place(tmp_path):
    """A folder in which whatever was started is ended."""
    yield tmp_path
    for work in works(tmp_path):
        if work.running:
            os.kill(work.pid, signal.SIGKILL)
            until(lambda own=work: not read_work(tmp_path, own.name).running)


def test_what_runs_is_not_started_again_and_is_found_from_files(place):
    assert start(place)
    assert not start(place)
    (work,) = works(place)
    assert (work.name, work.kind, work.running) == ("mine-1", "run", True)


def test_it_is_asked_to_stop_once_and_can_then_be_started_again(place):
    start(place)
    until(lambda: "here" in tail(place, "mine-1"))
    stop_work(place, read_work(place, "mine-1"))
    until(lambda: not read_work(place, "mine-1").running)
    assert read_work(place, "mine-1").stopping
    assert start(place)
    assert not read_work(place, "mine-1").stopping
    assert tail(place, "mine-1").count("run mine-1") == 2


def test_one_that_was_killed_does_not_run(place):
    start(place)
    os.kill(read_work(place, "mine-1").pid, signal.SIGKILL)
    until(lambda: not read_work(place, "mine-1").running)


def test_a_record_without_a_lock_names_nobody_to_stop(place, monkeypatch):
    (place / FOLDER).mkdir()
    told = {"kind": "run", "about": "", "host": "here", "pid": os.getpid(), "began": 0.0}
    (place / FOLDER / "mine-1.json").write_text(json.dumps(told | {"stopping": False}))
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("somebody was killed"))
    work = read_work(place, "mine-1")
    assert not work.running
    stop_work(place, work)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "{",
        '{"kind": 1, "about": "", "host": "", "pid": 2, "began": 0}',
        '{"kind": "run", "about": "", "host": "", "pid": 1, "began": 0}',
        '{"kind": "run", "about": "", "host": "", "pid": true, "began": 0}',
        '{"kind": "run", "about": "\\u001b[2J", "host": "", "pid": 2, "began": 0}',
        '{"kind": "run", "about": "", "host": "", "pid": 2, "began": 0, "more": 1}',
        "[" * 100_000,
        '{"pid": 1e999}',
    ],
)
def test_a_hostile_record_is_no_work(place, text):
    (place / FOLDER).mkdir()
    (place / FOLDER / "mine-1.json").write_text(text)
    assert works(place) == ()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\x00b", "-rf", "a" * 200, None, 3]
)
def test_a_name_cannot_leave_the_folder(place, name):
    assert not is_name(name)
    assert read_work(place, name) is None
    assert tail(place, name) == ""


def test_a_long_log_is_read_from_its_end_in_whole_lines(place):
    (place / FOLDER).mkdir()
    (place / FOLDER / "mine-1.log").write_text("".join(f"line {i}\n" for i in range(100_000)))
    said = tail(place, "mine-1", 100)
    assert said.endswith("line 99999\n")
    assert said.startswith("line ")
    assert len(said) < 100


def test_works_are_told_the_latest_first(place):
    (place / FOLDER).mkdir()
    for name, began in (("old", 1.0), ("new", 2.0)):
        told = {"kind": "run", "about": "", "host": "", "pid": 2, "began": began}
        (place / FOLDER / f"{name}.json").write_text(json.dumps(told))
    assert [work.name for work in works(place)] == ["new", "old"]
    assert isinstance(works(place)[0], Work)
