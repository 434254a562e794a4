"""The Lab as a server, and waiting for what a browser shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dashboards.lab.app import listen, make_app, server_of
from dashboards.lab.sources import Sources

DRIVER = ("warning: Canvas2D", "warning: [.WebGL")  # WebGL in software


@contextmanager
def serving(store: Path, library: Path) -> Iterator[str]:
    """A Lab that listens: its address."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = server_of(make_app(Sources(store, library), port), listening)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


def until(page, expression: str, seconds: float = 30.0) -> None:
    """Wait for something. Playwright's own way needs ``eval``, which the Lab forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never came: {expression}"
        page.wait_for_timeout(50)
