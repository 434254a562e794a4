"""Finished trials on their way to the store.

Rows are gathered for a moment, so that a store does not fill with parts of one row, and then
appended: curves first, since the row of a trial is what says that it is done. A full disk is
waited out: rows stay here, and the driver hands out no more work until they are stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from speciation.tables.schema import result_rows
from speciation.tables.store import Store, StoreFull
from speciation.trial.trial import TrialResult

FLUSH_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
PART_VALUES = 2_000_000  # numbers of curves in a part, so that it stays far below its limit

Row = dict[str, Any]


class RowBuffer:
    """See the module.

    Args:
        store: Where rows go.
        run: Id of the run they are of.
        patience: Seconds that a full disk is waited for.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        store: Store,
        run: str,
        *,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._run, self._patience, self._clock = store, run, patience, clock
        self._trials: list[Row] = []
        self._curves: list[Row] = []
        self._flushed_at = clock()
        self._full_since: float | None = None

    @property
    def waiting(self) -> int:
        """Finished trials that are not stored yet."""
        return len(self._trials)

    @property
    def full(self) -> bool:
        """The disk is full: take no more work in."""
        return self._full_since is not None

    def add(self, results: Iterable[TrialResult], generation: int, pool: str) -> list[Row]:
        """Take results in; their rows of ``trials``."""
        trials, curves = result_rows(results, self._run, generation, pool)
        self._trials += trials
        self._curves += curves
        return trials

    def flush_if_due(self) -> None:
        """Store what is waiting, if it has waited long enough.

        Raises:
            StoreFull: The disk has been full for longer than our patience.
            StoreError: The store cannot be written for another reason.
        """
        if self._clock() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Store what is waiting, now. Raises as :meth:`flush_if_due`."""
        self._flushed_at = self._clock()
        try:
            self._append()
        except StoreFull:
            if self._full_since is None:
                self._full_since = self._clock()
            if self._clock() - self._full_since >= self._patience:
                raise
        else:
            self._full_since = None

    def _append(self) -> None:
        for piece in list(_pieces(self._curves)):
            self._store.append("curves", piece)
            del self._curves[: len(piece)]
        self._store.append("trials", self._trials)
        self._trials.clear()


def _pieces(curves: list[Row]) -> Iterator[list[Row]]:
    """Curves in pieces that make parts of a reasonable size."""
    start = values = 0
    for i, row in enumerate(curves):
        length = len(row) * len(row["step"])
        if values + length > PART_VALUES and i > start:
            yield curves[start:i]
            start, values = i, 0
        values += length
    if start < len(curves):
        yield curves[start:]
