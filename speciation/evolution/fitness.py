"""How good a genome is: fitness landscapes, each with its standard error.

Fitness reads rows of the ``trials`` table and nothing else, so a live run, a resumed one and an
analysis years later say the same. T is the time to grok, right-censored at the horizon H: a
trial that did not grok, or diverged, counts as H and is never dropped. A trial that the machine
failed says nothing of its genome; it is left out, and counted.

    sprinter   least mean of min(T, H), the restricted mean survival time (RMST)
    tank       greatest Wilson lower bound of the success rate
    sniper     least spread q90 - q10 of min(T, H), among genomes that pass the gate

Axes: R trial rows, P genomes, n trials of a genome, B bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from speciation.seeds import Purpose, generator
from speciation.trial.trial import Outcome

Z = 1.96  # two-sided 95 %
SPREAD = (0.1, 0.9)  # the quantiles between which a sniper's trials shall lie
REPLICATES = 400  # of the bootstrap: knows a standard error to about 4 %

JUDGED_BY = (
    "trial_id",
    "genome_id",
    "outcome",
    "steps_to_grok",
    "steps_run",
    "best_validation_accuracy",
)
"""The columns of ``trials`` that fitness reads."""

COLUMNS = (
    "genome_id",
    "trials",
    "successes",
    "failed",
    "unanswered",
    "rmst",
    "rmst_se",
    "ert",
    "sprinter",
    "sprinter_se",
    "tank",
    "tank_se",
    "sniper",
    "sniper_se",
    "passes_gate",
    "best_validation",
    "rank",
)


def wilson(
    successes: ArrayLike, trials: ArrayLike, z: float = Z
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's score interval of a success rate (Wilson 1927).

    Args:
        successes: Any shape.
        trials: The same shape. No trials give NaN.
        z: Normal quantile of the confidence.

    Returns:
        Lower and upper bounds in [0, 1].
    """
    n = np.asarray(trials, dtype=np.float64)
    n = np.where(n > 0, n, np.nan)
    rate = np.asarray(successes, dtype=np.float64) / n
    centre = rate + z**2 / (2 * n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    low, high = (centre - half) / scale, (centre + half) / scale
    # Without any success the lower bound is 0, and without any failure the upper one is 1, but
    # floating point may miss them by a bit.
    return np.clip(np.minimum(low, rate), 0, 1), np.clip(np.maximum(high, rate), 0, 1)


def fitness_table(
    trials: pd.DataFrame, horizon: int, landscape: str = "sprinter", gate: float = 0.5
) -> pd.DataFrame:
    """Fitness of every genome that has rows, in every landscape, ranked in one.

    Args:
        trials: Rows of the ``trials`` table, in any order, of one task and model. Needs the
            columns :data:`JUDGED_BY`. Rows that stand twice count once.
        horizon: H in steps. Longer trials are read as if they had ended there; trials that
            ended sooner without an answer are left out and counted as ``unanswered``.
        landscape: The one to rank in, a key of :data:`LANDSCAPES`.
        gate: Wilson lower bound of the success rate that a sniper needs.

    Returns:
        A row a genome in the order of ``rank`` (0 = best), with the columns of
        :data:`COLUMNS`. Standard errors of one trial are NaN, and so is everything of a genome
        without a scientific row; such genomes rank last.

    Raises:
        ValueError: The landscape is unknown, the horizon is not positive, the gate is not
            within (0, 1), or a column is missing.
    """
    _check(trials, horizon, landscape, gate)
    genome_ids, rows, failed, unanswered = _samples(trials, horizon)
    samples = _group(rows, len(genome_ids))
    score = _score(samples, horizon, gate)
    table = pd.DataFrame(
        {"genome_id": genome_ids, "failed": failed, "unanswered": unanswered} | score
    )
    order = np.lexsort([*LANDSCAPES[landscape](table)[::-1]])
    ranked = table.iloc[order].reset_index(drop=True)
    return ranked.assign(rank=np.arange(len(ranked)))[list(COLUMNS)]


def champion(ranked: pd.DataFrame) -> str | None:
    """The best genome of a fitness table or Hall of Fame; None if none has a scientific row."""
    known = ranked[ranked["trials"] > 0].sort_values("rank")
    return None if known.empty else str(known["genome_id"].iloc[0])


# -- Ranking --------------------------------------------------------------------------------


def _by_sprinter(table: pd.DataFrame) -> list[pd.Series]:
    return [table["rmst"], -table["tank"], -table["best_validation"]]


def _by_tank(table: pd.DataFrame) -> list[pd.Series]:
    return [-table["tank"], table["rmst"], -table["best_validation"]]


def _by_sniper(table: pd.DataFrame) -> list[pd.Series]:
    """Those behind the gate are told apart by their distance to it, not by their spread."""
    first = table["sniper"].where(table["passes_gate"], np.inf)
    second = (-table["tank"]).where(~table["passes_gate"], 0.0)
    return [first, second, table["rmst"], -table["best_validation"]]


LANDSCAPES: dict[str, Callable[[pd.DataFrame], list[pd.Series]]] = {
    "sprinter": _by_sprinter,
    "tank": _by_tank,
    "sniper": _by_sniper,
}
"""Landscape → its sort keys, most important first, least is best.

Equal genomes stand in the order of their ids, and those without a scientific row, whose keys
are NaN, stand last.
"""


# -- From rows to samples ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """Scientific rows, sorted by genome and then by time: arrays of shape ``(R,)``."""

    genome: NDArray[np.int64]
    time: NDArray[np.int64]  # min(T, H)
    success: NDArray[np.bool_]
    spent: NDArray[np.int64]
    best_validation: NDArray[np.float64]


@dataclass(frozen=True)
class _Samples:
    """The same rows with the counts ``(P,)`` and first rows ``(P,)`` of each genome."""

    rows: _Rows
    count: NDArray[np.int64]
    first: NDArray[np.int64]

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum of values ``(R,)`` over the rows of each genome: shape ``(P,)``."""
        sums = np.bincount(self.rows.genome, weights=values, minlength=len(self.count))
        return sums.astype(np.float64)  # without any row, NumPy counts in integers


def _samples(
    trials: pd.DataFrame, horizon: int
) -> tuple[NDArray[np.object_], _Rows, NDArray[np.int64], NDArray[np.int64]]:
    """Sorted genome ids ``(P,)``, rows, and counts ``(P,)`` of failed and unanswered trials."""
    trials = _without_copies(trials)
    genome, genome_ids = pd.factorize(trials["genome_id"], sort=True)
    failed = (trials["outcome"] == Outcome.FAILED.value).to_numpy(dtype=bool)
    diverged = (trials["outcome"] == Outcome.DIVERGED.value).to_numpy(dtype=bool)
    grok = _floats(trials["steps_to_grok"], missing=np.inf)
    steps_run = _floats(trials["steps_run"], missing=0.0)
    success = (grok <= horizon) & ~failed
    answered = success | diverged | (steps_run >= horizon)
    counted = answered & ~failed
    time = np.where(success, grok, horizon)
    # A diverged trial counts as H in the mean, but it stopped spending when it diverged.
    spent = np.where(success, grok, np.minimum(steps_run, horizon))
    best = _floats(trials["best_validation_accuracy"], missing=0.0)

    # Sums of floats depend on their order, so rows stand in an order that only they decide.
    order = np.lexsort([best, spent, time, genome])
    order = order[counted[order]]
    rows = _Rows(
        genome=genome[order],
        time=time[order].astype(np.int64),
        success=success[order],
        spent=spent[order].astype(np.int64),
        best_validation=best[order],
    )
    population = len(genome_ids)
    return (
        np.asarray(genome_ids, dtype=object),
        rows,
        np.bincount(genome[failed], minlength=population),
        np.bincount(genome[~failed & ~answered], minlength=population),
    )


def _without_copies(trials: pd.DataFrame) -> pd.DataFrame:
    """One row a trial: scientific before failed, then the one that ran longest.

    The other keys only make sure that the choice does not depend on the order of the rows.
    """
    if not trials["trial_id"].duplicated().any():
        return trials
    keys = {
        "trial": pd.factorize(trials["trial_id"])[0],
        "failed": (trials["outcome"] == Outcome.FAILED.value).to_numpy(dtype=bool),
        "shorter": -_floats(trials["steps_run"], missing=0.0),
        "grok": _floats(trials["steps_to_grok"], missing=np.inf),
        "best": _floats(trials["best_validation_accuracy"], missing=0.0),
        "outcome": trials["outcome"].to_numpy(dtype=object),
    }
    best_first = pd.DataFrame(keys).sort_values(list(keys), kind="stable")
    return trials.iloc[best_first.drop_duplicates("trial").index]


def _floats(column: pd.Series, missing: float) -> NDArray[np.float64]:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isnan(values), missing, values)


def _group(rows: _Rows, population: int) -> _Samples:
    count = np.bincount(rows.genome, minlength=population)
    return _Samples(rows, count, np.cumsum(count) - count)


# -- From samples to scores -------------------------------------------------------------------


def _score(samples: _Samples, horizon: int, gate: float) -> dict[str, NDArray[Any]]:
    """Every column that is a function of the samples: arrays of shape ``(P,)``."""
    rows = samples.rows
    n = np.where(samples.count > 0, samples.count, np.nan)
    successes = samples.sums(rows.success).astype(np.int64)
    rmst = samples.sums(rows.time) / n
    squares = samples.sums((rows.time - rmst[rows.genome]) ** 2)
    variance = squares / np.where(n > 1, n - 1, np.nan)
    lower, upper = wilson(successes, samples.count)
    spread, spread_se = _spreads(samples)
    spent = samples.sums(rows.spent)
    ert = np.where(successes > 0, spent / np.maximum(successes, 1), np.inf)
    return {
        "trials": samples.count,
        "successes": successes,
        "rmst": rmst,
        "rmst_se": np.sqrt(variance / n),
        "ert": np.where(samples.count > 0, ert, np.nan),
        "sprinter": rmst,
        "sprinter_se": np.sqrt(variance / n),
        "tank": lower,
        "tank_se": (upper - lower) / (2 * Z),
        "sniper": spread,
        "sniper_se": spread_se,
        # A spread of one trial is unknown, not zero.
        "passes_gate": (np.nan_to_num(lower) >= gate) & (samples.count > 1),
        "best_validation": samples.sums(rows.best_validation) / n,
    }


def _spreads(samples: _Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spread of each genome's times, and its standard error: shapes ``(P,)``."""
    spread = np.full(len(samples.count), np.nan)
    error = np.full(len(samples.count), np.nan)
    for n in np.unique(samples.count[samples.count > 1]):
        genomes = np.flatnonzero(samples.count == n)
        times = samples.rows.time[samples.first[genomes, None] + np.arange(n)]  # (P, n) sorted
        spread[genomes] = _spread(times, np.arange(n))
        error[genomes] = _spread(times, _resamples(int(n))).std(axis=1, ddof=1)
    return spread, error


def _resamples(n: int) -> NDArray[np.int64]:
    """Bootstrap positions ``(B, n)``, each row sorted: a function of n alone."""
    rng = generator(0, Purpose.BOOTSTRAP, generation=n)
    return np.sort(rng.integers(0, n, (REPLICATES, n)), axis=1)


def _spread(times: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Difference of the quantiles :data:`SPREAD` of sorted times at sorted positions.

    Since both are sorted, a resample is sorted too, and only the four order statistics that the
    quantiles lie between are ever looked up.

    Args:
        times: Shape ``(P, n)``, each row sorted.
        positions: Shape ``(n,)`` or ``(B, n)``, each row sorted.

    Returns:
        Shape ``(P,)`` or ``(P, B)``.
    """
    low, high = (_quantile(times, positions, q) for q in SPREAD)
    return high - low


def _quantile(
    times: NDArray[np.int64], positions: NDArray[np.int64], q: float
) -> NDArray[np.float64]:
    place = q * (positions.shape[-1] - 1)
    below = int(place)
    above = min(below + 1, positions.shape[-1] - 1)
    weight = place - below
    return np.asarray(
        times[:, positions[..., below]] * (1 - weight)
        + times[:, positions[..., above]] * weight
    )


def _check(trials: pd.DataFrame, horizon: int, landscape: str, gate: float) -> None:
    if landscape not in LANDSCAPES:
        known = ", ".join(LANDSCAPES)
        raise ValueError(f"unknown fitness landscape {landscape!r}; known landscapes: {known}")
    if horizon < 1:
        raise ValueError(f"the horizon of a fitness must be at least 1 step, got {horizon}")
    if not 0 < gate < 1:
        raise ValueError(f"the gate of a sniper must be within (0, 1), got {gate}")
    missing = [name for name in JUDGED_BY if name not in trials]
    if missing:
        raise ValueError(f"trial rows lack the columns {', '.join(missing)}")
