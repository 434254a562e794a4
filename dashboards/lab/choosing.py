"""Choosing genomes: by name, tag or the beginning of an id, from the library and the store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from dashboards import words
from dashboards.lab.sources import Sources
from speciation.analysis.forge import Party
from speciation.analysis.parties import kept_party
from speciation.genome.collection import find, search
from speciation.genome.envelope import GenomeError
from speciation.genome.library import StoredGenome
from speciation.tables.files import StoreError
from speciation.tables.readers import generations_frame
from speciation.tables.store import Store

MOST_OPTIONS = 120
MOST_OF_STORE = 40
MOST_LETTERS = 200
LEADERS = 5
"""Of every run, as many of its latest generation are offered before anything is typed."""

FOLDERS = ("trials", "genomes", "generations", "groups", "runs")

_BEGINNING = re.compile(r"[0-9a-f]{2,32}")

Option = dict[str, str]


State = tuple[int, ...]


def state(folder: Path) -> State:
    """What changes whenever a store does; nothing of it is read for that."""
    return tuple(_changed(folder / name) for name in FOLDERS)


def _changed(folder: Path) -> int:
    """When a file last came or went, or was replaced; 0 if there is no such folder."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=4)
def store_at(folder: Path) -> Store:
    """The store of a folder; it remembers what it has read."""
    return Store(folder)


def party_of(sources: Sources, genome_id: str) -> Party:
    """The genome of an id, and what it is called.

    Raises:
        GenomeError: Neither the library nor the store has it.
        PartyError: Likewise.
        StoreError: The store cannot be read.
    """
    return kept_party(genome_id, sources.collection(), store_at(sources.store))


def options(sources: Sources, text: Any, chosen: Iterable[str] = ()) -> list[Option]:
    """What a text may mean, as choices of a menu.

    Args:
        sources: Where genomes are.
        text: What was typed; anything else than text is nothing.
        chosen: Genome ids that must stay in the menu, because they are chosen.
    """
    typed = text.strip()[:MOST_LETTERS] if isinstance(text, str) else ""
    found: dict[str, Option] = {}
    for own in (*_of_library(sources, typed), *_of_store(sources, typed)):
        found.setdefault(own["value"], own)  # by the name it was given, where it has one
    kept = list(found.values())[:MOST_OPTIONS]
    shown = {own["value"] for own in kept}
    return [*kept, *(_known(sources, own) for own in chosen if own not in shown)]


def sets(sources: Sources, text: Any) -> list[Option]:
    """Genomes that have one name together: groups, runs, species, the Hall of Fame."""
    typed = text.strip().casefold() if isinstance(text, str) else ""
    try:
        store = store_at(sources.store)
        found = [f"group:{own}" for own in store.groups()]
        found += [f"run:{own}" for own in store.runs()]
    except StoreError:
        found = []
    taxonomy = sources.taxonomy()
    species = taxonomy.at(taxonomy.clearest) if taxonomy else ()
    found += [f"species:{own.name}" for own in species]
    # A store's Hall of Fame needs judges: where nothing has run, it has none.
    named = [set_option(word) for word in (*found, *(["hall_of_fame"] if found else ()))]
    return [own for own in named if typed in own["search"].casefold()][:MOST_OPTIONS]


def set_option(word: str) -> Option:
    """The choice of a set of genomes."""
    if word == "hall_of_fame":
        return {"label": "Hall of Fame of the store", "value": word, "search": "hall of fame"}
    kind, _, name = word.partition(":")
    return {"label": f"{name} · {kind}", "value": word, "search": f"{kind} {name}"}


def spoken(sources: Sources, word: str) -> str:
    """A word as ``cluster.naming`` reads it: a genome of this library by its file."""
    if word == "hall_of_fame" or ":" in word:
        return word
    try:
        return str(find(sources.collection(), word).path.absolute())
    except GenomeError:
        return word


def _of_library(sources: Sources, typed: str) -> list[Option]:
    try:
        return [_stored(own) for own in search(sources.collection(), typed)]
    except GenomeError:
        return []


def _stored(own: StoredGenome) -> Option:
    shelf = own.path.parent.name.replace("_", " ")
    found_by = " ".join((own.name, own.path.stem, own.genome.id, shelf, *own.tags))
    source = str(own.provenance.get("source", ""))[:200]
    label = f"{own.name} · {words.short(own.genome.id)}"
    return {"label": label, "value": own.genome.id, "search": f"{found_by} {source}"}


def _of_store(sources: Sources, typed: str) -> list[Option]:
    """Genomes by the beginning of an id; before anything is typed, who leads each run."""
    try:
        if typed and not _BEGINNING.fullmatch(typed.lower()):
            return []
        store = store_at(sources.store)
        ids = store.scan("genomes", ["genome_id"]).table["genome_id"]
        if typed:
            ids = ids.filter(pc.starts_with(ids, typed.lower()))
            found = [(own, "store") for own in ids.unique().to_pylist()[:MOST_OF_STORE]]
        else:
            found = _leading(store) or [
                (own, "store") for own in ids.unique().to_pylist()[:MOST_OF_STORE]
            ]
    except StoreError:
        return []
    return [_option(own, where) for own, where in found]


def _leading(store: Store) -> list[tuple[str, str]]:
    """Genome ids with the rank that they have in the latest generation of a run."""
    frame = generations_frame(store)
    latest = frame.groupby("run")["generation"].transform("max")
    frame = frame[(frame["generation"] == latest) & (frame["rank"] < LEADERS)]
    rows = frame.sort_values(["run", "rank"])[["genome_id", "run", "rank"]].to_dict("records")
    return [(row["genome_id"], f"{row['run']}, rank {row['rank'] + 1}") for row in rows]


def _option(genome_id: str, where: str) -> Option:
    label = f"{words.short(genome_id)} · {where}"
    return {"label": label, "value": genome_id, "search": f"{genome_id} {where}"}


def _known(sources: Sources, genome_id: str) -> Option:
    if not _BEGINNING.fullmatch(genome_id):
        return set_option(genome_id)
    try:
        name = party_of(sources, genome_id).name
    except (GenomeError, StoreError, ValueError):
        name = "not found"
    if genome_id.startswith(name):
        return _option(genome_id, "store")
    label = f"{name} · {words.short(genome_id)}"
    return {"label": label, "value": genome_id, "search": f"{name} {genome_id}"}
