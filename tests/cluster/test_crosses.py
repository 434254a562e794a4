"""Which genomes of a crossing are kin: as they were named, or as the store's taxonomy says."""

from __future__ import annotations

import pytest

from cluster.crosses import AS_NAMED, groups_of, names_of
from cluster.species import taxonomy_of
from cluster.validate import register
from speciation.tables.store import Store
from tests.cluster.validations import asked, genome_files


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "results"))


def test_groups_that_were_named_count(store, tmp_path):
    one, two, three = genome_files(tmp_path / "mine", 3)
    wanted = asked(store, [three], groups=[f"low={one}", f"high={two}"])
    groups, what = groups_of(wanted, store)
    assert (sorted(groups.values()), what) == (["high", "low"], AS_NAMED)
    assert sorted(names_of(wanted)) == sorted(wanted.genomes)


def test_without_names_the_species_of_the_store_count(store, tmp_path):
    files = genome_files(tmp_path / "mine", 6)
    register(asked(store, files), store)
    taxonomy = taxonomy_of(store)
    wanted = asked(store, files[:4], groups=[f"all={files[4]}"])
    groups, what = groups_of(wanted, store)
    assert what == f"species of rank {taxonomy.clearest}"
    assert set(groups) == set(wanted.arms)
    for own, name in names_of(wanted).items():
        assert own in taxonomy.members(taxonomy.clearest, groups[name])


def test_where_neither_is_known_nobody_is_kin(store, tmp_path):
    assert groups_of(asked(store, genome_files(tmp_path / "mine", 2)), store) == ({}, "")
