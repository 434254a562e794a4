"""The store: a grow-only set of facts in a folder or a bucket.

    <root>/<table>/<sha256 of the bytes>.parquet     immutable parts
    <root>/runs/<run>/manifest.json                  what each run was
    <root>/groups/<group>.json                       genomes that are looked at as one
    <root>/quarantine/<table>/…                      parts that were not what their names say

Parts are only ever added. Writing a fact twice is harmless, the union of two stores is a store,
and so any number of writers, retries, copies and crashes needs no lock and no log. Compaction
writes the merged parts first and removes the old ones later: who reads in between sees rows
twice and drops them, never none.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from speciation.tables import groups, manifests, parts, upkeep
from speciation.tables.files import (
    StoreError,
    StoreFull,
    StoreUnavailable,
    Vanished,
    open_files,
)
from speciation.tables.folder import QUARANTINE, PartFolder
from speciation.tables.parts import NewerPart, PartError
from speciation.tables.reports import (
    BadPart,
    Compacted,
    Merged,
    Scan,
    StoreCheck,
    StoreInfo,
    TableInfo,
)
from speciation.tables.schema import TABLES, TableSpec
from speciation.tables.union import digests, union

__all__ = ["NewerPart", "Store", "StoreError", "StoreFull", "StoreUnavailable", "table_spec"]

CACHE_BYTES = 512 * 2**20
# A reader lists again when parts vanish under it; nobody compacts this often.
_LISTINGS = 20
_READERS = 8
_TABLE = re.compile(r"[a-z][a-z0-9_]{0,63}")

T = TypeVar("T")


class Store:
    """A store.

    One object may be used by several threads. It remembers what it has read, so reading again
    costs only what is new.

    Args:
        uri: A path, or a URI that starts with ``file://``, ``s3://`` or ``gs://``.
        filesystem: An Arrow file system that ``uri`` is a path in.
        cache_bytes: A table whose rows take more memory than this is read anew each time.

    Raises:
        StoreError: The URI is of no known kind.
    """

    def __init__(
        self,
        uri: str | Path,
        filesystem: pafs.FileSystem | None = None,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._files = open_files(uri, filesystem)
        self._folders = {name: PartFolder(self._files, name) for name in TABLES}
        self._cache_bytes = cache_bytes
        self._lock = threading.RLock()
        # Table and columns → the parts in their union, and the union.
        self._unions: dict[tuple[str, ...], tuple[frozenset[str], pa.Table]] = {}
        # Table → part → digests of the part's first key column.
        self._keys: dict[str, dict[str, pa.Array]] = {t: {} for t in TABLES}
        self._bad: dict[tuple[str, str], BadPart] = {}

    @property
    def uri(self) -> str:
        """Where the store is."""
        return self._files.uri

    @property
    def bad_parts(self) -> tuple[BadPart, ...]:
        """Every part that this object ever had to leave out."""
        return tuple(self._bad.values())

    # -- Facts in -----------------------------------------------------------------------

    def append(self, table: str, rows: pa.Table | Sequence[Mapping[str, Any]]) -> str | None:
        """Add facts, all of them or none. Once this returns, a crash cannot lose them.

        Args:
            table: Name of the table.
            rows: Rows; columns that are missing are null.

        Returns:
            Name of the part that holds them; None for no rows.

        Raises:
            StoreUnavailable: The disk is full or does not work at the moment; trying again is
                safe.
            StoreError: A column is unknown or has a wrong type, or writing failed.
        """
        spec = table_spec(table)
        given = _checked(spec, rows)
        if not len(given):
            return None
        data = parts.encode(spec, _by_key(given, spec))
        if not parts.fits(given, data):
            raise StoreError(
                f"{len(given):,} rows of table {table!r} are too many for one part of at most "
                f"{parts.PART_BYTES:,} bytes: append them in smaller pieces"
            )
        return self._folders[table].add(data)

    def publish(self, table: str, data: bytes) -> str:
        """Add a part that was made elsewhere, by ``parts.pack``; as safe as :meth:`append`.

        Raises:
            StoreUnavailable: As for :meth:`append`.
            StoreError: These bytes are not a part of this table, or writing failed.
        """
        try:
            parts.check_origin(table_spec(table), data)
        except PartError as error:
            raise StoreError(f"this is no part of table {table!r}: {error}") from error
        return self._folders[table].add(data)

    # -- Facts out ----------------------------------------------------------------------

    def scan(self, table: str, columns: Sequence[str] | None = None) -> Scan:
        """A whole table: one row a key, sorted by key.

        Args:
            table: Which table.
            columns: Which columns to read besides those that tell rows apart; all by default.

        Raises:
            NewerPart: A part was written by a newer version of this program.
            StoreError: The store cannot be read.
        """
        spec = _only(table_spec(table), columns)
        place = (table, *sorted(spec.columns)) if columns else (table,)
        bad: list[BadPart] = []
        fetched: dict[str, pa.Table | None] = {}

        def read(name: str) -> pa.Table | None:
            return self._read(spec, name, columns and list(spec.columns), bad)

        with self._lock:
            nothing = (frozenset[str](), spec.empty())
            names, known = self._unions.get(place, nothing)
            there = self._fetch(spec, fetched, read, names)
            if not names <= there:
                # A part of the union is gone, so its rows may be too: start over.
                names, known = nothing
                there = self._fetch(spec, fetched, read, names)
            new = {name: fetched[name] for name in there - names}
            good = {name: rows for name, rows in new.items() if rows is not None}
            rows = union([known, *good.values()], spec) if good else known
            self._remember(place, names | good.keys(), rows)
        return Scan(rows, tuple(sorted(bad)))

    def select(
        self,
        table: str,
        keys: Iterable[str] | pa.Array,
        columns: Sequence[str] | None = None,
        *,
        ordered: bool = True,
    ) -> Scan:
        """The rows whose first key column (a trial's, genome's or run's id) is one of some.

        Only parts that hold such rows are read, so asking a large store about few ids is
        cheap, and between calls nothing but the ids is remembered.

        Args:
            table: Which table.
            keys: Values of the first key column.
            columns: Which columns to read besides those that tell rows apart; all by default.
            ordered: Sort rows by key.

        Raises:
            NewerPart: A part was written by a newer version of this program.
            StoreError: The store cannot be read.
        """
        spec = _only(table_spec(table), columns)
        bad: list[BadPart] = []
        found: dict[str, pa.Table | None] = {}
        wanted = pa.array(keys, pa.string())
        with self._lock:
            for _ in range(_LISTINGS):
                if self._find(spec, wanted, columns and list(spec.columns), found, bad):
                    rows = [rows for rows in found.values() if rows is not None]
                    together = union(rows, spec, ordered=ordered)
                    return Scan(_exactly(together, spec, wanted), tuple(sorted(bad)))
        raise self._restless(table)

    # -- Upkeep -------------------------------------------------------------------------

    def info(self) -> StoreInfo:
        """Counts and sizes. Reads the trials, and of other tables only the keys."""
        trials = self.scan("trials")
        bad = list(trials.bad)
        keys = {name: self._keys_of(spec, bad) for name, spec in TABLES.items()}
        counted = trials.table.group_by("outcome").aggregate([([], "count_all")])
        outcomes = dict(zip(*(column.to_pylist() for column in counted.columns), strict=True))
        return StoreInfo(
            uri=self.uri,
            tables=tuple(
                TableInfo(
                    name=name,
                    parts=len(entries := folder.parts()),
                    bytes=sum(entry.size for entry in entries),
                    rows=len(keys[name]),
                )
                for name, folder in self._folders.items()
            ),
            outcomes=dict(sorted(outcomes.items())),
            genomes=len(keys["genomes"]["genome_id"].unique()),
            runs=self.runs(),
            bad=tuple(sorted(set(bad))),
        )

    def verify(self) -> StoreCheck:
        """Read every byte again and say what is wrong. Changes nothing."""
        return StoreCheck(
            uri=self.uri,
            tables=tuple(
                upkeep.check(folder, TABLES[name]) for name, folder in self._folders.items()
            ),
            manifests=tuple(self._damaged_manifests()),
        )

    def compact(self, *, smaller_than: int | None = None) -> tuple[Compacted, ...]:
        """Merge parts, so that there are fewer; no fact changes.

        The same facts end as the same parts. Parts with columns that this program does not
        know, or of a newer one, are left alone.

        Args:
            smaller_than: Merge only parts of fewer bytes than this; all by default.

        Raises:
            StoreFull: The disk is full; nothing was removed.
        """
        return tuple(
            upkeep.compact(folder, TABLES[name], smaller_than)
            for name, folder in self._folders.items()
        )

    def merge(self, other: Store) -> Merged:
        """Take over all facts of another store, and manifests and groups unknown here.

        Tables of a newer program are taken too.
        """
        copied, present, bad = 0, 0, []
        for name in other._files.folders(""):
            if name in (manifests.RUNS, QUARANTINE) or not _TABLE.fullmatch(name):
                continue
            counts = upkeep.copy(PartFolder(other._files, name), PartFolder(self._files, name))
            copied, present = copied + counts[0], present + counts[1]
            bad += counts[2]
        new_runs, damaged = 0, []
        for run in sorted(set(other.runs()) - set(self.runs())):
            try:
                manifest = other.read_manifest(run)
            except StoreError as error:
                damaged.append(str(error))
                continue
            self.write_manifest(run, manifest)
            new_runs += 1
        for group in sorted(set(other.groups()) - set(self.groups())):
            try:
                self.write_group(group, other.read_group(group))
            except StoreError as error:
                damaged.append(str(error))
        return Merged(copied, present, new_runs, tuple(sorted(bad)), tuple(damaged))

    # -- Manifests ----------------------------------------------------------------------

    def write_manifest(self, run: str, manifest: Mapping[str, Any]) -> None:
        """Write or replace the manifest of a run, in one step.

        Raises:
            StoreError: The run's name is not one, the manifest has no canonical JSON or is too
                large, or writing failed.
        """
        manifests.write_manifest(self._files, run, manifest)

    def read_manifest(self, run: str) -> dict[str, Any]:
        """The manifest of a run.

        Raises:
            StoreError: There is no such run, or its manifest is damaged.
        """
        return manifests.read_manifest(self._files, run)

    def runs(self) -> tuple[str, ...]:
        """Runs that have a manifest, sorted by name."""
        return manifests.runs(self._files)

    # -- Groups ---------------------------------------------------------------------------

    def write_group(self, name: str, genome_ids: Sequence[str]) -> None:
        """Write or replace a named group of genomes.

        Raises:
            StoreError: The name or an id is not one, there are none, or writing failed.
        """
        groups.write_group(self._files, name, genome_ids)

    def read_group(self, name: str) -> tuple[str, ...]:
        """Genome ids of a group, sorted.

        Raises:
            StoreError: There is no such group, or its file is damaged.
        """
        return groups.read_group(self._files, name)

    def groups(self) -> tuple[str, ...]:
        """Names of the groups, sorted."""
        return groups.groups(self._files)

    # -- Inside -------------------------------------------------------------------------

    def _fetch(
        self,
        spec: TableSpec,
        fetched: dict[str, T],
        read: Callable[[str], T],
        known: frozenset[str] = frozenset(),
    ) -> frozenset[str]:
        """Read every part that is there, but for the known ones, into ``fetched``.

        Returns:
            The names of one listing, all of them fetched or known.
        """
        for _ in range(_LISTINGS):
            names = [entry.name for entry in self._folders[spec.name].parts()]
            missing = [name for name in names if name not in fetched and name not in known]
            if not _load(missing, read, fetched):
                continue  # compacted meanwhile: those facts stand in a part not yet listed
            return frozenset(names)
        raise self._restless(spec.name)

    def _read(
        self,
        spec: TableSpec,
        name: str,
        columns: Sequence[str] | None,
        bad: list[BadPart],
        data: bytes | None = None,
    ) -> pa.Table | None:
        """Rows of a part, out of its verified bytes if they are at hand; None of a bad one."""

        def rows() -> pa.Table:
            if data is None:
                return self._folders[spec.name].rows(spec, name, columns)
            return parts.rows_of(spec, name, data, columns)

        return self._good(spec, name, bad, rows)

    def _good(
        self, spec: TableSpec, name: str, bad: list[BadPart], read: Callable[[], T]
    ) -> T | None:
        """What is read of a part. A bad one is put aside and noted."""
        try:
            return read()
        except PartError as error:
            part = self._folders[spec.name].put_aside(spec, name, str(error))
            self._bad[spec.name, name] = part
            bad.append(part)
            return None

    def _find(
        self,
        spec: TableSpec,
        wanted: pa.Array,
        columns: Sequence[str] | None,
        found: dict[str, pa.Table | None],
        bad: list[BadPart],
    ) -> bool:
        """Put the rows of wanted keys into ``found``, by part; rarely, one of another key.

        Of keys, 64-bit digests are remembered: a store of many trials is asked for years. A
        part whose keys are not known yet is read once, for its keys and for its rows, a few
        such parts at a time.

        Returns:
            False if a part was gone; then parts are to be listed again.
        """
        folder = self._folders[spec.name]
        names = [entry.name for entry in folder.parts()]
        if not names:
            return True
        wanted = digests(wanted)
        index = {n: keys for n in names if (keys := self._keys[spec.name].get(n)) is not None}
        self._keys[spec.name] = index
        new = [name for name in names if name not in index]
        if not self._take(spec, index, wanted, columns, {}, found, bad):
            return False
        for start in range(0, len(new), _READERS):
            data: dict[str, bytes | None] = {}

            def read(name: str) -> bytes | None:
                return self._good(spec, name, bad, lambda: folder.read(name))

            if not _load(new[start : start + _READERS], read, data):
                return False
            keys = {}
            for name, own in data.items():
                if own is None:
                    continue
                rows = self._read(spec, name, spec.key[:1], bad, own)
                if rows is not None:
                    keys[name] = digests(rows[spec.key[0]])
            index |= keys
            if not self._take(spec, keys, wanted, columns, data, found, bad):
                return False
        return True

    def _take(
        self,
        spec: TableSpec,
        keys: Mapping[str, pa.Array],
        wanted: pa.Array,
        columns: Sequence[str] | None,
        data: Mapping[str, bytes | None],
        found: dict[str, pa.Table | None],
        bad: list[BadPart],
    ) -> bool:
        """Put the rows of wanted keys of some parts into ``found``; False if one was gone."""
        hits = _hits(keys, wanted)

        def read(name: str) -> pa.Table | None:
            rows = self._read(spec, name, columns, bad, data.get(name))
            if rows is None or pc.all(hits[name]).as_py():
                return rows  # nothing to leave out, so nothing to copy
            return rows.filter(hits[name])

        return _load([name for name in hits if name not in found], read, found)

    def _keys_of(self, spec: TableSpec, bad: list[BadPart]) -> pa.Table:
        """The distinct keys of a table."""
        fetched: dict[str, pa.Table | None] = {}
        there = self._fetch(spec, fetched, lambda name: self._read(spec, name, spec.key, bad))
        tables = [rows for name in there if (rows := fetched[name]) is not None]
        keys = pa.concat_tables([spec.empty().select(spec.key), *tables])
        return keys.group_by(list(spec.key)).aggregate([])

    def _remember(self, place: tuple[str, ...], names: frozenset[str], rows: pa.Table) -> None:
        if rows.nbytes <= self._cache_bytes:
            self._unions[place] = (names, rows)
        else:
            self._unions.pop(place, None)

    def _damaged_manifests(self) -> Iterable[str]:
        for run in self.runs():
            try:
                self.read_manifest(run)
            except StoreError as error:
                yield str(error)

    def _restless(self, table: str) -> StoreError:
        return StoreError(
            f"the parts of table {table!r} in {self.uri} vanished during each of {_LISTINGS} "
            "readings; is somebody deleting them? Try again when that is over"
        )


def table_spec(table: str) -> TableSpec:
    """The table of a name.

    Raises:
        StoreError: There is none.
    """
    if table not in TABLES:
        raise StoreError(f"there is no table {table!r}; the tables are {', '.join(TABLES)}")
    return TABLES[table]


def _only(spec: TableSpec, columns: Sequence[str] | None) -> TableSpec:
    """A table of fewer columns: these, and those that its rows are told apart by."""
    if columns is None:
        return spec
    for column in columns:
        if column not in spec.columns:
            raise StoreError(f"table {spec.name!r} has no column {column!r}")
    kept = {*columns, *spec.key, *spec.judged}
    return replace(spec, columns={n: t for n, t in spec.columns.items() if n in kept})


def _checked(spec: TableSpec, rows: pa.Table | Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table with exactly the columns of the spec."""
    given = rows.column_names if isinstance(rows, pa.Table) else set().union(*rows)
    for column in sorted(set(given) - spec.columns.keys()):
        raise StoreError(f"table {spec.name!r} has no column {column!r}")
    try:
        table = rows if isinstance(rows, pa.Table) else _from_rows(spec, rows)
        return parts.conform(spec, table)
    except (PartError, pa.ArrowException) as error:
        raise StoreError(f"these rows do not fit table {spec.name!r}: {error}") from error


def _from_rows(spec: TableSpec, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    arrays = {}
    for column, wanted in spec.columns.items():
        try:
            arrays[column] = pa.array([row.get(column) for row in rows], wanted)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise PartError(f"column {column!r} should be {wanted}: {error}") from error
    return pa.table(arrays, schema=spec.schema)


def _by_key(table: pa.Table, spec: TableSpec) -> pa.Table:
    """Sorted by key, so that the same rows make the same part."""
    return table.sort_by([(name, "ascending") for name in spec.key])


def _load(names: Sequence[str], read: Callable[[str], T], into: dict[str, T]) -> bool:
    """Read parts, many at a time: the wait is for the disk or the network.

    Returns:
        False if one of them was gone.
    """

    def load(name: str) -> bool:
        try:
            into[name] = read(name)
        except Vanished:
            return False
        return True

    if len(names) < _READERS:
        return all(map(load, names))
    with ThreadPoolExecutor(_READERS) as pool:
        return all(pool.map(load, names))


def _exactly(rows: pa.Table, spec: TableSpec, wanted: pa.Array) -> pa.Table:
    """The rows of wanted keys: those of another one with the same digest are left out."""
    meant = pc.is_in(rows[spec.key[0]], value_set=wanted)
    return rows if pc.all(meant, min_count=0).as_py() else rows.filter(meant)


def _hits(index: Mapping[str, pa.Array], wanted: pa.Array) -> dict[str, pa.Array]:
    """Part → which rows have a wanted key, for parts with any: one pass over the keys.

    Keys are told by their digests.
    """
    keys = pa.chunked_array(list(index.values()), pa.uint64())
    hits = pc.is_in(keys, value_set=wanted).to_numpy()
    ends = np.cumsum([len(keys) for keys in index.values()], dtype=np.int64)
    found = {}
    for name, keys, end in zip(index, index.values(), ends, strict=True):
        own = hits[end - len(keys) : end]
        if own.any():
            found[name] = pa.array(own)
    return found
