"""Estimates of one arm: right where the answer is known, and intervals that cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from speciation.analysis.estimates import Arm, success_rate, summarise
from speciation.analysis.survival import Times, kaplan_meier, time_to_share
from speciation.evolution.fitness import wilson
from tests.speciation.analysis.arms import HORIZON, arm, draw, truth

REPEATS = 2000


def of(steps, **rest):
    return summarise([arm(np.asarray(steps, dtype=float), **rest)])[0]


def test_figures_of_a_small_arm_are_those_of_hand():
    own = of([500, 700, 600, np.inf])
    assert own.rmst.value == (500 + 700 + 600 + HORIZON) / 4
    assert own.ert.value == (500 + 700 + 600 + HORIZON) / 3
    assert own.success.value == 0.75
    assert own.median.value == 600
    assert own.q90.value == math.inf
    assert (own.trials, own.seeds, own.successes) == (4, 4, 3)


def test_a_diverged_trial_counts_as_the_horizon_but_spends_what_it_spent():
    steps = np.array([500.0, np.inf])
    own = Arm("a", np.array([1, 3]), steps, np.array([500.0, 100.0]), HORIZON)
    found = summarise([own])[0]
    assert found.rmst.value == (500 + HORIZON) / 2
    assert found.ert.value == 600


def test_failures_not_seen_yet_are_within_the_interval():
    """Of 20 successes, 3 in 100 may fail unseen: the mean may be that much more."""
    own = of(np.full(20, 500.0))
    assert own.rmst.value == own.rmst.low == 500
    assert own.rmst.high > 500 + 0.03 * (HORIZON - 500)
    assert own.success.high == 1
    assert own.success.low < 0.97


def test_of_no_success_only_bounds_are_known():
    own = of(np.full(30, np.inf))
    assert own.rmst.value == own.rmst.high == HORIZON
    assert own.rmst.low < HORIZON
    assert own.ert.value == math.inf
    assert math.isfinite(own.ert.low)
    assert own.median.value == own.median.low == math.inf


def test_of_one_trial_the_interval_is_wide():
    own = of([600.0])
    assert own.rmst.low == 0
    assert own.rmst.high > 2000
    assert math.isnan(own.spread)


def test_an_arm_resampled_alone_is_the_arm_resampled_among_others():
    rng = np.random.default_rng(1)
    arms = [arm(draw(rng, (n,), rate=0.9)) for n in (30, 50, 30)]
    together = summarise(arms)
    assert [summarise([own])[0] for own in arms] == list(together)


def test_many_seeds_are_drawn_as_counts_to_the_same_interval(monkeypatch):
    own = arm(draw(np.random.default_rng(2), (300,), rate=0.9))
    one = summarise([own])[0].rmst
    monkeypatch.setattr("speciation.analysis.survival.DRAWN_ONE_BY_ONE", 100)
    other = summarise([own])[0].rmst
    assert other.low == pytest.approx(one.low, abs=0.1 * one.width)
    assert other.high == pytest.approx(one.high, abs=0.1 * one.width)


@given(st.lists(st.sampled_from([100.0, 900.0, 2500.0, math.inf]), min_size=4, max_size=12))
def test_a_value_is_within_its_interval_in_any_group(steps):
    """Also where one trial grokked, or seeds tell of two parts in full accord."""
    pairs = np.array(steps[: len(steps) // 2 * 2])
    seed = np.repeat(np.arange(len(pairs) // 2), 2)
    for own in (arm(pairs), Arm("g", seed, pairs, np.minimum(pairs, HORIZON), HORIZON)):
        found = summarise([own])[0]
        for told in (found.rmst, found.ert):
            assert told.low <= told.value <= told.high


def test_copies_of_a_seed_in_a_group_are_worth_one():
    """A group of ten clones knows no more of the success rate than one of them."""
    rng = np.random.default_rng(3)
    steps = draw(rng, (60,), rate=0.7)
    one = arm(steps)
    seed = np.repeat(one.seed, 10)
    times = np.repeat(steps, 10)
    group = Arm("group", seed, times, np.minimum(times, HORIZON), HORIZON)
    clone, single = success_rate(group), success_rate(one)
    assert clone.value == pytest.approx(single.value)
    assert clone.width == pytest.approx(single.width, rel=0.05)
    both = summarise([group])[0].rmst, summarise([one])[0].rmst
    assert both[0].width == pytest.approx(both[1].width, rel=0.05)
    assert np.array_equal(group.curve.share, one.curve.share)
    for clone, single in ((group.curve.low, one.curve.low), (group.curve.high, one.curve.high)):
        assert np.allclose(clone, single, atol=0.02, equal_nan=True)


def test_wilson_is_that_of_scipy():
    own = of([*np.full(17, 400.0), *np.full(3, np.inf)])
    theirs = stats.binomtest(17, 20).proportion_ci(method="wilson")
    assert own.success.low == pytest.approx(theirs.low, abs=1e-4)
    assert own.success.high == pytest.approx(theirs.high, abs=1e-4)


def exact_coverage(n, rates):
    """How often Wilson's interval holds each rate: a sum over all numbers of successes."""
    successes = np.arange(n + 1)
    low, high = wilson(successes, np.full(n + 1, n))
    rates = np.asarray(rates)[:, None]
    held = (low <= rates) & (rates <= high)
    return (stats.binom.pmf(successes, n, rates) * held).sum(axis=1)


