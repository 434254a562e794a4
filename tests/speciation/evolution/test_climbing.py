"""All parts together climb a landscape that is easy to understand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from speciation.evolution.fitness import LANDSCAPES, fitness_table
from speciation.evolution.generation import EvolutionParams, found, next_generation
from speciation.genome.diversity import diversity_index
from speciation.genome.genome import HYPER17, Genomes
from tests.speciation.evolution.rows import H, frame, row

SEEDS = 8


def trial_rows(genomes: Genomes, rng: np.random.Generator) -> pd.DataFrame:
    """The nearer a genome is to the middle of the cube, the sooner it groks, give or take."""
    distance = np.abs(HYPER17.encode(genomes) - 0.5).mean(axis=1)
    times = 200 + 9000 * distance[:, None] * rng.lognormal(0, 0.2, (len(genomes), SEEDS))
    return frame(
        [
            row(own, int(time) if time <= H else "censored")
            for own, ours in zip(genomes.ids, times, strict=True)
            for time in ours
        ]
    )


@pytest.mark.parametrize("strategy", ["tournament2", "tournament3", "spartan"])
@pytest.mark.parametrize("landscape", LANDSCAPES)
def test_evolution_climbs(landscape, strategy):
    params = EvolutionParams(
        population=48, elites=2, aliens=4, strategy=strategy, landscape=landscape
    )
    rng = np.random.default_rng(0)
    offspring = found(params, HYPER17, None, rng)
    success, diversity = [], []
    for _ in range(12):
        genomes = offspring.genomes
        table = fitness_table(trial_rows(genomes, rng), H, params.landscape, params.gate)
        success.append(table["successes"].sum() / table["trials"].sum())
        diversity.append(diversity_index(genomes))
        ages = dict(zip(genomes.ids, offspring.elite_age.tolist(), strict=True))
        offspring = next_generation(genomes, table, ages, params, rng)
    assert success[-1] > success[0] + 0.25
    assert diversity[-1] < diversity[0]
