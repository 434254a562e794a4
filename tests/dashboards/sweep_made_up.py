"""A sweep that nobody made: more pairs to learn from make learning smoother and sooner."""

from __future__ import annotations

import numpy as np
import pandas as pd

from speciation.analysis.sweep import Swept, cell_table, swept

ROWS = ["8 k parameters", "15 k parameters", "46 k parameters"]
COLUMNS = ["20 %", "40 %", "60 %", "80 %"]
GENOMES = ["stock", "tuned", "fast", "odd", "lazy"]
H, SEEDS = 2500, 32


def made_up() -> Swept:
    rng = np.random.default_rng(4)
    parts = []
    for i, row in enumerate(ROWS):
        for j, column in enumerate(COLUMNS):
            setting = {"row": row, "column": column, "setting": f"{row}, {column}"}
            rows = pd.concat([_trials(g, k, i, j, rng) for k, g in enumerate(GENOMES)])
            parts.append((setting, *cell_table(rows, {name: name for name in GENOMES}, H)))
    return swept(parts)


def _trials(genome: str, k: int, i: int, j: int, rng: np.random.Generator) -> pd.DataFrame:
    level = 3200 / (1 + 0.6 * k + 0.5 * i) / (0.5 + j) * (1 if genome != "odd" else 1 + i)
    steps = level * rng.lognormal(0, 0.2, SEEDS)
    grokked = steps <= H
    ease = "Smooth Learner" if j == 3 else "Delayed" if j == 2 else "Grokker"
    learning = np.where(grokked, ease, "Memoriser" if i else "Underfitter")
    return pd.DataFrame(
        {
            "genome_id": genome,
            "learning_class": learning,
            "steps_to_grok": np.where(grokked, steps, np.nan),
            "steps": np.minimum(steps, H),
        }
    )
