"""Reading a store: whole tables for the science, data frames for the rest.

Every reader takes the union of all parts, drops duplicates, and leaves out damaged parts. What
was left out stands in ``Scan.bad`` and in ``Store.bad_parts``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from speciation.genome.genome import Genome, GenomeError, kind_named
from speciation.tables.files import StoreError
from speciation.tables.schema import MILESTONES, Row
from speciation.tables.store import Store, table_spec
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape, Outcome, Streams, Trial

_DIGITS = 32  # of a whole id


def read(
    store: Store,
    table: str,
    columns: Sequence[str] | None = None,
    filters: pc.Expression | None = None,
) -> pa.Table:
    """A table: one row a key, sorted by key.

    Args:
        store: Where to read.
        table: Which table.
        columns: Which columns; all by default.
        filters: Which rows, such as ``pc.field("run") == "sprinter-0f"``.

    Raises:
        NewerPart: A part was written by a newer version of this program.
        StoreError: The store cannot be read, or a column is unknown.
    """
    for column in columns or ():
        if column not in table_spec(table).columns:
            raise StoreError(f"table {table!r} has no column {column!r}")
    rows = store.scan(table).table
    if filters is not None:
        rows = rows.filter(filters)
    return rows if columns is None else rows.select(list(columns))


def trials_frame(
    store: Store, run: str | None = None, trial_ids: Iterable[str] | None = None
) -> pd.DataFrame:
    """Trials, one row each, sorted by id.

    Milestones are floats, NaN where one was not reached. The generation of a trial that belongs
    to none is -1.

    Args:
        store: Where to read.
        run: Only trials that this run asked for. One that another run had computed before is
            among them, when the plan says so, and stands in the generation that asked.
        trial_ids: Only these; cheap in a large store.
    """
    if trial_ids is not None:
        rows = store.select("trials", trial_ids).table
    else:
        rows = store.scan("trials").table
    frame = _frame(rows)
    return frame if run is None else _asked_by(store, run, frame)


def curves_frame(store: Store, trial_ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Curves, one row a trial, sorted by trial id; each cell is an array over evaluations."""
    if trial_ids is not None:
        return _frame(store.select("curves", trial_ids).table)
    return _frame(store.scan("curves").table)


def generations_frame(store: Store, run: str | None = None) -> pd.DataFrame:
    """Closed generations, one row a genome, sorted by run, generation and position."""
    frame = _frame(_of_run(store, "generations", run))
    return frame.sort_values(["run", "generation", "position"], ignore_index=True)


def plans_frame(store: Store, run: str | None = None) -> pd.DataFrame:
    """Planned generations, one row a genome, sorted by run, generation and position."""
    return _frame(_of_run(store, "plans", run))


def genomes_frame(
    store: Store, run: str | None = None, genome_ids: Iterable[str] | None = None
) -> pd.DataFrame:
    """Genomes with their genes and births, one row each, sorted by id.

    Args:
        store: Where to read.
        run: Only genomes born in this run, with their births there. Without it, a genome
            that was born in several runs stands with its birth in the first by name.
        genome_ids: Only these; cheap in a large store.
    """
    if genome_ids is not None:
        rows = store.select("genomes", genome_ids).table
    else:
        rows = store.scan("genomes").table
    if run is not None:
        rows = rows.filter(pc.field("run") == run)
    return _frame(rows).drop_duplicates("genome_id", ignore_index=True)


def genome_of(store: Store, prefix: str) -> Genome:
    """The genome whose id starts with a prefix.

    Raises:
        StoreError: No genome's id does, or several genomes' ids do, or its row is not one.
    """
    whole = len(prefix) == _DIGITS
    rows = (store.select("genomes", [prefix]) if whole else store.scan("genomes")).table
    rows = rows.filter(pc.starts_with(rows["genome_id"], prefix))
    ids = rows["genome_id"].unique().to_pylist()
    if len(ids) != 1:
        found = f"{len(ids)} genomes, such as {ids[0]} and {ids[1]}" if ids else "no genome"
        raise StoreError(f"{found} in {store.uri} has an id that starts with {prefix!r}")
    return genome_of_row(rows.slice(0, 1).to_pylist()[0])


def genome_of_row(row: Row) -> Genome:
    """The genome of a row of ``genomes``.

    Raises:
        StoreError: The row is not a genome, or not the one that its id names.
    """
    name = row["genome_id"]
    try:
        kind = kind_named(row["kind"])
        genome = Genome(kind.name, tuple((gene, row[gene]) for gene in kind.columns))
        kind.validate(genome)
    except (GenomeError, KeyError) as error:
        raise StoreError(f"genome {name} is not readable: {error}") from error
    if genome.id != name:
        raise StoreError(f"genome {name} is damaged: its genes have the id {genome.id}")
    return genome


