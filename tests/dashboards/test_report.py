"""The report of whole runs: what it says, what it never lets in, that a browser draws it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.manifest import write_manifest
from dashboards.report import report
from speciation.tables.files import StoreError
from speciation.tables.readers import generations_frame, plans_frame
from speciation.tables.store import Store
from tests.cluster.runs import FAST, carry_out, config
from tests.dashboards.reading import Page

RUN = config().run_id()
PLOTS = ["seeds", "fitness", "population", "diversity", "curves", "outcomes", "classes", "pace"]
HOSTILE = '<img src=x onerror="hacked=1"><a href="https://evil.example/">x</a></script>&lt;b>'


@pytest.fixture
def copied(finished, tmp_path) -> Store:
    """The same store, to write to."""
    return Store(shutil.copytree(finished, tmp_path / "copied"))


@pytest.fixture(scope="module")
def usual(finished, tmp_path_factory) -> Path:
    """The report of a run that nothing happened to."""
    return written(finished, tmp_path_factory.mktemp("usual"))


@pytest.fixture(scope="module")
def hostile(finished, tmp_path_factory) -> Page:
    """The report of a run that says hostile things."""
    folder = tmp_path_factory.mktemp("hostile")
    store = Store(shutil.copytree(finished, folder / "store"))
    poison(store)
    return read(store, folder)


def written(store: Store | Path, folder: Path, run: str = RUN) -> Path:
    """A report's file."""
    path = folder / "report.html"
    report(store if isinstance(store, Store) else Store(store), run, path)
    return path


