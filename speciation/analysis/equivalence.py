"""Is a difference small enough not to matter? Tests that can say yes, no, and not known.

A test of difference that finds nothing proves nothing: with few trials it never finds anything.
So equivalence is what has to be proved here. The interval of the difference must lie within
margins that were named beforehand, and a wide interval, from few trials, does not.

Axes: n shared seeds, P genomes, B replicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from speciation.evolution.fitness import wilson
from speciation.seeds import Purpose, generator

REPLICATES = 1000  # random halvings of the seeds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Interval = tuple[float, float]


# -- Means --------------------------------------------------------------------------------


def mean_interval(differences: Floats, confidence: float) -> Interval:
    """Student's interval of a mean difference; of a single pair nothing is known."""
    n = len(differences)
    if n < 2:
        return -inf, inf
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return float(differences.mean() - half), float(differences.mean() + half)


def tost(differences: Floats, margin: float) -> float:
    """Two one-sided tests of paired differences (Schuirmann 1987): p of "not equivalent".

    The greater of the p-values against a mean of at most -margin and of at least +margin. It
    is below α exactly when :func:`mean_interval` of confidence 1 - 2α lies within the margins.

    Args:
        differences: One a pair, shape ``(n,)``.
        margin: The largest difference that does not matter, in the unit of the differences.
    """
    n = len(differences)
    if n < 2:
        return 1.0
    room = margin - abs(float(differences.mean()))
    error = float(differences.std(ddof=1)) / np.sqrt(n)
    if error == 0:
        return 0.0 if room > 0 else 1.0
    return float(stats.t.sf(room / error, n - 1))


def seeds_needed(spread: float, margin: float, alpha: float, power: float) -> int:
    """Pairs after which two one-sided tests show equivalence, if there is no difference at all.

    The normal approximation (Julious 2004, equation 22).

    Args:
        spread: Standard deviation of the paired differences.
        margin: As in :func:`tost`.
        alpha: Level of the tests.
        power: Probability that equivalence is shown.
    """
    quantiles = stats.norm.isf(alpha) + stats.norm.isf((1 - power) / 2)
    return ceil((quantiles * spread / margin) ** 2)


# -- Proportions --------------------------------------------------------------------------


def success_interval(first: Bools, second: Bools, confidence: float) -> Interval:
    """Newcombe's interval of a difference of paired success rates, second less first.

    Wilson intervals of both rates, joined with their correlation (Newcombe 1998, "Improved
    confidence intervals for the difference between binomial proportions based on paired data",
    method 10). Unlike Wald's, it has a width when every trial succeeded.

    Args:
        first: Whether the trial of each seed succeeded, shape ``(n,)``.
        second: The same of the other arm, seed by seed.
        confidence: Of the interval.
    """
    z = float(stats.norm.isf((1 - confidence) / 2))
    n = len(first)
    rate = np.array([first.mean(), second.mean()])
    low, high = wilson(rate * n, np.array([n, n]), z)
    below, above = rate - low, high - rate
    phi = _correlation(first, second)
    difference = rate[1] - rate[0]
    # Rounding may leave a square below zero where both arms succeeded on the same seeds.
    down = max(below[1] ** 2 - 2 * phi * below[1] * above[0] + above[0] ** 2, 0.0)
    up = max(above[1] ** 2 - 2 * phi * above[1] * below[0] + below[0] ** 2, 0.0)
    return float(difference - np.sqrt(down)), float(difference + np.sqrt(up))


def _correlation(first: Bools, second: Bools) -> float:
    """Newcombe's phi: continuity-corrected where positive, 0 where an arm has one outcome."""
    n = len(first)
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    one, other = int((first & ~second).sum()), int((~first & second).sum())
    margins = (both + one) * (other + neither) * (both + other) * (one + neither)
    excess = both * neither - one * other
    if margins == 0:
        return 0.0
    corrected = max(excess - n / 2, 0.0) if excess > 0 else float(excess)
    return corrected / float(np.sqrt(margins))


def successes_needed(margin: float, confidence: float) -> int:
    """Seeds below which no two arms can be shown to succeed equally often.

    Where all trials of both succeed, :func:`success_interval` ends at ±z²/(n + z²).
    """
    z2 = float(stats.norm.isf((1 - confidence) / 2)) ** 2
    return ceil(z2 * (1 - margin) / margin)


# -- Several tests at once ----------------------------------------------------------------


def holm(p: ArrayLike) -> Floats:
    """p-values adjusted for being many (Holm 1979): any below α is wrong with at most α.

    Args:
        p: Any number of them, shape ``(k,)``.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


# -- Rankings -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """Do both arms rank genomes alike? Kendall's tau-b, means over random halvings of seeds.

    Args:
        tau: Between the arms, each by all of its seeds.
        ceiling: Between halves of the seeds within one arm: chance allows no more than this.
        across: Between halves of the seeds, one of each arm.
        loss: ``ceiling - across``.
        low: Lower end of the interval of the loss.
        high: Upper end.
    """

    tau: float
    ceiling: float
    across: float
    loss: float
    low: float
    high: float


def ranking_agreement(first: Floats, second: Floats, confidence: float) -> Agreement:
    """How much worse two arms agree on a ranking of genomes than an arm agrees with itself.

    Rankings by few seeds disagree by chance. So the seeds are halved at random, and genomes are
    ranked by each half: once both halves within an arm, once across the arms. Halves have no
    seed in common, so all of these rankings are equally noisy, and arms that are one experiment
    lose nothing. The interval is the percentile interval of the loss when seeds are drawn with
    replacement within the halves.

    Args:
        first: What genomes are ranked by, the mean over seeds; shape ``(P, n)``, P and n of at
            least 2.
        second: The same of the other arm, seed by seed.
        confidence: Of the interval.
    """
    rng = generator(0, Purpose.BOOTSTRAP, generation=first.shape[1])
    halves = [_half_means(first, second, rng) for _ in range(REPLICATES)]
    first_a, first_b, second_a, second_b = np.stack(halves, axis=1)
    ceiling = (kendall_tau(first_a, first_b) + kendall_tau(second_a, second_b)) / 2
    across = (kendall_tau(first_a, second_b) + kendall_tau(second_a, first_b)) / 2
    tail = 50 * (1 - confidence)
    low, high = np.percentile(ceiling - across, (tail, 100 - tail))
    return Agreement(
        tau=float(kendall_tau(first.mean(axis=1), second.mean(axis=1))),
        ceiling=float(ceiling.mean()),
        across=float(across.mean()),
        loss=float((ceiling - across).mean()),
        low=float(low),
        high=float(high),
    )


def _half_means(first: Floats, second: Floats, rng: np.random.Generator) -> Floats:
    """Means of both halves of the first arm and of the second, ``(4, P)``."""
    n = first.shape[1]
    halves = rng.permutation(n)[: n // 2 * 2].reshape(2, -1)
    drawn = [half[rng.integers(0, len(half), len(half))] for half in halves]
    return np.stack([arm[:, half].mean(axis=1) for arm in (first, second) for half in drawn])


def kendall_tau(x: Floats, y: Floats) -> Floats:
    """Kendall's tau-b (Kendall 1945) along the last axis; 0 where all values of one are equal.

    Args:
        x: Shape ``(..., P)``.
        y: The same shape.
    """
    order_x = np.sign(x[..., :, None] - x[..., None, :])
    order_y = np.sign(y[..., :, None] - y[..., None, :])
    axes = (-2, -1)
    untied = np.sqrt((order_x**2).sum(axes) * (order_y**2).sum(axes))
    return np.asarray((order_x * order_y).sum(axes) / np.maximum(untied, 1.0))
