"""Which genomes somebody means: by file, folder, id, prefix, Hall of Fame, run, species, group.

What is typed comes first as a file or folder, then as one of the words with a colon, then as
the beginning of an id in the store, then as a genome of the project's library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster.config import HALL_OF_FAME, PROJECT, RUN_PREFIX, RunConfig
from cluster.manifest import find_run, manifest_of
from cluster.plan import admitted, last_generation
from speciation.genome.collection import AmbiguousError, find, read_collection
from speciation.genome.genome import Genome, GenomeError
from speciation.genome.library import StoredGenome, load_folder, read_stored
from speciation.tables.readers import genome_of_row, genomes_frame
from speciation.tables.store import Store

LIBRARY = PROJECT / "genomes"
GROUP_PREFIX, SPECIES_PREFIX = "group:", "species:"
SHORT_ID = 8
_ID = re.compile(r"[0-9a-f]{4,32}")


class NamingError(ValueError):
    """Words that name no genome, or several: one sentence."""


@dataclass(frozen=True, slots=True)
class Named:
    """Genomes that a word means.

    Args:
        genomes: Display name → genome, in order.
        group: What the word calls all of them together; None for single genomes.
        models: Genome id → shape of the model that its file says it was found in.
    """

    genomes: dict[str, Genome]
    group: str | None = None
    models: dict[str, object] = field(default_factory=dict)


def named(word: str, store: Store, config: RunConfig) -> Named:
    """The genomes that a word means.

    Args:
        word: What somebody typed.
        store: Where ids, runs and groups are looked up.
        config: The experiment, which decides who is in the Hall of Fame.

    Raises:
        NamingError: It means nothing, or too much.
        GenomeError: A file is not a genome.
        ConfigError: There is no such run.
        StoreError: There is no such group, or the store cannot be read.
    """
    path = Path(word)
    if path.is_dir():
        return _of_files(load_folder(path), word, path.name)
    if path.suffix == ".json" or path.is_file():
        return _of_files([read_stored(path)], word)
    if word == HALL_OF_FAME:
        ids = admitted(config, store)
        if not ids:
            raise NamingError(
                f"the Hall of Fame of {store.uri} is empty for this task and model; it holds "
                "champions of runs, and genomes/hall_of_fame those that come with the project"
            )
        return Named(_of_ids(ids, store), HALL_OF_FAME)
    if word.startswith(RUN_PREFIX):
        return _of_run(word.removeprefix(RUN_PREFIX), store)
    if word.startswith(GROUP_PREFIX):
        name = word.removeprefix(GROUP_PREFIX)
        return Named(_of_ids(store.read_group(name), store), name)
    if word.startswith(SPECIES_PREFIX):
        return _of_species(word.removeprefix(SPECIES_PREFIX), store, config.kind)
    return _of_prefix(word, store)


def _of_files(files: Sequence[StoredGenome], word: str, group: str | None = None) -> Named:
    if not files:
        raise NamingError(f"{word}: the folder holds no genome files (*.json)")
    genomes = {stored.path.stem: stored.genome for stored in files}
    return Named(genomes, group, _models(files))


def _models(files: Iterable[StoredGenome]) -> dict[str, object]:
    return {
        own.genome.id: own.provenance["model"] for own in files if "model" in own.provenance
    }


def _of_ids(ids: Iterable[str], store: Store) -> dict[str, Genome]:
    """Genomes by id, from the store or else from the library."""
    wanted = list(dict.fromkeys(ids))
    rows = store.select("genomes", wanted).table.to_pylist()
    found = {row["genome_id"]: genome_of_row(row) for row in rows}
    missing = [own for own in wanted if own not in found]
    if missing:
        library = read_collection(LIBRARY)
        kept = ((own, library.holding(own)) for own in missing)
        found |= {own: stored.genome for own, stored in kept if stored is not None}
    if lost := [own for own in wanted if own not in found]:
        raise NamingError(f"the genes of genome {lost[0]} are not in {store.uri}")
    return {own[:SHORT_ID]: found[own] for own in wanted}


def _of_run(text: str, store: Store) -> Named:
    """A run's champion and the genomes of its last closed generation, best first."""
    run = find_run(store, text)
    champion = (manifest_of(store, run) or {}).get("champion")
    ids = last_generation(run, store)
    if isinstance(champion, dict) and isinstance(champion.get("genome"), dict):
        ids = [str(champion["genome"].get("id")), *ids]
    if not ids:
        raise NamingError(f"the run {run} has no closed generation yet, so it has no genomes")
    return Named(_of_ids(ids, store), run)


def _of_species(text: str, store: Store, kind: str) -> Named:
    """A species of the taxonomy that is kept with the store: ``NAME`` or ``RANK:NAME``.

    Without a rank it is looked for at the clearest one, and then from the loosest to the
    tightest: a species and its only subspecies may share a name.
    """
    from cluster.species import kept  # brings scikit-learn, which other words do without
    from speciation.analysis.taxonomy import RANKS

    first, mark, rest = text.partition(":")
    ranks, name = ([first.lower()], rest) if mark and first.lower() in RANKS else ([], text)
    taxonomy = kept(store, kind)
    if taxonomy is None:
        raise NamingError(
            f"no taxonomy is kept with {store.uri}, so no species {name!r}; it is made by: "
            f"speciation taxonomy --store {store.uri}"
        )
    for rank in ranks or [taxonomy.clearest, *RANKS]:
        for species in taxonomy.at(rank):
            if species.name.casefold() == name.strip().casefold():
                return Named(_of_ids(taxonomy.members(rank, species.name), store), species.name)
    rank = ranks[0] if ranks else taxonomy.clearest
    known = ", ".join(species.name for species in taxonomy.at(rank))
    raise NamingError(
        f"no {ranks[0] if ranks else 'species'} is called {name!r}; at {rank}: {known}"
    )


def _of_prefix(word: str, store: Store) -> Named:
    if _ID.fullmatch(word):
        frame = genomes_frame(store)
        ids = [str(own) for own in frame["genome_id"] if str(own).startswith(word)]
        if len(set(ids)) > 1:
            raise NamingError(
                f"{word} is the beginning of {len(set(ids))} genome ids, such as {ids[0]} and "
                f"{ids[1]}; type more of it"
            )
        if ids:
            return Named(_of_ids(ids[:1], store))
    return _of_library(word)


def _of_library(word: str) -> Named:
    """A genome that comes with the project, or one of one's own beside them."""
    try:
        stored = find(read_collection(LIBRARY), word)
    except AmbiguousError as error:
        raise NamingError(str(error)) from error
    except GenomeError as error:
        raise NamingError(
            f"{word!r} is no genome: give a JSON file or a folder of them, an id or its "
            f"beginning (4 digits or more), {HALL_OF_FAME}, {RUN_PREFIX}NAME, "
            f"{SPECIES_PREFIX}NAME, {GROUP_PREFIX}NAME, or a genome of {LIBRARY.name}/"
        ) from error
    genome = stored.genome
    name = genome.id[:SHORT_ID] if genome.id.startswith(word) else word
    return Named({name: genome}, models=_models([stored]))
