"""Named groups of genomes, saved with a store: one small JSON each.

A group is a name for some genome ids: a species, an arm of a study, whatever is to be looked at
as one. It changes no fact, so unlike a part it may be written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from speciation.tables.files import Files, StoreError, TooLarge, Vanished

FOLDER = "groups"
FORMAT, VERSION = "speciation-group", 1
MOST_BYTES = 8 * 2**20  # about 200,000 ids

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID = re.compile(r"[0-9a-f]{32}")


def write_group(files: Files, name: str, genome_ids: Sequence[str]) -> None:
    """Write or replace a group.

    Raises:
        StoreError: The name is not one, an id is not one, there are none, or writing failed.
    """
    path = _path(name)
    ids = sorted(set(genome_ids))
    if not ids or not all(map(_ID.fullmatch, ids)):
        raise StoreError(f"group {name!r} needs ids of genomes, 32 hexadecimal digits each")
    document = {"format": FORMAT, "version": VERSION, "name": name, "genomes": ids}
    data = (json.dumps(document, indent=2) + "\n").encode()
    if len(data) > MOST_BYTES:
        raise StoreError(f"group {name!r} has {len(ids):,} genomes, too many for one file")
    files.replace(path, data)


def read_group(files: Files, name: str) -> tuple[str, ...]:
    """Genome ids of a group, sorted.

    Raises:
        StoreError: There is no such group, or its file is damaged.
    """
    path = _path(name)
    try:
        data = files.read(path, MOST_BYTES)
    except TooLarge as error:
        raise StoreError(f"group {error}, so it is not one of ours") from error
    except Vanished:
        known = ", ".join(groups(files)[-10:]) or "none"
        raise StoreError(
            f"there is no group {name!r} in {files.uri}; its groups are: {known}"
        ) from None
    return _parse(f"{files.uri}/{path}", data)


def groups(files: Files) -> tuple[str, ...]:
    """Names of groups, sorted."""
    names = (entry.name for entry in files.files(FOLDER) if entry.name.endswith(".json"))
    return tuple(
        sorted(n for name in names if _NAME.fullmatch(n := name.removesuffix(".json")))
    )


def check_name(name: str) -> None:
    """Check that a group may be called so.

    Raises:
        StoreError: It may not.
    """
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"{name[:80]!r} cannot be the name of a group: use up to 64 letters, digits, dots, "
            "dashes and underscores, a letter or a digit first"
        )


def _path(name: str) -> str:
    check_name(name)
    return f"{FOLDER}/{name}.json"


def _parse(where: str, data: bytes) -> tuple[str, ...]:
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"group {where} is damaged ({error}); write it again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise StoreError(f"group {where} is not a {FORMAT} file; write it again")
    if not isinstance(document.get("version"), int) or document["version"] > VERSION:
        raise StoreError(f"group {where} was written by a newer version of this program")
    ids = document.get("genomes")
    if not isinstance(ids, list) or not ids:
        raise StoreError(f"group {where} names no genomes; write it again")
    if not all(isinstance(own, str) and _ID.fullmatch(own) for own in ids):
        raise StoreError(f"group {where} holds what is no id of a genome; write it again")
    return tuple(sorted(set(ids)))
