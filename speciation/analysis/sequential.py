"""Looking at results while they come, and stopping when enough is known: without cheating.

A usual 95 % interval that is looked at after every batch of seeds misses the truth, at one look
or another, far more often than 5 % of the time. What decides here is valid at all looks
together, however many there are and whenever one stops:

*Width.* A confidence sequence for the mean of a bounded variable, by betting against each
candidate mean (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by
betting", theorem 3). Nothing is assumed of the distribution, so rare failures that have not
been seen yet are in it.

*Separation.* Where two arms are alike, either is as likely to be sooner on a shared seed, so
the paired differences D are symmetric about 0, and for every λ

    exp(λ ΣD - λ² ΣD² / 2)

has a mean of at most 1 at all times (de la Peña 1999, lemma 6.1). Its mean over normal λ
exceeds 1/α at any time with a probability of at most α (Ville 1939). *Racing* is that test
between the leader and every other arm: who is told apart from the leader gets no more seeds.
With A arms each test has α / (A - 1), so an arm that is as good as every other is dropped with
a probability of at most α.

Axes: n seeds in the order in which they are tried.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speciation.analysis.comparison import by_shared_seed, seed_means
from speciation.analysis.estimates import Arm, Estimate
from speciation.analysis.survival import CONFIDENCE, Floats

ALPHA = 1 - CONFIDENCE
FIRST_LOOK, GROWTH = 16, 1.5
MEASURES = ("rmst", "success")
# Prior guess of a variance in units of the range; any number is valid, this one is quick.
_VARIANCE = 0.02
_MOST_OF_A_FORTUNE = 0.5  # that is ever bet
# The test has most power for differences of a size that shows after so many seeds, if their
# spread is this share of the horizon.
_SEEDS, _SPREAD = 30, 0.1


class RuleError(ValueError):
    """A stopping rule that cannot be read: one sentence."""


@dataclass(frozen=True, slots=True)
class Width:
    """Go on until every arm's interval is narrow enough.

    Args:
        measure: ``rmst`` (steps) or ``success`` (a share).
        below: Width of the interval.
    """

    measure: str
    below: float


@dataclass(frozen=True, slots=True)
class Separated:
    """Go on until the leader is told apart from every other arm."""


Rule = Width | Separated

_WIDTH = re.compile(r"ci-width\s+([a-z]+)\s*<\s*([0-9]*\.?[0-9]+)")


def rule(text: str) -> Rule:
    """A rule from what somebody typed: ``ci-width rmst < 25`` or ``separated``.

    Raises:
        RuleError: It is neither.
    """
    if text.strip() == "separated":
        return Separated()
    found = _WIDTH.fullmatch(text.strip())
    if found is None or found[1] not in MEASURES or float(found[2]) <= 0:
        raise RuleError(
            f"--until is {text!r}, but must be 'separated', 'ci-width rmst < STEPS' or "
            "'ci-width success < SHARE'"
        )
    return Width(found[1], float(found[2]))


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the results so far decides.

    Args:
        open: Names of arms that need more seeds; none when it is time to stop.
        said: Why, in a sentence.
    """

    open: tuple[str, ...]
    said: str


def look(rule: Rule, arms: Sequence[Arm], raced: Sequence[str]) -> Look:
    """Decide who needs more seeds.

    Args:
        rule: When to stop.
        arms: All of them, as far as they have come.
        raced: Names of arms that are still open; the others have been dropped and stay so.

    Raises:
        RuleError: Separation is asked of fewer than two arms.
    """
    if isinstance(rule, Width):
        return _by_width(rule, arms, raced)
    return _by_separation(arms, raced)


def looks(most: int) -> tuple[int, ...]:
    """Numbers of seeds after which one looks, the last of them ``most``."""
    counts = [min(FIRST_LOOK, most)]
    while counts[-1] < most:
        counts.append(min(math.ceil(counts[-1] * GROWTH), most))
    return tuple(counts)


# -- Width ------------------------------------------------------------------------------------


def always_valid(arm: Arm, measure: str = "rmst") -> Estimate:
    """RMST (steps) or success rate with an interval that may be looked at whenever one likes.

    Trials are taken in the order of their seeds, those of one seed together.
    """
    if measure == "success":
        unit, told = 1.0, arm.by_seed(arm.grokked.astype(np.float64))
        told /= arm.by_seed(np.ones(arm.size))
    else:
        unit, told = float(arm.horizon), seed_means(arm)
    low, high = confidence_sequence(np.clip(told / unit, 0.0, 1.0))
    return Estimate(float(told.mean()), low * unit, high * unit)


