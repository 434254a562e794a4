"""The operators by their names; their laws stand in the contract of genome kinds."""

from __future__ import annotations

import numpy as np
import pytest

from speciation.genome.genes import GROUPS
from speciation.genome.genome import HYPER17, KINDS
from speciation.genome.operators import (
    aliens,
    clone,
    donor_genes,
    group_crossover,
    radiate,
    uniform_crossover,
)
from tests.contracts.toy_kind import TOY


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(params=[HYPER17, TOY], ids=lambda kind: kind.name)
def kind(request, monkeypatch):
    monkeypatch.setitem(KINDS, TOY.name, TOY)
    return request.param


def test_clones_are_equal_to_their_parents(kind):
    parents = kind.random(5, rng())
    assert clone(parents).ids == parents.ids


def test_every_operator_keeps_kind_count_and_order(kind):
    mothers, fathers = kind.random(9, rng(1)), kind.random(9, rng(2))
    for cross in (uniform_crossover, group_crossover):
        children, donated = cross(mothers, fathers, rng())
        assert (children.kind, len(children)) == (kind.name, 9)
        assert np.array_equal(children.values[donated], fathers.values[donated])
        assert np.array_equal(children.values[~donated], mothers.values[~donated])
    assert len(radiate(mothers, 0.1, 0.1, rng())) == 9
    assert aliens(kind, 9, rng(1)) == mothers


def test_only_group_crossover_keeps_groups():
    mothers, fathers = HYPER17.random(50, rng(1)), HYPER17.random(50, rng(2))
    _, together = group_crossover(mothers, fathers, rng())
    _, apart = uniform_crossover(mothers, fathers, rng())

    def broken(mask):
        shares = np.stack([mask[:, columns].mean(axis=1) for columns in GROUPS.values()])
        return int(((shares > 0) & (shares < 1)).sum())

    assert broken(together) == 0
    assert broken(apart) > 100


def test_donor_genes_are_named_child_by_child():
    mask = np.array([[True, False, True], [False, False, False]])
    assert donor_genes(("a", "b", "c"), mask) == (("a", "c"), ())