def trial_of(store: Store, prefix: str) -> Trial | None:
    """The trial whose id starts with a prefix, so that it can be trained again; None if none.

    Raises:
        StoreError: Several ids do, or its row or its genome cannot be read.
    """
    ids = store.scan("trials").table["trial_id"]
    found = ids.filter(pc.starts_with(ids, prefix)).to_pylist() if prefix else []
    if not found:
        return None
    if len(found) > 1:
        raise StoreError(
            f"{len(found)} trials, such as {found[0]} and {found[1]}, in {store.uri} have ids "
            f"that start with {prefix!r}"
        )
    row = store.select("trials", found).table.to_pylist()[0]
    try:
        task = {field.name: row[field.name] for field in dataclasses.fields(Task)}
        model = {field.name: row[field.name] for field in dataclasses.fields(ModelShape)}
        trial = Trial(
            genome_of(store, row["genome_id"]),
            Task(**task | {"batch": row["batch"] or None}),
            ModelShape(**model),
            seed=row["seed"],
            horizon=row["horizon"],
            precision=row["precision"],
            streams=_streams(row),
        )
    except (ValueError, TypeError) as error:
        raise StoreError(f"trial {found[0]} cannot be trained again: {error}") from error
    if trial.id != found[0]:
        raise StoreError(
            f"trial {found[0]} cannot be trained again: its row describes {trial.id}"
        )
    return trial


def _streams(row: Row) -> Streams | None:
    """A seed for each stream, of a trial in a design that crosses them."""
    if row["init_seed"] is None:
        return None
    return Streams(row["seed"], row["init_seed"], row["order_seed"], row["dropout_seed"])


def known_answers(store: Store, trials: Sequence[Trial]) -> dict[str, Row]:
    """What the store already knows: trial id → row, for each trial that a row answers.

    Precision is part of what a trial is, and so of its id: a float32 row never answers for
    float64. The backend is not. All backends of one precision have one meaning, so they
    answer for each other on purpose, and the row says which of them computed it.

    Args:
        store: Where to read.
        trials: Requests, each with its own horizon.
    """
    return {row["trial_id"]: row for row in answering(store, trials).to_pylist()}


def answering(
    store: Store, trials: Sequence[Trial], columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of :func:`known_answers`, and of them only what is needed.

    Args:
        store: Where to read.
        trials: Requests, each with its own horizon.
        columns: Which columns, those that :func:`answered` looks at among them; all by default.
    """
    rows = store.select("trials", [trial.id for trial in trials], columns).table
    if len(rows):
        horizons = {trial.id: trial.horizon for trial in trials}
        asked = [horizons[own] for own in rows["trial_id"].to_pylist()]
        rows = rows.filter(pa.array(answered(rows, np.array(asked, dtype=np.int64))))
    return rows if columns is None else rows.select(list(columns))


def answered(rows: pa.Table, horizon: int | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows of ``trials`` say what happens up to a horizon: ``answers``, row by row.

    Args:
        rows: With ``outcome, steps_to_grok, steps_run``, at least.
        horizon: In steps, of all rows or of each.
    """
    outcome = rows["outcome"]
    within = pc.fill_null(pc.less_equal(rows["steps_to_grok"], horizon), False)
    ended = pc.or_(within, pc.greater_equal(rows["steps_run"], horizon))
    ended = pc.or_(ended, pc.equal(outcome, Outcome.DIVERGED.value))
    science = pc.not_equal(outcome, Outcome.FAILED.value)
    return np.asarray(pc.and_(ended, science).to_numpy())


def _frame(table: pa.Table) -> pd.DataFrame:
    """The same types whatever the rows: where integers can be missing, see trials_frame."""
    for place, column in enumerate(table.column_names):
        if column in MILESTONES:
            table = table.set_column(place, column, table[column].cast(pa.float64()))
        elif column == "generation":
            table = table.set_column(place, column, pc.fill_null(table[column], -1))
    return table.to_pandas()


def _of_run(store: Store, table: str, run: str | None) -> pa.Table:
    if run is None:
        return store.scan(table).table
    return store.select(table, [run]).table


def _asked_by(store: Store, run: str, trials: pd.DataFrame) -> pd.DataFrame:
    """The trials of a run's plans, and those that carry its name."""
    plans = plans_frame(store, run)[["generation", "trial_ids"]].explode("trial_ids")
    asked = plans.dropna().drop_duplicates("trial_ids").set_index("trial_ids")["generation"]
    planned = trials["trial_id"].isin(asked.index)
    own = trials[planned | (trials["run"] == run)].copy()
    generation = own["trial_id"].map(asked)
    own["generation"] = generation.fillna(own["generation"]).astype("int32")
    own["run"] = run
    return own.reset_index(drop=True)
