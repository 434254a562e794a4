"""The Lab's three-dimensional view of many genomes, in a real browser: how long until it shows.

    python benchmarks/lab_space.py [GENOMES] [BROWSERS]

Classifies random genomes and opens the page Speciation in new Chromiums without a window (WebGL
in software, as on a machine without a GPU), each with an empty cache, then again in the same
one. A page times itself, from its request: *seen* is when the picture of all points has been
painted, *turns* when WebGL has drawn them all. Nobody watches from outside, since Chromium
reads Plotly's file three times more while somebody does. Then another rank is chosen by a key
on the slider, until its colours were drawn; that is watched. All in seconds.
"""

from __future__ import annotations

import contextlib
import json
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from flask import Response, request
from playwright.sync_api import Page, sync_playwright

from dashboards.lab.app import listen, make_app, server_of, warm
from dashboards.lab.sources import Sources
from speciation.analysis.taxonomy import classify
from speciation.analysis.taxonomy_file import encode
from speciation.genome.genome import HYPER17

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader"]
VISITS = 3  # of each browser
SECONDS = 120  # that a visit may take

MARKS = """document.querySelector("#space .js-plotly-plot")
  ?._fullLayout?.scene?._scene?.glplot?.objects
  ?.reduce((n, o) => n + (o.pointCount || o.triangleCount / 2 || 0), 0) ?? 0"""
CLOCK = f"""
const visit = Number(sessionStorage.getItem("visit") || 0), told = {{visit}};
const mark = (name) => requestAnimationFrame(() => requestAnimationFrame(() => {{
  told[name] ??= performance.now() / 1000;
}}));
const look = () => {{
  const picture = document.getElementById("picture");
  if (picture?.complete && picture.naturalWidth) mark("seen");
  if ({MARKS} >= GENOMES) mark("turns");
  if (!told.turns) return requestAnimationFrame(look);
  sessionStorage.setItem("visit", visit + 1);
  fetch("/told?" + encodeURIComponent(JSON.stringify(told))).then(() => {{
    if (visit + 1 < {VISITS}) setTimeout(() => location.reload(), 1000);
  }});
}};
if (!navigator.webdriver) requestAnimationFrame(look);"""
WATCH = """() => {
  window.changed = false;
  document.querySelector("#space .js-plotly-plot")
    .on("plotly_afterplot", () => { window.changed = true; });
}"""
DRAWN = """() => new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"""


@contextlib.contextmanager
def lab(folder: Path, genomes: int) -> Iterator[tuple[str, queue.Queue[dict[str, float]]]]:
    """The Lab, whose pages time themselves: its address, and what they tell."""
    listening = listen("127.0.0.1", 0)
    told: queue.Queue[dict[str, float]] = queue.Queue()
    port = listening.getsockname()[1]
    sources = Sources(folder, folder)
    app = make_app(sources, port)
    script = '<head><script src="/clock.js"></script>'
    app.index_string = app.index_string.replace("<head>", script, 1)

    @app.server.get("/clock.js")
    def clock() -> Response:
        body = f"(() => {{{CLOCK.replace('GENOMES', str(genomes))}}})();"
        return Response(body, mimetype="text/javascript")

    @app.server.get("/told")
    def telling() -> str:
        told.put(json.loads(unquote(request.query_string.decode())))
        return ""

    server = server_of(app, listening)
    warm(sources)  # as `speciation lab` does
    threading.Thread(target=server.run, daemon=True).start()
    time.sleep(5)  # a person is slower
    try:
        yield f"http://127.0.0.1:{port}/speciation?rank=phylum", told
    finally:
        server.close()


def visits(address: str, told: queue.Queue[dict[str, float]]) -> list[dict[str, float]]:
    """What the pages of a new browser tell, one visit after the other."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = [*FLAGS, "--headless=new", "--no-first-run", "--window-size=1280,900"]
        browser = subprocess.Popen(
            [CHROMIUM, *flags, f"--user-data-dir={profile}", address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return [told.get(timeout=SECONDS) for _ in range(VISITS)]
        finally:
            browser.terminate()
            browser.wait()


def rank_change(page: Page) -> float:
    """Seconds from a key on the slider until the colours of another rank were drawn."""
    handle = page.locator("#rank [role=slider]")
    handle.focus()
    page.evaluate(WATCH)
    began = time.perf_counter()
    page.keyboard.press("ArrowRight")
    while not page.evaluate("window.changed"):
        page.wait_for_timeout(20)
    page.evaluate(DRAWN)
    return time.perf_counter() - began


def rank_changes(address: str, genomes: int) -> list[float]:
    """Four of them, in one browser."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("pageerror", lambda error: print("error", error))
        page.goto(address)
        while page.evaluate(MARKS) < genomes:
            page.wait_for_timeout(20)
        page.wait_for_timeout(2000)
        found = [rank_change(page) for _ in range(4)]
        browser.close()
    return found


def said(name: str, values: list[float]) -> str:
    """Median and range."""
    return (
        f"{name} {statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f} "
        f"of {len(values)})"
    )


def main(genomes: int, browsers: int) -> None:
    """Classify, open, turn, print."""
    began = time.perf_counter()
    found = classify(HYPER17.random(genomes, np.random.default_rng(0)))
    print(f"{genomes:,} genomes classified in {time.perf_counter() - began:.1f} s")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "taxonomy").mkdir()
        (folder / "taxonomy" / "hyper17.arrow").write_bytes(encode(found))
        with lab(folder, genomes) as (address, told):
            pages = [own for _ in range(browsers) for own in visits(address, told)]
            for name, some in (
                ("a new browser", [own for own in pages if own["visit"] == 0]),
                ("later visits", [own for own in pages if own["visit"] > 0]),
            ):
                times = (said(key, [own[key] for own in some]) for key in ("seen", "turns"))
                print(f"{name}: medians: {', '.join(times)}")
            print(said("another rank: median", rank_changes(address, genomes)))


if __name__ == "__main__":
    given = [int(own) for own in sys.argv[1:]]
    main(given[0] if given else 50_000, given[1] if len(given) > 1 else 5)
