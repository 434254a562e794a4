"""How many trials have grokked by when, and how much sooner one arm of them does.

The time of a trial is min(T, H): its steps to grok, or the horizon H where it had not grokked
by then. Nothing is dropped: who did not grok stays at risk up to the horizon. Two arms that
share their seeds are compared seed by seed, since part of what makes a trial slow is its seed.

Axes: n trials, A arms, K distinct times, S strata, B bootstrap replicates.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from speciation.seeds import Purpose, generator

REPLICATES = 2000  # of a bootstrap: knows the ends of a 95 % interval to about 5 % of its width
CONFIDENCE = 0.95
DRAWN_ONE_BY_ONE = 4096  # values up to which a resample is drawn as counts of single ones

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """One arm: when each trial grokked, or until when it had not.

    Args:
        step: Steps, shape ``(n,)``.
        grokked: Whether the trial grokked at that step; else it was last seen then, ``(n,)``.

    Raises:
        ValueError: There are no trials, or not as many of one as of the other.
    """

    step: Floats
    grokked: Bools

    def __post_init__(self) -> None:
        if self.step.ndim != 1 or not len(self.step) or self.step.shape != self.grokked.shape:
            raise ValueError(
                f"expected steps and outcomes of shape (n,) with n ≥ 1, got "
                f"{self.step.shape} and {self.grokked.shape}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class GrokkedByStep:
    """The share of trials that have grokked by each step; every array has shape ``(K,)``.

    ``low`` and ``high`` are NaN where nobody or everybody has grokked: there the variance of
    the estimate is not defined.
    """

    step: Floats
    share: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class LogRank:
    """``z`` is positive where the second arm groks sooner; ``p`` is two-sided."""

    z: float
    p: float


@dataclass(frozen=True, slots=True)
class GroupLogRank:
    """The log-rank test of several arms: a chi-squared statistic and its p."""

    statistic: float
    degrees: int
    p: float


@dataclass(frozen=True, slots=True, eq=False)
class GrokkedTimes:
    """When half, and when 90 %, have grokked; infinite where that many have not by H."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference of paired times, second arm less first, with its interval (steps)."""

    mean: float
    low: float
    high: float


def times(steps_to_grok: Floats, horizon: int) -> Times:
    """An arm whose trials were all watched up to the same horizon.

    Args:
        steps_to_grok: Shape ``(n,)``; infinite where a trial did not grok.
        horizon: H, in steps.
    """
    grokked = steps_to_grok <= horizon
    return Times(np.where(grokked, steps_to_grok, float(horizon)), grokked)


def kaplan_meier(arm: Times, confidence: float = CONFIDENCE) -> GrokkedByStep:
    """One minus the survival curve of Kaplan and Meier (1958), with pointwise intervals.

    The intervals are Greenwood's on the scale log(-log S), which keeps them within [0, 1]
    (Kalbfleisch and Prentice 1980).
    """
    curve = stats.ecdf(stats.CensoredData.right_censored(arm.step, ~arm.grokked)).sf
    with warnings.catch_warnings():
        # Where a bound is not defined it is NaN, as documented; SciPy warns of that as well.
        warnings.filterwarnings("ignore", message="The confidence interval is undefined")
        bounds = curve.confidence_interval(confidence, method="log-log")
    return GrokkedByStep(
        step=curve.quantiles,
        share=1.0 - curve.probabilities,
        low=1.0 - bounds.high.probabilities,
        high=1.0 - bounds.low.probabilities,
    )


def log_rank(strata: Sequence[tuple[Times, Times]]) -> LogRank:
    """The log-rank test of two arms, over one stratum or several (Mantel 1966).

    At each time the trials that grok are compared with those expected if both arms were one;
    excess and variance are summed over times and strata, so that arms are only ever compared
    within a stratum. Arms are taken as independent: where they share seeds and are alike on
    them, the test is conservative.

    Args:
        strata: First and second arm of each stratum. Where nobody groks, nothing is learned,
            and p is 1.
    """
    excess, variance = np.sum([_excess(*arms) for arms in strata], axis=0)
    z = float(excess / np.sqrt(variance)) if variance > 0 else 0.0
    return LogRank(z, float(2 * stats.norm.sf(abs(z))))


def _excess(first: Times, second: Times) -> tuple[float, float]:
    """Trials of the second arm that grokked beyond expectation, and the variance of that."""
    at = np.unique(np.concatenate([first.step[first.grokked], second.step[second.grokked]]))
    risk, risk_second = _at_risk(first, at) + _at_risk(second, at), _at_risk(second, at)
    events, events_second = _events(first, at) + _events(second, at), _events(second, at)
    share = risk_second / risk
    # Hypergeometric; of a single trial at risk nothing can vary.
    variance = events * share * (1 - share) * (risk - events) / np.maximum(risk - 1, 1)
    return float((events_second - events * share).sum()), float(variance.sum())


def time_to_share(curve: GrokkedByStep, share: float) -> GrokkedTimes:
    """The first step by which a share of the trials has grokked, with its interval.

    The interval is where the band of the curve meets the share (Brookmeyer and Crowley 1982).
    Infinite ends were not reached within the horizon. Where everybody has grokked the band is
    not defined, and the last bound that is defined stands for it.
    """
    low, high = (_carried(end) for end in (curve.low, curve.high))
    ends = (_first(curve.step, values, share) for values in (curve.share, high, low))
    return GrokkedTimes(*ends)


def _carried(bound: Floats) -> Floats:
    """A bound, with its last known value wherever it is not known any more; 0 before."""
    known = np.isfinite(bound)
    last = np.maximum.accumulate(np.where(known, np.arange(len(bound)), -1))
    return np.where(last >= 0, bound[last], 0.0)


