"""Which search finds better genomes for the same trial-steps.

A repeat of a search is one sample, whatever the number of trials in it. What is compared is the
champion's mean steps to grok, min(T, H), on seeds that no search has seen; a repeat that has no
champion yet counts with the horizon. Repeats are paired: the same repeat of all arms has the
same run seed, and so the same founders and the same trial seeds.

Axes: A arms, R repeats, K checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from speciation.analysis.equivalence import holm

COLUMNS = (
    "arm",
    "repeat",
    "checkpoint",
    "spent",
    "generations",
    "genome",
    "selected_trials",
    "selected_steps",
    "selected_success",
    "trials",
    "success",
    "steps",
    "steps_low",
    "steps_high",
    "spread",
)


@dataclass(frozen=True)
class Searches:
    """What a comparison shows.

    Args:
        table: A row a checkpoint of each repeat, columns :data:`COLUMNS`.
        curves: A row an arm and checkpoint: ``arm, checkpoint, repeats, median, low, high`` of
            the confirmed steps.
        final: A row an arm at the last checkpoint, best first; see :func:`final_table`.
        failures: Arm and repeat that could not be carried out → why.
        reference: Arm that the others are held against.
        horizon: Steps.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    final: pd.DataFrame
    failures: dict[str, str]
    reference: str
    horizon: int


def of_records(
    records: Sequence[Mapping[str, Any]], arms: Sequence[str], horizon: int
) -> Searches:
    """What records of repeats show.

    Args:
        records: Of repeats: ``arm``, ``repeat``, ``failure`` and ``rows``, a row a checkpoint.
        arms: Names in the order of the file; the first is the reference.
        horizon: H in steps.
    """
    rows = [
        _row(record, row)
        for record in records
        if record["failure"] is None
        for row in record["rows"]
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["steps"] = table["steps"].astype(float).fillna(float(horizon))
    failures = {
        f"{own['arm']}, repeat {own['repeat'] + 1}": str(own["failure"])
        for own in records
        if own["failure"] is not None
    }
    final = final_table(table, arms)
    return Searches(table, curve_table(table, arms), final, failures, arms[0], horizon)


def curve_table(table: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Median of the confirmed steps over repeats, with its interval, at each checkpoint.

    Args:
        table: As in :class:`Searches`.
        arms: In the order that is wanted; those without any repeat are left out.
    """
    rows = [
        (arm, checkpoint, len(own), *median_interval(own["steps"]))
        for arm in arms
        for checkpoint, own in table[table["arm"] == arm].groupby("checkpoint")
    ]
    columns = ["arm", "checkpoint", "repeats", "median", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def final_table(table: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Arms at the last checkpoint, the least median first.

    Returns:
        ``arm, repeats, spent`` (median), ``selected`` (median steps on the seeds of selection),
        ``median, low, high`` of the confirmed steps, ``success`` (mean over repeats),
        ``pairs, difference, difference_low, difference_high`` (median of the paired
        differences to the first arm), ``p`` (Wilcoxon's signed-rank test of them) and
        ``adjusted`` (after Holm, over all arms).
    """
    last = table[table["checkpoint"] == table["checkpoint"].max()]
    reference = last[last["arm"] == arms[0]].set_index("repeat")["steps"]
    rows = []
    for arm in arms:
        own = last[last["arm"] == arm].set_index("repeat")
        if own.empty:
            continue
        gap = pd.Series(dtype=float)
        if arm != arms[0]:
            gap = (own["steps"] - reference).dropna()
        rows.append(
            {
                "arm": arm,
                "repeats": len(own),
                "spent": own["spent"].median(),
                "selected": own["selected_steps"].astype(float).median(),
                **_named(("median", "low", "high"), own["steps"]),
                "success": own["success"].astype(float).fillna(0.0).mean(),
                "pairs": len(gap),
                **_named(("difference", "difference_low", "difference_high"), gap),
                "p": signed_rank_p(gap),
            }
        )
    found = pd.DataFrame(rows)
    if found.empty:
        return found
    told = found["p"].notna()
    found["adjusted"] = np.nan
    found.loc[told, "adjusted"] = holm(found.loc[told, "p"])
    return found.sort_values("median", kind="stable", ignore_index=True)


def median_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Median with the interval between two order statistics (David and Nagaraja 2003, 7.1).

    It covers at least ``level`` of the time whatever the distribution, and there is none of
    less than six values at 95 %: its ends are NaN then.

    Args:
        values: Any number of them.
        level: Of confidence.

    Returns:
        Median, lower and upper end; NaN of no values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    count = len(ordered)
    if not count:
        return (np.nan, np.nan, np.nan)
    outside = int(stats.binom.ppf((1 - level) / 2, count, 0.5))
    median = float(np.median(ordered))
    if outside < 1:
        return (median, np.nan, np.nan)
    return (median, float(ordered[outside - 1]), float(ordered[count - outside]))


def signed_rank_p(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; NaN of fewer than two differences."""
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return np.nan
    return 1.0 if not values.any() else float(stats.wilcoxon(values).pvalue)


def _named(names: Sequence[str], values: ArrayLike) -> dict[str, float]:
    return dict(zip(names, median_interval(values), strict=True))


def _row(record: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[Any, ...]:
    selected, confirmed = row.get("selected") or {}, row.get("confirmed") or {}
    return (
        record["arm"],
        record["repeat"],
        row["checkpoint"],
        row["spent"],
        row["generations"],
        row.get("genome"),
        selected.get("trials"),
        selected.get("steps"),
        _rate(selected),
        confirmed.get("trials"),
        _rate(confirmed),
        confirmed.get("steps"),
        confirmed.get("steps_low"),
        confirmed.get("steps_high"),
        confirmed.get("spread"),
    )


def _rate(figures: Mapping[str, Any]) -> float | None:
    return figures["successes"] / figures["trials"] if figures else None
