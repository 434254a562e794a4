"""Peer review for genomes: what many fresh seeds say, from rows to a typed answer.

    from speciation.analysis import validation
    found = validation.of_store(Store("results"), ["7af3…", "09c2…"])
    found.summaries[0].rmst          # Estimate(value=612.4, low=598.1, high=640.9)
    found.comparison.advice          # "About 63 more seeds would tell 09c2… from 7af3…, …"

Only seeds of pool B count, which evolution never draws; what evolution saw in pool A stands
beside it as *selected*, with the shrinkage between the two. A trial that did not grok or
diverged counts with its full horizon; one that the machine failed is counted and left out.

Where a trial answers for less than the horizon that is asked for, everything is said at the
longest horizon for which *all* trials answer: leaving such a trial out would leave out the
slow ones, and make every figure better than it is.

Axes: R rows, P genomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from speciation.analysis.comparison import Comparison, compare
from speciation.analysis.components import COMBINATIONS, Components, components, crossed
from speciation.analysis.estimates import Arm, Estimate, Summary, summarise
from speciation.analysis.pairs import PAIR_COLUMNS, pairs_table
from speciation.analysis.ranking import TYPICAL_SPREAD, Luck, luck_of_figures
from speciation.analysis.survival import Floats
from speciation.tables.store import Store
from speciation.trial.grokking import learning_classes
from speciation.trial.trial import LearningClass, Outcome

COLUMNS = (
    "trial_id",
    "genome_id",
    "seed",
    "init_seed",
    "order_seed",
    "dropout_seed",
    "outcome",
    "steps_to_grok",
    "steps_to_memorise",
    "validation_at_memorise",
    "least_validation_after_grok",
    "steps_run",
    "pool",
)
"""What validation needs of a row of ``trials``."""

SETTINGS = (
    *("operation", "modulus", "train_fraction", "batch", "symmetric", "eval_interval"),
    *("layers", "d_model", "heads", "d_ff", "precision", "semantics"),
)
"""Columns that tell experiments apart: rows that differ in one cannot be put together."""

ROWS = (*COLUMNS, *SETTINGS, "kind", "best_validation_accuracy", "wall_seconds")
"""What plans, validations and the importance of genes need of a row, so it is read once."""


class ValidationError(ValueError):
    """Rows that cannot be validated: one sentence."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Rows as arrays of shape ``(R,)``, one row a trial, sorted by genome and seed.

    Args:
        genome_ids: Sorted ids, ``(P,)``.
        genome: Which of them.
        seed: Of the trial (of its split, where streams are crossed).
        outcome: As in the row.
        grokked_at: Steps; infinite where it never did.
        memorised_at: Steps; infinite where it never did.
        validation_at_memorise: Accuracy; NaN where it never did.
        least_after_grok: Least validation accuracy since; NaN where it never did.
        steps_run: Steps.
        trial_id: As in the row.
    """

    genome_ids: tuple[str, ...]
    genome: NDArray[np.int64]
    seed: NDArray[np.int64]
    outcome: NDArray[np.object_]
    grokked_at: Floats
    memorised_at: Floats
    validation_at_memorise: Floats
    least_after_grok: Floats
    steps_run: Floats
    trial_id: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.seed)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Trials:
        """Some of the rows, and all genomes."""
        columns = [
            getattr(self, name)[rows] for name in self.__dataclass_fields__ if name != _IDS
        ]
        return Trials(self.genome_ids, *columns)

    def rows_of(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Places of the rows of some genomes."""
        spans = [np.arange(self._starts[i], self._starts[i + 1]) for i in self.places_of(ids)]
        return np.concatenate([np.zeros(0, np.int64), *spans])

    def places_of(self, ids: Iterable[str]) -> list[int]:
        """Places of some genomes among ``genome_ids``, each once and in order."""
        return sorted({self._place[own] for own in ids if own in self._place})

    @cached_property
    def _place(self) -> dict[str, int]:
        return {own: i for i, own in enumerate(self.genome_ids)}

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.searchsorted(self.genome, np.arange(len(self.genome_ids) + 1))

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Whether the machine failed it."""
        return np.asarray(self.outcome == Outcome.FAILED.value)

    def answered_up_to(self, horizon: int) -> int:
        """The longest horizon up to this one for which every scientific row answers."""
        short = ~self.failed & (self.outcome != Outcome.DIVERGED.value)
        short &= (self.grokked_at > horizon) & (self.steps_run < horizon)
        return int(self.steps_run[short].min(initial=horizon))


_IDS = "genome_ids"


def trials_of(rows: pa.Table) -> Trials:
    """Rows of ``trials`` as arrays; those of crossed designs are left out.

    Args:
        rows: At least :data:`COLUMNS`, one row a trial.
    """
    plain = pc.is_null(rows["init_seed"])
    return _arrays(rows.filter(plain))


def _arrays(rows: pa.Table) -> Trials:
    rows = rows.sort_by([("genome_id", "ascending"), ("seed", "ascending")])
    encoded = rows["genome_id"].combine_chunks().dictionary_encode()
    return Trials(
        genome_ids=tuple(encoded.dictionary.to_pylist()),
        genome=encoded.indices.to_numpy().astype(np.int64),
        seed=rows["seed"].to_numpy().astype(np.int64),
        outcome=_texts(rows["outcome"]),
        grokked_at=_steps(rows["steps_to_grok"]),
        memorised_at=_steps(rows["steps_to_memorise"]),
        validation_at_memorise=_reals(rows["validation_at_memorise"]),
        least_after_grok=_reals(rows["least_validation_after_grok"]),
        steps_run=rows["steps_run"].to_numpy().astype(np.float64),
        trial_id=_texts(rows["trial_id"]),
    )


def _texts(column: pa.ChunkedArray) -> NDArray[np.object_]:
    return np.asarray(pc.fill_null(column, "").to_numpy(), dtype=object)


def _steps(column: pa.ChunkedArray) -> Floats:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.inf).to_numpy())


def _reals(column: pa.ChunkedArray) -> Floats:
    return np.asarray(pc.fill_null(column, np.nan).to_numpy(), dtype=np.float64)


# -- The answer -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """What was selected beside what was confirmed; the difference is luck.

    Args:
        name: Of the arm.
        horizon: At which both are read, in steps.
        selected: On seeds of pool A, which evolution chose by.
        confirmed: On seeds of pool B.
        steps: RMST confirmed less selected; above 0, the selection was flattered.
    """

    name: str
    horizon: int
    selected: Summary
    confirmed: Summary
    steps: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """Everything that is found.

    Args:
        horizon: In steps; the longest for which all trials answer, up to ``asked``.
        asked: Horizon that was asked for.
        arms: The trials, arm by arm.
        summaries: What each arm shows, in the same order.
        comparison: Of the arms; None of a single one.
        shrinkage: Of arms that evolution had tried.
        outcomes: A row an arm: how many trials ended how.
        classes: A row an arm: how many trials are of which learning class.
        trials: All rows that count, for those who want to look themselves.
        always_valid: Arm → ``rmst`` and ``success`` with intervals that hold however often one
            looked; of arms that were stopped by a rule.
        components: Arm → where its luck comes from, where a crossed design was run.
        member_of: Arm → named group that it is looked at with.
        unfinished: Names of which the machine failed every trial, or has none: nothing is said
            of them, and they are no arms.
    """

    horizon: int
    asked: int
    arms: tuple[Arm, ...]
    summaries: tuple[Summary, ...]
    comparison: Comparison | None
    shrinkage: tuple[Shrinkage, ...]
    outcomes: pd.DataFrame
    classes: pd.DataFrame
    trials: Trials
    always_valid: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    components: Mapping[str, Components] = field(default_factory=dict)
    member_of: Mapping[str, str] = field(default_factory=dict)
    unfinished: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """The figures of every arm, one row each: what a paper's table would hold."""
        rows = []
        for own in self.summaries:
            row: dict[str, object] = {
                "name": own.name,
                "genomes": len(own.genomes),
                "seeds": own.seeds,
                "trials": own.trials,
                "failed": own.failed,
                "successes": own.successes,
            }
            for name in ("success", "rmst", "ert", "median", "q90"):
                found: Estimate = getattr(own, name)
                row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
            best = self.comparison.best if self.comparison else {}
            rows.append(row | {"spread": own.spread, "p_best": best.get(own.name, np.nan)})
        return pd.DataFrame(rows)

    def told(self, own: Summary, measure: str) -> Estimate:
        """``rmst`` or ``success`` of an arm, with an interval that holds here."""
        usual: Estimate = getattr(own, measure)
        return self.always_valid.get(own.name, {}).get(measure, usual)

    def pairs(self) -> pd.DataFrame:
        """Every pair of arms, a row each, as :func:`pairs.pairs_table` makes them."""
        if self.comparison is None:
            return pd.DataFrame(columns=PAIR_COLUMNS)
        return pairs_table(self.arms, self.comparison.pairs)


