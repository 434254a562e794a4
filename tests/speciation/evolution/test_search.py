"""Other searches: asked again they say the same, and what learns does learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from speciation.evolution import peers
from speciation.evolution.fitness import LANDSCAPES, fitness_table
from speciation.evolution.search import (
    LEARNING,
    METHODS,
    Asked,
    History,
    overall_rank,
    propose,
)
from speciation.genome.genome import HYPER17, Genomes
from tests.speciation.evolution.rows import H, trials

NOTHING = np.zeros(0, dtype=np.int64)
NEEDS = {"tpe": "optuna", "cma-es": "cmaes"}


def installed(method: str) -> str:
    if method in NEEDS:
        pytest.importorskip(NEEDS[method])
    return method


def history(generations: list[Genomes], badness) -> History:
    """What was tried, in the order of a function of unit coordinates, the least first."""
    genomes = generations[0].concat(*generations[1:])
    order = np.argsort(badness(HYPER17.encode(genomes)), kind="stable")
    rank = np.empty(len(genomes), dtype=np.int64)
    rank[order] = np.arange(len(genomes))
    numbers = np.repeat(np.arange(len(generations)), [len(own) for own in generations])
    return History(genomes, numbers, rank)


def none() -> History:
    return History(HYPER17.random(0, np.random.default_rng(0)), NOTHING, NOTHING)


def asked(generation: int = 0, seed: int = 1, count: int = 16, past: History | None = None):
    return Asked(HYPER17, count, generation, seed, past or none())


def searched(method: str, generations: int, badness, count: int = 16) -> list[Genomes]:
    """Generations of a search, each told what came of those before."""
    found: list[Genomes] = []
    for number in range(generations):
        past = history(found, badness) if found else none()
        found.append(propose(method, asked(number, count=count, past=past)))
    return found


def distance_to_a_corner(units):
    return ((units - 0.8) ** 2).sum(axis=1)


@pytest.mark.parametrize("method", METHODS)
def test_a_search_is_a_function_of_seed_and_history(method):
    installed(method)
    one, again = (searched(method, 3, distance_to_a_corner, 8) for _ in range(2))
    assert one == again
    assert all(len(own) == 8 for own in one)
    past = history(one[:2], distance_to_a_corner)
    other = propose(method, asked(2, seed=2, count=8, past=past))
    assert other != one[2]


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_what_does_not_learn_needs_no_history(method):
    past = history([propose(method, asked())], distance_to_a_corner)
    assert propose(method, asked(1, past=past)) == propose(method, asked(1))
    assert method not in LEARNING


def test_sobol_goes_on_where_it_was_and_fills_space_evenly():
    parts = [propose("sobol", asked(g, count=32)) for g in range(4)]
    whole = propose("sobol", asked(0, count=128))
    assert parts[0].concat(*parts[1:]) == whole
    # The defining property of the sequence: each coordinate has one point in each 128th.
    first = HYPER17.encode(whole)[:, 0]
    assert sorted(np.floor(128 * first).astype(int)) == list(range(128))


@pytest.mark.parametrize(
    "method", ["cma-es", pytest.param("tpe", marks=pytest.mark.slow)], ids=str
)
def test_what_learns_comes_nearer_to_what_was_good(method):
    installed(method)
    found = searched(method, 8, distance_to_a_corner, 32)
    badness = [distance_to_a_corner(HYPER17.encode(own)).mean() for own in found]
    assert badness[-1] < 0.6 * badness[0]


def test_tpe_is_told_the_best_and_the_latest_of_a_long_history():
    rank = np.random.default_rng(0).permutation(2000)
    told = peers._worth_telling(rank)
    assert len(told) == peers.MOST_TOLD
    assert set(np.argsort(rank)[: peers.BEST_TOLD]) <= set(told)
    assert set(range(1990, 2000)) <= set(told)
    assert list(told) == sorted(told)
    assert list(peers._worth_telling(rank[:3])) == [0, 1, 2]


@pytest.mark.parametrize("method", LEARNING)
def test_a_missing_library_is_a_sentence(method, monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    past = history([propose("random", asked())], distance_to_a_corner)
    with pytest.raises(peers.PeerError, match=f"needs {NEEDS[method]}.*pip install"):
        propose(method, asked(1, past=past))


@pytest.mark.parametrize("landscape", LANDSCAPES)
def test_the_overall_rank_is_the_order_of_every_generation(landscape):
    generations = [
        fitness_table(
            trials(a=[300, 400], b=[500, "censored"], c=["diverged"] * 2), H, landscape
        ),
        fitness_table(trials(d=[200, 900], e=["censored"] * 2), H, landscape),
    ]
    together = pd.concat(generations, ignore_index=True)
    rank = overall_rank(together, landscape)
    assert sorted(rank) == list(range(5))
    assert (np.diff(rank[:3]) > 0).all()
    assert (np.diff(rank[3:]) > 0).all()


def test_a_history_of_uneven_fields_is_refused():
    with pytest.raises(ValueError, match="one length"):
        History(HYPER17.random(2, np.random.default_rng(0)), NOTHING, NOTHING)
