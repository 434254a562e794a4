"""Diversity as a number and as colours, for any kind."""

from __future__ import annotations

import time

import numpy as np
import pytest

from speciation.genome.diversity import diversity_index, rgb
from speciation.genome.genome import HYPER17, KINDS
from speciation.genome.operators import radiate
from tests.contracts.toy_kind import TOY


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(params=[HYPER17, TOY], ids=lambda kind: kind.name)
def kind(request, monkeypatch):
    monkeypatch.setitem(KINDS, TOY.name, TOY)
    return request.param


def test_random_genomes_have_diversity_one(kind):
    assert diversity_index(kind.random(600, rng())) == pytest.approx(1.0, abs=0.04)


def test_clones_have_none(kind):
    assert diversity_index(kind.random(1, rng())[np.zeros(30, dtype=int)]) == 0.0


@pytest.mark.parametrize("count", [0, 1])
def test_less_than_two_genomes_have_none(kind, count):
    assert diversity_index(kind.random(count, rng())) == 0.0


def test_two_halves_of_clones_have_half_of_the_distance_between_them():
    pair = HYPER17.random(2, rng())
    halves = pair[np.repeat([0, 1], 500)]
    expected = diversity_index(pair) * 1000 / (2 * 999)
    assert diversity_index(halves) == pytest.approx(expected)


def test_diversity_does_not_depend_on_order_and_falls_with_kinship():
    founders = HYPER17.random(100, rng())
    family = radiate(founders[np.zeros(100, dtype=int)], 0.1, 0.2, rng())
    assert diversity_index(founders) == pytest.approx(diversity_index(founders[::-1]))
    assert 0 < diversity_index(family) < 0.4


def test_a_thousand_genomes_take_a_fraction_of_a_second():
    genomes = HYPER17.random(1024, rng())
    diversity_index(genomes)
    start = time.process_time()
    diversity_index(genomes)
    assert time.process_time() - start < 0.5


def test_colours_are_bytes_spread_over_every_channel():
    colours = rgb(HYPER17.random(4000, rng()))
    assert (colours.shape, colours.dtype) == ((4000, 3), np.uint8)
    assert np.allclose(colours.mean(axis=0), 127.5, atol=5)
    assert np.allclose(np.quantile(colours, 0.25, axis=0), 63.75, atol=8)


def test_a_colour_is_of_the_genome_alone(kind):
    genomes = kind.random(50, rng())
    assert np.array_equal(rgb(genomes)[17], rgb(genomes[17:18])[0])


def test_relatives_have_similar_colours():
    founders = HYPER17.random(300, rng())
    children = radiate(founders, 0.1, 0.1, rng())
    colours = rgb(founders).astype(int)
    to_child = np.abs(colours - rgb(children)).mean()
    to_stranger = np.abs(colours - colours[::-1]).mean()
    assert to_child < to_stranger / 5


def test_the_published_colour_of_a_genome_never_changes():
    assert rgb(HYPER17.random(1, rng())).tolist() == [[218, 140, 143]]
