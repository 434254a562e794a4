"""What a row says: the columns, keys and preferences of every table.

A row is a fact with a key. Two rows of one key are two reports of one fact, and a table's
*preference* says which of them to believe, so that any number of writers may write the same
fact and every reader comes to the same table. Gene columns come from the genome kinds: one
column a gene, the union over kinds, null where a kind has no such gene.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from speciation.genome.genome import KINDS, Genome
from speciation.trial.trial import SEMANTICS, Curves, Outcome, TrialResult

SCHEMA_VERSION = 1
"""Raised when a column changes its meaning; a new column alone does not need it."""

QUESTION = (
    "operation",
    "modulus",
    "train_fraction",
    "batch",
    "symmetric",
    "layers",
    "d_model",
    "heads",
    "d_ff",
)
"""What makes two trials of one genome answers to one question, whatever they were kept in."""

Row = dict[str, Any]
Ranks = NDArray[np.int64]

_TEXT, _INT, _LONG, _REAL, _FLAG = (
    pa.string(),
    pa.int32(),
    pa.int64(),
    pa.float64(),
    pa.bool_(),
)


@dataclasses.dataclass(frozen=True, slots=True)
class TableSpec:
    """One table.

    Args:
        name: Its folder in a store.
        columns: Name → type, in order.
        key: Columns that tell facts apart.
        required: Columns that a part must have, without nulls. The key is among them.
        judged: Columns that ``prefer`` looks at.
        prefer: From rows to ranks, each of shape ``(rows,)``: among rows of one key the
            smallest first rank wins, then the smallest second one, and so on. Rows that still
            tie are told apart by their content.
        weigh: From rows to how much of a part each takes, shape ``(rows,)``.
    """

    name: str
    columns: Mapping[str, pa.DataType]
    key: tuple[str, ...]
    required: tuple[str, ...]
    judged: tuple[str, ...]
    prefer: Callable[[pa.Table], Sequence[Ranks]]
    weigh: Callable[[pa.Table], Ranks]

    @property
    def schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        return pa.schema(list(self.columns.items()))

    def empty(self) -> pa.Table:
        """The table without rows."""
        return self.schema.empty_table()


# -- Which of two rows to believe --------------------------------------------------------


def _more_telling_trial(table: pa.Table) -> list[Ranks]:
    """A row that answers every horizon, then the longest censored one, a failure last.

    So the chosen row answers a request whenever any row of the trial does.
    """
    order = pa.array(["", Outcome.CENSORED.value, Outcome.FAILED.value])
    rank = pc.fill_null(pc.index_in(table["outcome"], value_set=order), 0)
    return [_ranks(rank), -_ranks(table["steps_run"])]


def _longest_curve(table: pa.Table) -> list[Ranks]:
    return [-_ranks(pc.list_value_length(table["step"]))]


def _earliest_birth(table: pa.Table) -> list[Ranks]:
    last = np.iinfo(np.int32).max
    return [_ranks(pc.fill_null(table["generation"], last))]


def _any_row(_: pa.Table) -> list[Ranks]:
    return []


def _ranks(column: pa.ChunkedArray) -> Ranks:
    return np.asarray(column.cast(pa.int64()).to_numpy())


# -- How much of a part a row takes ------------------------------------------------------


def _one_each(table: pa.Table) -> Ranks:
    return np.ones(len(table), dtype=np.int64)


def _evaluations(table: pa.Table) -> Ranks:
    """About as much as the same number of scalar rows."""
    return 1 + _ranks(pc.list_value_length(table["step"])) // 4


# -- The tables ---------------------------------------------------------------------------

_TRIALS = {
    "trial_id": _TEXT,
    "genome_id": _TEXT,
    "kind": _TEXT,
    "operation": _TEXT,
    "modulus": _INT,
    "train_fraction": _REAL,
    "batch": _INT,  # 0: the whole train set
    "symmetric": _FLAG,
    "eval_interval": _INT,  # steps
    "layers": _INT,
    "d_model": _INT,
    "heads": _INT,
    "d_ff": _INT,
    "seed": _LONG,
    # Null but where a design crosses the streams: then ``seed`` is that of the split.
    "init_seed": _LONG,
    "order_seed": _LONG,
    "dropout_seed": _LONG,
    "semantics": _INT,
    "horizon": _INT,  # steps
    "to_horizon": _FLAG,
    "outcome": _TEXT,
    "learning_class": _TEXT,
    "steps_to_grok": _INT,
    "first_95": _INT,
    "first_99": _INT,
    "sustained_95": _INT,
    "steps_to_memorise": _INT,
    "validation_at_memorise": _REAL,
    "least_validation_after_grok": _REAL,
    "best_validation_accuracy": _REAL,
    "final_train_accuracy": _REAL,
    "final_validation_accuracy": _REAL,
    "final_train_loss": _REAL,
    "final_validation_loss": _REAL,
    "steps_run": _INT,
    "examples_seen": _LONG,
    "efficiency": _REAL,
    "wall_seconds": _REAL,
    "backend": _TEXT,
    "device": _TEXT,
    "precision": _TEXT,
    "versions": _TEXT,
    "reason": _TEXT,
    "run": _TEXT,
    "generation": _INT,
    "pool": _TEXT,
}

MILESTONES = ("steps_to_grok", "first_95", "first_99", "sustained_95", "steps_to_memorise")
"""Integer columns of ``trials`` that are null where the milestone was not reached."""

_CURVES: dict[str, pa.DataType] = {"trial_id": _TEXT} | {
    field.name: pa.list_(_INT if field.name == "step" else pa.float32())
    for field in dataclasses.fields(Curves)
}

_BIRTH = {
    "genome_id": _TEXT,
    "kind": _TEXT,
    "name": _TEXT,
    "origin": _TEXT,
    "mother": _TEXT,
    "father": _TEXT,
    "donor_genes": pa.list_(_TEXT),  # genes taken from the father
    "run": _TEXT,
    "generation": _INT,
}

_GENERATIONS = {
    "run": _TEXT,
    "generation": _INT,
    "genome_id": _TEXT,
    "position": _INT,
    "trials": _INT,
    "successes": _INT,
    "failed": _INT,
    "rmst": _REAL,
    "rmst_se": _REAL,
    "ert": _REAL,
    "sprinter": _REAL,
    "sprinter_se": _REAL,
    "tank": _REAL,
    "tank_se": _REAL,
    "sniper": _REAL,
    "sniper_se": _REAL,
    "passes_gate": _FLAG,
    "best_validation": _REAL,
    "rank": _INT,  # 0: best, by the run's landscape
    "elite": _FLAG,
    "elite_age": _INT,
    "died": _FLAG,
}

_PLANS = {
    "run": _TEXT,
    "generation": _INT,
    "position": _INT,
    "genome_id": _TEXT,
    "elite_age": _INT,
    "seeds": pa.list_(_LONG),
    "horizon": _INT,
    "trial_ids": pa.list_(_TEXT),  # one a seed, in the order of seeds
}

_JOBS = {
    "job": _TEXT,
    "fact": _TEXT,  # hash of the rest
    "kind": _TEXT,
    "round": _INT,  # how often the job was opened again
    "attempt": _INT,
    "at": _REAL,  # seconds since 1970, by the clock of whoever wrote it
    "content": _TEXT,  # JSON
}


_SUSPECTS = {
    "trial_id": _TEXT,
    "run": _TEXT,
    "losses": _INT,  # actors lost with it so far
    "pack": _TEXT,  # those of one pack run together
    "strikes": _INT,  # how often it killed alone
    "reason": _TEXT,
}


def gene_columns() -> tuple[str, ...]:
    """Every gene of every kind, sorted: the gene columns of ``genomes``."""
    return tuple(sorted({gene for kind in KINDS.values() for gene in kind.columns}))


def _genomes() -> dict[str, pa.DataType]:
    return {**_BIRTH, **dict.fromkeys(gene_columns(), _REAL)}


TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        TableSpec(
            "trials",
            _TRIALS,
            ("trial_id",),
            ("trial_id", "genome_id", "seed", "outcome", "steps_run"),
            ("outcome", "steps_run"),
            _more_telling_trial,
            _one_each,
        ),
        TableSpec(
            "curves",
            _CURVES,
            ("trial_id",),
            ("trial_id", "step"),
            ("step",),
            _longest_curve,
            _evaluations,
        ),
        TableSpec(
            "genomes",
            _genomes(),
            ("genome_id", "run"),
            ("genome_id", "kind", "run"),
            ("generation",),
            _earliest_birth,
            _one_each,
        ),
        TableSpec(
            "generations",
            _GENERATIONS,
            ("run", "generation", "genome_id"),
            ("run", "generation", "genome_id"),
            (),
            _any_row,
            _one_each,
        ),
        TableSpec(
            "plans",
            _PLANS,
            ("run", "generation", "position"),
            ("run", "generation", "position", "genome_id"),
            (),
            _any_row,
            _one_each,
        ),
        TableSpec(
            "jobs",
            _JOBS,
            ("job", "fact"),
            ("job", "fact", "kind", "round", "attempt", "at", "content"),
            (),
            _any_row,
            _one_each,
        ),
        TableSpec(
            "suspects",
            _SUSPECTS,
            ("trial_id", "run", "losses"),
            ("trial_id", "run", "losses", "pack", "strikes"),
            (),
            _any_row,
            _one_each,
        ),
    )
}
"""Every table by name."""


# -- Rows of results ----------------------------------------------------------------------


def result_tables(results: Iterable[TrialResult]) -> tuple[pa.Table, pa.Table]:
    """Finished trials as tables: ``trials`` but for who asked, and ``curves``.

    Columns at a time, since an actor may finish thousands of trials a second.
    """
    results = list(results)
    columns = {name: [tell(r) for r in results] for name, tell in _TRIAL_COLUMNS.items()}
    trials = pa.table({n: pa.array(v, _TRIALS[n]) for n, v in columns.items()})
    return trials, _curves_table([r for r in results if r.curves is not None])


def asked_by(trials: pa.Table, run: str, generation: int | None, pool: str) -> pa.Table:
    """The first table of :func:`result_tables` with who asked: rows of ``trials``.

    Args:
        trials: Finished trials.
        run: Id of the run that asked.
        generation: The generation that asked, if one did.
        pool: "A" for seeds of evolution, "B" for seeds of validation, "C" for seeds of
            validation in a design that crosses them.
    """
    for name, value in (("run", run), ("generation", generation), ("pool", pool)):
        column = pa.repeat(pa.scalar(value, _TRIALS[name]), len(trials))
        trials = trials.append_column(name, column)
    return trials


def result_rows(
    results: Iterable[TrialResult], run: str, generation: int | None, pool: str
) -> tuple[pa.Table, pa.Table]:
    """Rows of finished trials: for ``trials``, and for ``curves`` where there are any.

    Arguments are those of :func:`asked_by`.
    """
    trials, curves = result_tables(results)
    return asked_by(trials, run, generation, pool), curves


def genome_row(
    genome: Genome,
    *,
    origin: str,
    run: str,
    generation: int,
    mother: str | None = None,
    father: str | None = None,
    donor_genes: Sequence[str] = (),
    name: str | None = None,
) -> Row:
    """Row of ``genomes``: the genes, and where they came from.

    Args:
        genome: The genes.
        origin: The operator that made it.
        run: Id of the run that it was born in.
        generation: Of birth.
        mother: Genome id, where there is one.
        father: Genome id, where there is one.
        donor_genes: Genes taken from the father.
        name: What people call it.
    """
    birth = {
        "genome_id": genome.id,
        "kind": genome.kind,
        "name": name,
        "origin": origin,
        "mother": mother,
        "father": father,
        "donor_genes": list(donor_genes),
        "run": run,
        "generation": generation,
    }
    return {**birth, **dict(genome.genes)}


# Seed 1 of this science: efficiency 0 is grokking at this step, and a point is 20 steps less.
_EFFICIENCY_ZERO, _STEPS_A_POINT = 2500, 20


def _efficiency(steps_to_grok: int | None) -> float | None:
    if steps_to_grok is None:
        return None
    return (_EFFICIENCY_ZERO - steps_to_grok) / _STEPS_A_POINT


def _text(value: str | None) -> str | None:
    """A name as a plain string."""
    return None if value is None else str(value)


_TRIAL_COLUMNS: dict[str, Callable[[TrialResult], Any]] = {
    "trial_id": lambda r: r.trial.id,
    "genome_id": lambda r: r.trial.genome.id,
    "kind": lambda r: r.trial.genome.kind,
    "operation": lambda r: r.trial.task.operation,
    "modulus": lambda r: r.trial.task.modulus,
    "train_fraction": lambda r: r.trial.task.train_fraction,
    "batch": lambda r: r.trial.task.batch or 0,
    "symmetric": lambda r: r.trial.task.symmetric,
    "eval_interval": lambda r: r.trial.task.eval_interval,
    "layers": lambda r: r.trial.model.layers,
    "d_model": lambda r: r.trial.model.d_model,
    "heads": lambda r: r.trial.model.heads,
    "d_ff": lambda r: r.trial.model.d_ff,
    "seed": lambda r: r.trial.seed,
    "init_seed": lambda r: r.trial.streams and r.trial.streams.init,
    "order_seed": lambda r: r.trial.streams and r.trial.streams.order,
    "dropout_seed": lambda r: r.trial.streams and r.trial.streams.dropout,
    "semantics": lambda _: SEMANTICS,
    "horizon": lambda r: r.trial.horizon,
    "to_horizon": lambda r: r.trial.to_horizon,
    "outcome": lambda r: str(r.outcome),
    "learning_class": lambda r: _text(r.learning_class),
    "steps_to_grok": lambda r: r.milestones.steps_to_grok,
    "first_95": lambda r: r.milestones.first_95,
    "first_99": lambda r: r.milestones.first_99,
    "sustained_95": lambda r: r.milestones.sustained_95,
    "steps_to_memorise": lambda r: r.milestones.steps_to_memorise,
    "validation_at_memorise": lambda r: r.milestones.validation_at_memorise,
    "least_validation_after_grok": lambda r: r.milestones.least_validation_after_grok,
    "best_validation_accuracy": lambda r: r.best_validation_accuracy,
    "final_train_accuracy": lambda r: r.final_train_accuracy,
    "final_validation_accuracy": lambda r: r.final_validation_accuracy,
    "final_train_loss": lambda r: r.final_train_loss,
    "final_validation_loss": lambda r: r.final_validation_loss,
    "steps_run": lambda r: r.steps_run,
    "examples_seen": lambda r: r.examples_seen,
    "efficiency": lambda r: _efficiency(r.milestones.steps_to_grok),
    "wall_seconds": lambda r: r.wall_seconds,
    "backend": lambda r: r.backend,
    "device": lambda r: r.device,
    "precision": lambda r: r.trial.precision,
    "versions": lambda r: r.versions,
    "reason": lambda r: r.reason,
}
"""Column of ``trials`` → what a result says of it."""


def _curves_table(results: Sequence[TrialResult]) -> pa.Table:
    """Curves of results that have them: list columns over one long array each."""
    curves = [r.curves for r in results if r.curves is not None]
    ends = np.cumsum([0, *(len(c.step) for c in curves)], dtype=np.int32)
    arrays = {"trial_id": pa.array([r.trial.id for r in results], _TEXT)}
    for name, kind in _CURVES.items():
        if name != "trial_id":
            values = np.concatenate([*(getattr(c, name) for c in curves), []])
            flat = pa.array(values.astype(kind.value_type.to_pandas_dtype()))
            arrays[name] = pa.ListArray.from_arrays(pa.array(ends), flat)
    return pa.table(arrays)
