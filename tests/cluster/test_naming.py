"""Genomes by every name they have."""

from __future__ import annotations

import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from cluster.config import make_config
from cluster.naming import NamingError, named
from cluster.species import kept, taxonomy_of
from speciation.tables.files import RemoteFiles
from speciation.tables.schema import genome_row
from speciation.tables.store import Store, StoreError
from tests.cluster.runs import config as run_config
from tests.cluster.synthetic import genome
from tests.cluster.validations import genome_files

CONFIG = make_config({"name": "v", "horizon": 1000}, "test")


def ids(word, store, config=CONFIG):
    return [own.id for own in named(word, store, config).genomes.values()]


@pytest.fixture
def store(tmp_path):
    place = Store(tmp_path / "store")
    rows = [genome_row(genome(i), origin="alien", run="r", generation=0) for i in range(3)]
    place.append("genomes", rows)
    return place


def test_a_file_and_a_folder(tmp_path, store):
    files = genome_files(tmp_path / "mine", 3)
    assert ids(files[1], store) == [genome(1).id]
    folder = named(str(tmp_path / "mine"), store, CONFIG)
    assert list(folder.genomes) == ["genome-0", "genome-1", "genome-2"]
    assert folder.group == "mine"


def test_an_id_and_its_beginning(store):
    assert ids(genome(2).id, store) == [genome(2).id]
    assert ids(genome(2).id[:6], store) == [genome(2).id]


def test_a_genome_of_the_library_by_name(store):
    assert list(named("tuned-adamw", store, CONFIG).genomes) == ["tuned-adamw"]


def test_a_group(store):
    store.write_group("fast", [genome(0).id, genome(1).id])
    assert set(ids("group:fast", store)) == {genome(0).id, genome(1).id}


def test_a_species_is_one_of_the_taxonomy_that_is_kept(tmp_path):
    place = Store(tmp_path / "store")
    place.append(
        "genomes",
        [genome_row(genome(i), origin="alien", run="r", generation=0) for i in range(8)],
    )
    with pytest.raises(NamingError, match="made by: speciation taxonomy"):
        named("species:High-LR", place, CONFIG)
    taxonomy = taxonomy_of(place)
    for rank in ("domain", "phylum"):
        for species in taxonomy.at(rank):
            found = named(f"species:{rank}:{species.name.lower()}", place, CONFIG)
            members = taxonomy.members(rank, species.name)
            assert {own.id for own in found.genomes.values()} == set(members)
            assert found.group == species.name
    clearest = taxonomy.at(taxonomy.clearest)[0].name
    members = set(taxonomy.members(taxonomy.clearest, clearest))
    assert set(ids(f"species:{clearest}", place)) == members
    with pytest.raises(NamingError, match=f"no species is called 'Nobody'; at .*{clearest}"):
        named("species:Nobody", place, CONFIG)


def test_a_store_in_a_bucket_keeps_its_taxonomy_as_well(tmp_path, monkeypatch):
    bucket = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    place = Store("bucket/store", filesystem=bucket)
    place.append(
        "genomes",
        [genome_row(genome(i), origin="alien", run="r", generation=0) for i in range(8)],
    )
    monkeypatch.setattr(
        "cluster.species.open_files", lambda uri: RemoteFiles(bucket, uri, f"s3://{uri}")
    )
    assert kept(place, "hyper17") is None
    taxonomy = taxonomy_of(place)
    species = taxonomy.at("domain")[0].name
    members = taxonomy.members("domain", species)
    assert set(ids(f"species:domain:{species}", place)) == set(members)


def test_a_run_is_its_champion_and_last_generation(finished):
    store = Store(finished)
    found = named("run:test", store, run_config())
    assert found.group == store.runs()[0]
    assert len(found.genomes) >= run_config().evolution.population
    champion = store.read_manifest(store.runs()[0])["champion"]["genome"]["id"]
    assert next(iter(found.genomes.values())).id == champion


def test_the_hall_of_fame(finished):
    config = run_config(evolution={"strictness": 0.3})
    assert ids("hall_of_fame", Store(finished), config)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("nobody", "'nobody' is no genome: give a JSON file"),
        ("abcdef0123", "is no genome"),
        ("hall_of_fame", "Hall of Fame of .* is empty"),
        ("group:none", "no group 'none'"),
        ("run:none", "no run 'none'"),
        ("missing.json", "none"),
    ],
)
def test_what_names_nothing_is_a_sentence(store, word, sentence):
    with pytest.raises((ValueError, StoreError), match=sentence):
        named(word, store, CONFIG)


def test_a_beginning_of_several_ids_asks_for_more(tmp_path):
    store, found = Store(tmp_path), {}
    for number in range(4000):
        own = genome(number)
        if (twin := found.setdefault(own.id[:4], own)) is not own:
            break
    rows = [genome_row(g, origin="alien", run="r", generation=0) for g in (own, twin)]
    store.append("genomes", rows)
    with pytest.raises(NamingError, match="beginning of 2 genome ids"):
        named(own.id[:4], store, CONFIG)


def test_an_empty_folder_is_a_sentence(tmp_path, store):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NamingError, match="holds no genome files"):
        named(str(tmp_path / "empty"), store, CONFIG)
