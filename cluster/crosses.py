"""Which genomes are crossed, what they are called, and which of them are kin."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cluster.provenance import provenance
from cluster.species import kept
from cluster.validate_asked import Asked
from speciation.tables.store import Store

AS_NAMED = "those that were named"


def names_of(asked: Asked) -> dict[str, str]:
    """Genome id → display name."""
    return {ids[0]: name for name, ids in asked.arms.items()}


def groups_of(asked: Asked, store: Store) -> tuple[dict[str, str], str]:
    """Display name → group, of those that have one, and what the groups are.

    Two groups or more that were named (``--group``, ``species:``, folders) count; else those
    are the species of the taxonomy that is kept with the store, at its clearest rank.

    Args:
        asked: Genomes of one kind at least, as single arms.
        store: Where a taxonomy may be kept.

    Raises:
        StoreError: The store cannot be read.
    """
    if len(set(asked.member_of.values())) > 1:
        return dict(asked.member_of), AS_NAMED
    kind = next(iter(asked.genomes.values())).kind
    if (taxonomy := kept(store, kind)) is None:
        return {}, ""
    species = taxonomy.at(taxonomy.clearest)
    labels = zip(taxonomy.ids, taxonomy.labels_at(taxonomy.clearest), strict=True)
    species_of = {own: species[label].name for own, label in labels}
    names = names_of(asked).items()
    found = {name: species_of[own] for own, name in names if own in species_of}
    return found, f"species of rank {taxonomy.clearest}"


def experiment(asked: Asked, rows: pd.DataFrame) -> dict[str, Any]:
    """What a claim has to name, as plain values: task, model, precision, seeds, cost, code.

    Args:
        asked: Genomes and where they train.
        rows: Of parents and children: ``steps``, min(T, H), NaN where the machine failed.
    """
    config = asked.config
    return {
        "task": config.the_task().as_dict(),
        "model": config.the_model().as_dict(),
        "horizon": config.the_horizon(),
        "precision": config.engine.precision,
        "seeds": {"count": len(asked.seeds), "first": asked.seeds[0], "pool": "B"},
        "trials": len(rows),
        "trial_steps": int(rows["steps"].sum()),
        "provenance": provenance(),
    }