@pytest.mark.parametrize("n", [50, 100, 200, 1000])
def test_wilson_covers_95_percent_on_average_and_leaves_93_to_97_seldom(n):
    """No interval of a discrete number covers the same share at every rate."""
    covered = exact_coverage(n, np.linspace(0.05, 0.995, 400))
    assert covered.mean() == pytest.approx(0.95, abs=0.002)
    assert ((covered < 0.93) | (covered > 0.97)).mean() < 0.05
    assert covered.min() > 0.9


def test_where_wilson_dips_is_known():
    assert exact_coverage(100, [0.9])[0] == pytest.approx(0.9364, abs=1e-4)


def test_the_time_to_a_share_is_where_the_band_meets_it():
    curve = kaplan_meier(Times(np.array([100.0, 200, 300, 400, 500]), np.ones(5, dtype=bool)))
    half = time_to_share(curve, 0.5)
    assert half.value == 300
    assert half.low == curve.step[np.flatnonzero(curve.high >= 0.5)[0]]
    assert half.low < 300 < half.high
    assert time_to_share(curve, 1.0).value == 500


def test_an_arm_of_nothing_is_refused():
    with pytest.raises(ValueError, match="n ≥ 1"):
        arm(np.zeros(0))


SCENARIOS = [
    pytest.param({"rate": 0.9, "mean": 800, "spread": 150}, 120, id="nine-in-ten"),
    pytest.param({"rate": 0.6, "mean": 1200, "spread": 400}, 50, id="six-in-ten"),
    pytest.param({"rate": 0.97, "mean": 500, "spread": 100}, 200, id="rarely-fails"),
    pytest.param({"rate": 0.25, "mean": 1500, "spread": 500}, 80, id="one-in-four"),
]


@pytest.mark.long
@pytest.mark.parametrize(("how", "n"), SCENARIOS)
def test_intervals_cover_the_truth(how, n):
    """93 to 97 % of 95 % intervals, over 2,000 repeats of right-censored data."""
    rng, true = np.random.default_rng(4), truth(**how)
    found = summarise([arm(steps) for steps in draw(rng, (REPEATS, n), **how)])
    for name in ("rmst", "ert", "success"):
        hits = [getattr(s, name).low <= true[name] <= getattr(s, name).high for s in found]
        assert 0.93 <= np.mean(hits) <= 0.97, name


@pytest.mark.long
def test_where_nothing_ever_fails_intervals_are_wide_rather_than_narrow():
    """Wilson leaves room for failures that do not exist here: never too few, some too many."""
    rng, how = np.random.default_rng(5), {"rate": 1.0, "mean": 800, "spread": 150}
    true = truth(**how)["rmst"]
    found = summarise([arm(steps) for steps in draw(rng, (REPEATS, 50), **how)])
    assert 0.95 <= np.mean([s.rmst.low <= true <= s.rmst.high for s in found]) <= 0.995


@pytest.mark.long
@pytest.mark.parametrize("at", [1000.0, 1300.0])
def test_bands_of_the_curve_cover_the_truth(at):
    rng, how = np.random.default_rng(6), {"rate": 0.8, "mean": 1200, "spread": 300}
    true = (draw(np.random.default_rng(99), (1_000_000,), **how) <= at).mean()
    hits = []
    for steps in draw(rng, (REPEATS, 100), **how):
        curve = arm(steps).curve
        i = np.searchsorted(curve.step, at, side="right") - 1
        hits.append(curve.low[i] <= true <= curve.high[i])
    assert 0.93 <= np.mean(hits) <= 0.97


