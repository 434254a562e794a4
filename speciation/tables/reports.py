"""What reading, checking and tidying a store has to say for itself."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True, order=True)
class BadPart:
    """A part that was not read, and why.

    Its facts count as unknown, and what needs them computes them again. ``moved`` says whether
    it now lies in the quarantine folder.
    """

    table: str
    name: str
    reason: str
    moved: bool

    def __str__(self) -> str:
        fate = "moved to quarantine" if self.moved else "left where it is, and not read"
        return f"part {self.table}/{self.name}: {self.reason}; {fate}"


@dataclass(frozen=True, slots=True)
class Scan:
    """Rows, one a key and sorted by key, and the parts that had to be left out."""

    table: pa.Table
    bad: tuple[BadPart, ...] = ()


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table's size: files, their bytes, and facts (rows after dropping duplicates)."""

    name: str
    parts: int
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What a store holds; ``outcomes`` counts trials, ``genomes`` distinct genomes."""

    uri: str
    tables: tuple[TableInfo, ...]
    outcomes: dict[str, int]
    genomes: int
    runs: tuple[str, ...]
    bad: tuple[BadPart, ...]


@dataclass(frozen=True, slots=True)
class TableCheck:
    """What verification found in one table.

    ``rows`` counts duplicates too. ``newer`` are good parts of a newer program, ``leftovers``
    unfinished files of writers that died (or are just writing), ``quarantined`` counts what
    earlier readings put aside.
    """

    name: str
    parts: int
    rows: int
    bytes: int
    bad: tuple[BadPart, ...]
    newer: tuple[str, ...]
    leftovers: tuple[str, ...]
    quarantined: int


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """What verification found; ``manifests`` are sentences about damaged ones."""

    uri: str
    tables: tuple[TableCheck, ...]
    manifests: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything there can be read."""
        return not self.manifests and not any(t.bad or t.newer for t in self.tables)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What compaction did to one table.

    ``left_alone`` are parts that hold more than this program understands.
    """

    name: str
    parts_before: int
    parts_after: int
    bytes_before: int
    bytes_after: int
    left_alone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """What merging took over, what was here already, and what was not fit to be taken.

    Parts ``copied``, parts that were ``present``, ``manifests`` copied, ``bad`` parts, and
    sentences about ``damaged`` manifests.
    """

    copied: int
    present: int
    manifests: int
    bad: tuple[BadPart, ...]
    damaged: tuple[str, ...]
