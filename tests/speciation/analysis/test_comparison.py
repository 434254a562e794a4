"""Arms together: who is told apart is said, and advice is true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from speciation.analysis.comparison import (
    advice,
    compare,
    seeds_for_means,
)
from speciation.analysis.estimates import Arm, Estimate
from speciation.analysis.pairs import (
    PairedDifference,
)
from tests.speciation.analysis.arms import HORIZON, arm, draw, some


def groups_on(rng, seeds, own=None):
    """Steps of eight genomes on 40 seeds, of which each matters; as rows of seeds."""
    shared = rng.standard_normal(seeds) if own is None else own
    noise = np.sqrt(0.4) * shared[:, None] + np.sqrt(0.6) * rng.standard_normal((seeds, 8))
    return np.ceil(np.linspace(700, 1100, 8) * np.exp(0.3 * noise) / 25) * 25


def test_groups_are_said_to_have_several_trials_of_a_seed():
    rng = np.random.default_rng(13)
    steps = groups_on(rng, 10).ravel()
    here, there = np.repeat(np.arange(10), 8), np.repeat(np.arange(10, 20), 8)
    spent = np.minimum(steps, HORIZON)

    def group(name, seed):
        return Arm(name, seed, steps, spent, HORIZON)

    beside = compare([group("a", here), group("b", here)])
    apart = compare([group("a", here), group("b", there)])
    assert beside is not None
    assert not beside.independent
    assert apart is not None
    assert not apart.independent


def test_the_comparison_says_all_of_it():
    arms = [arm(own, f"g{i}") for i, own in enumerate(some(3, rate=0.9))]
    found = compare(arms)
    assert found is not None
    assert sum(found.best.values()) == pytest.approx(1)
    assert len(found.differences) == 2
    assert {own.first for own in found.differences} == {max(found.best, key=found.best.get)}
    assert np.allclose(found.pairs.adjusted, found.pairs.adjusted.T)
    assert found.advice
    assert compare(arms[:1]) is None


def test_advice_names_the_number_of_seeds_that_are_missing():
    rng = np.random.default_rng(8)
    one = arm(np.round(rng.normal(800, 100, 20)), "one")
    other = arm(np.round(rng.normal(820, 100, 20)), "other")
    found = compare([one, other])
    assert found is not None
    needed = found.differences[0].needed
    assert f"About {needed - 20:,} more seeds would tell" in found.advice


def test_where_means_differ_and_curves_cross_advice_says_both():
    """Half much sooner, half never: the log-rank test weighs one against the other."""
    torn = arm(np.repeat([400.0, np.inf], 20), "torn")
    late = arm(np.full(40, 2000.0), "late")
    found = compare([torn, late], "late")
    assert found is not None
    (one,) = found.differences
    assert one.steps.high < 0
    assert not one.separated
    assert "The means of torn and late differ by" in found.advice
    assert "does not tell them apart" in found.advice


def test_advice_is_on_those_that_are_not_told_apart():
    rng = np.random.default_rng(11)
    means = {"best": 800, "near": 805, "far": 1500, "further": 1600}
    arms = [arm(draw(rng, (30,), mean=mean), name) for name, mean in means.items()]
    found = compare(arms, "best")
    assert found is not None
    assert found.advice.startswith("2 of 3 are told apart from best.")
    assert "near from best" in found.advice
    clear = compare([arms[0], *arms[2:]], "best")
    assert clear is not None
    assert clear.advice == "Both others are told apart from best."


def test_a_single_shared_seed_says_nothing_of_who_is_best():
    found = compare([arm(np.array([500.0]), "a"), arm(np.array([525.0]), "b")])
    assert found is not None
    assert found.best == {}
    assert found.luck is None


def test_an_unknown_reference_is_refused():
    arms = [arm(own, f"g{i}") for i, own in enumerate(some(2))]
    with pytest.raises(ValueError, match="there are g0, g1"):
        compare(arms, "g7")


def test_means_of_so_many_seeds_are_told_apart_in_eight_of_ten_cases():
    rng, needed = np.random.default_rng(3), seeds_for_means(Estimate(50.0, 10.0, 90.0), 100)
    error = 80 / (2 * stats.norm.isf(0.025)) * np.sqrt(100 / needed)
    found = 50 + error * rng.standard_normal(20_000)
    assert np.mean(np.abs(found) > stats.norm.isf(0.025) * error) == pytest.approx(
        0.8, abs=0.02
    )
    assert seeds_for_means(Estimate(0.0, -9.0, 9.0), 100) is None
    assert seeds_for_means(Estimate(5.0, -np.inf, np.inf), 1) is None


def test_where_curves_differ_and_means_may_not_advice_says_so():
    crossing = PairedDifference("a", "b", 999, Estimate(34.0, -13.0, 80.0), 1e-9, 1e-8, 400)
    clear = PairedDifference("a", "c", 999, Estimate(300.0, 250.0, 350.0), 1e-9, 1e-8, 40)
    said = advice([crossing, clear])
    assert said.startswith("Both others are told apart from a. The curves of b and a differ")
    assert "+34 steps on shared seeds (95 % −13 to +80)" in said
    assert advice([clear]) == "c is told apart from a."


def test_where_curves_cross_advice_names_the_seeds_that_means_take_as_well():
    crossing = PairedDifference("a", "b", 40, Estimate(177.0, -50.0, 400.0), 0.8, 1.0, 15_298)
    said = advice([crossing])
    assert "About 15,258 more seeds would tell b from a" in said
    assert "leaves out 0 would take 93 more seeds" in said
    near = PairedDifference("a", "b", 40, Estimate(177.0, -50.0, 400.0), 0.1, 0.3, 130)
    assert "leaves out 0" not in advice([near])


def test_where_nothing_grokked_nothing_is_ranked():
    never = np.full(6, np.inf)
    found = compare([arm(never, "one"), arm(never, "other"), arm(never, "third")])
    assert (found.best, found.luck, found.groups.degrees) == ({}, None, 0)
    assert found.advice.startswith("No trial grokked within 2,500 steps")
