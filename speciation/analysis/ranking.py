"""Who is the best of many, and is the ranking more than luck?

A ranking always has a first, and what makes it first is partly luck, the more so the more there
are. So how probable it is that an arm is the best is not read from its own figure alone: arms
are drawn together as far as they are alike (partial pooling; Gelman, Hill and Yajima 2012), and
of as many equal arms each is the best with about the same probability. And whether equal arms
could have produced a first like this is asked by shuffling them.

Axes: A arms, s shared seeds, B replicates, K guesses of how much arms share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import stats

from speciation.analysis.survival import CONFIDENCE, Floats, resampled, widening
from speciation.seeds import Purpose, generator

ALPHA = 1 - CONFIDENCE
TYPICAL_SPREAD = (0.13, 0.30)
"""Coefficient of variation of the steps of one genome, over seeds: what is usual."""
SHUFFLES = 2000  # a p of 0.05 is then known to 0.005, one of 0.2 to 0.01
_AT_ONCE = 200_000  # times of shuffled arms that are held in memory
_GUESSES = 40  # K


@dataclass(frozen=True, slots=True)
class Luck:
    """Could equal arms have produced this ranking?

    Args:
        best: Figure of the best arm, steps.
        expected_best: What the best of as many equal arms would show on average.
        p: The probability that it would show as good a figure, or a better one.
        seeds: Figures of each arm that this rests on.
    """

    best: float
    expected_best: float
    p: float
    seeds: int

    @property
    def plausible(self) -> bool:
        """Whether luck alone explains the best."""
        return self.p >= ALPHA


# -- The best ---------------------------------------------------------------------------------


def probability_best(times: Floats) -> Floats:
    """How probable it is that each arm has the least mean, ``(A,)``; ties are shared.

    The true means are taken as normal around one mean, with a variance τ² between arms. Of an
    arm's error variance v and of τ² the first is known from its seeds; of the second, all
    values count by how likely they make these means, the share of error, v / (v + τ²) of a
    typical arm, being uniform beforehand (Daniels 1999). Seeds that are drawn with replacement
    show what the means might be, widened as Student's law is wider where seeds are few
    (Hesterberg 2015); each draw is then moved towards the common mean.

    Where arms differ widely τ² is large, and the best of a few that are close is corrected
    little.

    Args:
        times: min(T, H) by arm and seed, ``(A, s)``, A of at least 2; NaN where an arm was not
            tried.

    Returns:
        NaN of all, if an arm has fewer than two seeds in common with the arm that has most.
    """
    if not _joined(times):
        return np.full(len(times), np.nan)
    means, variances, errors = _beside_the_others(times)
    if not variances.any():
        return _share_of_least(means[:, None])
    guesses = (np.arange(_GUESSES) + 0.5) / _GUESSES
    between = (variances.mean() * (1 - guesses) / guesses)[:, None]
    centre, weight = _how_likely(means, variances + between)
    cells = (np.arange(errors.shape[1]) + 0.5) / errors.shape[1]
    at = np.searchsorted(weight.cumsum() / weight.sum(), cells)
    own = (between / (variances + between))[at].T
    pooled = own * means[:, None] + (1 - own) * centre[at]
    return _share_of_least(pooled + np.sqrt(own) * errors)


def _joined(times: Floats) -> bool:
    there = ~np.isnan(times)
    most = there[there.sum(axis=1).argmax()]
    return bool((there & most).sum(axis=1).min() > 1)


def _beside_the_others(times: Floats) -> tuple[Floats, Floats, Floats]:
    """Means less what a seed does to all arms, ``(A,)``, variances, and errors, ``(A, B)``.

    What a seed does is its mean over arms, each less its own distance from the arm that was
    tried most. What is left of A arms has (A - 1) / A of the variance, which is put back.
    """
    there = ~np.isnan(times)
    most = times[there.sum(axis=1).argmax()]
    apart = np.nanmean(times - most, axis=1)
    own = times - np.nanmean(times - apart[:, None], axis=0)
    seeds, means = there.sum(axis=1), np.nanmean(own, axis=1)
    variances = np.nanvar(own, axis=1, ddof=1) / seeds * len(own) / (len(own) - 1)
    off = np.where(there, own - means[:, None], 0.0)
    total, count = np.split(resampled(np.concatenate([off, there])), 2)
    wider = np.array([widening(int(n)) for n in seeds])[:, None]
    return means, variances, wider * total / np.maximum(count, 1)


def _how_likely(means: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """The common mean, and how likely means ``(A,)`` are, for variances ``(K, A)``: ``(K,)``.

    The restricted likelihood: the common mean, of which nothing is known, is integrated out.
    """
    precision = 1 / variances
    centre = (precision * means).sum(axis=1) / precision.sum(axis=1)
    off = precision * (means - centre[:, None]) ** 2
    log = (np.log(precision) - off).sum(axis=1) - np.log(precision.sum(axis=1))
    return centre, np.exp((log - log.max()) / 2)


def _share_of_least(means: Floats) -> Floats:
    """In which share of columns each row has the least value, ``(A,)``; ties are shared."""
    least = means == means.min(axis=0)
    return np.asarray((least / least.sum(axis=0)).mean(axis=1))


def chance(p: float) -> str:
    """A probability by resampling as people say it: never quite none, never quite all."""
    if p < 0.01:
        return "under 1 %"
    return "over 99 %" if p > 0.99 else f"{100 * p:.0f} %"


# -- Luck -------------------------------------------------------------------------------------


def luck_of_seeds(times: Floats) -> Luck:
    """Could the best mean have come from equal arms? By shuffling arms within each seed.

    Where all arms are one genome, their times of a seed may be exchanged (Fisher 1935).

    Args:
        times: min(T, H) by arm and shared seed, ``(A, s)``.
    """
    best = float(times.mean(axis=1).min())
    least = _least_of_shuffled(times)
    p = (1 + int((least <= best + 1e-9).sum())) / (len(least) + 1)
    return Luck(best, float(least.mean()), p, times.shape[1])


def _least_of_shuffled(times: Floats) -> Floats:
    """The least mean of an arm in each of many shuffles, ``(SHUFFLES,)``.

    A shuffle turns the arms of each seed by a random number of places. Turns are a group as
    permutations are, so the test is exact all the same (Lehmann and Romano 2005, theorem
    15.2.1), and many are quick to make. The order that is turned is itself drawn at random.
    """
    arms, seeds = times.shape
    rng = generator(0, Purpose.BOOTSTRAP, generation=seeds, index=1)
    ring = rng.permutation(times).T
    ring = np.ascontiguousarray(np.concatenate([ring, ring[:, :-1]], axis=1))
    turned, every = sliding_window_view(ring, arms, axis=1), np.arange(seeds)
    at_once = max(1, _AT_ONCE // times.size)
    least = [
        turned[every, rng.integers(arms, size=(min(at_once, SHUFFLES - done), seeds))]
        .sum(axis=1)
        .min(axis=1)
        for done in range(0, SHUFFLES, at_once)
    ]
    return np.asarray(np.concatenate(least) / seeds)


def luck_of_figures(steps: Floats) -> Luck:
    """The same where each arm has a single figure, and nothing is known of its spread.

    The figures are taken as draws from one normal distribution. How far the best is from their
    mean, in standard deviations, is held against what is usual (Grubbs 1950): both are
    estimated from these figures, the best among them, so a few can say little.

    Args:
        steps: One figure an arm, ``(A,)``, A of at least 2.
    """
    arms, mean, spread = len(steps), float(steps.mean()), float(steps.std(ddof=1))
    best = float(steps.min())
    alone = _as_far_out((mean - best) / spread, arms) if spread and arms > 2 else 1.0
    expected = mean + spread * _expected_least(arms)
    return Luck(best, expected, float(-np.expm1(arms * np.log1p(-min(alone, 1 - 1e-16)))), 1)


def _as_far_out(distance: float, count: int) -> float:
    """How probable it is that one of so many normal numbers is so far below their mean.

    Args:
        distance: In standard deviations of these numbers, itself among them.
        count: Of numbers, at least 3.
    """
    room = max((count - 1) ** 2 - count * distance**2, 1e-12)
    t = distance * np.sqrt(count * (count - 2) / room)
    return float(stats.t.sf(t, count - 2))


@lru_cache(maxsize=64)
def _expected_least(count: int) -> float:
    """The mean of the least of so many standard normal numbers, by its integral."""
    grid: NDArray[np.float64] = np.linspace(-10.0, 10.0, 20_001)
    density = count * stats.norm.pdf(grid) * stats.norm.sf(grid) ** (count - 1)
    return float(np.trapezoid(grid * density, grid))
