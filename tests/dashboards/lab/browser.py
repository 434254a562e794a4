"""The Lab as a server, and waiting for what a browser shows."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dashboards.lab.app import listen, make_app, server_of
from dashboards.lab.sources import Sources
from dashboards.lab.works import works

DRIVER = ("warning: Canvas2D", "warning: [.WebGL")  # WebGL in software


@contextmanager
def serving(store: Path, library: Path, late: float = 0.0) -> Iterator[str]:
    """A Lab that listens: its address. Every other answer may come so many seconds late."""
    listening = listen("127.0.0.1", 0)
    port, asked = listening.getsockname()[1], itertools.count()
    app = make_app(Sources(store, library), port)
    if late:
        app.server.before_request(lambda: time.sleep(late * (next(asked) % 2)))
    with running(server_of(app, listening)):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(server: Any) -> Iterator[None]:
    """A server at work in a thread that has ended when this has.

    Else its end, on sockets that were closed, is laid to the charge of a later test.
    """
    over = threading.Event()

    def run() -> None:
        try:
            server.run()
        except OSError:
            if not over.is_set():
                raise

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        server.close()
        server.task_dispatcher.shutdown(timeout=5)
        thread.join(5)
        # A browser may be there still, and would tell of a line that is cut; so lines stay, and
        # no later test is blamed for them.
        for channel in list(server.active_channels.values()):
            channel.socket.detach()


def until(page, expression: str, seconds: float = 60.0) -> None:
    """Wait for something. Playwright's own way needs ``eval``, which the Lab forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never came: {expression}"
        page.wait_for_timeout(50)


def ended(store: Path, seconds: float = 60.0) -> None:
    """Wait until nothing that was started from the Lab runs any more."""
    end = time.monotonic() + seconds
    while any(own.running for own in works(store)):
        assert time.monotonic() < end, "a work goes on"
        time.sleep(0.1)
