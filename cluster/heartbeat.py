"""Whether anybody works on a queue: the dispatcher says so, every few seconds, in the store.

A queue outlives its cluster, and then its jobs look as if they were running. Whoever lists them
is told that nobody is at work, and what to do about it.
"""

from __future__ import annotations

import contextlib
import json

from speciation.tables.files import Files, StoreError
from speciation.tables.manifests import parse_manifest

FILE = "dispatcher.json"
SILENT_SECONDS = 60.0
_BYTES = 4096


def write_beat(files: Files, now: float) -> None:
    """Say that a dispatcher is at work. Nothing is lost if that cannot be written."""
    with contextlib.suppress(StoreError):
        files.replace(FILE, json.dumps({"at": now}).encode())


def is_at_work(files: Files, now: float) -> bool:
    """Whether a dispatcher has been heard of lately; times are seconds since 1970."""
    try:
        at = parse_manifest(FILE, files.read(FILE, _BYTES)).get("at")
    except StoreError:
        return False
    return isinstance(at, int | float) and now - at < SILENT_SECONDS


def idle_note(files: Files, waiting: int, now: float) -> str:
    """What to say of a queue with jobs that wait or run; nothing if somebody is at work."""
    if not waiting or is_at_work(files, now):
        return ""
    return (
        "nobody works on this queue; have a cluster go on with: speciation dispatch "
        f"--store {files.uri}"
    )
