"""Whether anybody works on a queue: the dispatcher says so, every few seconds, in the store.

A queue outlives its cluster, and then its jobs look as if they were running. Whoever lists them
is told that nobody is at work, and what to do about it.

A dispatcher that has had nothing to do says that it is about to leave, and looks once more: a
job that was put into the queue before is seen by that look, and whoever puts one in later reads
that it leaves, and has another one started.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from speciation.tables.files import Files, StoreError
from speciation.tables.manifests import parse_manifest

FILE = "dispatcher.json"
SILENT_SECONDS = 60.0
_BYTES = 4096


def write_beat(files: Files, now: float, leaving: bool = False) -> None:
    """Say that a dispatcher is at work. Nothing is lost if that cannot be written.

    Args:
        files: The store's.
        now: Seconds since 1970.
        leaving: It is so for the last time.
    """
    with contextlib.suppress(StoreError):
        files.replace(FILE, json.dumps({"at": now, "leaving": leaving}).encode())


def is_at_work(files: Files, now: float) -> bool:
    """Whether a dispatcher was heard of lately, and stays; times are seconds since 1970."""
    beat = _beat(files)
    at = beat.get("at")
    lately = isinstance(at, int | float) and now - at < SILENT_SECONDS
    return lately and beat.get("leaving") is not True


def is_leaving(files: Files) -> bool:
    """Whether the last that was heard of a dispatcher is that it leaves."""
    return _beat(files).get("leaving") is True


def _beat(files: Files) -> Mapping[str, Any]:
    try:
        return parse_manifest(FILE, files.read(FILE, _BYTES))
    except StoreError:
        return {}


def idle_note(files: Files, waiting: int, now: float) -> str:
    """What to say of a queue with jobs that wait or run; nothing if somebody is at work."""
    if not waiting or is_at_work(files, now):
        return ""
    return (
        "nobody works on this queue; have a cluster go on with: speciation dispatch "
        f"--store {files.uri}"
    )
