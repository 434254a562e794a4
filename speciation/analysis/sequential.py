"""Looking at results while they come, and stopping when enough is known: without cheating.

A usual 95 % interval that is looked at after every batch of seeds misses the truth, at one look
or another, far more often than 5 % of the time. What decides here holds at all looks together,
however many there are and whenever one stops, for times of any distribution (``betting``).

*Width.* The interval of each arm holds its mean at all looks with a probability of at least
95 %: that arm's, not those of all arms at once.

*Separation* is a race. An arm is dropped once it is shown not to be one of the best, at a level
of α/2. So each arm that is one of the best is dropped with a probability of at most α/2, of
however many arms. If the race ends with one arm where another is as good, then one of two
equally good arms was dropped, so that happens with a probability of at most α. Of two arms,
this is the two-sided test at level α.

The price of assuming nothing: had two arms that differ by Δ steps and never fail so far failed
unseen in a share of some Δ/H, they could be equal. So any rule that holds this error needs
log(1/α) / log(1 + Δ/H) seeds or more in half of all races, 189 of them for 40 steps of 2,500;
a test of a number of seeds that is fixed beforehand takes fewer where nothing fails, and errs
where failures are rare (docs/log.md). A shorter horizon makes the price less.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speciation.analysis.betting import ALPHA, against_being_best, confidence_sequence
from speciation.analysis.estimates import Arm, Estimate
from speciation.analysis.pairs import seed_means, times_by_seed

LIMIT = math.log(2 / ALPHA)  # the logarithm of the fortune that drops an arm
PACED = 1.0  # the logarithm of a fortune that has grown enough to say how fast it does
FIRST_LOOK, GROWTH = 16, 1.5
MEASURES = ("rmst", "success")


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


def _by_separation(arms: Sequence[Arm], raced: Sequence[str]) -> Look:
    if len(arms) < 2:
        raise RuleError("--until separated compares genomes; name at least two of them")
    running = [arm for arm in arms if arm.name in raced]
    leader = min(running, key=lambda arm: (float(arm.capped.mean()), arm.name))
    fortune = against_being_best(times_by_seed(arms) / leader.horizon)
    own = {arm.name: row for arm, row in zip(arms, fortune, strict=True)}
    rivals = tuple(a.name for a in running if a is not leader and own[a.name].max() < LIMIT)
    said = f"{leader.name} leads; {len(rivals)} not told apart from it yet"
    if not rivals:
        return Look((), said)
    return Look(
        (leader.name, *rivals), said + _pace(min(own[name][-1] for name in rivals), leader)
    )


def _pace(least: float, leader: Arm) -> str:
    """About how many seeds the least fortune will take, if it goes on growing as it did."""
    if least < PACED:
        return ""
    seeds = math.ceil(len(leader.seeds) * LIMIT / least)
    return f"; at this pace that takes some {seeds:,} seeds in all"