def parsed(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def read(store: Store | Path, folder: Path, run: str = RUN) -> Page:
    """A report as parsed."""
    return parsed(written(store, folder, run))


def plots(page: Page) -> list[str]:
    """Ids of the figures of a page."""
    return [given["id"] for _, given in page.elements if given.get("class") == "plot"]


def poison(store: Store) -> None:
    """Let a run's manifest and rows say hostile things wherever words can stand."""
    manifest = store.read_manifest(RUN)
    manifest["config"]["note"] = HOSTILE
    provenance = {"commit": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    told = dict.fromkeys(("name", "status", "created", "updated"), HOSTILE)
    store.write_manifest(
        RUN, manifest | told | {"devices": [HOSTILE], "provenance": provenance}
    )
    alter(store, "generations", 1, genome_id=HOSTILE)
    alter(store, "genomes", 1, genome_id=HOSTILE, origin=HOSTILE)
    for i in range(8):  # enough to be admitted to the Hall of Fame
        words = {"device": HOSTILE, "backend": HOSTILE, "learning_class": HOSTILE}
        grokked = {"outcome": "grokked", "steps_to_grok": 25}
        alter(store, "trials", 1, trial_id=f"t{i}", genome_id=HOSTILE, **words, **grokked)


def alter(store: Store, table: str, count: int, **changes: Any) -> None:
    """Add copies of rows that say something else."""
    rows = store.scan(table).table.to_pylist()
    chosen = [row for row in rows if row.get("pool") != "B"][:count]
    store.append(table, [row | changes for row in chosen])


# -- What it says ---------------------------------------------------------------------------


def test_a_finished_run_is_told_from_top_to_bottom(finished, usual):
    page, manifest = parsed(usual), Store(finished).read_manifest(RUN)
    confirmed = manifest["champion"]["confirmed"]
    assert plots(page) == PLOTS
    assert manifest["champion"]["genome"]["id"] in page.text
    assert f"{confirmed['successes']} of {confirmed['trials']} new seeds" in page.text
    assert "a + b mod 97" in page.text
    assert "Resolved configuration" in page.text
    assert "48 for evolution, and 6 on new seeds" in page.text
    for title in (
        "Champion",
        "Evolution",
        "How it learned",
        "Hall of Fame",
        "Trials",
        "The run",
    ):
        assert title in page.texts


def test_every_link_of_the_page_leads_to_one_of_its_parts(usual):
    page = parsed(usual)
    links = [given["href"] for name, given in page.elements if name == "a"]
    assert len(links) == 6
    assert {link.removeprefix("#") for link in links} <= {g.get("id") for _, g in page.elements}


@pytest.mark.parametrize("landscape", ["tank", "sniper"])
def test_a_report_is_of_the_runs_own_landscape(landscape, tmp_path):
    own = config(evolution={"landscape": landscape, "gate": 0.3})
    carry_out(own, tmp_path)
    page = read(tmp_path, tmp_path, own.run_id())
    assert plots(page) == PLOTS
    assert f"The {landscape} landscape looks for" in page.text


def test_one_generation_and_one_seed_make_a_report(tmp_path):
    own = config(evolution={"generations": 1, "seeds": 1}, confirm={"seeds": 1})
    carry_out(own, tmp_path)
    page = read(tmp_path, tmp_path, own.run_id())
    assert plots(page) == PLOTS
    assert "of 1 new seed" in page.text


def test_a_run_in_which_nothing_groks_says_so(tmp_path):
    own = config(horizon=25)
    carry_out(own, tmp_path)
    page = read(tmp_path, tmp_path, own.run_id())
    assert "Groks on none of 6 new seeds (95 % 0–39 %)" in page.text
    assert "None has shown that yet." in page.text


def test_a_failed_trial_is_shown(tmp_path):
    carry_out(config(evolution={"generations": 1}), tmp_path / "calm")
    bad = plans_frame(Store(tmp_path / "calm"))["trial_ids"][3][0]
    sick = dataclasses.replace(FAST, poison=frozenset({bad}))
    carry_out(config(evolution={"generations": 1}), tmp_path / "sick", sick)
    assert "1 failed" in read(tmp_path / "sick", tmp_path).text


def test_a_run_that_was_stopped_is_told_as_far_as_it_got(tmp_path):
    store = Store(tmp_path)
    carry_out(config(), store, stop=lambda: not generations_frame(store).empty)
    assert store.read_manifest(RUN)["status"] == "stopped"
    assert store.read_manifest(RUN)["champion"] is None
    page = read(store, tmp_path)
    assert "Leading so far, not confirmed" in page.text
    assert "This run has not finished" in page.text
    assert "closed, of 3 planned" in page.text
    assert plots(page) == PLOTS


def test_a_run_that_has_only_begun_has_a_report(tmp_path):
    store = Store(tmp_path)
    write_manifest(store, config(), "running", 0, None, [])
    page = read(store, tmp_path)
    assert "No genome has been judged yet" in page.text
    assert "it has 0 closed generations" in page.text
    assert plots(page) == []


def test_lost_curves_and_genomes_leave_the_rest_standing(copied, tmp_path):
    for table in ("curves", "genomes"):
        for part in Path(copied.uri, table).glob("*.parquet"):
            part.write_bytes(b"rotten")
    page = read(Store(copied.uri), tmp_path)
    assert "Left out: " in page.text
    assert "There are no curves of a champion to show." in page.text
    assert "Its genes cannot be read." in page.text
    assert plots(page) == [name for name in PLOTS if name not in ("curves", "diversity")]


# -- The file -------------------------------------------------------------------------------


def test_the_file_needs_nothing_else(usual):
    page = parsed(usual)
    loads = [g[key] for _, g in page.elements for key in ("src", "srcset", "data") if key in g]
    assert loads == []
    assert not any(name in ("link", "iframe", "object", "base") for name, _ in page.elements)
    style = usual.read_text(encoding="utf-8").split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert usual.read_bytes().count(b"* plotly.js v") == 1


def test_the_same_store_gives_the_same_bytes(finished, usual, tmp_path):
    assert written(finished, tmp_path).read_bytes() == usual.read_bytes()


def test_an_old_report_stays_whole_when_a_new_one_cannot_be_made(copied, tmp_path):
    path = written(copied, tmp_path)
    before = path.read_bytes()
    (Path(copied.uri) / "runs" / RUN / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="manifest"):
        report(Store(copied.uri), RUN, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.glob("*report*")] == ["report.html"]


def test_a_place_that_cannot_be_written_is_named(finished, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write"):
        report(Store(finished), RUN, tmp_path / "file" / "report.html")


# -- What it never lets in ------------------------------------------------------------------


def test_hostile_words_are_words(hostile, usual):
    honest = {name for name, _ in parsed(usual).elements}
    assert {name for name, _ in hostile.elements} <= honest
    assert not any(key.startswith("on") for _, given in hostile.elements for key in given)
    assert not any("evil" in g.get("href", "") for _, g in hostile.elements)
    shown = [text for text in hostile.texts if "onerror" in text]
    assert len(shown) >= 8  # name, status, dates, devices, commit, versions, configuration …


def test_hostile_words_are_words_in_figures_too(hostile):
    found = [s for data in hostile.data for s in strings(json.loads(data))]
    assert any("&lt;img" in s for s in found)
    assert not any("<img" in s or "<a " in s for s in found)


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


# -- In a browser ---------------------------------------------------------------------------


@pytest.fixture
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_browser_draws_every_figure_and_asks_for_nothing(
    browser, copied, tmp_path, width, scheme
):
    poison(copied)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    path = written(copied, tmp_path)
    page.goto(path.as_uri())
    for name in PLOTS:
        page.wait_for_selector(f"#{name} .main-svg :is(.trace, image)", state="attached")
        page.locator(f"#{name}").hover()
    assert page.locator(".plot > .plot-container").count() == len(PLOTS)
    assert page.locator(".plot a, .plot img").count() == 0
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
