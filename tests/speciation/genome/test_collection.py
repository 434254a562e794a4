"""A library has each genome once, keeps paths, and survives whatever lies in its folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speciation.genome.collection import (
    add,
    find,
    put_out,
    read_collection,
    rename,
    search,
    tag,
    take_in,
)
from speciation.genome.genome import HYPER17, GenomeError
from speciation.genome.library import read_stored, save_genome

GENOMES = list(HYPER17.random(6, np.random.default_rng(0)))


@pytest.fixture
def root(tmp_path) -> Path:
    """A library of three: two on a shelf, one on another."""
    folder = tmp_path / "genomes"
    (folder / "custom").mkdir(parents=True)
    (folder / "reference").mkdir()
    save_genome(folder / "custom" / "ada.json", GENOMES[0], {"source": "by hand"}, "Ada")
    save_genome(folder / "custom" / "bob.json", GENOMES[1], {}, "Bob", tags=["fast"])
    save_genome(folder / "reference" / "stock.json", GENOMES[2], {"run": "r"}, "Stock")
    return folder


def names(found) -> list[str]:
    return [own.name for own in found]


# -- Looking ----------------------------------------------------------------------------------


def test_a_library_is_its_shelves_in_order(root):
    collection = read_collection(root)
    assert names(collection.genomes) == ["Ada", "Bob", "Stock"]
    assert collection.shelf_of(collection.genomes[2]) == "reference"


@pytest.mark.parametrize("word", [GENOMES[0].id, GENOMES[0].id[:6], "ada", "Ada", "ADA"])
def test_a_genome_is_found_by_id_prefix_file_and_name(root, word):
    assert find(read_collection(root), word).name == "Ada"


@pytest.mark.parametrize("word", ["", "abc", "nobody", "ffffffff"])
def test_what_is_not_there_is_one_sentence(root, word):
    with pytest.raises(GenomeError, match="has no genome"):
        find(read_collection(root), word)


def test_a_name_of_two_genomes_is_refused(root):
    rename(read_stored(root / "custom" / "bob.json"), "Ada Two")
    save_genome(root / "reference" / "x.json", GENOMES[3], {}, "Ada Two")
    with pytest.raises(GenomeError, match=r"may be 2 genomes, such as Ada Two \("):
        find(read_collection(root), "Ada Two")


def test_a_search_looks_at_ids_names_tags_and_sources(root):
    collection = read_collection(root)
    assert names(search(collection, GENOMES[1].id[:5])) == ["Bob"]
    assert names(search(collection, "BY HAND")) == ["Ada"]
    assert names(search(collection, "fast")) == ["Bob"]
    assert names(search(collection, tag="fast")) == ["Bob"]
    assert names(search(collection, shelf="reference")) == ["Stock"]
    assert names(search(collection)) == ["Ada", "Bob", "Stock"]


def test_a_bad_file_is_a_sentence_and_the_rest_is_read(root):
    (root / "custom" / "bad.json").write_text("{")
    (root / "custom" / "deep.json").write_text("[" * 100_000)
    collection = read_collection(root)
    assert names(collection.genomes) == ["Ada", "Bob", "Stock"]
    assert len(collection.refused) == 2
    assert all(str(root) in sentence for sentence in collection.refused)


def test_a_shelf_that_is_a_link_is_not_followed(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    save_genome(outside / "secret.json", GENOMES[3])
    (root / "linked").symlink_to(outside)
    assert len(read_collection(root).genomes) == 3


def test_a_missing_library_is_one_sentence(tmp_path):
    with pytest.raises(GenomeError, match="expected the folder of a library"):
        read_collection(tmp_path / "nowhere")


# -- Changing ---------------------------------------------------------------------------------


def test_a_renamed_genome_keeps_its_file_and_its_id(root):
    stored = rename(find(read_collection(root), "ada"), " Lovelace ")
    again = read_stored(root / "custom" / "ada.json")
    assert (again.name, again.genome, again.provenance) == (
        "Lovelace",
        GENOMES[0],
        stored.provenance,
    )


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_name_that_is_none_is_refused_and_the_file_stays(root, name):
    with pytest.raises(GenomeError, match=r"ada\.json"):
        rename(find(read_collection(root), "ada"), name)
    assert read_stored(root / "custom" / "ada.json").name == "Ada"


def test_tags_are_put_on_and_taken_off(root):
    bob = tag(find(read_collection(root), "bob"), add=["sure", "fast"], drop=["fast"])
    assert bob.tags == ("sure",)
    assert read_stored(root / "custom" / "bob.json").tags == ("sure",)
    assert "tags" not in json.loads((root / "custom" / "ada.json").read_text())


@pytest.mark.parametrize("word", ["", "two words", "-x", "x" * 41, "<b>"])
def test_what_is_no_tag_is_refused(root, word):
    with pytest.raises(GenomeError, match="cannot be a tag"):
        tag(find(read_collection(root), "ada"), add=[word])


def test_a_genome_is_added_once(root):
    collection = read_collection(root)
    new, fresh = add(collection, GENOMES[3], "Eve's  Childé!", {"source": "forge"})
    assert fresh
    assert new.path == root / "custom" / "eve-s-childe.json"
    again, fresh = add(read_collection(root), GENOMES[3], "Other", {})
    assert (again, fresh) == (new, False)


def test_a_file_name_that_is_taken_gets_the_id(root):
    new, _ = add(read_collection(root), GENOMES[3], "ada", {})
    assert new.path.name == f"ada-{GENOMES[3].id[:8]}.json"
    assert read_stored(root / "custom" / "ada.json").genome == GENOMES[0]


@pytest.mark.parametrize("shelf", ["..", "../up", "a/b", "", "/abs", "A"])
def test_a_shelf_cannot_leave_the_library(root, shelf):
    with pytest.raises(GenomeError, match="cannot be a shelf"):
        add(read_collection(root), GENOMES[3], "x", {}, shelf=shelf)


# -- Between libraries ------------------------------------------------------------------------


def test_merging_two_libraries_keeps_each_genome_once_with_the_tags_of_both(root, tmp_path):
    other = tmp_path / "other"
    (other / "reference").mkdir(parents=True)
    save_genome(other / "reference" / "bob.json", GENOMES[1], {}, "Robert", tags=["sure"])
    save_genome(other / "reference" / "new.json", GENOMES[4], {"run": "r"}, "New", tags=["x"])
    save_genome(other / "loose.json", GENOMES[5])
    (other / "reference" / "bad.json").write_text("no")
    taken = take_in(read_collection(root), other)
    assert sorted(names(taken.added)) == ["New", "loose"]
    assert names(taken.known) == ["Bob"]
    assert len(taken.refused) == 1
    merged = read_collection(root)
    assert find(merged, "Bob").tags == ("fast", "sure")
    assert find(merged, "New").provenance == {"run": "r"}
    assert merged.shelf_of(find(merged, "New")) == "reference"
    assert merged.shelf_of(find(merged, "loose")) == "custom"


def test_merging_twice_changes_nothing(root, tmp_path):
    save_genome(tmp_path / "new.json", GENOMES[4])
    first = take_in(read_collection(root), tmp_path / "new.json")
    again = take_in(read_collection(root), tmp_path / "new.json")
    assert (len(first.added), len(again.added), len(again.known)) == (1, 0, 1)


def test_importing_a_single_bad_file_is_an_error(root, tmp_path):
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(GenomeError, match=r"bad\.json: expected a JSON object"):
        take_in(read_collection(root), tmp_path / "bad.json")


def test_what_is_put_out_can_be_taken_in(root, tmp_path):
    paths = put_out(read_collection(root).genomes, tmp_path / "out")
    assert [path.name for path in paths] == ["ada.json", "bob.json", "stock.json"]
    (tmp_path / "empty").mkdir()
    taken = take_in(read_collection(tmp_path / "empty"), tmp_path / "out", shelf="reference")
    assert sorted(own.genome.id for own in taken.added) == sorted(g.id for g in GENOMES[:3])
    assert find(read_collection(tmp_path / "empty"), "Bob").tags == ("fast",)


def test_putting_out_never_overwrites_another_genome(root, tmp_path):
    save_genome(tmp_path / "ada.json", GENOMES[5])
    (path,) = put_out([find(read_collection(root), "ada")], tmp_path)
    assert path.name == f"ada-{GENOMES[0].id[:8]}.json"
    assert read_stored(tmp_path / "ada.json").genome == GENOMES[5]
