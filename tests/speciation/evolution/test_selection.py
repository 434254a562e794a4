"""Selection strategies: one contract, and what makes each itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.evolution.selection import STRATEGIES, select

strategies = pytest.mark.parametrize("strategy", STRATEGIES)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def shares(ranks: list[int], strategy: str) -> np.ndarray:
    chosen = select(np.array(ranks), 60_000, strategy, rng())
    return np.bincount(chosen, minlength=len(ranks)) / 60_000


# -- What every strategy promises --------------------------------------------------------------


@strategies
@given(ranks=st.permutations(range(9)), count=st.integers(0, 30), seed=st.integers(0, 2**32))
def test_parents_are_positions_and_come_from_the_generator_alone(strategy, ranks, count, seed):
    chosen = select(np.array(ranks), count, strategy, rng(seed))
    assert chosen.shape == (count,)
    assert set(chosen) <= set(range(9))
    assert np.array_equal(chosen, select(np.array(ranks), count, strategy, rng(seed)))


@strategies
def test_the_better_has_at_least_as_many_children(strategy):
    by_rank = shares([3, 0, 5, 1, 4, 2], strategy)[[1, 3, 5, 0, 4, 2]]
    assert (np.diff(by_rank) < 0.01).all()
    assert by_rank[0] > 1.5 * by_rank[-1]


@strategies
def test_only_the_order_of_ranks_matters(strategy):
    few, many = np.array([2, 0, 1]), np.array([900, 7, 8])
    assert np.array_equal(select(few, 50, strategy, rng()), select(many, 50, strategy, rng()))


@strategies
def test_one_parent_is_enough_and_none_is_not(strategy):
    assert select(np.array([4]), 3, strategy, rng()).tolist() == [0, 0, 0]
    assert select(np.array([], dtype=int), 0, strategy, rng()).tolist() == []
    with pytest.raises(ValueError, match="cannot select 2 parents from nobody"):
        select(np.array([], dtype=int), 2, strategy, rng())


def test_an_unknown_strategy_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'roulette'; known strategies: tournament2, tourn"):
        select(np.array([0]), 1, "roulette", rng())


# -- What makes each itself --------------------------------------------------------------------


@pytest.mark.parametrize(("strategy", "size"), [("tournament2", 2), ("tournament3", 3)])
def test_a_tournament_is_won_as_often_as_theory_says(strategy, size):
    count = 5
    beaten_by_nobody = np.arange(count, -1, -1) / count  # P(all others rank at least r)
    theory = -np.diff(beaten_by_nobody**size)
    assert np.allclose(shares(list(range(count)), strategy), theory, atol=0.01)


@pytest.mark.parametrize(("population", "survivors"), [(8, 4), (7, 4), (1, 1)])
def test_sparta_culls_the_worse_half_and_treats_the_others_alike(population, survivors):
    by_rank = shares(list(range(population)), "spartan")
    assert np.allclose(by_rank[:survivors], 1 / survivors, atol=0.01)
    assert (by_rank[survivors:] == 0).all()
