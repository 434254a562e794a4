"""Figures of a page as files, by a browser that is there already.

The page draws its own pictures (``pictures.py``); a Chromium or Chrome without a window opens
it and hands back what it wrote. Nothing is downloaded, and where no browser is found, one
sentence says what to do instead.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote

from speciation.tables.files import LocalFiles

BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("chrome", "microsoft-edge"),
)
SECONDS = 120

_EXPORTED = re.compile(r'<script type="application/json" id="exported">(.*?)</script>', re.S)


class ExportError(RuntimeError):
    """Pictures that cannot be made: one sentence."""


def pictures(page: Path, folder: Path, form: str, browser: str | None = None) -> list[Path]:
    """Write every figure of a page as a file; each is there whole, or not at all.

    Args:
        page: A page of this project.
        folder: Where the files go, named as the figures are.
        form: ``svg`` or ``png``.
        browser: A Chromium or Chrome; the first that is found by default.

    Raises:
        ExportError: There is no browser, or it did not draw.
        StoreError: A file cannot be written.
    """
    found = _drawn(page, form, browser or installed())
    files = LocalFiles(folder.absolute())
    for name, address in found.items():
        files.replace(f"{name}.{form}", _decoded(address))
    return [folder / f"{name}.{form}" for name in found]


def installed() -> str:
    """The first browser that is found.

    Raises:
        ExportError: There is none.
    """
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise ExportError(
        f"--figures needs a browser, and none of {', '.join(BROWSERS)} is installed; the page "
        "itself saves every figure: open it and press SVG or PNG below a figure"
    )


def _drawn(page: Path, form: str, browser: str) -> dict[str, str]:
    """Figure → its picture as a data address."""
    with tempfile.TemporaryDirectory() as profile:
        command = [
            *(browser, "--headless=new", "--no-sandbox", "--disable-gpu"),
            *(f"--user-data-dir={profile}", "--virtual-time-budget=60000", "--dump-dom"),
            f"{page.resolve().as_uri()}#export={form}",
        ]
        try:
            run = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(f"{browser} did not draw {page.name}: {error}") from None
    text = _EXPORTED.search(run.stdout.decode("utf-8", errors="replace"))
    if text is None:
        raise ExportError(
            f"{browser} did not draw {page.name} (exit code {run.returncode}); open the page "
            "and press SVG or PNG below a figure"
        )
    found: dict[str, str] = json.loads(text[1])
    return found


def _decoded(address: str) -> bytes:
    """What a data address holds."""
    head, _, body = address.partition(",")
    return base64.b64decode(body) if head.endswith(";base64") else unquote(body).encode()
