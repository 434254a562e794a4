"""Every run and job has a row, what can be done with it, and a log."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from cluster.heartbeat import write_beat
from cluster.job_queue import JobQueue
from cluster.pulse import Pulse, write_pulse
from dashboards.lab.launcher import Launcher, LaunchRefused, Resume
from dashboards.lab.live import Live
from dashboards.lab.runs_page import listing, log, rows_of, stamp
from dashboards.lab.sources import Sources
from dashboards.lab.works import start_work, works
from speciation.tables.files import open_files
from speciation.tables.store import Store
from tests.cluster.runs import config
from tests.dashboards.lab.browser import serving, until

RUN = config().run_id()


@pytest.fixture
def place(finished, tmp_path) -> Path:
    shutil.copytree(finished, tmp_path / "store")
    return tmp_path / "store"


def live_of(place: Path) -> Live:
    return Sources(place, place).shared(Live)


def said(place: Path) -> str:
    """All words of the page's tables."""
    found: list[str] = []

    def look(own: object) -> None:
        if isinstance(own, str):
            found.append(own)
        elif isinstance(own, list | tuple):
            for child in own:
                look(child)
        elif hasattr(own, "children"):
            look(own.children)

    look(listing(rows_of(live_of(place)), ""))
    return " | ".join(found)


def test_a_finished_run_has_its_figures_and_nothing_to_do_but_watch(place):
    words = said(place)
    assert f"{RUN} | finished | – | 3 of 3" in words
    assert "Watch" in words
    assert "Go on" not in words.replace("Go on:", "")


def test_an_empty_store_says_what_to_do(tmp_path):
    assert "Nothing has run here yet. | Start a run" in said(tmp_path)


def test_a_job_is_cancelled_and_tried_again_as_by_the_command_line(place):
    queue = JobQueue(Store(place), time.time)
    job, _ = queue.submit(config(name="later"), priority=7)
    words = said(place)
    assert f"{job.run} | queued | 7 | 0 of 3" in words
    assert "Cancel" in words
    launcher = Launcher(Sources(place, place))
    launcher.stop(job.run)
    assert f"{job.run} | cancelled" in said(place)
    assert "Retry" in said(place)
    write_beat(open_files(place), time.time())
    assert launcher.start(Resume(job.run)) == job.run
    assert f"{job.run} | queued" in said(place)
    assert len(queue.jobs()) == 1


def test_a_run_that_nobody_drives_any_more_can_be_gone_on_with(place):
    manifest = Store(place).read_manifest(RUN)
    Store(place).write_manifest(RUN, {**manifest, "status": "running"})
    assert f"{RUN} | interrupted" in said(place)
    assert "Go on" in said(place)
    write_pulse(open_files(place), Pulse(RUN, state="running", at=time.time(), host="far"))
    assert f"{RUN} | running" in said(place)
    assert "far" in said(place)
    with pytest.raises(LaunchRefused, match="runs already"):
        Launcher(Sources(place, place)).start(Resume(RUN))


def test_a_log_is_of_what_is_named_and_of_nothing_else(place):
    (place / "lab").mkdir()
    (place / "lab" / f"{RUN}.log").write_text("generation 1\n")
    (place / "secret.log").write_text("secret")
    live = live_of(place)
    assert log(live, RUN)["log"] == "generation 1\n"
    for name in ("../secret", "nobody", "x" * 500, "\x00"):
        assert "secret" not in log(live, name)["log"]


def test_what_is_shown_has_a_stamp_that_changes_with_it(place):
    live = live_of(place)
    first = stamp(listing(rows_of(live), ""))
    assert stamp(listing(rows_of(live), "")) == first
    assert stamp(listing(rows_of(live), RUN)) != first


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_log_moves_and_the_keyboard_stays_where_it_is(page, place):
    code = (
        "import signal, time\nsignal.signal(15, lambda *_: exit())\n"
        "for i in range(600): print('line', i); time.sleep(0.2)"
    )
    command = [sys.executable, "-u", "-c", code]
    start_work(
        place, "validation-1", "validation", "validation of x", command, dict(os.environ)
    )
    try:
        with serving(place, place) as address:
            page.goto(f"{address}/runs")
            page.wait_for_selector("text=validation-1")
            page.click("a:has-text('validation-1')")
            until(page, "document.querySelector('#log')?.innerText.includes('line 3')")
            stop = page.locator("button[aria-label='Stop: validation-1']")
            stop.focus()
            until(page, "document.querySelector('#log')?.innerText.includes('line 40')", 30)
            focused = "document.activeElement.getAttribute('aria-label')"
            assert page.evaluate(focused) == "Stop: validation-1"
            page.keyboard.press("Enter")
            page.wait_for_selector("text=stops when")
            until(page, "document.querySelector('#run-list').innerText.includes('ended')")
            page.reload()
            until(page, "document.querySelector('#log')?.innerText.includes('line 40')")
    finally:
        for work in works(place):
            if work.running:
                os.kill(work.pid, signal.SIGKILL)