Groups = Mapping[str, Sequence[str]]
"""Name → ids of the genomes in it."""


def of_rows(
    rows: pa.Table,
    horizon: int,
    groups: Groups | None = None,
    *,
    reference: str | None = None,
    selected: pa.Table | None = None,
    compared: bool = True,
) -> Validation:
    """Validate rows of ``trials``.

    Args:
        rows: Trials on fresh seeds, all of one experiment, one row each.
        horizon: H, in steps.
        groups: What is put together and how it is called; every genome alone by default.
        reference: Arm that the others are held against; the best by default.
        selected: Trials of the same genomes that evolution chose by.
        compared: Compare the arms with one another.

    Raises:
        ValidationError: There are no scientific rows, or rows are of several experiments.
    """
    check_one_experiment(rows)
    trials = trials_of(rows)
    if not (~trials.failed).any():
        raise ValidationError("there is no finished trial on seeds of pool B to validate by")
    groups = groups or {own: (own,) for own in trials.genome_ids}
    at = _common_horizon(trials, horizon)
    finished = {
        name: ids for name, ids in groups.items() if (~trials.failed[trials.rows_of(ids)]).any()
    }
    if not finished:
        raise ValidationError("no arm has a finished trial on seeds of pool B")
    arms = tuple(_arm(name, ids, trials, at) for name, ids in finished.items())
    return Validation(
        horizon=at,
        asked=horizon,
        arms=arms,
        summaries=summarise(arms),
        comparison=compare(arms, reference) if compared else None,
        shrinkage=_shrinkages(finished, trials, trials_of(selected), at)
        if selected is not None and len(selected)
        else (),
        outcomes=_counts(groups, trials, _outcomes(trials, at), [o.value for o in Outcome]),
        classes=_counts(groups, trials, _classes(trials, at), [c.value for c in LearningClass]),
        trials=trials,
        unfinished=tuple(name for name in groups if name not in finished),
    )


