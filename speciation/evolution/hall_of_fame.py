"""The Hall of Fame: genomes that have shown how reliably they grok.

A genome is judged by all its trials in all generations of seed pool A. Strictness is what its
success rate must be at least, with 97.5 % confidence; so a genome that was lucky a few times
does not get in, and one that keeps grokking does, however many generations that takes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from speciation.evolution.fitness import fitness_table


def hall_of_fame(
    trials: pd.DataFrame, horizon: int, landscape: str = "sprinter", strictness: float = 0.5
) -> pd.DataFrame:
    """The admitted genomes, best first.

    Args:
        trials: Rows of the ``trials`` table as for
            :func:`~speciation.evolution.fitness.fitness_table`. Where there is a column
            ``pool``, only rows of pool A count: pool B confirms what was selected here.
        horizon: H in steps.
        landscape: The one to rank in.
        strictness: Least Wilson lower bound of the success rate, within (0, 1).

    Returns:
        Rows of the fitness table of all trials together, ``rank`` counted anew.

    Raises:
        ValueError: As ``fitness_table``; strictness stands for the gate.
    """
    if not 0 < strictness < 1:
        raise ValueError(f"strictness must be within (0, 1), got {strictness}")
    if "pool" in trials:
        trials = trials[trials["pool"] == "A"]
    table = fitness_table(trials, horizon, landscape, gate=strictness)
    admitted = table[table["tank"] >= strictness].reset_index(drop=True)
    return admitted.assign(rank=np.arange(len(admitted)))
