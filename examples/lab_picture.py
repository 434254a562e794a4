"""Makes docs/lab.png: the six pages of the Lab, as a headless Chromium shows them.

python examples/lab_picture.py STORE RUN [PICTURE]

STORE is a store with a run that was classified (`speciation taxonomy`). The library is the
project's own. Every page is photographed, one of them in the dark, and the photographs are laid
out on one sheet, which is photographed in turn.
"""

from __future__ import annotations

import base64
import sys
import threading
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from dashboards.lab.app import listen, make_app, server_of
from dashboards.lab.sources import Sources
from speciation.genome.collection import read_collection

FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader"]
WIDTH, HEIGHT = 1280, 960
DRAWN = ".js-plotly-plot .main-svg"
DARK = "Speciation"

SHEET = """<!DOCTYPE html><meta charset="utf-8"><style>
body{margin:0;padding:28px;width:1544px;background:#e9edf1;font:600 17px system-ui,sans-serif;
  color:#2b3440;display:grid;grid-template-columns:1fr 1fr;gap:26px 28px}
figure{margin:0}figcaption{padding:0 2px 8px}
img{display:block;width:100%;border-radius:10px;box-shadow:0 2px 14px #1b263326}
</style>"""


def pages(run: str) -> dict[str, str]:
    """Name → address of each page, with something to see."""
    found = {own.path.stem: own.genome.id for own in read_collection(Path("genomes")).genomes}
    champion, stock = found["tank"], found["stock-adamw"]
    return {
        "Evolution": f"/evolution?run={run}",
        "Forge": f"/forge?recipient={stock}&donors={champion}",
        "Stress Test": f"/stress?genomes=run:{run}&seeds=16",
        "Speciation": "/speciation?rank=order",
        "Runs": "/runs",
        "Library": f"/library?genome={champion}",
    }


def photograph(page: Page, name: str, address: str) -> bytes:
    """A page as it looks when all of it is drawn."""
    page.emulate_media(color_scheme="dark" if name == DARK else "light")
    page.goto(address)
    page.wait_for_selector("main h1")
    if name not in ("Runs", "Library"):
        page.wait_for_selector(DRAWN, timeout=60_000)
    page.wait_for_timeout(4000)
    return page.screenshot()


def sheet(browser: Browser, photographs: dict[str, bytes]) -> bytes:
    """All of them on one."""
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    parts = [
        f"<figure><figcaption>{name}</figcaption>"
        f'<img src="data:image/png;base64,{base64.b64encode(body).decode()}"></figure>'
        for name, body in photographs.items()
    ]
    page.set_content(SHEET + "".join(parts))
    return page.screenshot(full_page=True)


def main(store: str, run: str, picture: str = "docs/lab.png") -> None:
    """Serve, open, save."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = server_of(make_app(Sources(Path(store), Path("genomes")), port), listening)
    threading.Thread(target=server.run, daemon=True).start()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        photographs = {
            name: photograph(page, name, f"http://127.0.0.1:{port}{path}")
            for name, path in pages(run).items()
        }
        Path(picture).write_bytes(sheet(browser, photographs))
        browser.close()
    server.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