def of_store(
    store: Store,
    genomes: Iterable[str] | None = None,
    horizon: int | None = None,
    *,
    groups: Groups | None = None,
    reference: str | None = None,
    where: Mapping[str, object] | None = None,
) -> Validation:
    """Validate what a store holds on seeds of pool B.

    Args:
        store: Where to read.
        genomes: Ids; all that have such trials by default.
        horizon: H, in steps; by default, the longest for which all trials answer.
        groups: See :func:`of_rows`.
        reference: See :func:`of_rows`.
        where: Column of :data:`SETTINGS` → value, where a store holds several experiments.

    Raises:
        ValidationError: See :func:`of_rows`.
        StoreError: The store cannot be read.
    """
    rows = store.scan("trials").table.select([*COLUMNS, *SETTINGS, "horizon"])
    for column, value in (where or {}).items():
        rows = rows.filter(pc.equal(rows[column], pa.scalar(value)))
    ids = groups and [own for group in groups.values() for own in group]
    wanted = list(genomes) if genomes is not None else ids
    if wanted is not None:
        rows = rows.filter(pc.is_in(rows["genome_id"], value_set=pa.array(wanted, pa.string())))
    fresh, seen = (rows.filter(pc.equal(rows["pool"], pool)) for pool in ("B", "A"))
    if not len(fresh):
        of_them = "" if wanted is None else " of these genomes"
        raise ValidationError(f"{store.uri} has no trial{of_them} on seeds of pool B")
    longest = pc.max(fresh["horizon"]).as_py()
    return of_rows(fresh, horizon or longest, groups, reference=reference, selected=seen)


