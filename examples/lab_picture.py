"""Makes docs/lab.png: the Lab's page of a run, as a headless Chromium shows it.

python examples/lab_picture.py STORE RUN [PICTURE]
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

from dashboards.lab.app import listen, make_app, server_of
from dashboards.lab.sources import Sources


def main(store: str, run: str, picture: str = "docs/lab.png") -> None:
    """Serve, open, save."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = server_of(make_app(Sources(Path(store), Path("genomes")), port), listening)
    threading.Thread(target=server.run, daemon=True).start()
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 1180})
        page.goto(f"http://127.0.0.1:{port}/evolution?run={run}")
        page.wait_for_selector("#block .main-svg")
        page.wait_for_timeout(2500)
        page.screenshot(path=picture)
        browser.close()
    server.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
