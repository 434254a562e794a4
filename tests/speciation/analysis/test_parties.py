"""Words that mean a genome which is kept, in a library or in a store."""

from __future__ import annotations

import numpy as np
import pytest

from speciation.analysis.parties import PartyError, kept_party
from speciation.genome.collection import read_collection
from speciation.genome.envelope import GenomeError
from speciation.genome.genome import HYPER17
from speciation.genome.library import save_genome
from speciation.tables.schema import genome_row
from speciation.tables.store import Store

ADA, BOB = HYPER17.random(2, np.random.default_rng(0))


@pytest.fixture
def kept(tmp_path):
    """A library with Ada and a store with both."""
    (tmp_path / "genomes").mkdir()
    save_genome(tmp_path / "genomes" / "ada.json", ADA, {}, "Ada L.")
    store = Store(tmp_path / "store")
    rows = [genome_row(g, origin="random", run="r", generation=0) for g in (ADA, BOB)]
    store.append("genomes", rows)
    return read_collection(tmp_path / "genomes"), store


@pytest.mark.parametrize("word", ["ada", "Ada L.", ADA.id, ADA.id[:6]])
def test_the_library_comes_first_and_gives_its_name(kept, word):
    found = kept_party(word, *kept)
    assert (found.name, found.genome) == ("Ada L.", ADA)


@pytest.mark.parametrize("word", [BOB.id, BOB.id[:6]])
def test_a_genome_of_the_store_is_called_by_the_beginning_of_its_id(kept, word):
    found = kept_party(word, *kept)
    assert (found.name, found.genome) == (BOB.id[:8], BOB)


def test_a_word_that_means_nobody_is_said_to(kept):
    library, store = kept
    with pytest.raises(PartyError, match="'eve' is no genome of the library"):
        kept_party("eve", library, store)
    with pytest.raises(GenomeError, match="has no genome 'eve'"):
        kept_party("eve", library, None)
