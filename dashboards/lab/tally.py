"""One run, added up part by part: what a live view shows without reading a store again.

Rows come in any order and any number of times. A trial counts once, by the row that the table
prefers, in the generation that asked for it, whoever computed it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dashboards import theme
from dashboards.figures.fitness import COLUMNS, fitness_history
from dashboards.figures.outcomes import ended
from dashboards.figures.population import Population, population_colours
from speciation.tables.schema import TABLES, gene_columns

PLANS = ("run", "generation", "position", "horizon", "trial_ids", "genome_id")
TRIALS = (
    "trial_id",
    "genome_id",
    "seed",
    "outcome",
    "steps_to_grok",
    "steps_run",
    "run",
    "pool",
)
BIRTHS = ("genome_id", "kind", "origin", "run", *gene_columns())
ENDS = ["outcome", "steps_to_grok", "steps_run"]
Cell = tuple[int, str]  # a generation, and how a trial of it ended
Fact = tuple[tuple[int, ...], Cell]  # which row of a trial to believe, and what it says
CONFIRMING = -1
"""Stands for the generation of trials that confirm the champion."""


class Tally:
    """A run.

    Args:
        run: Its id.

    Attributes:
        horizon: Steps; None as long as nothing was planned.
        closed: Generation → its rows, a row a genome, as far as they have come.
        births: Genome id → its row of ``genomes``.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self.horizon: int | None = None
        self.closed: dict[int, pd.DataFrame] = {}
        self.births: dict[str, dict[str, object]] = {}
        self._asked: dict[str, int] = {}
        self._known: dict[str, Fact] = {}
        self._counts: Counter[Cell] = Counter()
        self._changed: set[int] = set()  # closed generations that the history lacks
        self._history = _nothing(COLUMNS)
        self._colours: dict[int, Population] = {}

    # -- Rows in ------------------------------------------------------------------------

    def take(self, table: str, rows: pa.Table) -> set[str]:
        """Take rows of a table: one of plans, genomes, generations and trials.

        Returns:
            Ids of trials that are asked for by these rows and by none before.
        """
        if table == "plans":
            return self._plan(rows)
        {"genomes": self._bear, "generations": self._close, "trials": self._finish}[table](rows)
        return set()

    def _plan(self, rows: pa.Table) -> set[str]:
        own = _of(rows, self.run)
        self.horizon = max(self.horizon or 0, pc.max(own["horizon"]).as_py() or 0) or None
        trials = pc.list_flatten(own["trial_ids"]).to_pylist()
        generations = own["generation"].take(pc.list_parent_indices(own["trial_ids"]))
        # Reversed, so that of two generations the first is who asked.
        asked = dict(zip(reversed(trials), reversed(generations.to_pylist()), strict=True))
        new = {trial for trial in asked if trial not in self._asked}
        self._asked.update({trial: asked[trial] for trial in new})
        return new

    def _finish(self, rows: pa.Table) -> None:
        """Count the trials that the run asked for."""
        if self.horizon is None:
            return
        generations = list(map(self._asked.get, rows["trial_id"].to_pylist()))
        own = pc.and_(pc.equal(rows["run"], self.run), pc.equal(rows["pool"], "B"))
        for place in np.flatnonzero(pc.fill_null(own, False).to_numpy()):
            if generations[place] is None:
                generations[place] = CONFIRMING
        chosen = [(i, own) for i, own in enumerate(generations) if own is not None]
        rows = rows.take(pa.array([i for i, _ in chosen], pa.int64()))
        ranks = zip(*(own.tolist() for own in TABLES["trials"].prefer(rows)), strict=True)
        told = ended(rows.select(ENDS).to_pandas(), self.horizon).tolist()
        cells = zip((generation for _, generation in chosen), told, strict=True)
        self._count(rows["trial_id"].to_pylist(), list(zip(ranks, cells, strict=True)))

    def _close(self, rows: pa.Table) -> None:
        for generation, members in _of(rows, self.run).to_pandas().groupby("generation"):
            known = self.closed.get(int(generation))
            both = members if known is None else pd.concat([known, members])
            self.closed[int(generation)] = both.drop_duplicates("genome_id")
            self._changed.add(int(generation))
            self._colours.pop(int(generation), None)

    def _bear(self, rows: pa.Table) -> None:
        for row in _of(rows, self.run).to_pylist():
            self.births.setdefault(row["genome_id"], row)

    # -- Numbers out --------------------------------------------------------------------

    def history(self, landscape: str) -> pd.DataFrame:
        """The best and the median of each closed generation; see ``fitness_history``."""
        if self._changed:
            new = [fitness_history(self.closed[own], landscape) for own in self._changed]
            old = self._history[~self._history["generation"].isin(self._changed)]
            both = pd.concat([own for own in (old, *new) if len(own)] or [old])
            self._history = both.sort_values("generation", ignore_index=True)
            self._changed = set()
        return self._history

    def outcomes(self) -> pd.DataFrame:
        """How many trials of each generation ended how; see ``figures.outcomes``."""
        generations = sorted({g for g, _ in self._counts if g != CONFIRMING})
        rows = [
            {"generation": g} | {name: self._counts[g, name] for name in theme.OUTCOMES}
            for g in generations
        ]
        return pd.DataFrame(rows) if rows else _nothing(("generation", *theme.OUTCOMES))

    def ended(self) -> dict[str, int]:
        """How many trials in all ended how, those that confirm included."""
        total: Counter[str] = Counter()
        for (_, outcome), count in self._counts.items():
            total[outcome] += count
        return {name: total[name] for name in theme.OUTCOMES if total[name]}

    def colours(self, generation: int, landscape: str) -> Population:
        """The genomes of a closed generation as colours, best first.

        Raises:
            KeyError: It is not closed.
        """
        if generation not in self._colours:
            members = self.closed[generation]
            births = [self.births[g] for g in members["genome_id"] if g in self.births]
            self._colours[generation] = population_colours(
                members, pd.DataFrame(births, columns=list(BIRTHS)), landscape
            )
        return self._colours[generation]

    def _count(self, trials: list[str], facts: list[Fact]) -> None:
        new = dict(zip(trials, facts, strict=True))
        if len(new) == len(trials) and self._known.keys().isdisjoint(new.keys()):
            self._known.update(new)
            self._counts.update(cell for _, cell in facts)
            return
        for trial, fact in zip(trials, facts, strict=True):
            known = self._known.get(trial)
            if known is not None and known[0] <= fact[0]:
                continue
            if known is not None:
                self._counts[known[1]] -= 1
            self._known[trial] = fact
            self._counts[fact[1]] += 1


def _of(rows: pa.Table, run: str) -> pa.Table:
    return rows.filter(pc.equal(rows["run"], run))


def _nothing(columns: Iterable[str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
