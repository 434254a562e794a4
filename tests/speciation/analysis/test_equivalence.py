"""Tests that have to be able to say yes, no, and not known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from speciation.analysis.equivalence import (
    holm,
    kendall_tau,
    mean_interval,
    ranking_agreement,
    seeds_needed,
    success_interval,
    successes_needed,
    tost,
)

differences = arrays(
    np.float64, st.integers(2, 30), elements=st.integers(-40, 40).map(lambda x: x / 4)
)
outcomes = arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 40)))


def tabled(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Paired outcomes with these counts: of both, of one arm only, of none."""
    counts = (both, first, second, neither)
    return np.repeat([True, True, False, False], counts), np.repeat(
        [True, False, True, False], counts
    )


# -- Means --------------------------------------------------------------------------------


@given(differences, st.floats(0.1, 20))
def test_two_one_sided_tests_are_an_interval_within_the_margins(found, margin):
    low, high = mean_interval(found, 0.9)
    p = tost(found, margin)
    assume(abs(p - 0.05) > 1e-9)
    assert (p < 0.05) == (-margin < low and high < margin)


@given(differences, st.floats(0.1, 20))
def test_they_are_scipys(found, margin):
    assume(found.std() > 0)
    one = stats.ttest_1samp(found, -margin, alternative="greater").pvalue
    other = stats.ttest_1samp(found, margin, alternative="less").pvalue
    assert tost(found, margin) == pytest.approx(max(one, other), abs=1e-12)


@given(differences, st.floats(0.1, 20), st.floats(0.1, 20))
def test_a_wider_margin_is_easier_to_keep(found, margin, more):
    assert tost(found, margin + more) <= tost(found, margin)


def test_one_pair_shows_nothing():
    assert tost(np.zeros(1), 1) == 1
    assert mean_interval(np.zeros(1), 0.9) == (-np.inf, np.inf)


def test_pairs_without_spread_are_within_the_margin_or_not():
    assert tost(np.full(5, 2.0), 3) == 0
    assert tost(np.full(5, 3.0), 3) == 1


def test_at_the_margin_equivalence_is_claimed_one_time_in_twenty():
    rng = np.random.default_rng(4)
    found = [tost(rng.normal(1.0, 3.0, 200), 1.0) < 0.05 for _ in range(4000)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.01)


def test_so_many_seeds_have_the_power_that_was_asked_for():
    n = seeds_needed(spread=0.1, margin=np.log(1.05), alpha=0.05, power=0.9)
    rng = np.random.default_rng(5)
    found = [tost(rng.normal(0, 0.1, n), np.log(1.05)) < 0.05 for _ in range(4000)]
    assert np.mean(found) == pytest.approx(0.9, abs=0.02)


# -- Proportions --------------------------------------------------------------------------


def test_a_published_interval_of_paired_proportions():
    """Airway hyper-responsiveness (Bentur 2009; Fagerland, Lydersen and Laake 2014)."""
    before, after = tabled(1, 1, 7, 12)
    low, high = success_interval(after, before, 0.95)
    assert (low, high) == pytest.approx((-0.507, -0.026), abs=5e-4)


def test_perfect_arms_have_a_width():
    every = np.ones(200, dtype=bool)
    bound = 1.959964**2 / (200 + 1.959964**2)
    assert success_interval(every, every, 0.95) == pytest.approx((-bound, bound), abs=1e-6)


@given(outcomes)
def test_an_interval_holds_its_estimate_and_stays_between_one_and_minus_one(arms):
    low, high = success_interval(*arms, 0.9)
    difference = arms[1].mean() - arms[0].mean()
    assert -1 - 1e-9 <= low <= difference + 1e-9
    assert difference - 1e-9 <= high <= 1 + 1e-9


@given(outcomes)
def test_arms_that_change_places_mirror_the_interval(arms):
    low, high = success_interval(arms[0], arms[1], 0.9)
    assert success_interval(arms[1], arms[0], 0.9) == pytest.approx((-high, -low), abs=1e-9)


def test_agreement_on_the_same_seeds_makes_it_narrower():
    alike = success_interval(*tabled(180, 2, 2, 16), 0.9)
    apart = success_interval(*tabled(164, 18, 18, 0), 0.9)
    assert alike[1] - alike[0] < 0.5 * (apart[1] - apart[0])


def test_it_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(6)
    lucky = rng.random((2000, 200)) < 0.9
    arms = [lucky & (rng.random((2000, 200)) < 0.97) for _ in range(2)]
    ends = [success_interval(*pair, 0.9) for pair in zip(*arms, strict=True)]
    assert np.mean([low <= 0 <= high for low, high in ends]) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("margin", [0.02, 0.05])
def test_fewer_seeds_cannot_show_that_two_arms_succeed_alike(margin):
    least = successes_needed(margin, 0.9)
    for n, within in ((least, True), (least - 1, False)):
        every = np.ones(n, dtype=bool)
        assert (success_interval(every, every, 0.9)[1] <= margin) is within


# -- Several tests at once ----------------------------------------------------------------


def test_holms_own_steps():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_values_are_between_those_found_and_bonferronis(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(np.array(p) * len(p), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= -1e-12).all()


# -- Rankings -----------------------------------------------------------------------------


@given(arrays(np.float64, (2, 7), elements=st.integers(0, 5).map(float)))
def test_tau_is_scipys(ranks):
    with np.errstate(all="ignore"):
        theirs = stats.kendalltau(*ranks).statistic
    assert kendall_tau(*ranks) == pytest.approx(0.0 if np.isnan(theirs) else theirs)


def spread_out(count: int, seeds: int, gap: float, seed: int) -> np.ndarray:
    """Times of genomes ``gap`` noise widths apart, ``(P, n)``."""
    rng = np.random.default_rng(seed)
    return gap * np.arange(count)[:, None] + rng.normal(0, 1, (count, seeds))


def test_clear_rankings_that_agree_lose_nothing():
    found = ranking_agreement(*(spread_out(6, 100, 3, s) for s in (1, 2)), confidence=0.9)
    assert (found.tau, found.ceiling, found.loss, found.high) == (1, 1, 0, 0)


def test_noise_alone_costs_no_agreement():
    found = ranking_agreement(*(spread_out(6, 60, 0.2, s) for s in (3, 4)), confidence=0.9)
    assert found.ceiling < 0.9
    assert found.low < 0 < found.high
    assert abs(found.loss) < 0.15


def test_an_arm_that_ranks_otherwise_is_seen_below_the_ceiling():
    first = spread_out(6, 100, 1, 5)
    found = ranking_agreement(first, first[[1, 0, 2, 4, 3, 5]], confidence=0.9)
    assert found.tau == pytest.approx(1 - 4 / 15)
    assert found.low > 0.1
