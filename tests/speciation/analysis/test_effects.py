"""Genes that matter are found, and pairs that matter only together."""

from __future__ import annotations

import numpy as np

from speciation.analysis.effects import effects

NAMES = [f"g{i}" for i in range(6)]


def population(count=160, seed=0):
    rng = np.random.default_rng(seed)
    unit = rng.random((count, 6))
    rmst = 800 + 150 * unit[:, 0] + 1600 * (unit[:, 1] - 0.5) * (unit[:, 2] - 0.5)
    return unit, rmst + rng.normal(0, 10, count)


def test_the_gene_and_the_pair_that_matter_stand_first():
    unit, rmst = population()
    found = effects(NAMES, unit, rmst, np.ones(len(rmst)))
    assert found is not None
    assert found.forecast > 0.15
    leading = {own.genes[0] for own in found.genes[:3]}
    assert leading == {"g0", "g1", "g2"}
    assert found.pairs[0].genes == ("g1", "g2")
    assert found.pairs[0].loss > 3 * found.pairs[1].loss


def test_noise_is_not_forecast():
    unit, _ = population()
    rmst = np.random.default_rng(1).normal(800, 50, len(unit))
    found = effects(NAMES, unit, rmst, np.ones(len(rmst)))
    assert found is not None
    assert found.forecast < 0.1


def test_from_few_genomes_nothing_is_learned():
    unit, rmst = population(20)
    assert effects(NAMES, unit, rmst, np.ones(20)) is None
    assert effects(NAMES, np.ones((60, 6)), np.full(60, 5.0), np.ones(60)) is None


def test_of_very_many_genomes_a_sample_is_looked_at(monkeypatch):
    monkeypatch.setattr("speciation.analysis.effects.MOST_GENOMES", 100)
    unit, rmst = population()
    found = effects(NAMES, unit, rmst, np.ones(len(rmst)))
    assert found is not None
    assert found.genomes == 100
    assert {own.genes[0] for own in found.genes[:3]} == {"g0", "g1", "g2"}
