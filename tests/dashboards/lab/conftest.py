"""A browser, and windows in which no error may be told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboards.lab.browser import DRIVER


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        flags = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium) -> Iterator[object]:
    """A window; at its end nothing may stand in the console but WebGL's own remarks."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    window, said = context.new_page(), []
    window.on("console", lambda m: said.append(f"{m.type}: {m.text}"))
    window.on("pageerror", lambda error: said.append(f"error: {error}"))
    yield window
    assert [one for one in said if not one.startswith(DRIVER)] == []
    context.close()
