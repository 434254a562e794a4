"""Finished trials on their way to the store.

Rows are gathered for a moment, so that a store does not fill with parts of one row, and then
appended: curves first, since the row of a trial is what says that it is done. A store that is
full or does not answer is waited for, long enough that somebody can make room: rows stay here,
and the driver hands out no more work until they are stored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import pyarrow as pa

from cluster.campaign import Pack
from cluster.results import Results
from cluster.suspicions import rows_of
from speciation.tables.parts import pieces
from speciation.tables.schema import TABLES, asked_by
from speciation.tables.store import Store, StoreUnavailable

FLUSH_SECONDS = 2.0
PATIENCE_SECONDS = 3600.0


class RowBuffer:
    """See the module.

    Args:
        store: Where rows go.
        run: Id of the run they are of.
        patience: Seconds that a store which cannot be written to is waited for.
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
        self._suspects: list[dict[str, object]] = []
        self._trials: list[pa.Table] = []
        self._curves: list[pa.Table] = []
        self._parts: list[bytes] = []  # of curves
        self._flushed_at = -math.inf
        self._failing_since: float | None = None

    @property
    def waiting(self) -> int:
        """Finished trials that are not stored yet."""
        return sum(map(len, self._trials))

    @property
    def full(self) -> bool:
        """The store cannot be written to: take no more work in."""
        return self._failing_since is not None

    def add(self, results: Results, generation: int | None, pool: str) -> None:
        """Take results in.

        Args:
            results: How trials ended.
            generation: The generation that asked, if one did.
            pool: "A" for seeds of evolution, "B" for seeds of validation, "C" for crossed ones.
        """
        self._trials.append(asked_by(results.trials, self._run, generation, pool))
        self._curves.append(results.curves)
        self._parts += results.parts

    def suspect(self, packs: Sequence[Pack]) -> None:
        """Store suspicions, now. Raises as :meth:`flush_if_due`."""
        self._suspects += rows_of(packs, self._run)
        self.flush()

    def flush_if_due(self) -> None:
        """Store what is waiting, if the last time was long enough ago.

        So the first results of a process, which may have taken the place of one that died, are
        stored as soon as they come.

        Raises:
            StoreUnavailable: The store has not worked for longer than our patience.
            StoreError: The store cannot be written for another reason.
        """
        due = self._clock() - self._flushed_at >= FLUSH_SECONDS
        if due and (self.waiting or self.full):
            self.flush()

    def flush(self) -> None:
        """Store what is waiting, now. Raises as :meth:`flush_if_due`."""
        self._flushed_at = self._clock()
        try:
            self._append()
        except StoreUnavailable:
            if self._failing_since is None:
                self._failing_since = self._clock()
            if self._clock() - self._failing_since >= self._patience:
                raise
        else:
            self._failing_since = None

    def _append(self) -> None:
        self._store.append("suspects", self._suspects)
        self._suspects.clear()
        while self._parts:
            self._store.publish("curves", self._parts[0])
            del self._parts[0]
        for name, waiting in (("curves", self._curves), ("trials", self._trials)):
            # Each piece is forgotten once it is stored, and none sooner.
            together = pa.concat_tables([TABLES[name].empty(), *waiting]).combine_chunks()
            waiting[:] = pieces(TABLES[name], together)
            while waiting:
                self._store.append(name, waiting[0])
                del waiting[0]
