"""A store's taxonomy: made from its genomes, kept beside it, and told with its lineage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cluster.manifest import find_run, manifest_of
from speciation.analysis.lineage import Lived, ancestry, species_stream
from speciation.analysis.taxonomy import Taxonomy, TaxonomyError, classify
from speciation.analysis.taxonomy_file import MOST_BYTES, decode, encode
from speciation.genome.genome import Genomes, kind_named
from speciation.genome.library import load_folder, read_stored
from speciation.tables.files import TooLarge, Vanished, open_files
from speciation.tables.readers import generations_frame, genomes_frame
from speciation.tables.store import Store

FOLDER = "taxonomy"


def taxonomy_of(
    store: Store, files: Sequence[str] = (), run: str | None = None, kind: str = "hyper17"
) -> Taxonomy:
    """Classify the genomes of a store, and of files beside them.

    That of the whole store is kept as ``taxonomy/<kind>.arrow`` beside its tables, and is where
    the next one takes axes, names and colours from. One of files or of a single run takes them
    over as well, but is not kept.

    Raises:
        TaxonomyError: There are too few genomes.
        GenomeError: A file is no genome.
        StoreError: The store cannot be read or written.
    """
    frame = genomes_frame(store, find_run(store, run) if run else None)
    frame = frame[frame["kind"] == kind]
    columns = list(kind_named(kind).columns)
    genomes = Genomes(kind, frame[columns].to_numpy(dtype=np.float64))
    ids = [str(own) for own in frame["genome_id"]]
    for name in files:
        path = Path(name)
        for stored in load_folder(path) if path.is_dir() else (read_stored(path),):
            genomes = genomes.concat(Genomes.of([stored.genome]))
            ids.append(stored.genome.id)
    found = classify(genomes, kept(store, kind), ids)
    if not files and run is None:
        open_files(store.uri).replace(f"{FOLDER}/{kind}.arrow", encode(found))
    return found


def kept(store: Store, kind: str) -> Taxonomy | None:
    """The taxonomy that is kept with a store; one that cannot be read is made anew."""
    try:
        return decode(open_files(store.uri).read(f"{FOLDER}/{kind}.arrow", MOST_BYTES))
    except (Vanished, TooLarge, TaxonomyError):
        return None


def lived_in(
    store: Store, taxonomy: Taxonomy, rank: str, run: str | None = None
) -> tuple[Lived, ...]:
    """Species over generations of a run and its champion's ancestry; by default, the latest."""
    try:
        name = find_run(store, run)
    except ValueError:
        if run is not None:
            raise
        return ()
    labels = taxonomy.labels_at(rank)
    names = [species.name for species in taxonomy.at(rank)]
    species_of = {own: names[label] for own, label in zip(taxonomy.ids, labels, strict=True)}
    generations = generations_frame(store, name)
    stream = species_stream(generations, species_of) if len(generations) else None
    champion = (manifest_of(store, name) or {}).get("champion")
    genome = champion.get("genome") if isinstance(champion, dict) else None
    births = genomes_frame(store, name)
    line = None
    if isinstance(genome, dict) and genome.get("id") in set(births["genome_id"]):
        line = ancestry(births, str(genome["id"]))
    return (Lived(name, stream, line),)
