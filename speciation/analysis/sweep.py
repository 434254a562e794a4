"""Genomes across settings: how they learn there, and whether who is good here is good there.

In each setting a genome has its mean of min(T, H), its success rate, and the share of each
learning class. *Transfer* from one setting to another is Spearman's rank correlation of the
genomes' means: 1 where the order stays, 0 where it says nothing. Its interval is of a bootstrap
over genomes: what is claimed is of genomes like these, and no number of seeds replaces them.

Axes: P genomes, C settings, B bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from speciation.analysis.survival import CONFIDENCE, REPLICATES, Floats
from speciation.evolution.fitness import wilson
from speciation.seeds import Purpose, generator
from speciation.trial.trial import LearningClass

LEAST_GENOMES = 4  # below which a rank correlation says nothing


@dataclass(frozen=True)
class Swept:
    """What a sweep shows.

    Args:
        cells: A row a setting and genome: ``row, column, setting, genome, seeds, successes,
            success, success_low, success_high, steps, steps_se, horizon``, and ``learning``
            (the most frequent class), ``share`` of it with Wilson's ``share_low, share_high``.
        classes: A row a setting, genome and learning class that occurred: ``setting, genome,
            learning_class, count``.
        transfer: A row a pair of settings: ``first, second, genomes, rank_correlation, low,
            high``; none of fewer than four genomes.
    """

    cells: pd.DataFrame
    classes: pd.DataFrame
    transfer: pd.DataFrame


def cell_table(
    rows: pd.DataFrame, names: Mapping[str, str], horizon: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The genomes in one setting, and the learning classes of their trials.

    Args:
        rows: A row a trial: ``genome_id, learning_class, steps_to_grok, steps``; ``steps`` is
            min(T, H), NaN where the machine failed: such a trial counts for nothing.
        names: Genome id → display name, in the order that is wanted.
        horizon: H in steps.
    """
    rows = rows[rows["steps"].notna()]
    groups = dict(iter(rows.groupby("genome_id")))
    cells = [_cell(name, groups[own], horizon) for own, name in names.items() if own in groups]
    classes = (
        rows.assign(genome=rows["genome_id"].map(dict(names)))
        .groupby(["genome", "learning_class"])
        .size()
        .rename("count")
        .reset_index()
    )
    return pd.DataFrame(cells), classes


def _cell(name: str, own: pd.DataFrame, horizon: int) -> dict[str, object]:
    seeds, successes = len(own), int((own["steps_to_grok"] <= horizon).sum())
    low, high = wilson(successes, seeds)
    counts = own["learning_class"].value_counts()
    order = [kind.value for kind in LearningClass if kind.value in counts]
    learning = max(order, key=lambda kind: counts[kind])  # of equal ones, the first defined
    share_low, share_high = wilson(counts[learning], seeds)
    return {
        "genome": name,
        "seeds": seeds,
        "successes": successes,
        "success": successes / seeds,
        "success_low": float(low),
        "success_high": float(high),
        "steps": own["steps"].mean(),
        "steps_se": own["steps"].sem(),
        "horizon": horizon,
        "learning": learning,
        "share": counts[learning] / seeds,
        "share_low": float(share_low),
        "share_high": float(share_high),
    }


def transfer_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation between every two settings, over the genomes that both have.

    Args:
        cells: ``setting, genome, steps``.
    """
    wide = cells.pivot(index="genome", columns="setting", values="steps")
    wide = wide[list(dict.fromkeys(cells["setting"]))]
    found = []
    for first, second in combinations(wide.columns, 2):
        both = wide[[first, second]].dropna()
        if len(both) >= LEAST_GENOMES:
            told = rank_correlation(both[first].to_numpy(), both[second].to_numpy())
            found.append((first, second, len(both), *told))
    columns = ["first", "second", "genomes", "rank_correlation", "low", "high"]
    return pd.DataFrame(found, columns=columns)


def rank_correlation(
    first: Floats, second: Floats, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Spearman's rank correlation with a percentile interval of a bootstrap over genomes.

    Args:
        first: Shape ``(P,)``.
        second: Shape ``(P,)``, genome by genome.
        confidence: Of the interval.

    Returns:
        Correlation, lower and upper end; NaN where all of one setting are equal.
    """
    count = len(first)
    rng = generator(0, Purpose.BOOTSTRAP, generation=count, index=4)
    drawn = rng.integers(0, count, (REPLICATES, count))
    value = float(spearman(first[None], second[None])[0])
    replicates = spearman(first[drawn], second[drawn])
    known = replicates[~np.isnan(replicates)]
    if np.isnan(value) or not len(known):
        return (np.nan, np.nan, np.nan)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(known, tails)
    return (value, float(low), float(high))


def spearman(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Spearman's rank correlation of each row of ``(B, P)``: ``(B,)``; NaN where all tie."""
    x, y = (stats.rankdata(values, axis=1) for values in (first, second))
    x, y = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (x, y))
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    told = np.divide((x * y).sum(axis=1), size, out=np.full(len(x), np.nan), where=size > 0)
    return np.asarray(told)


def swept(parts: Sequence[tuple[dict[str, str], pd.DataFrame, pd.DataFrame]]) -> Swept:
    """Settings together.

    Args:
        parts: Of each setting, its ``row``, ``column`` and ``setting``, and its tables as
            :func:`cell_table` makes them.
    """
    cells = pd.concat([table.assign(**of) for of, table, _ in parts], ignore_index=True)
    classes = pd.concat(
        [table.assign(setting=of["setting"]) for of, _, table in parts], ignore_index=True
    )
    return Swept(cells, classes, transfer_table(cells))
