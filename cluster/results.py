"""Finished trials as columns: what a driver that hears of thousands a second can afford.

An actor makes the rows of its results itself, as Arrow tables, and the driver looks at columns:
whose ids are there, which say failed. No Python object stands for a trial that ended. Curves
are most of the bytes, so where there are many the actor makes the part of the store out of
them, too, and the driver only has to put it in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from speciation.tables.parts import PART_WEIGHT, decode, pack, part_name
from speciation.tables.schema import TABLES, result_tables
from speciation.trial.trial import Outcome, TrialResult

# Curves that make a part of at least this share of the usual size are made a part at once.
READY_SHARE = 1 / 16


@dataclass(frozen=True)
class Results:
    """See the module.

    Args:
        trials: Rows of the table ``trials``, but for who asked.
        curves: Rows of the table ``curves``.
        parts: More curves, of the same trials, as parts of the store.
    """

    trials: pa.Table
    curves: pa.Table
    parts: tuple[bytes, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        """Tables travel as Arrow's own messages: pickled, each column is a few objects."""
        curves = _message(self.curves) if len(self.curves) else None
        return _received, (_message(self.trials), curves, self.parts)

    @classmethod
    def of(cls, results: Iterable[TrialResult]) -> Results:
        """The columns of these results."""
        return cls(*result_tables(results))

    @classmethod
    def together(cls, several: Sequence[Results]) -> Results:
        """Those of several, at least one."""
        return cls(
            pa.concat_tables([own.trials for own in several]),
            pa.concat_tables([own.curves for own in several]),
            tuple(part for own in several for part in own.parts),
        )

    def __len__(self) -> int:
        return len(self.trials)

    @cached_property
    def ids(self) -> list[str]:
        """Trial ids, a row each."""
        ids: list[str] = self.trials["trial_id"].to_pylist()
        return ids

    @cached_property
    def failed(self) -> frozenset[str]:
        """Ids of the trials that the machine could not finish."""
        says_failed = pc.equal(self.trials["outcome"], Outcome.FAILED.value)
        return frozenset(self.trials["trial_id"].filter(says_failed).to_pylist())

    def only(self, ids: Sequence[str]) -> Results:
        """The results of some of these trials.

        Args:
            ids: Whose, each once, all of them among :attr:`ids`.
        """
        if len(ids) == len(self):
            return self
        wanted, rows = set(ids), {own: row for row, own in enumerate(self.ids)}
        taken = pa.array([row for own, row in rows.items() if own in wanted], pa.int64())
        curves = self._unpacked()
        among = pc.is_in(curves["trial_id"], value_set=pa.array(list(wanted), pa.string()))
        return Results(self.trials.take(taken), curves.filter(among))

    def packed(self) -> Results:
        """The same with its curves as parts, if there are enough of them."""
        spec = TABLES["curves"]
        if spec.weigh(self.curves).sum() < READY_SHARE * PART_WEIGHT:
            return self
        ordered = self.curves.sort_by("trial_id")
        return replace(self, curves=spec.empty(), parts=(*self.parts, *pack(spec, ordered)))

    def _unpacked(self) -> pa.Table:
        """Curves as rows."""
        spec = TABLES["curves"]
        rows = [decode(spec, part_name(data), data) for data in self.parts]
        return pa.concat_tables([self.curves, *rows])


def _message(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _received(trials: pa.Buffer, curves: pa.Buffer | None, parts: tuple[bytes, ...]) -> Results:
    own = TABLES["curves"].empty() if curves is None else _read(curves)
    return Results(_read(trials), own, parts)


def _read(sent: pa.Buffer) -> pa.Table:
    return pa.ipc.open_stream(sent).read_all()
