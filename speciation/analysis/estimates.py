"""What is known of one arm: how fast, how reliable, at what price, each with its interval.

An arm is a genome, or a group of genomes, tried on some seeds up to a horizon H. Seeds are what
is drawn at random, so seeds are what is resampled: trials of a group that share a seed stay
together. The mean of min(T, H) has two parts, which are estimated apart:

    RMST = H - p (H - m)        p: the share that grokked, m: the mean steps of those that did
    ERT  = m + (1 - p) / p · f  f: the mean steps that a trial spent without success

p has Wilson's interval, m the bootstrap's, and both are joined by what Zou and Donner (2008)
call variance estimates recovery: the distance from an estimate to its limit stands for its
standard error on that side. Of one genome p and m are uncorrelated; in a group, seeds on which
many trials fail may be those on which the others are slow, so their correlation is in it (Zou
2007). The plain bootstrap of min(T, H) cannot know of failures that have
not happened yet: of 20 trials that all succeed 3 in 100 fail unseen, and its 95 % interval then
holds the truth in 78 % of all cases.

Axes: n trials, s seeds, A arms, B bootstrap replicates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from speciation.analysis.survival import (
    CONFIDENCE,
    Floats,
    GrokkedByStep,
    GrokkedTimes,
    Times,
    kaplan_meier,
    resampled,
    time_to_share,
    widening,
)
from speciation.evolution.fitness import wilson

Integers = NDArray[np.int64]

_Z = float(stats.norm.isf((1 - CONFIDENCE) / 2))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; an end that is not known is infinite or NaN."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.high - self.low


@dataclass(frozen=True, eq=False)
class Arm:
    """The trials of a genome or of a group of genomes.

    Args:
        name: What it is called.
        seed: Of each trial, ``(n,)``; a group has a seed once for each genome.
        steps: Steps to grok, ``(n,)``; infinite where a trial did not within the horizon.
        spent: Steps that each trial trained until then, ``(n,)``.
        horizon: H, in steps.
        failed: Trials that the machine failed: shown, and left out of everything else.
        genomes: Ids of the genomes.

    Raises:
        ValueError: There are no trials, or the shapes differ.
    """

    name: str
    seed: Integers
    steps: Floats
    spent: Floats
    horizon: int
    failed: int = 0
    genomes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if (
            not len(self.steps)
            or len({self.seed.shape, self.steps.shape, self.spent.shape}) > 1
        ):
            raise ValueError(
                f"arm {self.name!r} needs n ≥ 1 seeds, steps and steps spent, got shapes "
                f"{self.seed.shape}, {self.steps.shape} and {self.spent.shape}"
            )

    @property
    def size(self) -> int:
        """N."""
        return len(self.steps)

    @cached_property
    def seeds(self) -> Integers:
        """The distinct seeds, sorted: ``(s,)``."""
        return np.unique(self.seed)

    @cached_property
    def place(self) -> Integers:
        """Which of the distinct seeds each trial has, ``(n,)``."""
        return np.searchsorted(self.seeds, self.seed)

    @cached_property
    def capped(self) -> Floats:
        """min(T, H), ``(n,)``."""
        return np.minimum(self.steps, float(self.horizon))

    @cached_property
    def grokked(self) -> NDArray[np.bool_]:
        """Whether each trial grokked within the horizon, ``(n,)``."""
        return np.isfinite(self.steps)

    @cached_property
    def curve(self) -> GrokkedByStep:
        """Kaplan and Meier's estimate with log-log bands; of a group, by seeds."""
        found = kaplan_meier(Times(self.capped, self.grokked))
        return found if self.size == len(self.seeds) else _by_seeds(self, found)

    def by_seed(self, values: Floats) -> Floats:
        """Sums of values ``(n,)`` over the trials of each seed, ``(s,)``."""
        return np.bincount(self.place, values, len(self.seeds)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that is said of one arm.

    Args:
        name: Of the arm.
        genomes: Ids of its genomes.
        trials: Scientific ones.
        seeds: Distinct ones.
        failed: Trials that the machine failed; they count nowhere else.
        successes: Trials that grokked within the horizon.
        success: Success rate, Wilson's interval.
        rmst: Mean of min(T, H), steps.
        ert: Steps spent for each success; infinite without any.
        median: When half of the trials have grokked (Kaplan and Meier), steps.
        q90: When nine of ten have.
        spread: Standard deviation of min(T, H), steps; NaN of one trial.
    """

    name: str
    genomes: tuple[str, ...]
    trials: int
    seeds: int
    failed: int
    successes: int
    success: Estimate
    rmst: Estimate
    ert: Estimate
    median: Estimate
    q90: Estimate
    spread: float


def summarise(arms: Sequence[Arm]) -> tuple[Summary, ...]:
    """Every arm, in their order; arms of as many seeds are resampled together."""
    told = [_steps_and_hits(arm) for arm in arms]
    drawn: dict[int, Floats] = {}
    for count in {own.shape[1] for own in told}:
        places = [i for i, own in enumerate(told) if own.shape[1] == count]
        sums = resampled(np.concatenate([told[i] for i in places]))
        drawn |= dict(zip(places, sums.reshape(-1, 2, sums.shape[1]), strict=True))
    return tuple(_summary(arm, told[i], drawn[i]) for i, arm in enumerate(arms))


def _steps_and_hits(arm: Arm) -> Floats:
    """Steps of successful trials of each seed, and their number: ``(2, s)``."""
    steps = arm.by_seed(np.where(arm.grokked, arm.steps, 0.0))
    return np.stack([steps, arm.by_seed(arm.grokked.astype(np.float64))])


def _summary(arm: Arm, told: Floats, drawn: Floats) -> Summary:
    success, mean = success_rate(arm), _expanded(*told, *drawn)
    together = _correlation(arm, *told)
    spread = float(arm.capped.std(ddof=1)) if arm.size > 1 else math.nan
    return Summary(
        name=arm.name,
        genomes=arm.genomes,
        trials=arm.size,
        seeds=len(arm.seeds),
        failed=arm.failed,
        successes=int(arm.grokked.sum()),
        success=success,
        rmst=_rmst(arm, success, mean, together),
        ert=_ert(arm, success, mean, together),
        median=_estimate(time_to_share(arm.curve, 0.5)),
        q90=_estimate(time_to_share(arm.curve, 0.9)),
        spread=spread,
    )


def _estimate(times: GrokkedTimes) -> Estimate:
    return Estimate(times.value, times.low, times.high)


# -- The share that grokked -------------------------------------------------------------------


def success_rate(arm: Arm) -> Estimate:
    """Success rate with Wilson's interval.

    In a group, trials that share a seed are alike. Their number counts as what it is worth
    after division by the design effect (Rao and Scott 1992), and where all succeed or all
    fail, as the number of seeds.
    """
    rate = float(arm.grokked.mean())
    hits = arm.by_seed(arm.grokked.astype(np.float64))
    worth = arm.size / float(_design_effect(arm, hits[:, None], np.array([rate]))[0])
    low, high = wilson(rate * worth, worth)
    return Estimate(rate, float(low), float(high))


def _by_seeds(arm: Arm, curve: GrokkedByStep) -> GrokkedByStep:
    """A group's curve, its bands widened by the root of the design effect at each step.

    All trials are watched up to one horizon, so at each step the curve is a share.
    """
    place = np.searchsorted(curve.step, arm.steps[arm.grokked])
    cells = arm.place[arm.grokked] * len(curve.step) + place
    count = np.bincount(cells, minlength=len(arm.seeds) * len(curve.step))
    hits = count.reshape(len(arm.seeds), -1).cumsum(axis=1).astype(np.float64)
    wider = np.sqrt(_design_effect(arm, hits, curve.share))
    with np.errstate(divide="ignore", invalid="ignore"):  # where a band is not known
        at, low, high = (
            np.log(-np.log1p(-own)) for own in (curve.share, curve.low, curve.high)
        )
        ends = (-np.expm1(-np.exp(at + wider * (end - at))) for end in (low, high))
        return GrokkedByStep(curve.step, curve.share, *ends)


def _design_effect(arm: Arm, hits: Floats, rate: Floats) -> Floats:
    """By how much a share varies more than that of independent trials would; at least 1.

    Args:
        arm: Of n trials on s seeds.
        hits: Trials of each seed that count, at each of K times, ``(s, K)``.
        rate: Their share of all trials, ``(K,)``.

    Returns:
        Shape ``(K,)``; n / s where the share is 0 or 1.
    """
    n, s = arm.size, len(arm.seeds)
    spread = rate * (1 - rate)
    if n == s or s < 2:
        return np.full(len(rate), n / s)
    excess = hits - rate * arm.by_seed(np.ones(n))[:, None]
    variance = s / (s - 1) * (excess**2).sum(axis=0) / n**2
    known = spread > 0
    effect = np.divide(variance * n, spread, out=np.full(len(rate), n / s), where=known)
    return np.maximum(effect, 1.0)


# -- The mean steps of those that did ---------------------------------------------------------


def _expanded(total: Floats, hit: Floats, drawn_total: Floats, drawn_hit: Floats) -> Estimate:
    """The ratio Σ total / Σ hit with its expanded percentile interval (Hesterberg 2015).

    The percentile interval of few values is too narrow, as a normal interval with the biased
    standard deviation would be; it is widened by what Student's interval would be.

    Args:
        total: Steps of successful trials of each seed, ``(s,)``.
        hit: Their number, ``(s,)``.
        drawn_total: Sum of the former in each resample, ``(B,)``.
        drawn_hit: Sum of the latter.
    """
    successes = float(hit.sum())
    if not successes:
        return Estimate(math.nan, math.nan, math.nan)
    value = float(total.sum()) / successes
    told = int((hit > 0).sum())
    if told < 2:
        return Estimate(value, -math.inf, math.inf)
    known = drawn_hit > 0
    drawn = drawn_total[known] / drawn_hit[known]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    wider = widening(told)
    return Estimate(value, value - wider * (value - low), value + wider * (high - value))


# -- Joined -----------------------------------------------------------------------------------


def _correlation(arm: Arm, total: Floats, hit: Floats) -> float:
    """Of the share that fails and the mean steps of the others, over seeds (linearised).

    Of single genomes it is 0, since a trial tells of one of the two.

    Args:
        arm: Of s seeds.
        total: Steps of successful trials of each seed, ``(s,)``.
        hit: Their number, ``(s,)``.
    """
    if arm.size == len(arm.seeds) or not hit.any():
        return 0.0
    failing = arm.grokked.mean() * arm.by_seed(np.ones(arm.size)) - hit
    slow = total - total.sum() / hit.sum() * hit
    size = math.sqrt((failing**2).sum() * (slow**2).sum())
    return float((failing * slow).sum() / size) if size else 0.0


def _joined(one: float, other: float, correlation: float) -> float:
    """How far a limit is from the estimate, where two parts are as far from theirs."""
    if math.isinf(one) or math.isinf(other):
        return math.inf
    return math.sqrt(max(one**2 + other**2 + 2 * correlation * one * other, 0.0))


def _rmst(arm: Arm, success: Estimate, mean: Estimate, together: float) -> Estimate:
    horizon = float(arm.horizon)
    value = float(arm.capped.mean())
    if not math.isfinite(mean.value):  # nobody grokked: the rest would have to be at once
        return Estimate(value, horizon * (1 - success.high), horizon)
    fast, slow = (min(max(end, 0.0), horizon) for end in (mean.low, mean.high))
    gain, rate = horizon - mean.value, success.value
    down = _joined((success.high - rate) * gain, (mean.value - fast) * rate, together)
    up = _joined((rate - success.low) * gain, (slow - mean.value) * rate, together)
    return Estimate(value, max(value - down, 0.0), min(value + up, horizon))


def _ert(arm: Arm, success: Estimate, mean: Estimate, together: float) -> Estimate:
    successes = int(arm.grokked.sum())
    wasted = arm.spent[~arm.grokked]
    if not successes:
        odds = (1 - success.high) / success.high
        return Estimate(math.inf, odds * float(wasted.mean()), math.inf)
    value = float(arm.spent.sum()) / successes
    rate = success.value
    each = float(wasted.mean()) if len(wasted) else float(arm.horizon)
    error = float(wasted.std(ddof=1)) / math.sqrt(len(wasted)) if len(wasted) > 1 else 0.0
    odds, least, most = ((1 - p) / p for p in (rate, success.high, max(success.low, 1e-300)))
    known = _Z * error * odds
    down = _joined((odds - least) * each, mean.value - mean.low, together)
    up = _joined((most - odds) * each, mean.high - mean.value, together)
    down, up = math.hypot(down, known), math.hypot(up, known)
    return Estimate(value, max(value - down, 0.0), value + up)
