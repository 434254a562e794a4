"""A species stands for its most typical genomes where each takes long to look at."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.config import make_config
from cluster.naming import Named, NamingError
from cluster.parties import TYPICAL, library_at, trials_named, typical
from cluster.species import taxonomy_of
from speciation.genome.genome import HYPER17
from speciation.tables.schema import genome_row
from speciation.tables.store import Store

CONFIG = make_config({"name": "parties"}, "test")
GENOMES = HYPER17.random(12, np.random.default_rng(0))


def test_typical_genomes_are_the_nearest_to_the_mean():
    middle = HYPER17.decode(HYPER17.encode(GENOMES).mean(axis=0, keepdims=True))[0]
    named = {own.id[:8]: own for own in (*GENOMES, middle)}
    first, second = typical(Named(named, "High-LR"))
    assert first.genome == middle
    assert first.name == f"High-LR, {middle.id[:8]}"
    assert second.genome in list(GENOMES)


def test_a_species_is_looked_into_through_its_typical_genomes(tmp_path):
    store = Store(tmp_path)
    rows = [genome_row(own, origin="alien", run="r", generation=0) for own in GENOMES]
    store.append("genomes", rows)
    taxonomy = taxonomy_of(store)
    species = taxonomy.at("domain")[0]
    asked = [f"species:domain:{species.name}"]
    found = trials_named(asked, library_at(None), store, CONFIG, seed=3)
    assert len(found) == min(TYPICAL, species.size)
    assert all(name.startswith(species.name) for name in found)
    members = taxonomy.members("domain", species.name)
    assert all(own.genome.id in members and own.seed == 3 for own in found.values())
    with pytest.raises(NamingError, match="no species is called 'Nobody'"):
        trials_named(["species:Nobody"], library_at(None), store, CONFIG, seed=3)
