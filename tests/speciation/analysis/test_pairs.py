"""Pairs of arms: SciPy is the oracle, seeds are shared, and no pair is forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from speciation.analysis.estimates import Arm
from speciation.analysis.pairs import (
    PairTest,
    differences_from,
    pairs_table,
    pairwise_tests,
    seeds_to_separate,
    z_by_seed,
)
from speciation.analysis.survival import (
    Times,
    log_rank,
    log_rank_groups,
    log_rank_pairs,
)
from tests.speciation.analysis.arms import HORIZON, arm, draw, some, times

NO_TEST = PairTest(z=0.0, p=1.0, adjusted=1.0, level=0.05)


def test_every_pair_is_tested_as_it_would_be_alone():
    steps = [times(own) for own in some(4, rate=0.8)]
    z = log_rank_pairs(steps)
    for i in range(4):
        for j in range(4):
            alone = log_rank([(steps[i], steps[j])]).z if i != j else 0.0
            assert z[i, j] == pytest.approx(alone, abs=1e-9)


def test_two_arms_are_tested_as_scipy_tests_them():
    one, other = some(2, rate=0.7)
    found = log_rank([(times(one), times(other))])
    censored = [
        stats.CensoredData.right_censored(np.minimum(own, HORIZON), ~np.isfinite(own))
        for own in (one, other)
    ]
    theirs = stats.logrank(*censored)
    assert abs(found.z) == pytest.approx(abs(theirs.statistic), rel=1e-9)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)


def grouped(steps: np.ndarray, first_seed: int = 0) -> Arm:
    """A group of genomes, a column each, on seeds, a row each."""
    seeds, size = steps.shape
    seed = np.repeat(np.arange(first_seed, first_seed + seeds), size)
    spent = np.minimum(steps, HORIZON)
    return Arm("group", seed, steps.ravel(), spent.ravel(), HORIZON)


def test_a_pair_of_groups_is_tested_by_what_each_seed_adds():
    """Lee, Wei and Amato's sums, a trial and a step at a time."""
    one, two = (grouped(own.reshape(8, 3)) for own in some(2, n=24, rate=0.8))
    both = [(t, g, s, i) for i, own in enumerate((one, two)) for t, g, s in
            zip(own.capped, own.grokked, own.seed, strict=True)]  # fmt: skip
    by_seed = np.zeros(8)
    for step, grokked, seed, second in both:
        for at in sorted({t for t, g, *_ in both if g and t <= step}):
            risk = [i for t, _, _, i in both if t >= at]
            events = sum(g and t == at for t, g, *_ in both)
            own = float(grokked and step == at) - events / len(risk)
            by_seed[seed] += (second - np.mean(risk)) * own
    expected = by_seed.sum() / np.sqrt((by_seed**2).sum())
    found = z_by_seed([one, two])
    assert found[0, 1] == pytest.approx(expected)
    assert found[1, 0] == pytest.approx(-expected)
    tests = pairwise_tests([one, two, arm(two.steps[:8])])
    assert tests.z[0, 1] == pytest.approx(expected)
    assert tests.z[1, 0] == pytest.approx(-expected)
    excess = log_rank([(times(one.steps), times(two.steps))]).z
    assert np.sign(excess) == np.sign(by_seed.sum())


@pytest.mark.slow
def test_groups_whose_genomes_are_alike_on_a_seed_are_told_apart_in_one_of_twenty():
    """On the same seeds and on others; trials taken as independent err in a fifth and more."""
    rng, wrong = np.random.default_rng(1), []
    for _ in range(800):
        alike = 0.4 * rng.standard_normal((3, 40, 1))
        noise = 0.2 * rng.standard_normal((2, 40, 5))
        one, two = np.ceil(56 * np.exp(0.4 * alike[0] + alike[1:] + noise)) * 25
        arms = [grouped(np.where(own <= HORIZON, own, np.inf)) for own in (one, two)]
        elsewhere = grouped(arms[1].steps.reshape(40, 5)[::-1], first_seed=40)
        pair = times(arms[0].steps), times(arms[1].steps)
        beside = z_by_seed([*arms, elsewhere])[0]
        z = [beside[1], beside[2], log_rank([pair]).z]
        wrong.append(2 * stats.norm.sf(np.abs(z)) < 0.05)
    same, other, independent = np.mean(wrong, axis=0)
    assert 0.03 <= same <= 0.075
    assert 0.03 <= other <= 0.075
    assert independent > 0.15


def test_the_test_of_two_groups_is_the_test_of_two_arms():
    one, other = (times(own) for own in some(2, rate=0.7))
    groups = log_rank_groups([one, other])
    assert groups.statistic == pytest.approx(log_rank([(one, other)]).z ** 2)
    assert groups.degrees == 1


def test_three_groups_by_hand():
    """Machin, Cheung and Parmar's arithmetic on six trials, two of each arm."""
    arms = [Times(np.array(t, dtype=float), np.ones(2, bool)) for t in ([1, 4], [2, 5], [3, 6])]
    excess, covariance = np.zeros(3), np.zeros((3, 3))
    for at in range(1, 7):
        risk = np.array([(own.step >= at).sum() for own in arms], dtype=float)
        died = np.array([(own.step == at).sum() for own in arms], dtype=float)
        share = risk / risk.sum()
        excess += died - share
        covariance += np.diag(share) - np.outer(share, share)
    chi2 = excess[:2] @ np.linalg.inv(covariance[:2, :2]) @ excess[:2]
    found = log_rank_groups(arms)
    assert found.statistic == pytest.approx(chi2)
    assert found.p == pytest.approx(stats.chi2.sf(chi2, 2))


