"""The Lab's three-dimensional view of many genomes, in a real browser: how long until it shows.

    python benchmarks/lab_space.py [GENOMES] [REPEATS]

Classifies random genomes, opens the page Speciation in an installed Chromium without a window
(WebGL in software, as on a machine without a GPU) and prints, as medians: from the request to
the first picture of all points, and from a press of a key on the slider to the picture of
another rank.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from dashboards.lab.app import listen, make_app, server_of, warm
from dashboards.lab.sources import Sources
from speciation.analysis.taxonomy import classify
from speciation.analysis.taxonomy_file import encode
from speciation.genome.genome import HYPER17

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader"]
MARKS = """() => document.querySelector("#space .js-plotly-plot")
  ?._fullLayout?.scene?._scene?.glplot?.objects
  ?.reduce((n, o) => n + (o.pointCount || o.triangleCount / 2 || 0), 0) ?? 0"""
WATCH = """() => {
  window.changed = false;
  document.querySelector("#space .js-plotly-plot")
    .on("plotly_afterplot", () => { window.changed = true; });
}"""
DRAWN = """() => new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"""


def first_paint(page: Page, address: str, genomes: int) -> float:
    """Seconds from the request until every point was drawn."""
    began = time.perf_counter()
    page.goto(f"{address}/speciation?rank=phylum")
    while page.evaluate(MARKS) < genomes:
        page.wait_for_timeout(20)
    page.evaluate(DRAWN)
    return time.perf_counter() - began


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


def main(genomes: int, repeats: int) -> None:
    """Classify, open, turn, print."""
    began = time.perf_counter()
    found = classify(HYPER17.random(genomes, np.random.default_rng(0)))
    print(f"{genomes:,} genomes classified in {time.perf_counter() - began:.1f} s")
    with tempfile.TemporaryDirectory() as place, sync_playwright() as play:
        folder = Path(place)
        (folder / "taxonomy").mkdir()
        (folder / "taxonomy" / "hyper17.arrow").write_bytes(encode(found))
        listening = listen("127.0.0.1", 0)
        port = listening.getsockname()[1]
        sources = Sources(folder, folder)
        server = server_of(make_app(sources, port), listening)
        warm(sources)  # as `speciation lab` does
        threading.Thread(target=server.run, daemon=True).start()
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("pageerror", lambda error: print("error", error))
        paints = [
            first_paint(page, f"http://127.0.0.1:{port}", genomes) for _ in range(repeats + 1)
        ]
        print(
            f"first paint: {paints[0]:.2f} s at first, then median "
            f"{statistics.median(paints[1:]):.2f} s of {repeats}"
        )
        changes = [rank_change(page) for _ in range(4)]
        print(
            f"another rank: median {statistics.median(changes):.2f} s, "
            f"worst {max(changes):.2f} s of {len(changes)}"
        )
        browser.close()
        server.close()


if __name__ == "__main__":
    given = [int(own) for own in sys.argv[1:]]
    main(given[0] if given else 50_000, given[1] if len(given) > 1 else 3)
