"""One table's folder of parts: list them, read one, add one, put one aside."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pyarrow as pa

from speciation.tables import parts
from speciation.tables.files import Entry, Files, StoreError, TooLarge
from speciation.tables.reports import BadPart
from speciation.tables.schema import TableSpec

QUARANTINE = "quarantine"


class PartFolder:
    """The parts of a table.

    Args:
        files: The store's root.
        name: The table, and its folder's name. It may be one that this program does not know.
    """

    def __init__(self, files: Files, name: str) -> None:
        self.name = name
        self._files = files

    def parts(self) -> list[Entry]:
        """Files that claim to be parts, sorted by name."""
        return [e for e in self._files.files(self.name) if parts.is_part_name(e.name)]

    def leftovers(self) -> tuple[str, ...]:
        """Files that are not parts, such as those of a writer that died."""
        listing = self._files.files(self.name)
        return tuple(e.name for e in listing if not parts.is_part_name(e.name))

    def quarantined(self) -> int:
        """How many parts were put aside."""
        return len(self._files.files(f"{QUARANTINE}/{self.name}"))

    def read(self, name: str) -> bytes:
        """The bytes of a part, which are what its name stands for.

        Raises:
            Vanished: It is not there (any more).
            PartError: Its bytes are not those.
        """
        try:
            data = self._files.read(f"{self.name}/{name}", parts.READ_BYTES)
        except TooLarge as error:
            raise parts.PartError(f"it is larger than {parts.READ_BYTES:,} bytes") from error
        parts.verify(name, data)
        return data

    def rows(
        self, spec: TableSpec, name: str, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The rows of a part. Raises as :meth:`read`, and as ``parts.decode``."""
        return parts.rows_of(spec, name, self.read(name), columns)

    def add(self, data: bytes) -> str:
        """Publish a part, and return its name."""
        name = parts.part_name(data)
        self._files.publish(f"{self.name}/{name}", data)
        return name

    def remove(self, name: str) -> None:
        """Remove a part whose facts stand in another one."""
        self._files.remove(f"{self.name}/{name}")

    def put_aside(self, spec: TableSpec, name: str, reason: str) -> BadPart:
        """Move a bad part to the quarantine folder, if the store can be written."""
        aside = f"{QUARANTINE}/{self.name}/{name}"
        moved = self._files.move(f"{self.name}/{name}", aside)
        if moved:
            # Another writer may have mended it since it was read: then it goes back.
            with contextlib.suppress(parts.PartError, StoreError):
                data = self._files.read(aside, parts.READ_BYTES)
                parts.decode(spec, name, data)
                self.add(data)
        return BadPart(self.name, name, reason, moved)
