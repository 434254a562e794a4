"""The first of many: luck is recognised, and nobody is taken for the best too soon."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from speciation.analysis.ranking import (
    SHUFFLES,
    chance,
    luck_of_figures,
    luck_of_seeds,
    probability_best,
)
from tests.speciation.analysis.arms import HORIZON, draw


def test_the_probability_of_being_best_is_shared_by_equals():
    one = np.linspace(400, 900, 30)
    p = probability_best(np.stack([one, one, one + 500]))
    assert p.tolist() == [0.5, 0.5, 0]


def test_the_probability_of_being_best_of_two_is_what_the_normal_law_says():
    """Of a difference z, (1 - κ) z shrunk to, for every share of error κ by its likelihood."""
    rng = np.random.default_rng(14)
    one, other = rng.normal(800, 150, 200), rng.normal(812, 150, 200)
    gained = other - one
    z = gained.mean() / (gained.std() / np.sqrt(200))
    share = np.linspace(0.0005, 0.9995, 1000)
    likely = np.sqrt(share) * np.exp(-share * z**2 / 2)
    expected = np.average(stats.norm.cdf(z * np.sqrt(1 - share)), weights=likely)
    found = probability_best(np.stack([one, other]))[0]
    assert found == pytest.approx(expected, abs=0.03)
    assert 0.5 < found < stats.norm.cdf(z)


def test_the_best_of_many_equal_arms_is_not_taken_for_the_best():
    times = np.random.default_rng(15).normal(800, 150, (68, 20))
    drawn = times[:, np.random.default_rng(16).integers(20, size=(1000, 20))].mean(axis=2)
    unshrunk = np.bincount(drawn.argmin(axis=0), minlength=68).max() / 1000
    assert probability_best(times).max() < unshrunk / 2


def test_seeds_that_some_arms_lack_are_no_loss_to_the_others():
    rng = np.random.default_rng(18)
    seeds = rng.normal(0, 300, 40)
    times = np.array([[600], [650], [1500]]) + seeds + rng.normal(0, 100, (3, 40))
    two = probability_best(times[:2])
    times[2, 8:] = np.nan  # dropped
    times[1, 3] = np.nan  # failed by the machine
    found = probability_best(times)
    assert found[2] == 0
    assert found[:2] == pytest.approx(two, abs=0.05)


def test_of_arms_without_common_seeds_nobody_is_said_to_be_the_best():
    times = np.full((2, 10), np.nan)
    times[0, :6] = times[1, 5:] = 500.0
    assert np.isnan(probability_best(times)).all()


@pytest.mark.slow
@pytest.mark.parametrize("between", [100 / np.sqrt(20), 500 / np.sqrt(20)])
def test_a_leader_is_the_best_about_as_often_as_is_said(between):
    """True means as far apart as the error of each is, and five times that."""
    rng, said, held = np.random.default_rng(17), [], []
    for _ in range(400):
        true = rng.normal(600, between, 20)
        seeds = rng.normal(0, 60, 20)
        times = true[:, None] + seeds + rng.normal(0, 100, (20, 20))
        leader = times.mean(axis=1).argmin()
        said.append(probability_best(times)[leader])
        held.append(leader == true.argmin())
    assert np.mean(said) == pytest.approx(np.mean(held), abs=0.08)


@pytest.mark.slow
@pytest.mark.parametrize(("arms", "seeds"), [(2, 2), (2, 5), (5, 3), (10, 10)])
def test_of_few_seeds_a_leader_is_not_said_to_be_surer_than_it_is(arms, seeds):
    rng, said, held = np.random.default_rng(18), [], []
    for _ in range(400):
        true = rng.normal(600, 100 / np.sqrt(seeds), arms)
        times = true[:, None] + rng.normal(0, 60, seeds) + rng.normal(0, 100, (arms, seeds))
        p = probability_best(times)
        said.append(p.max())
        held.append(p.argmax() == true.argmin())
    assert np.mean(said) <= np.mean(held) + 0.06


def test_equal_arms_are_luck_and_a_better_one_is_not():
    rng = np.random.default_rng(4)
    equal = np.minimum(draw(rng, (20, 30)), HORIZON)
    assert luck_of_seeds(equal).plausible
    assert luck_of_seeds(equal[::-1]).best == luck_of_seeds(equal).best
    equal[7] -= 200
    found = luck_of_seeds(equal)
    assert not found.plausible
    assert found.best < found.expected_best


def test_luck_of_three_arms_is_that_of_all_shuffles():
    """All 6³ orders of three arms on three seeds, one after the other."""
    times = np.array([[500.0, 700, 650], [625, 575, 750], [900, 600, 800]])
    orders = [list(permutations(range(3)))] * 3
    least = [
        min(np.stack([times[list(o), j] for j, o in enumerate(own)], axis=1).mean(axis=1))
        for own in product(*orders)
    ]
    exact = np.mean(np.array(least) <= times.mean(axis=1).min() + 1e-9)
    found = luck_of_seeds(times)
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / SHUFFLES))
    assert found.expected_best == pytest.approx(np.mean(least), abs=4 * np.std(least) / 40)


@pytest.mark.long
def test_luck_of_equal_arms_is_uniform():
    rng = np.random.default_rng(5)
    p = [luck_of_seeds(rng.normal(800, 100, (6, 8))).p for _ in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_one_figure_each_is_judged_by_its_own_spread():
    """The best of 68 normal numbers, 2.7 standard deviations below the mean."""
    rng = np.random.default_rng(6)
    p = [luck_of_figures(rng.normal(1800, 150, 68)).p for _ in range(300)]
    assert 0.35 < np.mean(p) < 0.65
    found = luck_of_figures(np.array([*np.linspace(1790, 1810, 67), 900.0]))
    assert not found.plausible


@pytest.mark.parametrize("count", [3, 5, 20])
def test_luck_of_a_few_figures_is_as_rare_as_is_said(count):
    """Held against themselves: the best of 5 is never 1.8 standard deviations off."""
    rng = np.random.default_rng(7)
    p = np.array([luck_of_figures(rng.normal(1800, 150, count)).p for _ in range(1000)])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.02)
    assert not luck_of_figures(np.array([100.0, *np.linspace(990, 1010, count - 1)])).plausible
    assert luck_of_figures(np.array([100.0, 1000.0])).p == 1  # of two, one is always the best


@pytest.mark.parametrize(
    ("p", "said"), [(0.0, "under 1 %"), (0.37, "37 %"), (0.99, "99 %"), (1.0, "over 99 %")]
)
def test_resampling_is_never_quite_sure(p, said):
    assert chance(p) == said
