"""Rows of the tables as figures see them, from a few words each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from speciation.genome.genome import HYPER17

H = 1000


def trials(*words: int | str, **columns: Any) -> pd.DataFrame:
    """A row for each word: a step at which it grokked, or how else it ended.

    Every row is a trial of genome ``g`` in generation 0, on the seeds 0, 2, 4 …; ``columns``
    says otherwise.
    """
    steps = {"censored": H, "diverged": 300, "failed": 0}
    rows = [
        {
            "trial_id": f"t{i}",
            "genome_id": "g",
            "seed": 2 * i,
            "outcome": word if isinstance(word, str) else "grokked",
            "steps_to_grok": np.nan if isinstance(word, str) else float(word),
            "steps_to_memorise": np.nan if isinstance(word, str) else word / 2,
            "steps_run": steps[word] if isinstance(word, str) else word + 75,
            "best_validation_accuracy": 0.3 if isinstance(word, str) else 1.0,
            "learning_class": None if word == "failed" else "Grokker",
            "examples_seen": 512,
            "wall_seconds": 2.0,
            "generation": 0,
            "pool": "A",
            "device": "H100",
            "backend": "graph",
            "precision": "float32",
            "own": True,
        }
        for i, word in enumerate(words)
    ]
    return pd.DataFrame(rows).assign(**columns)


def verdict(generation: int, rank: int, **columns: Any) -> dict[str, Any]:
    """A genome in a closed generation: 2 of 4 trials grokked."""
    return {
        "generation": generation,
        "genome_id": f"g{generation}{rank}",
        "rank": rank,
        "trials": 4,
        "successes": 2,
        "sprinter": 500.0 + 100 * rank,
        "sprinter_se": 10.0,
        "tank": 0.2,
        "tank_se": 0.1,
        "sniper": 50.0,
        "sniper_se": 5.0,
        "passes_gate": True,
    } | columns


def genomes(*ids: str, **columns: Any) -> pd.DataFrame:
    """Different genomes with these ids, born at random in generation 0."""
    values = HYPER17.random(max(len(ids), 1), np.random.default_rng(0)).values[: len(ids)]
    births = pd.DataFrame(
        {"genome_id": list(ids), "kind": "hyper17", "origin": "random", "generation": 0}
    )
    return births.join(pd.DataFrame(values, columns=list(HYPER17.columns))).assign(**columns)
