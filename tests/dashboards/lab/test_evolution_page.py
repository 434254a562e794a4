"""A run is started, watched, stopped and gone on with, as a person does it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from dashboards.lab.works import read_work, works
from tests.cluster.runs import carry_out, config
from tests.dashboards.lab.browser import serving, until

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

PLOT = "document.querySelector('#fitness .js-plotly-plot')"
VIEW = f"""() => JSON.stringify([
  ["xaxis", "yaxis"].map((a) => {PLOT}._fullLayout[a].range),
  {PLOT}._fullData.map((t) => t.visible)])"""


def closed(count: int) -> str:
    """Whether the fitness figure shows so many generations: an expression."""
    return f"{PLOT}?._fullData?.[1].x.length >= {count}"


def test_what_is_zoomed_and_hidden_stays_over_ten_live_updates(page, tmp_path):
    done, store = tmp_path / "done", tmp_path / "store"
    carry_out(config(evolution={"generations": 14}), done)
    parts = sorted(done.rglob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    shutil.copytree(done / "runs", store / "runs")

    def give(pieces: list[Path]) -> None:
        for path in pieces:
            (store / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, store / path.parent.name / path.name)

    begin = len(parts) // 3
    give(parts[:begin])
    with serving(store, tmp_path) as address:
        page.goto(f"{address}/evolution")
        until(page, closed(2))
        box = page.locator("#fitness .nsewdrag").first.bounding_box()
        page.mouse.move(box["x"] + 80, box["y"] + 30)
        page.mouse.down()
        page.mouse.move(box["x"] + 500, box["y"] + 120, steps=5)
        page.mouse.up()
        page.locator("#fitness .legendtoggle").first.click()
        until(page, f"({VIEW})().includes('legendonly')")
        before = page.evaluate(VIEW)
        assert "legendonly" in before
        step, tiles = (
            -(-(len(parts) - begin) // 10),
            "document.querySelector('#tiles').innerText",
        )
        for place in range(begin, len(parts), step):
            said = page.evaluate(tiles)
            give(parts[place : place + step])
            until(page, f"{tiles} !== {json.dumps(said)}")
            assert page.evaluate(VIEW) == before
        until(page, closed(14))
        assert page.evaluate(VIEW) == before


def test_a_generation_is_in_the_address_and_back_goes_back(page, finished):
    said = "document.querySelector('#generation-said')?.innerText"
    with serving(finished, finished) as address:
        page.goto(f"{address}/evolution")
        until(page, f"{said} === 'Generation 3'")
        page.locator("#generation [role=slider]").focus()
        page.keyboard.press("ArrowLeft")
        until(page, "location.search.includes('generation=2')")
        until(page, f"{said} === 'Generation 2'")
        page.go_back()
        until(page, f"{said} === 'Generation 3'")
        page.go_forward()
        until(page, f"{said} === 'Generation 2'")
        page.reload()
        until(page, f"{said} === 'Generation 2'")
        page.go_back()
        page.go_back()
        assert "/evolution" not in page.url  # opening the page left one step behind it


def test_what_is_zoomed_and_hidden_is_in_the_address_and_comes_back(page, finished):
    with serving(finished, finished) as address:
        page.goto(f"{address}/evolution")
        until(page, closed(3))
        page.locator("#fitness .legendtoggle").first.click()
        until(page, "location.search.includes('hidden=fitness.median')")
        box = page.locator("#fitness .nsewdrag").first.bounding_box()
        page.mouse.move(box["x"] + 80, box["y"] + 30)
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 120, steps=5)
        page.mouse.up()
        until(page, "location.search.includes('zoom=fitness.xaxis:')")
        looked = f"{PLOT}._fullLayout.xaxis.range.map((own) => own.toPrecision(4)).join()"
        before = page.evaluate(looked)
        page.reload()
        until(page, closed(3))
        assert page.evaluate(looked) == before
        assert page.evaluate(f"{PLOT}._fullData[0].visible") == "legendonly"
        page.locator("#fitness .legendtoggle").first.click()
        until(page, "!location.search.includes('hidden')")
        page.locator("#generation [role=slider]").focus()
        page.keyboard.press("ArrowLeft")
        until(page, "location.search.includes('generation=2')")
        assert "zoom=fitness.xaxis:" in page.url


def test_an_answer_that_comes_after_somebody_went_back_moves_nobody(page, finished):
    held, searched = [], "location.search.includes('generation=2')"

    def hold(route) -> None:
        """Questions about a generation are answered when we say so."""
        asked = route.request.post_data or ""
        late = asked.startswith(('{"output":"..block.figure', '{"output":"generation.value'))
        held.append(route) if late else route.continue_()

    with serving(finished, finished) as address:
        page.goto(f"{address}/evolution")
        until(page, "document.querySelector('#generation-said')?.innerText === 'Generation 3'")
        page.locator("#generation [role=slider]").focus()
        page.keyboard.press("ArrowLeft")
        until(page, searched)
        page.route("**/_dash-update-component*", hold)
        page.reload()
        page.wait_for_selector("#generation-said")
        page.wait_for_timeout(1000)
        page.go_back()
        until(page, f"!{searched}")
        page.wait_for_timeout(500)
        assert len(held) == 2  # what was asked before, and what back asks
        for route in held:
            route.continue_()
            page.wait_for_timeout(700)
            assert not page.evaluate(searched)


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
            until(page, closed(2), 180)
            assert "run=watched-" in page.url
            assert page.is_disabled("#resume")
            assert page.input_value("#more") == "40"
            page.click("#stop")
            page.wait_for_selector("text=stops when")
            until(page, "!document.querySelector('#resume').disabled", 180)
            until(page, "document.querySelector('#tiles').innerText.includes('stopped')", 180)
            (work,) = works(tmp_path)
            assert not work.running
            page.fill("#more", "400")
            before = page.evaluate("document.querySelector('#generation-said').innerText")
            page.click("#resume")
            page.wait_for_selector("text=goes on")
            until(
                page,
                f"document.querySelector('#generation-said').innerText !== '{before}'",
                180,
            )
            assert read_work(tmp_path, work.name).running
            page.click("#stop")
            until(page, "document.querySelector('#tiles').innerText.includes('stopped')", 180)
        finally:
            for work in works(tmp_path):
                if work.running:
                    os.kill(work.pid, signal.SIGKILL)
