"""Genomes are found by name, tag, or the beginning of an id; runs and groups by their names."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from dashboards.lab.choosing import MOST_OPTIONS, options, party_of, sets, state, store_at
from dashboards.lab.sources import Sources
from speciation.analysis.parties import PartyError
from speciation.genome.genome import HYPER17
from speciation.genome.library import save_genome
from tests.dashboards.lab.hostile import JUNK

ADA = HYPER17.random(1, np.random.default_rng(0))[0]


@pytest.fixture
def sources(finished, tmp_path) -> Sources:
    shutil.copytree(finished, tmp_path / "store")
    shelf = tmp_path / "genomes" / "custom"
    shelf.mkdir(parents=True)
    save_genome(shelf / "ada.json", ADA, {"source": "by hand"}, "Ada", ["first"])
    return Sources(tmp_path / "store", tmp_path / "genomes")


def ids(sources: Sources) -> list[str]:
    rows = store_at(sources.store).scan("genomes", ["genome_id"]).table
    return rows["genome_id"].unique().to_pylist()


@pytest.mark.parametrize("text", ["ada", "FIRST", "by hand", ADA.id[:5]])
def test_a_genome_of_the_library_is_found_by_what_it_is_known_by(sources, text):
    assert [own["value"] for own in options(sources, text)] == [ADA.id]


def test_a_genome_of_the_store_is_found_by_the_beginning_of_its_id(sources):
    own = ids(sources)[3]
    assert own in [one["value"] for one in options(sources, own[:6])]
    assert party_of(sources, own).genome.id == own


def test_before_anything_is_typed_the_leaders_of_each_run_are_offered(sources):
    labels = [own["label"] for own in options(sources, "")]
    assert labels[0].startswith("Ada")
    assert sum("rank 1" in label for label in labels) == 1


def test_what_is_chosen_stays_in_the_menu(sources):
    own = ids(sources)[0]
    assert own in [one["value"] for one in options(sources, "ada", [own])]
    lost = options(sources, "ada", ["f" * 32, "group:gone"])[-2:]
    assert [one["value"] for one in lost] == ["f" * 32, "group:gone"]


@pytest.mark.parametrize("junk", JUNK)
def test_a_menu_answers_whatever_was_typed(sources, junk):
    assert len(options(sources, junk)) <= MOST_OPTIONS
    assert isinstance(sets(sources, junk), list)


def test_sets_are_groups_runs_and_the_hall_of_fame(sources):
    store_at(sources.store).write_group("fast", ids(sources)[:2])
    found = [own["value"] for own in sets(sources, "")]
    assert (found[0], found[-1]) == ("group:fast", "hall_of_fame")
    assert found[1].startswith("run:test-")
    assert [own["value"] for own in sets(sources, "fas")] == ["group:fast"]


def test_an_id_of_nobody_is_one_sentence(sources):
    with pytest.raises(PartyError, match="is no genome of the library"):
        party_of(sources, "f" * 32)


def test_where_there_is_neither_library_nor_store_there_is_no_choice(tmp_path):
    assert options(Sources(tmp_path / "a", tmp_path / "b"), "") == []
    assert sets(Sources(tmp_path / "a", tmp_path / "b"), "") == []


def test_the_state_of_a_store_changes_with_its_tables(sources):
    before = state(sources.store)
    assert state(sources.store) == before
    store_at(sources.store).write_group("new", ids(sources)[:1])
    assert state(sources.store) != before
