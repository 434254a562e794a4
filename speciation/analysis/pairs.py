"""Two arms beside each other: how much sooner one groks, and whether their curves differ.

Arms share their seeds, so they are compared seed by seed: part of what makes a trial slow is
its seed. Of many arms every pair is tested, and p-values are corrected for how many there are.

The log-rank test takes trials as independent. Where arms of one trial a seed share their seeds
that errs on the safe side, since what a seed does to both is no difference. The genomes of a
group may be alike on a seed, and then so many trials are worth fewer: such a pair is tested by
what each seed adds to the statistic, and seeds are what is independent.

Intervals of differences rest on the failures that were seen. Where one arm fails in 3 % and the
other never, those of 63 seeds hold the truth in 86 % of cases (docs/log.md).

Axes: A arms, s seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from speciation.analysis.equivalence import holm
from speciation.analysis.estimates import Arm, Estimate, Integers
from speciation.analysis.survival import (
    CONFIDENCE,
    Floats,
    Times,
    log_rank_pairs,
    resampled,
    widening,
)

ALPHA = 1 - CONFIDENCE
POWER = 0.8  # of the seeds that are advised
PAIR_COLUMNS = ("first", "second", "seeds", "steps", "error", "p", "adjusted")


# -- By seed ----------------------------------------------------------------------------------


def seed_means(arm: Arm) -> Floats:
    """Mean of min(T, H) over the trials of each distinct seed, ``(s,)``."""
    return arm.by_seed(arm.capped) / arm.by_seed(np.ones(arm.size))


def by_shared_seed(arms: Sequence[Arm]) -> Floats:
    """:func:`seed_means` of every arm at the seeds that all of them have, ``(A, s)``."""
    shared = arms[0].seeds
    for arm in arms[1:]:
        shared = np.intersect1d(shared, arm.seeds, assume_unique=True)
    return np.stack([seed_means(arm)[np.searchsorted(arm.seeds, shared)] for arm in arms])


def times_by_seed(arms: Sequence[Arm]) -> Floats:
    """:func:`seed_means` of every arm at the seeds that any has, ``(A, s)``; NaN where not."""
    seeds = np.unique(np.concatenate([arm.seeds for arm in arms]))
    times = np.full((len(arms), len(seeds)), np.nan)
    for row, arm in zip(times, arms, strict=True):
        row[np.searchsorted(seeds, arm.seeds)] = seed_means(arm)
    return np.asarray(times)


# -- Tests ------------------------------------------------------------------------------------


def times_of(arm: Arm) -> Times:
    """An arm as survival analysis has it."""
    return Times(arm.capped, arm.grokked)


class _Placed(NamedTuple):
    """An arm among the grok times of all arms, ``(K,)``.

    Args:
        seed: Which of all seeds each trial has, ``(n,)``.
        cell: How many grok times there were up to its end, and K + 1 more if it grokked.
        risk: Trials that had not ended before each grok time, ``(K,)``.
        events: Trials that grokked then.
    """

    seed: Integers
    cell: Integers
    risk: Floats
    events: Floats


def z_by_seed(arms: Sequence[Arm]) -> Floats:
    """Log-rank statistics over their error from seed to seed, ``(A, A)``.

    Entry (i, j) is positive where arm j groks sooner, as in ``survival.log_rank_pairs``. The
    statistic is a sum over trials (Lin and Wei 1989), and trials of one seed stay together, in
    both arms (Lee, Wei and Amato 1992). Of 10 seeds it finds what is not there in 4 to 10 % of
    cases, of 40 in 5 to 7 % (docs/log.md).
    """
    seeds = np.unique(np.concatenate([arm.seeds for arm in arms]))
    at = np.unique(np.concatenate([arm.steps[arm.grokked] for arm in arms]))
    placed = [_placed(arm, seeds, at) for arm in arms]
    z = np.zeros((len(arms), len(arms)))
    for i, j in zip(*np.triu_indices(len(arms), 1), strict=True):
        by_seed = _excess_by_seed(placed[i], placed[j], len(seeds))
        error = math.sqrt(float(by_seed @ by_seed))
        z[i, j] = float(by_seed.sum()) / error if error > 0 else 0.0
    return z - z.T


def _placed(arm: Arm, seeds: Integers, at: Floats) -> _Placed:
    ended = np.searchsorted(at, arm.capped, "right")
    risk = arm.size - np.searchsorted(np.sort(arm.capped), at)
    events = np.bincount(ended[arm.grokked], minlength=len(at) + 1)[1:]
    cell = ended + (len(at) + 1) * arm.grokked
    return _Placed(
        np.searchsorted(seeds, arm.seed), cell, risk.astype(float), events.astype(float)
    )


def _excess_by_seed(first: _Placed, second: _Placed, seeds: int) -> Floats:
    """What the trials of each seed add to the statistic of two arms, ``(s,)``."""
    risk = np.maximum(first.risk + second.risk, 1)
    share, hazard = second.risk / risk, (first.events + second.events) / risk
    passed, shared = (np.cumsum(np.append(0.0, own)) for own in (hazard, hazard * share))
    total = np.zeros(seeds)
    for own, arm in enumerate((first, second)):
        until = shared - own * passed
        added = np.concatenate([until, until + np.append(0.0, own - share)])
        total += np.bincount(arm.seed, added[arm.cell], seeds)
    return total


class PairTest(NamedTuple):
    """The log-rank test of one pair.

    Args:
        z: Its statistic.
        p: Two-sided.
        adjusted: The same after Holm, over all pairs.
        level: What p has to be below at this pair's step of Holm's procedure.
    """

    z: float
    p: float
    adjusted: float
    level: float


@dataclass(frozen=True, slots=True, eq=False)
class PairTests:
    """The log-rank test of every pair, as in :class:`PairTest`: arrays of shape ``(A, A)``."""

    z: Floats
    p: Floats
    adjusted: Floats
    level: Floats

    def pair(self, first: int, second: int) -> PairTest:
        """That of two arms, by their places."""
        at = first, second
        return PairTest(
            *(float(own[at]) for own in (self.z, self.p, self.adjusted, self.level))
        )


def pairwise_tests(arms: Sequence[Arm]) -> PairTests:
    """Every pair of arms tested, as it is and after Holm (1979).

    Holm's procedure holds the least p of m pairs against α / m, the next against α / (m - 1),
    and so on.
    """
    z = log_rank_pairs([times_of(arm) for arm in arms])
    groups = np.array([arm.size > len(arm.seeds) for arm in arms])
    if groups.any():
        z = np.where(groups[:, None] | groups, z_by_seed(arms), z)
    p = 2 * stats.norm.sf(np.abs(z))
    upper = np.triu_indices(len(arms), 1)
    adjusted, level = np.ones_like(p), np.full_like(p, ALPHA)
    adjusted[upper] = holm(p[upper])
    smaller = stats.rankdata(p[upper], "min") - 1
    level[upper] = ALPHA / (len(smaller) - smaller)
    return PairTests(z, p, np.minimum(adjusted, adjusted.T), np.minimum(level, level.T))


def seeds_to_separate(z: float, seeds: int, level: float = ALPHA) -> int | None:
    """Seeds at which a test whose statistic is z by now would find this in 8 of 10 cases.

    Of two curves that stay as they are, the statistic grows with the root of the number of
    seeds (Schoenfeld 1981): ``n ((z_level/2 + z_power) / z)²``. A guess as good as z is.

    Args:
        z: Of the log-rank test.
        seeds: n, that it rests on.
        level: What p has to be below.
    """
    if seeds < 2 or not z:
        return None
    wanted = float(stats.norm.isf(level / 2) + stats.norm.isf(1 - POWER))
    return math.ceil(seeds * (wanted / z) ** 2) or 1


# -- Differences ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much sooner one arm groks than another, over the seeds that both have.

    Args:
        first: Name of the arm that is held against.
        second: Name of the arm that is looked at.
        seeds: That both have.
        steps: Difference of the means of min(T, H), second less first; below 0 is sooner.
        p: Of the log-rank test of the two curves.
        adjusted: The same after Holm, over all pairs.
        needed: Seeds after which two curves as different as these would be told apart with a
            probability of 80 %, corrected for all pairs; None where they are alike.
    """

    first: str
    second: str
    seeds: int
    steps: Estimate
    p: float
    adjusted: float
    needed: int | None

    @property
    def separated(self) -> bool:
        """Whether the two are told apart, corrected for the number of pairs."""
        return self.adjusted < ALPHA