def check_one_experiment(rows: pa.Table) -> None:
    """Check that rows may be put together.

    Raises:
        ValidationError: They are of several tasks, models, precisions or meanings.
    """
    for column in SETTINGS:
        if column in rows.column_names:
            values = pc.unique(rows[column]).to_pylist()
            if len(values) > 1:
                raise ValidationError(
                    f"trials of several experiments cannot be put together: {column} is "
                    f"{' and '.join(map(str, sorted(values)))}; name one of them"
                )


def _common_horizon(trials: Trials, horizon: int) -> int:
    at = trials.answered_up_to(horizon)
    if at < 1:
        raise ValidationError("a trial has not trained at all; fill it up first")
    return at


def _arm(name: str, ids: Sequence[str], trials: Trials, horizon: int) -> Arm:
    every = trials.take(trials.rows_of(ids))
    own = every.take(~every.failed)
    return _arm_of(name, own, horizon, tuple(ids), len(every) - len(own))


def _arm_of(name: str, own: Trials, horizon: int, ids: tuple[str, ...], failed: int) -> Arm:
    """Rows of an arm, sorted so that only they decide the order of its sums."""
    own = own.take(np.lexsort([own.grokked_at, own.genome, own.seed]))
    steps = np.where(own.grokked_at <= horizon, own.grokked_at, np.inf)
    # A diverged trial counts as H in the mean, but it stopped spending when it diverged.
    spent = np.minimum(np.minimum(own.steps_run, steps), float(horizon))
    return Arm(name, own.seed, steps, spent, horizon, failed, ids)


def _outcomes(trials: Trials, horizon: int) -> NDArray[np.object_]:
    """How each trial had ended at the horizon: what happened later had not happened there."""
    late = (trials.outcome == Outcome.GROKKED.value) & (trials.grokked_at > horizon)
    late |= (trials.outcome == Outcome.DIVERGED.value) & (trials.steps_run > horizon)
    return np.where(late, Outcome.CENSORED.value, trials.outcome)


def _classes(trials: Trials, horizon: int) -> NDArray[np.object_]:
    """How each trial had learned by the horizon; empty for a failure."""
    grok, memorise = (
        np.where(steps <= horizon, steps, np.inf)
        for steps in (trials.grokked_at, trials.memorised_at)
    )
    at, least = trials.validation_at_memorise, trials.least_after_grok
    ended = _outcomes(trials, horizon)
    return learning_classes(grok, memorise, at, least, ended, horizon).astype(object)


def _counts(
    groups: Groups, trials: Trials, values: NDArray[np.object_], names: Sequence[str]
) -> pd.DataFrame:
    """How many trials of each arm have each value; failed ones have no class."""
    value = pd.Index(names).get_indexer(pd.Index(values))
    own = value >= 0
    cells = trials.genome[own] * len(names) + value[own]
    by_genome = np.bincount(cells, minlength=len(trials.genome_ids) * len(names))
    by_genome = by_genome.reshape(-1, len(names))
    sums = [by_genome[trials.places_of(ids)].sum(axis=0) for ids in groups.values()]
    table = pd.DataFrame(np.array(sums), columns=list(names))
    table.insert(0, "name", list(groups))
    return table


