"""Isolation: do crosses between groups fail more than those within, and does distance tell?

Pairs that share a genome are no independent witnesses, so genomes are what is drawn and what is
relabelled. Groups are held against each other by a permutation test over labels (Mantel 1967):
if labels are nothing to breakdown, any other way to deal them out does as well. Breakdown and
distance are held together by Spearman's rank correlation, with a percentile interval of a
bootstrap over genomes (Snijders and Borgatti 1999, "Non-parametric standard errors and tests
for network statistics"), which errs on the wide side.

Axes: P genomes, K pairs of them, B replicates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import factorial, prod
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from speciation.analysis.survival import CONFIDENCE, Floats
from speciation.analysis.sweep import spearman
from speciation.seeds import Purpose, generator

LEAST_GENOMES = 5  # below which a bootstrap over genomes says nothing
RELABELLINGS, REPLICATES = 9999, 1000
BATCH = 500  # relabellings at once


class Between(NamedTuple):
    """Crosses between groups beside those within; steps of breakdown.

    Args:
        groups: How many.
        genomes: That are in one.
        within: Pairs of one group.
        between: Pairs of two.
        mean_within: Their mean breakdown.
        mean_between: That of the others.
        p: Of labels that are nothing to breakdown, against more breakdown between groups.
        least: The least p that so many genomes in such groups can come to.
    """

    groups: int
    genomes: int
    within: int
    between: int
    mean_within: float
    mean_between: float
    p: float
    least: float


class Correlation(NamedTuple):
    """Spearman's rank correlation with its 95 % interval, and of how many genomes."""

    value: float
    low: float
    high: float
    genomes: int


@dataclass(frozen=True)
class Isolation:
    """Whether groups, or distance, tell which crosses fail.

    Args:
        group_of: Genome → its group, of those that have one.
        groups: What groups are, such as "species".
        between: Crosses between groups beside those within; None where one sort is lacking.
        distance: Correlation of breakdown with distance; None of too few genomes.
    """

    group_of: Mapping[str, str]
    groups: str
    between: Between | None
    distance: Correlation | None


def isolation(pairs: pd.DataFrame, group_of: Mapping[str, str], groups: str) -> Isolation:
    """Both questions, asked of the same pairs; see :class:`Isolation`."""
    return Isolation(group_of, groups, between_groups(pairs, group_of), with_distance(pairs))


def between_groups(pairs: pd.DataFrame, group_of: Mapping[str, str]) -> Between | None:
    """Crosses between groups beside those within them.

    Args:
        pairs: ``first, second, breakdown``, every two genomes of some.
        group_of: Genome → its group; one that has none does not count.

    Returns:
        None where all that count are within groups, or all between.
    """
    pairs = pairs[pairs["first"].isin(group_of) & pairs["second"].isin(group_of)]
    names, ends = _ends(pairs)
    breakdown = pairs["breakdown"].to_numpy()
    labels = np.unique([group_of[name] for name in names], return_inverse=True)[1]
    same = labels[ends[0]] == labels[ends[1]]
    if same.all() or not same.any():
        return None

    def excess(labels: NDArray[np.int64], axis: int = -1) -> Floats:
        """Mean breakdown between groups less that within, of each way to deal labels out."""
        within = np.take(labels, ends[0], axis) == np.take(labels, ends[1], axis)
        inside = (within * breakdown).sum(axis=axis)
        count = within.sum(axis=axis)
        return np.asarray(
            (breakdown.sum() - inside) / (len(breakdown) - count) - inside / count
        )

    tested = stats.permutation_test(
        (labels,),
        excess,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=RELABELLINGS,
        batch=BATCH,
        alternative="greater",
        rng=generator(0, Purpose.BOOTSTRAP, generation=len(names), index=5),
    )
    return Between(
        groups=int(labels.max()) + 1,
        genomes=len(names),
        within=int(same.sum()),
        between=int((~same).sum()),
        mean_within=float(breakdown[same].mean()),
        mean_between=float(breakdown[~same].mean()),
        p=float(tested.pvalue),
        least=least_p(np.bincount(labels).tolist()),
    )


def least_p(sizes: list[int]) -> float:
    """The share of all ways to deal labels out that divide genomes in just one way.

    Groups of one size may change their names: that divides them as before.

    Args:
        sizes: Of the groups.
    """
    alike = prod(factorial(own) for own in Counter(sizes).values())
    return alike * prod(factorial(own) for own in sizes) / factorial(sum(sizes))


def with_distance(pairs: pd.DataFrame, confidence: float = CONFIDENCE) -> Correlation | None:
    """Whether parents that are further apart have more breakdown.

    Args:
        pairs: ``first, second, distance, breakdown``, every two genomes of some.
        confidence: Of the interval.

    Returns:
        None of fewer than :data:`LEAST_GENOMES` genomes, or where all breakdowns or distances
        are equal.
    """
    names, ends = _ends(pairs)
    count = len(names)
    if count < LEAST_GENOMES:
        return None
    both = pairs[["distance", "breakdown"]].to_numpy()
    value = float(spearman(*both.T[:, None])[0])
    if np.isnan(value):
        return None
    square = np.zeros((count, count, 2))
    square[ends[0], ends[1]] = square[ends[1], ends[0]] = both
    rng = generator(0, Purpose.BOOTSTRAP, generation=count, index=6)
    drawn = [_drawn_again(square, rng) for _ in range(REPLICATES)]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(drawn, (tail, 1 - tail))
    return Correlation(value, float(low), float(high), count)


def _drawn_again(square: Floats, rng: np.random.Generator) -> float:
    """The correlation of genomes drawn with replacement; none is crossed with itself."""
    drawn = rng.integers(0, len(square), len(square))
    first, second = (drawn[side] for side in np.triu_indices(len(drawn), 1))
    return float(spearman(*square[first, second][first != second].T[:, None])[0])


def _ends(pairs: pd.DataFrame) -> tuple[list[str], NDArray[np.int64]]:
    """Genomes, and of each pair the places of both: ``(2, K)``."""
    names = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    place = {name: index for index, name in enumerate(names)}
    ends = [pairs[side].map(place).to_numpy(dtype=np.int64) for side in ("first", "second")]
    return names, np.stack(ends)
