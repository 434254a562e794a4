"""Betting: nobody can expect to win against what is true, and what is not true is found out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.analysis.betting import (
    ALPHA,
    against_being_best,
    confidence_sequence,
    fortunes,
)
from speciation.analysis.sequential import LIMIT, looks
from tests.speciation.analysis.arms import EQUAL, HORIZON, draw, equal_arms, lognormal, truth

RACES, SEEDS = 4000, 300


def test_the_interval_of_a_mean_narrows_around_it():
    values = np.random.default_rng(0).beta(2, 6, 2000)
    early, late = confidence_sequence(values[:50]), confidence_sequence(values)
    assert early[0] < late[0] < 0.25 < late[1] < early[1]


@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.integers(1, 8))
def test_no_fortune_is_expected_from_gains_of_mean_0(won, lost, n):
    """All paths of gains that are ``won`` or ``-lost``, as often as makes their mean 0."""
    wins = np.array(list(product([True, False], repeat=n)))
    chance = np.where(wins, lost / (won + lost), won / (won + lost)).prod(axis=1)
    fortune = np.exp(fortunes(np.where(wins, won, -lost)))
    assert np.allclose(chance @ fortune, 1.0)


@given(st.floats(0.0, 0.5), st.floats(0.5, 1.0), st.floats(0.05, 0.95))
def test_an_arm_that_is_as_good_as_two_others_cannot_expect_to_win_against_itself(
    quick, slow, share
):
    """All outcomes of three arms of one distribution on two seeds."""
    fast = np.array(list(product([True, False], repeat=6))).reshape(-1, 3, 2)
    chance = np.where(fast, share, 1 - share).prod(axis=(1, 2))
    times = np.where(fast, quick, slow)
    fortune = np.exp(np.array([against_being_best(own) for own in times]))
    assert np.allclose(np.tensordot(chance, fortune, 1), 1.0)


def test_what_is_slower_than_the_leader_is_refuted_and_the_leader_is_not():
    rng = np.random.default_rng(1)
    times = np.stack([lognormal(rng, (200,), mean) for mean in (400, 700, 900, 700)]) / HORIZON
    assert (against_being_best(times)[:, -1] > LIMIT).tolist() == [False, True, True, True]


def test_seeds_that_an_arm_lacks_change_nothing():
    times = np.random.default_rng(2).random((3, 40))
    times[1, 10:] = times[2, 25:] = np.nan
    found = against_being_best(times)
    assert (found[1, 10:] == found[1, 9]).all()
    assert (found[0, 25:] == found[0, 24]).all()  # it has nobody left to be beaten by
    assert np.array_equal(found[:, :10], against_being_best(times[:, :10]))


@pytest.mark.long
@pytest.mark.parametrize("rate", [1.0, 0.97, 0.6])
def test_a_confidence_sequence_misses_at_any_look_in_at_most_one_of_twenty(rate):
    rng = np.random.default_rng(3)
    true = truth(rate=rate)["rmst"] / HORIZON
    missed = 0
    for steps in draw(rng, (1000, 400), rate=rate):
        values = np.minimum(steps, HORIZON) / HORIZON
        for n in looks(400):
            low, high = confidence_sequence(values[:n])
            if not low <= true <= high:
                missed += 1
                break
    assert missed / 1000 <= ALPHA


@pytest.mark.slow
@pytest.mark.parametrize("name", EQUAL)
def test_two_arms_of_one_mean_are_told_apart_at_any_seed_in_at_most_one_of_twenty(name):
    """Looked at after every seed, which errs more often than looks that are further apart."""
    one, other = equal_arms(np.random.default_rng(4), name, (RACES, SEEDS))
    gains = (one - other) / HORIZON
    either = np.maximum(fortunes(gains).max(axis=1), fortunes(-gains).max(axis=1))
    assert (either >= LIMIT).mean() <= ALPHA


@pytest.mark.slow
@pytest.mark.parametrize("arms", [3, 10])
def test_of_many_arms_that_are_equal_one_is_dropped_at_any_seed_in_at_most_one_of_forty(arms):
    """Half of them quick with failures, the others slower and sure."""
    rng, dropped = np.random.default_rng(5), np.zeros(arms)
    for _ in range(2000):
        pairs = equal_arms(rng, "the quick one fails in 5 %", (arms, SEEDS))
        times = np.where(np.arange(arms)[:, None] % 2, *pairs) / HORIZON
        dropped += against_being_best(times).max(axis=1) >= LIMIT
    assert (dropped / 2000).max() <= ALPHA / 2
    assert dropped.sum()  # it could have erred


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "seeds"), [(40, 320), (80, 160), (150, 90)])
def test_half_of_the_pairs_that_never_fail_are_told_apart_by_a_number_of_seeds(steps, seeds):
    rng = np.random.default_rng(6)
    one, other = (lognormal(rng, (500, seeds), mean) for mean in (400, 400 + steps))
    found = fortunes((other - one) / HORIZON).max(axis=1) >= LIMIT
    assert found.mean() >= 0.5
