"""Arms beside each other: who is told apart from the best, and what would settle the rest.

Joins what ``pairs`` says of every two and ``ranking`` of all, and puts the next step into a
sentence: how many seeds more would be enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from speciation.analysis.estimates import Arm, Estimate
from speciation.analysis.pairs import (
    ALPHA,
    POWER,
    PairedDifference,
    PairTests,
    by_shared_seed,
    differences_from,
    pairwise_tests,
    times_by_seed,
    times_of,
)
from speciation.analysis.ranking import Luck, luck_of_seeds, probability_best
from speciation.analysis.survival import GroupLogRank, log_rank_groups
from speciation.analysis.wording import signed

MANY_SEEDS = 1_000_000
MUCH_SOONER = 3  # times fewer seeds for means than for curves, to be worth a sentence


@dataclass(frozen=True, slots=True)
class Comparison:
    """All arms together.

    Args:
        differences: Every arm against the reference.
        pairs: The log-rank test of every pair.
        groups: The log-rank test of all arms at once.
        best: Name → probability that the arm has the least RMST, shrunk for the best of many;
            empty where no trial grokked, or arms share fewer than two seeds with the one that
            has most.
        luck: Whether equal arms could have produced this; None where no trial
            grokked, or all share fewer than two seeds.
        advice: What more seeds would settle, in a sentence.
        independent: Whether the p of ``groups`` may be taken as it is: False where an arm has
            several trials of a seed, which that test takes as independent.
    """

    differences: tuple[PairedDifference, ...]
    pairs: PairTests
    groups: GroupLogRank
    best: dict[str, float]
    luck: Luck | None
    advice: str
    independent: bool


def compare(arms: Sequence[Arm], reference: str | None = None) -> Comparison | None:
    """Compare arms; None of a single one.

    Args:
        arms: At least two, of one horizon.
        reference: Name of the arm that others are held against; the best by default.

    Raises:
        ValueError: There is no arm of that name, or horizons differ.
    """
    if len({arm.horizon for arm in arms}) > 1:
        raise ValueError("arms of different horizons cannot be compared")
    if len(arms) < 2:
        return None
    names = [arm.name for arm in arms]
    if reference is not None and reference not in names:
        raise ValueError(f"there is no arm {reference!r}; there are {', '.join(names)}")
    means = np.array([arm.capped.mean() for arm in arms])
    first = names.index(reference) if reference is not None else int(means.argmin())
    tests = pairwise_tests(arms)
    rest = [i for i in range(len(arms)) if i != first]
    differences = differences_from(
        arms[first], [arms[i] for i in rest], [tests.pair(first, i) for i in rest]
    )
    any_grokked = any(arm.grokked.any() for arm in arms)
    return Comparison(
        differences=differences,
        pairs=tests,
        groups=log_rank_groups([times_of(arm) for arm in arms]),
        best=_best(arms) if any_grokked else {},
        luck=_luck(arms) if any_grokked else None,
        advice=advice(differences) if any_grokked else nothing_grokked(arms[first].horizon),
        independent=all(arm.size == len(arm.seeds) for arm in arms),
    )


def _best(arms: Sequence[Arm]) -> dict[str, float]:
    found = probability_best(times_by_seed(arms))
    if np.isnan(found).any():
        return {}
    return dict(zip((arm.name for arm in arms), found.tolist(), strict=True))


def _luck(arms: Sequence[Arm]) -> Luck | None:
    shared = by_shared_seed(arms)
    return luck_of_seeds(shared) if shared.shape[1] > 1 else None


# -- Advice -----------------------------------------------------------------------------------


def seeds_for_means(steps: Estimate, seeds: int) -> int | None:
    """Seeds at which the interval of a difference of means would leave out 0 in 8 of 10 cases.

    ``n ((z_α/2 + z_power) · error / difference)²``; where curves cross that is far fewer than
    the log-rank test takes.

    Args:
        steps: The difference with its interval.
        seeds: n, that it rests on.
    """
    if not steps.value or not math.isfinite(steps.width):
        return None
    usual = float(stats.norm.isf(ALPHA / 2))
    wanted = usual + float(stats.norm.isf(1 - POWER))
    found = seeds * (wanted * steps.width / (2 * usual) / steps.value) ** 2
    return math.ceil(found) if found <= MANY_SEEDS else None


def advice(differences: Sequence[PairedDifference]) -> str:
    """Who is told apart from the reference, and what its nearest other rival would take."""
    rivals = [d for d in differences if d.seeds > 1]
    rest = [d for d in rivals if not d.separated]
    told = len(rivals) - len(rest)
    if not rivals:
        return ""
    if not rest:
        who = {1: f"{rivals[0].second} is", 2: "Both others are"}.get(
            told, f"All {told:,} others are"
        )
        return f"{who} told apart from {rivals[0].first}.{_open_means(rivals)}"
    nearest = min(rest, key=lambda d: abs(d.steps.value))
    said = _advice_on(nearest)
    return (
        f"{told:,} of {len(rivals):,} are told apart from {nearest.first}. {said}"
        if told
        else said
    )


def _open_means(told: Sequence[PairedDifference]) -> str:
    """Of curves that differ, the nearest whose means may not."""
    unsure = [d for d in told if d.steps.low <= 0 <= d.steps.high]
    if not unsure:
        return ""
    own = min(unsure, key=lambda d: abs(d.steps.value))
    return (
        f" The curves of {own.second} and {own.first} differ, but which has the lesser mean is "
        f"open: {signed(own.steps.value)} steps on shared seeds (95 % {signed(own.steps.low)} "
        f"to {signed(own.steps.high)})."
    )


def nothing_grokked(horizon: int) -> str:
    """What is advised where there is nothing to compare."""
    return (
        f"No trial grokked within {horizon:,} steps, so nothing tells these arms apart; a "
        "longer --horizon may."
    )


def _advice_on(own: PairedDifference) -> str:
    """What a pair that is not told apart would take."""
    pair = f"{own.second} from {own.first}"
    low, high = own.steps.low, own.steps.high
    if low > 0 or high < 0:
        return (
            f"The means of {own.second} and {own.first} differ by {signed(own.steps.value)} "
            f"steps on shared seeds (95 % {signed(low)} to {signed(high)}), but the log-rank "
            "test of their curves, corrected for all pairs, does not tell them apart "
            f"(p {own.adjusted:.2f})."
        )
    if own.needed is None or own.needed > MANY_SEEDS:
        said = (
            f"No number of seeds up to a million would tell {pair}: their curves are alike so "
            "far."
        )
    else:
        said = (
            f"About {_more(own.needed, own.seeds)} would tell {pair}, if their curves differ "
            f"as they seem to (by {abs(own.steps.value):,.0f} steps in the mean)."
        )
    means = seeds_for_means(own.steps, own.seeds)
    if means is None or means > (own.needed or math.inf) / MUCH_SOONER:
        return said
    return (
        f"{said} An interval of the difference of means that leaves out 0 would take "
        f"{_more(means, own.seeds)}."
    )


def _more(needed: int, seeds: int) -> str:
    more = max(needed - seeds, 1)
    return f"{more:,} more {'seed' if more == 1 else 'seeds'}"
