"""Survival curves against published ones, against SciPy, and against what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from speciation.analysis.survival import (
    Times,
    kaplan_meier,
    log_rank,
    rmst_difference,
    times,
)

HORIZON = 100
# Weeks in remission of children with leukaemia (Freireich 1963), with the results of
# Kleinbaum and Klein 2012, chapter 2.
MERCAPTOPURINE = Times(
    np.array(
        [6, 6, 6, 7, 10, 13, 16, 22, 23, *(6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35.0)]
    ),
    np.arange(21) < 9,
)
PLACEBO = Times(
    np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23.0]),
    np.ones(21, dtype=bool),
)
steps = arrays(
    np.float64,
    st.integers(1, 30),
    elements=st.one_of(st.integers(1, HORIZON).map(float), st.just(np.inf)),
)


def pairs(least: int = 2):
    """Two arms over shared seeds, ``(2, n)``."""
    one = st.one_of(st.integers(1, HORIZON).map(float), st.just(np.inf))
    return arrays(np.float64, st.tuples(st.just(2), st.integers(least, 30)), elements=one)


def at(curve, step: float) -> tuple[float, float, float]:
    """What a curve says at a step."""
    place = np.searchsorted(curve.step, step, "right") - 1
    return float(curve.share[place]), float(curve.low[place]), float(curve.high[place])


# -- Curves -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("week", "survival"),
    [(6, 0.857), (7, 0.807), (10, 0.753), (13, 0.690), (16, 0.627), (22, 0.538), (23, 0.448)],
)
def test_a_published_curve(week, survival):
    share, _, _ = at(kaplan_meier(MERCAPTOPURINE), week)
    assert 1 - share == pytest.approx(survival, abs=5e-4)


def test_the_interval_is_log_log_by_its_formula():
    share, low, high = at(kaplan_meier(MERCAPTOPURINE), 10)
    survival = 1 - share
    greenwood = 3 / (21 * 18) + 1 / (17 * 16) + 1 / (15 * 14)
    half = 1.959964 * np.sqrt(greenwood) / abs(np.log(survival))
    assert 1 - high == pytest.approx(survival ** np.exp(half), rel=1e-6)
    assert 1 - low == pytest.approx(survival ** np.exp(-half), rel=1e-6)


@given(steps)
def test_with_one_horizon_the_curve_is_the_share_that_grokked(found):
    curve = kaplan_meier(times(found, HORIZON))
    shares = [(found <= step).mean() for step in curve.step]
    assert curve.share == pytest.approx(shares, abs=1e-12)


@given(steps)
def test_an_interval_holds_its_estimate_or_is_not_known(found):
    curve = kaplan_meier(times(found, HORIZON))
    known = np.isfinite(curve.low) & np.isfinite(curve.high)
    assert (curve.low[known] <= curve.share[known]).all()
    assert (curve.high[known] >= curve.share[known]).all()
    inner = (curve.share > 1e-9) & (curve.share < 1 - 1e-9)
    assert (known == inner).all()


def test_a_wider_interval_is_surer():
    narrow, wide = (kaplan_meier(PLACEBO, confidence) for confidence in (0.8, 0.99))
    assert at(wide, 8)[1] < at(narrow, 8)[1] < at(narrow, 8)[2] < at(wide, 8)[2]


@pytest.mark.parametrize("shapes", [(0, 0), (3, 2)])
def test_times_need_an_outcome_each(shapes):
    with pytest.raises(ValueError, match=r"of shape \(n,\) with n ≥ 1"):
        Times(np.zeros(shapes[0]), np.zeros(shapes[1], dtype=bool))


# -- Log-rank -----------------------------------------------------------------------------


def test_a_published_log_rank_test():
    test = log_rank([(MERCAPTOPURINE, PLACEBO)])
    assert test.z**2 == pytest.approx(16.793, abs=1e-3)  # Kleinbaum and Klein 2012, chapter 2
    assert test.z > 0  # placebo relapses sooner


@given(pairs())
def test_one_stratum_is_scipys(arms):
    first, second = (times(arm, HORIZON) for arm in arms)
    own = log_rank([(first, second)])
    with np.errstate(all="ignore"):
        theirs = stats.logrank(
            *(stats.CensoredData.right_censored(a.step, ~a.grokked) for a in (first, second))
        )
    if np.isfinite(theirs.statistic):
        assert own.z == pytest.approx(-theirs.statistic, abs=1e-9)
        assert own.p == pytest.approx(theirs.pvalue, abs=1e-9)
    else:
        assert (own.z, own.p) == (0.0, 1.0)


@given(pairs())
def test_arms_that_change_places_change_the_sign(arms):
    first, second = (times(arm, HORIZON) for arm in arms)
    assert log_rank([(first, second)]).z == pytest.approx(-log_rank([(second, first)]).z)


@given(pairs())
def test_an_arm_is_not_different_from_itself(arms):
    own = times(arms[0], HORIZON)
    assert log_rank([(own, own)]).p == pytest.approx(1)


def test_strata_add_up_what_each_is_too_small_to_show():
    rng = np.random.default_rng(1)
    strata = []
    for scale in (20, 60, 180):
        first, second = rng.exponential(scale, (2, 40))
        strata.append((times(first + 1, 1000), times(0.7 * second + 1, 1000)))
    apart = [log_rank([stratum]) for stratum in strata]
    together = log_rank(strata)
    assert together.p < min(test.p for test in apart)
    # As one stratum, differences between strata drown those between arms.
    merged = [
        Times(np.concatenate([s[i].step for s in strata]), np.ones(120, dtype=bool))
        for i in (0, 1)
    ]
    assert abs(log_rank([(merged[0], merged[1])]).z) < together.z


# -- Means --------------------------------------------------------------------------------


@given(pairs())
def test_the_difference_is_that_of_the_restricted_means(arms):
    found = rmst_difference(*arms, HORIZON)
    means = np.minimum(arms, HORIZON).mean(axis=1)
    assert found.mean == pytest.approx(means[1] - means[0])
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9


@given(pairs(), st.integers(-50, 50))
def test_a_shift_shared_by_all_seeds_has_no_error(arms, shift):
    finite = np.where(np.isinf(arms[0]), 50.0, arms[0])
    found = rmst_difference(finite, finite + shift, 1000)
    assert (found.low, found.high) == pytest.approx((shift, shift))


def test_the_bootstrap_comes_to_students_interval_for_many_seeds():
    rng = np.random.default_rng(2)
    first = rng.uniform(100, 400, 400)
    second = first + rng.normal(5, 20, 400)
    found = rmst_difference(first, second, 1000)
    student = stats.t.interval(0.95, 399, (second - first).mean(), stats.sem(second - first))
    assert (found.low, found.high) == pytest.approx(student, abs=0.25)


def test_sharing_seeds_is_what_makes_the_interval_narrow():
    rng = np.random.default_rng(3)
    first = rng.uniform(100, 900, 200)
    second = first + rng.normal(0, 10, 200)
    paired = rmst_difference(first, second, 1000)
    shuffled = rmst_difference(first, rng.permutation(second), 1000)
    assert (paired.high - paired.low) * 10 < shuffled.high - shuffled.low


def test_the_interval_can_be_made_again():
    first, second = np.arange(1.0, 31), np.arange(3.0, 33) ** 1.01
    assert rmst_difference(first, second, 1000) == rmst_difference(first, second, 1000)