def _first(step: Floats, values: Floats, share: float) -> float:
    """The first step at which values reach a share, but for rounding; infinite if none does."""
    reached = np.flatnonzero(values >= share - 1e-12)
    return float(step[reached[0]]) if len(reached) else math.inf


def log_rank_groups(arms: Sequence[Times]) -> GroupLogRank:
    """The log-rank test of several arms at once: do any two of them differ?

    Excess over expectation by the inverse of its covariance (Mantel 1966, Peto and Peto
    1972). For two arms it is :func:`log_rank` squared.
    """
    risk, events = _tables(arms)
    every, died = risk.sum(0), events.sum(0)
    share = risk / every
    excess = (events - died * share).sum(1)
    weight = died * (every - died) / np.maximum(every - 1, 1)
    covariance = np.diag((share * weight).sum(1)) - (share * weight) @ share.T
    # What is singular in it (the excesses sum to 0, and arms in which nothing could happen
    # take no part) holds no excess either, so any generalised inverse gives the same.
    sizes, directions = np.linalg.eigh(covariance)
    kept = sizes > max(sizes[-1], 0.0) * len(sizes) * np.finfo(np.float64).eps
    statistic = float(((directions.T @ excess)[kept] ** 2 / sizes[kept]).sum())
    degrees = int(kept.sum())
    p = float(stats.chi2.sf(statistic, degrees)) if degrees else 1.0
    return GroupLogRank(statistic, degrees, p)


def log_rank_pairs(arms: Sequence[Times]) -> Floats:
    """The z of :func:`log_rank` for every pair of arms, ``(A, A)``.

    Entry (i, j) is positive where arm j groks sooner than arm i.
    """
    risk, events = _tables(arms)
    z = np.zeros((len(arms), len(arms)))
    for i in range(len(arms) - 1):
        both, died = risk[i] + risk[i + 1 :], events[i] + events[i + 1 :]
        share = np.divide(risk[i + 1 :], both, out=np.zeros_like(both), where=both > 0)
        variance = died * share * (1 - share) * (both - died) / np.maximum(both - 1, 1)
        excess = (events[i + 1 :] - died * share).sum(1)
        spread = np.sqrt(variance.sum(1))
        z[i, i + 1 :] = np.divide(excess, spread, out=np.zeros_like(excess), where=spread > 0)
    return z - z.T


def _tables(arms: Sequence[Times]) -> tuple[Floats, Floats]:
    """Trials at risk and trials that grokked, at each step where any did: ``(A, K)`` each."""
    at = np.unique(np.concatenate([arm.step[arm.grokked] for arm in arms]))
    return (
        np.stack([_at_risk(arm, at) for arm in arms]),
        np.stack([_events(arm, at) for arm in arms]),
    )


def _at_risk(arm: Times, at: Floats) -> Floats:
    """Trials that had not ended before each step, ``(K,)``."""
    return (len(arm.step) - np.searchsorted(np.sort(arm.step), at)).astype(np.float64)


def _events(arm: Times, at: Floats) -> Floats:
    """Trials that grokked at each step, ``(K,)``."""
    ended = np.sort(arm.step[arm.grokked])
    count = np.searchsorted(ended, at, "right") - np.searchsorted(ended, at)
    return count.astype(np.float64)


def rmst_difference(
    first: Floats, second: Floats, horizon: int, confidence: float = CONFIDENCE
) -> Difference:
    """Difference of restricted mean survival times over shared seeds, by paired bootstrap.

    With a common horizon, the restricted mean up to H is the mean of min(T, H) (Royston and
    Parmar 2013). The interval is the percentile interval of the mean difference when seeds are
    drawn with replacement (Efron 1979): no shape is assumed, which censoring would spoil.

    Args:
        first: Steps to grok of the first arm, infinite where it did not, shape ``(n,)``.
        second: The same of the second, seed by seed.
        horizon: H, in steps.
        confidence: Of the interval.
    """
    gained = np.minimum(second, horizon) - np.minimum(first, horizon)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(_bootstrap_means(gained), (tail, 100 - tail))
    return Difference(float(gained.mean()), float(low), float(high))


def _bootstrap_means(values: Floats) -> Floats:
    """Means of resamples, ``(B,)``."""
    return resampled(values[None])[0] / len(values)


@lru_cache(maxsize=1024)
def widening(count: int) -> float:
    """How much a percentile interval of so many values is to be widened (Hesterberg 2015).

    By what Student's interval is wider than a normal one with the biased standard deviation:
    the resamples of few values vary too little. At least 2 values.
    """
    tail = (1 - CONFIDENCE) / 2
    wider = stats.t.isf(tail, count - 1) / stats.norm.isf(tail)
    return float(wider * math.sqrt(count / (count - 1)))


def resampled(values: Floats) -> Floats:
    """Sums of values that are drawn with replacement, ``(A, B)``.

    Draws are a function of n alone, so rows are drawn together. Many values, of which few are
    distinct, are drawn as counts of those.

    Args:
        values: Shape ``(A, n)``.
    """
    n = values.shape[1]
    if n <= DRAWN_ONE_BY_ONE:
        return np.asarray(values @ _draws(n).T)
    levels, counts = np.unique(values, axis=1, return_counts=True)
    rng = generator(0, Purpose.BOOTSTRAP, generation=n)
    return np.asarray(levels @ rng.multinomial(n, counts / n, size=REPLICATES).T)


@lru_cache(maxsize=2)
def _draws(n: int) -> Floats:
    """How often each of n values is in each resample, ``(B, n)``: a function of n alone."""
    rng = generator(0, Purpose.BOOTSTRAP, generation=n)
    return rng.multinomial(n, np.full(n, 1 / n), size=REPLICATES).astype(np.float64)