def test_arms_that_never_grok_are_not_told_apart():
    never = Times(np.full(5, 2500.0), np.zeros(5, bool))
    assert log_rank_groups([never, never]).p == 1
    none = np.full(5, np.inf)
    assert pairwise_tests([arm(none), arm(none)]).p[0, 1] == 1
    group = Arm("twice", np.repeat(np.arange(5), 2), *[np.full(10, np.inf)] * 2, HORIZON)
    assert pairwise_tests([group, group]).p[0, 1] == 1


def test_pairs_are_held_against_holms_steps():
    """Three pairs: the surest against α/3, the next against α/2, the last against α."""
    found = pairwise_tests([arm(np.full(9, step)) for step in (400.0, 500.0, 1900.0)])
    apart = pairwise_tests([arm(own) for own in some(3, n=60, rate=0.9)])
    order = np.argsort(apart.p[np.triu_indices(3, 1)])
    levels = apart.level[np.triu_indices(3, 1)][order]
    assert levels == pytest.approx([0.05 / 3, 0.05 / 2, 0.05])
    assert np.all((found.adjusted < 0.05) == (found.p < found.level))


def test_a_paired_difference_knows_that_seeds_are_shared():
    """A seed that is hard for both tells nothing about which is better."""
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 300, 50)
    one = arm(np.round(900 + hard), "one")
    other = arm(np.round(950 + hard + rng.normal(0, 5, 50)), "other")
    found = differences_from(one, [other], [NO_TEST])[0]
    assert found.steps.value == pytest.approx(50, abs=3)
    assert found.steps.width < 5
    assert found.seeds == 50


def test_only_shared_seeds_are_compared():
    one, other = arm(np.full(10, 500.0), "one"), arm(np.full(30, 700.0), "other")
    found = differences_from(one, [other], [NO_TEST])[0]
    assert (found.seeds, found.steps.value) == (10, 200)


@pytest.mark.long
def test_intervals_of_differences_cover_the_truth():
    rng, hits = np.random.default_rng(2), []
    for _ in range(2000):
        one = arm(draw(rng, (60,), rate=0.9), "one")
        other = arm(draw(rng, (60,), rate=0.9, mean=700), "other")
        found = differences_from(one, [other], [NO_TEST])[0].steps
        hits.append(found.low <= -90.0 <= found.high)  # 0.9 of 100 steps
    assert 0.93 <= np.mean(hits) <= 0.97


def test_as_many_seeds_as_advised_separate_in_eight_of_ten_cases():
    """The test that decides is the log-rank test after Holm, here over three pairs."""
    rng = np.random.default_rng(3)
    means = (800, 860, 875)
    pilot = pairwise_tests([arm(draw(rng, (20_000,), mean=own)) for own in means]).pair(0, 1)
    needed = seeds_to_separate(pilot.z, 20_000, pilot.level)
    assert needed is not None
    told = []
    for _ in range(300):
        arms = [arm(draw(rng, (needed,), mean=own)) for own in means]
        told.append(pairwise_tests(arms).adjusted[0, 1] < 0.05)
    assert 0.73 <= np.mean(told) <= 0.88


def test_a_tenth_takes_as_many_seeds_as_the_textbook_says():
    """Means 10 % apart where steps vary by 20 %: 63 seeds an arm for z of 2.8."""
    assert seeds_to_separate(z=0.1 / 0.2 * np.sqrt(1000 / 2), seeds=1000) == 63


def test_of_no_difference_no_number_of_seeds_is_advised():
    assert seeds_to_separate(0.0, 5) is None
    assert seeds_to_separate(3.0, 1) is None


@pytest.mark.long
def test_log_rank_p_is_uniform_under_the_null():
    rng = np.random.default_rng(7)
    two, three = [], []
    for _ in range(2000):
        arms = [times(draw(rng, (60,), rate=0.85)) for _ in range(3)]
        two.append(log_rank(((arms[0], arms[1]),)).p)
        three.append(log_rank_groups(arms).p)
    assert stats.kstest(two, "uniform").pvalue > 0.01
    assert stats.kstest(three, "uniform").pvalue > 0.01


def test_every_pair_has_its_row_the_faster_arm_first():
    one, other, slow = some(3)
    arms = [arm(slow + 300, "slow"), arm(one[:30], "one"), arm(other, "other")]
    tests = pairwise_tests(arms)
    found = pairs_table(arms, tests).set_index(["first", "second"])
    assert len(found) == 3
    first, second = ("one", "other") if ("one", "other") in found.index else ("other", "one")
    own = found.loc[(first, second)]
    alone = {"one": one[:30], "other": other[:30]}
    gained = np.minimum(alone[second], HORIZON) - np.minimum(alone[first], HORIZON)
    assert own.seeds == 30
    assert own.steps == pytest.approx(gained.mean())
    assert own.error == pytest.approx(gained.std(ddof=1) / np.sqrt(30))
    assert own.p == pytest.approx(log_rank([(times(one[:30]), times(other))]).p)
    assert own.adjusted == pytest.approx(tests.adjusted[1, 2])
    assert found.index.get_level_values("second").tolist().count("slow") == 2


def test_of_a_pair_without_a_common_seed_no_difference_is_said():
    steps = draw(np.random.default_rng(1), (8,))
    one = Arm("one", np.arange(4), steps[:4], steps[:4], HORIZON)
    other = Arm("other", np.arange(4, 8), steps[4:], steps[4:], HORIZON)
    found = pairs_table([one, other], pairwise_tests([one, other]))
    assert found.seeds.tolist() == [0]
    assert found[["steps", "error"]].isna().all(axis=None)
