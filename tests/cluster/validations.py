"""Small validations with synthetic engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster.local_executor import LocalExecutor
from cluster.validate import Outcomes, validate
from cluster.validate_asked import Asked, ask
from speciation.genome.library import save_genome
from speciation.tables.store import Store
from tests.cluster.synthetic import PLAN, Behaviour, genome

FAST = Behaviour(slots=16)


def genome_files(folder: Path, count: int) -> list[str]:
    """Files of so many genomes."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"genome-{i}.json" for i in range(count)]
    for i, path in enumerate(paths):
        save_genome(path, genome(i))
    return [str(path) for path in paths]


def asked(store: Store, words: list[str], seeds: int = 12, **rest: Any) -> Asked:
    """What somebody wants of some genomes, to 1,000 steps unless said."""
    overrides = {"horizon": 1000, "executor": "local", "engine.precision": "float32"}
    overrides |= rest.pop("overrides", {})
    return ask(words, store, seeds=seeds, overrides=overrides, **rest)


def carry_out(
    wanted: Asked, store: Store, behaviour: Behaviour = FAST, **rest: Any
) -> Outcomes:
    """To its end, or until ``stop``."""
    return validate(wanted, store, LocalExecutor(PLAN, behaviour), **rest)