@pytest.mark.long
def test_bands_of_a_groups_curve_cover_the_truth():
    """Ten genomes on the same 60 seeds, which matter; independent bands hold it in 8 of 10."""
    rng = np.random.default_rng(8)
    own = np.linspace(700, 1100, 10)[:, None]

    def group(seeds):
        noise = np.sqrt(0.4) * rng.standard_normal(seeds) + np.sqrt(0.6) * rng.standard_normal(
            (10, seeds)
        )
        steps = np.ceil(own * np.exp(0.3 * noise) / 25) * 25
        return np.where(steps <= HORIZON, steps, np.inf)

    sample, hits, naive, medians = group(200_000), [], [], []
    true, half = (sample <= 1000).mean(), np.quantile(sample, 0.5, method="inverted_cdf")
    for _ in range(1000):
        steps = group(60).T.ravel()
        found = Arm(
            "g", np.repeat(np.arange(60), 10), steps, np.minimum(steps, HORIZON), HORIZON
        )
        plain = kaplan_meier(Times(found.capped, found.grokked))
        i = np.searchsorted(found.curve.step, 1000, side="right") - 1
        hits.append(found.curve.low[i] <= true <= found.curve.high[i])
        naive.append(plain.low[i] <= true <= plain.high[i])
        median = time_to_share(found.curve, 0.5)
        medians.append(median.low <= half <= median.high)
    assert 0.92 <= np.mean(hits) <= 0.97
    assert np.mean(naive) < 0.85
    assert np.mean(medians) >= 0.93


@pytest.mark.long
def test_intervals_of_median_and_ninth_tenth_cover_the_truth():
    """Steps are whole evaluations, so they hold it more often than they say, never less."""
    rng, how = np.random.default_rng(9), {"rate": 0.97, "mean": 1000, "spread": 300}
    times = draw(np.random.default_rng(99), (1_000_000,), **how)
    true = np.quantile(times, (0.5, 0.9), method="inverted_cdf")
    found = summarise([arm(steps) for steps in draw(rng, (1000, 100), **how)])
    for name, value in zip(("median", "q90"), true, strict=True):
        hits = [getattr(s, name).low <= value <= getattr(s, name).high for s in found]
        assert 0.93 <= np.mean(hits) <= 0.995, name


@pytest.mark.slow
def test_seeds_that_are_hard_in_both_ways_are_in_the_interval_of_a_group():
    """Twenty genomes on the same 100 seeds: on a hard one they fail, or are slow."""

    def group(rng, seeds):
        hard = rng.standard_normal((seeds, 1))
        steps = 600 * np.exp(0.25 * hard + 0.1 * rng.standard_normal((seeds, 20)))
        steps[rng.random(steps.shape) < stats.norm.cdf(hard - 1)] = np.inf
        return np.where(steps <= HORIZON, steps, np.inf)

    rng = np.random.default_rng(10)
    sample = group(rng, 100_000)
    true = np.minimum(sample, HORIZON).mean()
    place, arms = np.repeat(np.arange(100), 20), []
    for _ in range(600):
        steps = group(rng, 100).ravel()
        arms.append(Arm("g", place, steps, np.minimum(steps, HORIZON), HORIZON))
    found = summarise(arms)
    ert = true / np.isfinite(sample).mean()
    assert 0.935 <= np.mean([s.rmst.low <= true <= s.rmst.high for s in found]) <= 0.98
    assert 0.935 <= np.mean([s.ert.low <= ert <= s.ert.high for s in found]) <= 0.98


@pytest.mark.long
def test_the_plain_bootstrap_does_not_know_of_failures_that_have_not_happened():
    """Why the interval of the mean has two parts: see docs/decisions.md."""
    rng, how, hits = np.random.default_rng(7), {"rate": 0.97}, []
    true = truth(**how)["rmst"]
    for steps in draw(rng, (1000, 20), **how):
        drawn = rng.choice(np.minimum(steps, HORIZON), (1000, 20)).mean(axis=1)
        low, high = np.quantile(drawn, (0.025, 0.975))
        hits.append(low <= true <= high)
    assert np.mean(hits) < 0.85
    found = summarise([arm(steps) for steps in draw(rng, (1000, 20), **how)])
    assert np.mean([s.rmst.low <= true <= s.rmst.high for s in found]) > 0.92
