"""What racing over seeds saves, at which quality of the champion, on synthetic genomes.

    python benchmarks/racing.py [runs] [population] [generations] [seeds]

A genome's median time to grok depends on its distance, on the unit scale of genes, to an
optimum that nobody knows; a trial's own time is lognormal around it with a coefficient of
variation of 25 %, as measured ones have (13 to 30 %), and beyond the horizon it is censored.
Each run is evolved twice from the same run seed, with and without a race, by the project's own
evolution. Printed are trial-steps and the true median of each final best genome, both as ratios
race / no race over paired runs with a 95 % interval of the mean of their logarithms.

It does not show what real landscapes do: here noise is the same everywhere, genes do not
interact, and a genome that groks at all groks always. Only paired runs of real trials do.
"""

from __future__ import annotations

import math
import sys
import zlib

import numpy as np
import pandas as pd

from speciation import seeds
from speciation.evolution.fitness import fitness_table
from speciation.evolution.generation import EvolutionParams, found, next_generation
from speciation.evolution.racing import RacingParams, ranked_by_rung, rungs, survivors
from speciation.genome.genome import KINDS, Genomes
from speciation.seeds import Purpose

HORIZON, BEST, SLOPE, VARIATION = 2500, 300.0, 2.2, 0.25


def medians(genomes: Genomes, run_seed: int) -> dict[str, float]:
    """True median steps of each genome."""
    unit = np.asarray(KINDS[genomes.kind].encode(genomes))
    optimum = np.random.default_rng(run_seed).uniform(0.2, 0.8, unit.shape[1])
    distance = np.sqrt(((unit - optimum) ** 2).mean(axis=1))
    return dict(
        zip(genomes.ids, BEST * np.exp(SLOPE * distance / 0.25 - SLOPE / 4), strict=True)
    )


def rows(
    genome_ids: list[str], chosen: tuple[int, ...], true: dict[str, float]
) -> pd.DataFrame:
    """Rows of every genome on every seed."""
    spread = math.sqrt(math.log(1 + VARIATION**2))
    told = []
    for own in genome_ids:
        for seed in chosen:
            rng = np.random.default_rng([zlib.crc32(own.encode()), seed % 2**32])
            time = math.ceil(true[own] * math.exp(spread * rng.standard_normal()) / 25) * 25
            grokked = time <= HORIZON
            told.append(
                {
                    "trial_id": f"{own}-{seed}",
                    "genome_id": own,
                    "outcome": "grokked" if grokked else "censored",
                    "steps_to_grok": time if grokked else None,
                    "steps_run": min(time, HORIZON),
                    "best_validation_accuracy": 1.0 if grokked else 0.5,
                }
            )
    return pd.DataFrame(told)


def evolve(
    run_seed: int,
    params: EvolutionParams,
    generations: int,
    count: int,
    race: RacingParams | None,
) -> tuple[int, float]:
    """One run: trial-steps, and the true median of the best genome of its last generation."""
    born = found(params, KINDS["hyper17"], None, seeds.generator(run_seed, Purpose.FOUNDERS))
    steps, best = 0, math.inf
    for generation in range(generations):
        chosen = seeds.pool_a(run_seed, generation, count)
        true = medians(born.genomes, run_seed)
        ends = rungs(count, race) if race else (count,)
        ids, frames = list(born.genomes.ids), []
        for start, end in zip((0, *ends), ends, strict=False):
            frames.append(rows(ids, chosen[start:end], true))
            met = pd.concat(frames, ignore_index=True)
            table = fitness_table(met[met["genome_id"].isin(ids)], HORIZON)
            ids = list(survivors(table, race)) if race else ids
        met = pd.concat(frames, ignore_index=True)
        fitness = fitness_table(met, HORIZON)
        fitness = ranked_by_rung(fitness, met) if race else fitness
        steps += int(met["steps_run"].sum())
        best = true[str(fitness["genome_id"].iloc[0])]
        ages = dict(zip(born.genomes.ids, born.elite_age.tolist(), strict=True))
        rng = seeds.generator(run_seed, Purpose.OFFSPRING, generation + 1)
        born = next_generation(born.genomes, fitness, ages, params, rng)
    return steps, best


def _ratio(pairs: list[tuple[float, float]]) -> str:
    logs = np.log([race / calm for race, calm in pairs])
    half = 1.96 * logs.std(ddof=1) / math.sqrt(len(logs)) if len(logs) > 1 else math.nan
    low, middle, high = (math.exp(logs.mean() + k * half) for k in (-1, 0, 1))
    return f"{middle:.3f} ({low:.3f} … {high:.3f})"


def main(runs: int = 10, population: int = 32, generations: int = 12, count: int = 16) -> None:
    """Run and print."""
    params = EvolutionParams(
        population=population,
        elites=2,
        aliens=2,
        crossover_share=0.7,
        keep_groups=0.5,
        clone_share=0.0,
        radiation_dose=0.1,
        radiation_rate=0.2,
        strategy="tournament3",
        landscape="sprinter",
        gate=0.5,
    )
    calm = [evolve(run, params, generations, count, None) for run in range(1, runs + 1)]
    print(f"{runs} paired runs of {generations} × {population} genomes × {count} seeds")
    for race in (RacingParams(), RacingParams(keep=0.33), RacingParams(first=4)):
        raced = [evolve(run, params, generations, count, race) for run in range(1, runs + 1)]
        pairs = list(zip(raced, calm, strict=True))
        print(
            f"first {race.first}, keep {race.keep:g}: "
            f"trial-steps {_ratio([(r[0], c[0]) for r, c in pairs])}, "
            f"champion's true steps {_ratio([(r[1], c[1]) for r, c in pairs])}",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