def differences_from(
    first: Arm, others: Sequence[Arm], tests: Sequence[PairTest]
) -> tuple[PairedDifference, ...]:
    """Other arms less the first, over the seeds that both have, by paired bootstrap.

    The percentile interval (Efron 1979) is widened as Student's would be (Hesterberg 2015).

    Args:
        first: What is held against.
        others: What is looked at.
        tests: Of the first and each other.
    """
    gained = []
    for other in others:
        one, two = by_shared_seed([first, other])
        gained.append(two - one)
    steps: dict[int, Estimate] = {}
    for count in {len(own) for own in gained}:
        places = [i for i, own in enumerate(gained) if len(own) == count]
        drawn = resampled(np.stack([gained[i] for i in places])) if count > 1 else None
        for row, i in enumerate(places):
            steps[i] = _mean_gain(gained[i], None if drawn is None else drawn[row] / count)
    return tuple(
        PairedDifference(
            first=first.name,
            second=other.name,
            seeds=len(gained[i]),
            steps=steps[i],
            p=test.p,
            adjusted=test.adjusted,
            needed=seeds_to_separate(test.z, len(gained[i]), test.level),
        )
        for i, (other, test) in enumerate(zip(others, tests, strict=True))
    )


def _mean_gain(gained: Floats, drawn: Floats | None) -> Estimate:
    n = len(gained)
    if drawn is None:
        return Estimate(float(gained.mean()) if n else math.nan, -math.inf, math.inf)
    value = float(gained.mean())
    low, high = np.quantile(drawn, (ALPHA / 2, 1 - ALPHA / 2))
    wider = widening(n)
    ends = (value - wider * (value - low), value + wider * (high - value))
    return Estimate(value, float(ends[0]), float(ends[1]))