def confidence_sequence(values: Floats, alpha: float = ALPHA) -> tuple[float, float]:
    """The interval of a mean after these values, valid at all times together.

    The hedged capital of Waudby-Smith and Ramdas (2024, section 4.4): half of a fortune is bet
    on the mean being more than m, half on its being less, each with at most half of itself; m
    is excluded while either has multiplied by 2/α.

    Args:
        values: In [0, 1], in the order in which they came, ``(n,)``.
        alpha: One less the confidence.
    """
    bet = _bets(values, alpha)
    limit = math.log(2 / alpha)
    mean = float(values.mean())

    def low(m: float) -> float:
        stake = np.minimum(bet, _MOST_OF_A_FORTUNE / max(m, 1e-12))
        return float(np.log1p(stake * (values - m)).sum())

    def high(m: float) -> float:
        stake = np.minimum(bet, _MOST_OF_A_FORTUNE / max(1 - m, 1e-12))
        return float(np.log1p(-stake * (values - m)).sum())

    below, above = (0.0, mean) if low(0.0) >= limit else (0.0, 0.0)
    while above - below > 1e-6:
        middle = (below + above) / 2
        below, above = (middle, above) if low(middle) >= limit else (below, middle)
    least = below
    below, above = (mean, 1.0) if high(1.0) >= limit else (1.0, 1.0)
    while above - below > 1e-6:
        middle = (below + above) / 2
        below, above = (below, middle) if high(middle) >= limit else (middle, above)
    return least, above


def _bets(values: Floats, alpha: float) -> Floats:
    """Each bet before its value is seen, ``(n,)``: large while little has varied."""
    n = np.arange(1, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (n + 1)
    variances = (_VARIANCE + np.cumsum((values - means) ** 2)) / (n + 1)
    before = np.concatenate([[_VARIANCE], variances[:-1]])
    return np.sqrt(2 * math.log(2 / alpha) / (before * n * np.log(n + 1)))


def _by_width(rule: Width, arms: Sequence[Arm], raced: Sequence[str]) -> Look:
    widths = {
        arm.name: always_valid(arm, rule.measure).width for arm in arms if arm.name in raced
    }
    still = tuple(name for name, width in widths.items() if width >= rule.below)
    widest = max(widths.values())
    digits = 0 if rule.measure == "rmst" else 3
    return Look(
        still,
        f"widest interval of {rule.measure}: {widest:,.{digits}f}, wanted below "
        f"{rule.below:,g}; {len(still)} of {len(arms)} go on",
    )


# -- Separation -------------------------------------------------------------------------------


def evidence(gained: Floats, horizon: int) -> float:
    """The e-value against "these two are alike", its logarithm; above log(1/α) they are not.

    Args:
        gained: Paired differences of min(T, H), in steps, ``(n,)``.
        horizon: H, in steps; sets what size of difference is found soonest.
    """
    precision = 1.0 / (_SEEDS * (_SPREAD * horizon) ** 2)  # variance of λ
    total, squares = float(gained.sum()), float((gained**2).sum())
    shrunk = 1 + precision * squares
    return precision * total**2 / (2 * shrunk) - math.log(shrunk) / 2


def _by_separation(arms: Sequence[Arm], raced: Sequence[str]) -> Look:
    if len(arms) < 2:
        raise RuleError("--until separated compares genomes; name at least two of them")
    running = [arm for arm in arms if arm.name in raced]
    leader = min(running, key=lambda arm: (float(arm.capped.mean()), arm.name))
    limit = math.log((len(arms) - 1) / ALPHA)
    rivals = tuple(
        arm.name for arm in running if arm is not leader and not _behind(leader, arm, limit)
    )
    still = (leader.name, *rivals) if rivals else ()
    return Look(still, f"{leader.name} leads; {len(rivals)} not told apart from it yet")


def _behind(leader: Arm, other: Arm, limit: float) -> bool:
    one, two = by_shared_seed([leader, other])
    return bool(evidence(two - one, leader.horizon) >= limit and (two - one).sum() > 0)
