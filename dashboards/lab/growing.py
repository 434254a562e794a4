"""A table of a store as it grows: each part is read once, and only what is needed of it.

A store only ever gets new parts, so whoever watches it lists names and reads what is new.
Nothing is joined or sorted: a row may come twice, and whoever adds rows up must bear that.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from speciation.tables.files import Files, StoreError, Vanished
from speciation.tables.folder import PartFolder
from speciation.tables.parts import PartError
from speciation.tables.store import table_spec

READERS = 4


class Growing:
    """The parts of a table that were read so far.

    Args:
        files: The store's root.
        table: Which table.
        columns: Which columns.

    Attributes:
        parts: Name → rows, of every good part that is there.
        bad: Name → sentence, of every part that had to be left out.
        reads: How many parts were ever read.
        listed: How many there were to read, those included, when the table was last listed.
    """

    def __init__(self, files: Files, table: str, columns: Sequence[str]) -> None:
        self._folder, self._spec = PartFolder(files, table), table_spec(table)
        self._columns = list(columns)
        self.parts: dict[str, pa.Table] = {}
        self.bad: dict[str, str] = {}
        self.reads = self.listed = 0

    def grow(self) -> list[str]:
        """Read what is new, and forget what is gone, since compaction wrote it elsewhere.

        Returns:
            Names of new parts.

        Raises:
            StoreError: The store cannot be listed.
        """
        there = [entry.name for entry in self._folder.parts()]
        for gone in self.parts.keys() - set(there):
            del self.parts[gone]
        new = [name for name in there if name not in self.parts and name not in self.bad]
        self.listed = self.reads + len(new)
        if len(new) < READERS:
            rows = [self._read(name) for name in new]
        else:
            with ThreadPoolExecutor(READERS) as pool:
                rows = list(pool.map(self._read, new))
        found = {name: own for name, own in zip(new, rows, strict=True) if own is not None}
        self.parts |= found
        return list(found)

    def together(self, names: Sequence[str] | None = None) -> pa.Table:
        """Rows of some parts, all by default, in the order in which they came."""
        wanted = self.parts if names is None else names
        nothing = pa.schema([(c, self._spec.columns[c]) for c in self._columns]).empty_table()
        return pa.concat_tables([nothing, *(self.parts[name] for name in wanted)])

    def _read(self, name: str) -> pa.Table | None:
        self.reads += 1
        try:
            return self._folder.rows(self._spec, name, self._columns)
        except Vanished:  # compacted meanwhile: its rows are in a part that is not listed yet
            return None
        except (PartError, StoreError) as error:
            self.bad[name] = f"part {self._spec.name}/{name}: {error}"
            return None