def _shrinkages(
    groups: Groups, trials: Trials, seen: Trials, horizon: int
) -> tuple[Shrinkage, ...]:
    found = []
    for name, ids in groups.items():
        chosen = seen.take(seen.rows_of(ids))
        if not (~chosen.failed).any():
            continue
        at = chosen.answered_up_to(horizon)
        if at < 1:
            continue
        pools = summarise([_arm(name, ids, pool, at) for pool in (chosen, trials)])
        found.append(Shrinkage(name, at, pools[0], pools[1], _gap(*pools)))
    return tuple(found)


def _gap(selected: Summary, confirmed: Summary) -> Estimate:
    """Confirmed less selected; the pools are independent (Zou and Donner 2008)."""
    a, b = selected.rmst, confirmed.rmst
    value = b.value - a.value
    down = np.hypot(b.value - b.low, a.high - a.value)
    up = np.hypot(b.high - b.value, a.value - a.low)
    return Estimate(value, float(value - down), float(value + up))


# -- Crossed designs --------------------------------------------------------------------------


def components_of(
    rows: pa.Table, seeds: tuple[int, ...], horizon: int
) -> dict[str, Components]:
    """Genome id → its variance components, for genomes whose blocks are complete.

    Args:
        rows: Rows of ``trials`` of the design, plain trials among them.
        seeds: Two for each block, as the design was made from.
        horizon: H, in steps.
    """
    streams = ("seed", "init_seed", "order_seed", "dropout_seed")
    filled = rows
    for name in streams[1:]:
        place = filled.column_names.index(name)
        column = pc.coalesce(filled[name], filled["seed"])
        filled = filled.set_column(place, name, column)
    frame = filled.select([*streams, "genome_id", "steps_to_grok", "outcome"]).to_pandas()
    frame = frame[frame["outcome"] != Outcome.FAILED.value]
    frame["time"] = frame["steps_to_grok"].astype("float64").fillna(np.inf).clip(upper=horizon)
    found = {}
    for own, rows_of in frame.groupby("genome_id"):
        times = rows_of.set_index(list(streams))["time"]
        blocks = times.reindex(pd.MultiIndex.from_tuples(list(crossed(seeds)), names=streams))
        table = blocks.to_numpy(dtype=np.float64).reshape(-1, COMBINATIONS)
        whole = table[np.isfinite(table).all(axis=1)]
        if len(whole) > 1:
            found[str(own)] = components(whole)
    return found


# -- Published figures ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """Figures that somebody published, one a genome.

    Args:
        table: ``hash, steps`` and what else the file says; each genome once, best first.
        luck: Whether equal genomes could have produced the ranking.
        variation: Standard deviation of the figures over their mean.
    """

    table: pd.DataFrame
    luck: Luck
    variation: float

    @property
    def plausible(self) -> bool:
        """Whether equal genomes, tried once each, might have produced all of it.

        The best must not stand out from the others, and the figures must not vary more than
        single trials of one genome do.
        """
        return self.luck.plausible and self.variation <= TYPICAL_SPREAD[1]


def published(path: str | Path) -> Published:
    """Read a CSV of published figures: a row a genome, with columns ``hash`` and ``steps``.

    Raises:
        ValidationError: The file has other columns, or fewer than two genomes.
        OSError: It cannot be read.
    """
    try:
        table = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValidationError(f"{path}: not a CSV ({error})") from None
    if not {"hash", "steps"} <= set(table.columns):
        raise ValidationError(
            f"{path}: expected the columns hash and steps, found {', '.join(table.columns)}"
        )
    table["steps"] = pd.to_numeric(table["steps"], errors="coerce")
    table = table.dropna(subset=["hash", "steps"]).drop_duplicates("hash")
    table = table.sort_values(["steps", "hash"], ignore_index=True)
    if len(table) < 2:
        raise ValidationError(f"{path}: a ranking needs at least 2 genomes, found {len(table)}")
    steps = table["steps"].to_numpy(dtype=np.float64)
    wrong = steps[~((steps > 0) & np.isfinite(steps))]
    if len(wrong):
        raise ValidationError(f"{path}: steps must be positive numbers, found {wrong[0]:g}")
    return Published(table, luck_of_figures(steps), float(steps.std(ddof=1) / steps.mean()))
