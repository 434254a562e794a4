"""A run is started, watched, stopped and gone on with, as a person does it."""

from __future__ import annotations

import os
import signal

import pytest

from dashboards.lab.works import read_work, works
from tests.dashboards.lab.browser import serving, until

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

RANGES = """() => JSON.stringify(["x", "y"].map((a) =>
  document.querySelector("#fitness .js-plotly-plot")._fullLayout[a + "axis"].range))"""
CLOSED = """document.querySelector("#fitness .js-plotly-plot")?.data[1].x.length"""
HIDDEN = """document.querySelector("#fitness .js-plotly-plot")._fullData[0].visible"""


def closed(count: int) -> str:
    """Whether the fitness figure shows so many generations: an expression."""
    plot = "document.querySelector('#fitness .js-plotly-plot')"
    return f"{plot}?._fullData?.[1].x.length >= {count}"


def test_a_run_is_started_watched_stopped_and_resumed(page, tmp_path):
    with serving(tmp_path, tmp_path) as address:
        try:
            page.goto(f"{address}/evolution")
            page.wait_for_selector("text=No run yet")
            for field, value in {
                "evolution-population": 4,
                "evolution-generations": 40,
                "evolution-seeds": 2,
                "horizon": 50,
                "confirm-seeds": 2,
            }.items():
                page.fill(f"#set-{field}", str(value))
            page.fill("#run-name", "watched")
            page.click("#executor")
            page.click("text=in one process")
            page.click("#start")
            page.wait_for_selector("text=is started")
            until(page, closed(2), 60)
            assert "run=watched-" in page.url
            assert page.is_disabled("#resume")
            page.click("#stop")
            page.wait_for_selector("text=stops when")
            until(page, "!document.querySelector('#resume').disabled", 30)
            until(page, "document.querySelector('#tiles').innerText.includes('stopped')")
            (work,) = works(tmp_path)
            assert not work.running
            page.fill("#more", "3000")
            before = page.evaluate("document.querySelector('#generation-said').innerText")
            page.click("#resume")
            page.wait_for_selector("text=goes on")
            until(
                page, f"document.querySelector('#generation-said').innerText !== '{before}'", 60
            )
            assert read_work(tmp_path, work.name).running
            page.click("#stop")
            until(page, "document.querySelector('#tiles').innerText.includes('stopped')", 30)
        finally:
            for work in works(tmp_path):
                if work.running:
                    os.kill(work.pid, signal.SIGKILL)