def pairs_table(arms: Sequence[Arm], tests: PairTests) -> pd.DataFrame:
    """Every pair of arms, the arm of the lesser mean first, the fastest arms first.

    Columns are :data:`PAIR_COLUMNS`: how many seeds both have, the mean of min(T, H) of the
    second less the first's over those and its standard error (NaN of fewer than two seeds), and
    the log-rank test, as it is and after Holm over all pairs.
    """
    order = np.argsort([arm.capped.mean() for arm in arms], kind="stable")
    times = times_by_seed([arms[i] for i in order])
    there = (~np.isnan(times)).astype(np.float64)
    own = np.where(there > 0, times, 0.0) - there * np.nanmean(times)
    seeds = there @ there.T
    total = there @ own.T - own @ there.T
    squares = there @ (own**2).T + (own**2) @ there.T - 2 * own @ own.T
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = total / seeds
        spread = np.maximum(squares - total * steps, 0) / (seeds - 1)
        error = np.where(seeds > 1, np.sqrt(spread / seeds), np.nan)
    first, second = np.triu_indices(len(arms), 1)
    at, tested = (first, second), (order[first], order[second])
    names = np.array([arms[i].name for i in order], dtype=object)
    figures = (seeds[at].astype(np.int64), steps[at].round(6), error[at].round(6))
    tested_as = (tests.p[tested], tests.adjusted[tested])
    columns = (names[first], names[second], *figures, *tested_as)
    return pd.DataFrame(dict(zip(PAIR_COLUMNS, columns, strict=True)))
