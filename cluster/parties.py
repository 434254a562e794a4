"""Whom somebody means in the forge and the library: a file, a genome of the library, an id.

What is typed comes first as a file, then as a genome of the library, then as the beginning of
an id in the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cluster.config import RunConfig
from cluster.naming import LIBRARY, SPECIES_PREFIX, Named, named
from speciation.analysis.forge import Party
from speciation.analysis.parties import PartyError, kept_party
from speciation.evolution.fitness import fitness_table
from speciation.genome.collection import Collection, read_collection
from speciation.genome.genome import Genome, Genomes, kind_named
from speciation.genome.library import read_stored
from speciation.tables.readers import genomes_frame, trial_of, trials_frame
from speciation.tables.store import Store
from speciation.trial.trial import Trial

TYPICAL = 2
"""Genomes of a species that stand for it where each takes long to look at."""


def party(word: str, library: Collection, store: Store | None) -> Party:
    """The genome that a word means, and what to call it.

    Raises:
        PartyError: It means none.
        GenomeError: It is a file that is no genome, or may be several.
    """
    path = Path(word)
    if path.suffix == ".json" or path.is_file():
        stored = read_stored(path)
        return Party(stored.name, stored.genome)
    try:
        return kept_party(word, library, store)
    except PartyError as error:
        raise PartyError(f"{error}, and no file") from None


def library_at(root: Path | None) -> Collection:
    """The library of a folder, or that of the project."""
    return read_collection(root or LIBRARY)


def birth(store: Store, genome: Genome) -> dict[str, Any]:
    """Where a genome of a store came from, as a genome file tells it.

    Run, generation, operator and parents of its birth; figures of seed pool A as *selected*,
    those of pool B as *confirmed*, each to the longest horizon that all its trials answer.
    """
    rows = genomes_frame(store, genome_ids=[genome.id]).to_dict("records")
    told: dict[str, Any] = {"source": f"taken from the store {store.uri}"}
    if rows:
        row = rows[0]
        told |= {
            "run": row["run"],
            "operator": row["origin"],
            "generation": int(row["generation"]),
            "parents": [p for p in (row["mother"], row["father"]) if isinstance(p, str)],
        }
        if len(row["donor_genes"]):
            told["donor_genes"] = [str(gene) for gene in row["donor_genes"]]
    trials = trials_frame(store)
    trials = trials[trials["genome_id"] == genome.id]
    for pool, name in (("A", "selected"), ("B", "confirmed")):
        if figures := _figures(trials[trials["pool"] == pool]):
            told[name] = figures
    return told


def trials_named(
    words: Sequence[str], library: Collection, store: Store | None, config: RunConfig, seed: int
) -> dict[str, Trial]:
    """Trials that words mean: beginnings of trial ids in a store, genomes, or species.

    Args:
        words: What somebody typed.
        library: Where names of genomes are looked up.
        store: Where ids are looked up, if there is one.
        config: Task, model and horizon for genomes.
        seed: For genomes.

    Raises:
        PartyError: A word means nothing.
        NamingError: There is no such species.
    """
    found: dict[str, Trial] = {}
    for word in words:
        stored = trial_of(store, word) if store is not None else None
        if stored is not None:
            found[f"trial {stored.id[:8]}"] = stored
            continue
        if word.startswith(SPECIES_PREFIX) and store is not None:
            for own in typical(named(word, store, config)):
                found[f"{own.name}, seed {seed}"] = config.trials([own.genome], [seed])[0]
            continue
        own = party(word, library, store)
        found[f"{own.name}, seed {seed}"] = config.trials([own.genome], [seed])[0]
    return found


def typical(species: Named) -> list[Party]:
    """The genomes of a species that are nearest to its mean, on the genes' own scales."""
    genomes = Genomes.of(list(species.genomes.values()))
    units = kind_named(genomes.kind).encode(genomes)
    nearest = np.argsort(np.linalg.norm(units - units.mean(axis=0), axis=1), kind="stable")
    names = list(species.genomes)
    return [Party(f"{species.group}, {names[i]}", genomes[int(i)]) for i in nearest[:TYPICAL]]


def _figures(trials: pd.DataFrame) -> dict[str, Any] | None:
    if not len(trials):
        return None
    horizon = int(trials["horizon"].min())
    row = fitness_table(trials, horizon).iloc[0]
    return {
        "horizon": horizon,
        "trials": int(row["trials"]),
        "successes": int(row["successes"]),
        "steps": float(row["rmst"]),
        "steps_se": float(row["rmst_se"]) if row["rmst_se"] == row["rmst_se"] else None,
    }
