"""Looking after a store: check every byte, merge small parts, copy from another store.

All of it is safe beside readers and writers, and safe to be killed at any point.
"""

from __future__ import annotations

from speciation.tables import parts
from speciation.tables.files import Entry, Vanished
from speciation.tables.folder import PartFolder
from speciation.tables.parts import NewerPart, PartError
from speciation.tables.reports import BadPart, Compacted, TableCheck
from speciation.tables.schema import TableSpec
from speciation.tables.union import union

COMPACT_BYTES = 256 * 2**20
"""Most bytes of parts that one compaction takes in, the smallest parts first."""


def check(folder: PartFolder, spec: TableSpec) -> TableCheck:
    """Read every part of a table from disk; change nothing."""
    rows, bad, newer = 0, [], []
    entries = folder.parts()
    for entry in entries:
        try:
            rows += len(folder.rows(spec, entry.name))
        except Vanished:
            continue
        except NewerPart:
            newer.append(entry.name)
        except PartError as error:
            bad.append(BadPart(spec.name, entry.name, str(error), moved=False))
    return TableCheck(
        name=spec.name,
        parts=len(entries),
        rows=rows,
        bytes=sum(entry.size for entry in entries),
        bad=tuple(bad),
        newer=tuple(newer),
        leftovers=folder.leftovers(),
        quarantined=folder.quarantined(),
    )


def compact(folder: PartFolder, spec: TableSpec, smaller_than: int | None) -> Compacted:
    """Merge parts of a table: the same facts end as the same bytes.

    Args:
        folder: The table's parts.
        spec: The table.
        smaller_than: Merge parts of fewer bytes than this; all by default.
    """
    before = folder.parts()
    tables, merged, left_alone = [], [], []
    for entry in _candidates(before, smaller_than):
        try:
            data = folder.read(entry.name)
            rows = parts.decode(spec, entry.name, data)
        except Vanished:
            continue
        except NewerPart:
            left_alone.append(entry.name)
            continue
        except PartError as error:
            folder.put_aside(spec, entry.name, str(error))
            continue
        if parts.has_unknown_columns(spec, data):
            left_alone.append(entry.name)
            continue
        tables.append(rows)
        merged.append(entry.name)
    written = {_add(folder, spec, data) for data in parts.pack(spec, union(tables, spec))}
    # Only now, when every fact stands in a new part that is safely on disk.
    for name in merged:
        if name not in written:
            folder.remove(name)
    after = folder.parts()
    return Compacted(
        name=spec.name,
        parts_before=len(before),
        parts_after=len(after),
        bytes_before=sum(entry.size for entry in before),
        bytes_after=sum(entry.size for entry in after),
        left_alone=tuple(left_alone),
    )


def _add(folder: PartFolder, spec: TableSpec, data: bytes) -> str:
    """Publish a merged part, after a proof that it can be read: the old ones will go."""
    parts.decode(spec, parts.part_name(data), data)
    return folder.add(data)


def _candidates(entries: list[Entry], smaller_than: int | None) -> list[Entry]:
    """The smallest parts first, as many as fit into memory together."""
    chosen, total = [], 0
    for entry in sorted(entries, key=lambda entry: (entry.size, entry.name)):
        total += entry.size
        if total > COMPACT_BYTES or (smaller_than is not None and entry.size >= smaller_than):
            break
        chosen.append(entry)
    return chosen


def copy(source: PartFolder, target: PartFolder) -> tuple[int, int, list[BadPart]]:
    """Copy the parts that the target lacks, each checked against its name.

    Returns:
        How many were copied, how many were there already, and those that were not fit.
    """
    present = {entry.name for entry in target.parts()}
    copied, known, bad = 0, 0, []
    for entry in source.parts():
        if entry.name in present:
            known += 1
            continue
        try:
            target.add(source.read(entry.name))
            copied += 1
        except Vanished:
            continue
        except PartError as error:
            bad.append(BadPart(source.name, entry.name, str(error), moved=False))
    return copied, known, bad
