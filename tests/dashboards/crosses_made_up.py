"""Crosses that nobody made: two groups of genomes, between which children fall behind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from speciation.analysis.crosses import Cross, Crosses, crosses, crosses_of
from speciation.analysis.isolation import Isolation, isolation
from tests.cluster.synthetic import genome

H, SEEDS, CHILDREN = 2500, 20, 24


@cache
def made_up(count: int) -> tuple[Crosses, Isolation]:
    """So many genomes, the first half of them Vikings, the others Saxons."""
    genomes = [genome(i) for i in range(count)]
    names = {own.id: f"genome-{i}" for i, own in enumerate(genomes)}
    group_of = {f"genome-{i}": "Viking" if i < count / 2 else "Saxon" for i in range(count)}
    crossed = crosses_of(genomes, CHILDREN)
    strange = {
        child.id: group_of[names[cross.first.id]] != group_of[names[cross.second.id]]
        for cross in crossed
        for child in cross.children
    }
    found = crosses(crossed, names, trials(crossed, strange), H)
    return found, isolation(found.pairs, group_of if count > 2 else {}, "made up")


def trials(crossed: list[Cross], strange: dict[str, bool]) -> pd.DataFrame:
    """Rows of all: parents need 600 steps, their children 700, strangers' 1,500."""
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 100, SEEDS)
    parents = {own.id for cross in crossed for own in (cross.first, cross.second)}
    rows = []
    for own in [*sorted(parents), *sorted(set(strange) - parents)]:
        level = 600 if own in parents else 1500 if strange[own] else 700
        level += rng.normal(0, 40 if own in parents else 300)
        rows += [_trial(own, s, level + luck[s] + rng.normal(0, 150)) for s in range(SEEDS)]
    return pd.DataFrame(rows)


def _trial(own: str, seed: int, time: float) -> dict[str, object]:
    grokked = max(time, 25.0) if time <= H else np.nan
    steps = H if np.isnan(grokked) else grokked
    return {"genome_id": own, "seed": seed, "steps_to_grok": grokked, "steps": steps}
