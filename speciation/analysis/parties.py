"""Whom a word means among genomes that are kept: in a library, or in a store by its id."""

from __future__ import annotations

from speciation.analysis.forge import Party
from speciation.genome.collection import AmbiguousError, Collection, find
from speciation.genome.envelope import GenomeError
from speciation.tables.files import StoreError
from speciation.tables.readers import genome_of
from speciation.tables.store import Store


class PartyError(ValueError):
    """Words that name no genome: one sentence."""


def kept_party(word: str, library: Collection, store: Store | None) -> Party:
    """The genome that a word means, and what to call it.

    Args:
        word: A name, a file's name, or the beginning of an id.
        library: Looked into first.
        store: Where ids are looked up besides, if there is one.

    Raises:
        PartyError: It means none.
        GenomeError: It may be several, or none and there is no store.
    """
    try:
        stored = find(library, word)
        return Party(stored.name, stored.genome)
    except AmbiguousError:
        raise
    except GenomeError:
        if store is None:
            raise
    try:
        genome = genome_of(store, word)
    except StoreError:
        raise PartyError(
            f"{word[:60]!r} is no genome of the library {library.root}, and no beginning of "
            f"one id in the store {store.uri}"
        ) from None
    return Party(genome.id[:8], genome)
