"""The ancestors of any genome of a store, or why there are none."""

from __future__ import annotations

import io
import shutil
import zipfile

import pytest

from cluster.species import taxonomy_of
from dashboards.lab import ancestry_page, lineage_view
from dashboards.lab.app import make_app
from dashboards.lab.choosing import store_at
from dashboards.lab.sources import Sources
from speciation.genome.library import save_genome
from speciation.tables.readers import genome_of, genomes_frame
from tests.dashboards.lab.hostile import JUNK

HEAD = {"Host": "127.0.0.1:8050"}


@pytest.fixture(scope="module")
def sources(finished, tmp_path_factory) -> Sources:
    """A classified store, and a library of one of its genomes."""
    folder = tmp_path_factory.mktemp("ancestry")
    shutil.copytree(finished, folder / "store")
    store = store_at(folder / "store")
    taxonomy_of(store)
    (folder / "genomes" / "custom").mkdir(parents=True)
    own = genomes_frame(store)["genome_id"].iloc[0]
    save_genome(folder / "genomes" / "custom" / "own.json", genome_of(store, own), {}, "Own")
    return Sources(folder / "store", folder / "genomes")


def test_a_genome_that_was_bred_has_its_parents_and_one_that_was_not_a_sentence(sources):
    births = genomes_frame(store_at(sources.store))
    child = births[births["mother"].notna()].iloc[-1]
    found = lineage_view.ancestry_of(sources, child["genome_id"])
    assert (child["mother"], child["genome_id"]) in found.edges
    assert "back to" in str(lineage_view.ancestors(sources, child["genome_id"]))
    assert "No run of this store bred it" in str(lineage_view.ancestors(sources, "0" * 32))
    founder = births[births["mother"].isna()].iloc[0]["genome_id"]
    assert "nobody is before it" in str(lineage_view.ancestors(sources, founder))


def test_an_exported_page_has_the_ancestry_that_the_address_asks_for(sources):
    taxonomy = sources.taxonomy()
    lived = lineage_view.lived(sources, taxonomy, taxonomy.clearest)
    own = taxonomy.ids[-1]
    (told,) = ancestry_page.asked(sources, lived, {"genome": own})
    assert told.ancestry.genome_id == own
    for junk in (*JUNK, "0" * 32):
        assert ancestry_page.asked(sources, lived, {"genome": junk}) == lived


def test_files_of_the_library_are_given_out(sources):
    client = make_app(sources, 8050).server.test_client()
    answer = client.get("/library-files", headers=HEAD)
    assert zipfile.ZipFile(io.BytesIO(answer.data)).namelist() == ["custom/own.json"]
    assert client.get("/library-files?genome=../../etc", headers=HEAD).status_code == 404
    none = client.get("/library-files?text=nobody", headers=HEAD)
    assert zipfile.ZipFile(io.BytesIO(none.data)).namelist() == []
