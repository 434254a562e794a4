"""Run manifests: one JSON object a run that says what was run, with what, on what.

Unlike a part, a manifest may be written again: it is replaced in one step, so a reader
sees the old one or the new one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from speciation.genome.canonical import canonical_json
from speciation.tables.files import Files, StoreError, TooLarge, Vanished

RUNS = "runs"
MANIFEST_BYTES = 2**20
MANIFEST_DEPTH = 64

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def write_manifest(files: Files, run: str, manifest: Mapping[str, Any]) -> None:
    """Write or replace the manifest of a run.

    Raises:
        StoreError: The run's name is not one, the manifest has no canonical JSON or is too
            large, or writing failed.
    """
    path = manifest_path(run)
    try:
        plain = json.loads(canonical_json(manifest))
    except (TypeError, ValueError) as error:
        raise StoreError(f"the manifest of run {run!r} cannot be written: {error}") from error
    data = (json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    if len(data) > MANIFEST_BYTES:
        raise StoreError(
            f"the manifest of run {run!r} has {len(data):,} bytes, and it may have "
            f"{MANIFEST_BYTES:,}"
        )
    files.replace(path, data)


def read_manifest(files: Files, run: str) -> dict[str, Any]:
    """The manifest of a run.

    Raises:
        StoreError: There is no such run, or its manifest is damaged.
    """
    path = manifest_path(run)
    try:
        data = files.read(path, MANIFEST_BYTES)
    except TooLarge as error:
        raise StoreError(f"manifest {error}, so it is not one of ours") from error
    except Vanished:
        known = ", ".join(runs(files)[-10:]) or "none"
        raise StoreError(
            f"there is no run {run!r} in {files.uri}; its runs are: {known}"
        ) from None
    return parse_manifest(f"{files.uri}/{path}", data)


def runs(files: Files) -> tuple[str, ...]:
    """Runs that have a manifest, sorted."""
    names = (name for name in files.folders(RUNS) if _RUN.fullmatch(name))
    return tuple(
        name
        for name in names
        if any(entry.name == "manifest.json" for entry in files.files(f"{RUNS}/{name}"))
    )


def manifest_path(run: str) -> str:
    """Where the manifest of a run is.

    Raises:
        StoreError: The run's name is not one.
    """
    if not _RUN.fullmatch(run):
        raise StoreError(
            f"{run[:80]!r} cannot be the name of a run: use up to 128 letters, digits, dots, "
            "dashes and underscores, a letter or a digit first"
        )
    return f"{RUNS}/{run}/manifest.json"


def parse_manifest(where: str, data: bytes) -> dict[str, Any]:
    """A manifest from bytes that may be anything.

    Args:
        where: The file's name, for messages.
        data: The bytes.

    Raises:
        StoreError: They are not a JSON object, or one with unreasonable content.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_no_twins,
            parse_constant=_finite,
            parse_float=_finite,
        )
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"manifest {where} is damaged ({error}); restore it from a copy, or remove it and "
            "start its run again: finished trials are kept"
        ) from error
    if not isinstance(value, dict):
        raise StoreError(
            f"manifest {where} should be a JSON object, but it is a {type(value).__name__}"
        )
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice[:60]!r} stands twice")
    return result


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:60]} is not a finite number")
    return number


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MANIFEST_DEPTH:
            raise ValueError(f"it is nested deeper than {MANIFEST_DEPTH} levels")
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
