"""What a run has to say of itself: numbers for people, made from tables.

Values only. ``progress.py`` shows them, the manifest keeps some, ``--json`` prints them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cluster.config import RunConfig
from cluster.plan import Judged
from speciation.evolution.fitness import Z, fitness_table, wilson
from speciation.evolution.generation import deaths
from speciation.genome.diversity import diversity_index, rgb
from speciation.genome.genome import Genome

MOST_COLOURS = 64


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its standard error; either may be NaN."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class GenerationSummary:
    """One closed generation."""

    generation: int
    landscape: str
    best_genome: str | None
    best: Measured
    median: Measured
    trials: int  # scientific ones
    successes: int
    failed: int
    success_low: float
    success_high: float
    diversity: float
    elites: int
    deaths: int
    colours: tuple[str, ...]  # of its genomes, best first, as #rrggbb: alike is related

    @property
    def success_rate(self) -> float:
        """Share of trials that grokked; NaN without any."""
        return self.successes / self.trials if self.trials else math.nan


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at a moment. Trials are those of the campaign at hand."""

    phase: str  # "evolve" or "confirm"
    generation: int
    generations: int
    trials: int
    done: int
    under_way: float  # trials' worth of steps in unfinished trials
    known: int  # of those done, answered by the store
    failed: int
    suspects: int
    capacity: int
    occupied: int
    finished: int  # trials finished by this process
    trial_steps: int  # steps trained by this process
    seconds: float  # since this process began
    eta_seconds: float | None
    store_is_full: bool = False
    waiting: int = 0  # engines that no machine has room for yet
    outcomes: Mapping[str, int] = field(default_factory=dict)  # of those finished


@dataclass(frozen=True, slots=True)
class Figures:
    """How a genome did on a pool of seeds. Steps count censored trials as the horizon."""

    trials: int
    successes: int
    success_low: float
    success_high: float
    steps: float
    steps_low: float
    steps_high: float
    spread: float  # q90 - q10


@dataclass(frozen=True, slots=True)
class Champion:
    """The genome that a run selected, and how it did on seeds evolution never saw."""

    genome: Genome
    in_hall_of_fame: bool
    selected: Figures
    confirmed: Figures | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run ended."""

    run: str
    stopped: bool  # before its end, on demand
    generations: int  # closed
    champion: Champion | None
    finished: int  # trials trained now
    known: int  # trials answered by the store
    failed: int
    trial_steps: int
    seconds: float
    faults: Mapping[str, int] = field(default_factory=dict)  # by kind, those there were
    outcomes: Mapping[str, int] = field(default_factory=dict)  # of those trained now


def summarise(judged: Judged, config: RunConfig) -> GenerationSummary:
    """What a closed generation has to say."""
    fitness = judged.fitness.sort_values("rank", ignore_index=True)
    landscape = config.evolution.landscape
    trials, successes = int(fitness["trials"].sum()), int(fitness["successes"].sum())
    low, high = wilson(successes, trials)
    tried = fitness[fitness["trials"] > 0]
    ages = judged.plan.ages()
    return GenerationSummary(
        generation=judged.plan.generation,
        landscape=landscape,
        best_genome=None if tried.empty else str(tried["genome_id"].iloc[0]),
        best=_measured(tried, 0, landscape),
        median=_measured(tried, len(tried) // 2, landscape),
        trials=trials,
        successes=successes,
        failed=int(fitness["failed"].sum()),
        success_low=float(low),
        success_high=float(high),
        diversity=diversity_index(judged.plan.genomes),
        elites=int((judged.plan.elite_age > 0).sum()),
        deaths=len(deaths(fitness, ages)) if config.evolution.senescence else 0,
        colours=_colours(judged, fitness),
    )


def figures(trials: pd.DataFrame, config: RunConfig) -> Figures | None:
    """How the one genome of these rows did; None without a scientific row."""
    table = fitness_table(trials, config.the_horizon(), config.evolution.landscape)
    if table.empty or not table["trials"].iloc[0]:
        return None
    row = table.iloc[0]
    low, high = wilson(row["successes"], row["trials"])
    half = Z * float(row["rmst_se"])
    return Figures(
        trials=int(row["trials"]),
        successes=int(row["successes"]),
        success_low=float(low),
        success_high=float(high),
        steps=float(row["rmst"]),
        steps_low=float(row["rmst"]) - half,
        steps_high=float(row["rmst"]) + half,
        spread=float(row["sniper"]),
    )


def plain(value: Any) -> Any:
    """A summary as plain values for JSON: NaN and infinities become None."""
    if isinstance(value, Genome):
        return {"id": value.id, "kind": value.kind, "genes": dict(value.genes)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return plain(value.item())
    return value


def _colours(judged: Judged, ranked: pd.DataFrame) -> tuple[str, ...]:
    """Colours of genomes in the order of a ranking; of many, evenly spaced ones."""
    genomes = judged.plan.genomes
    colour = dict(zip(genomes.ids, rgb(genomes), strict=True))
    shown = np.linspace(0, len(ranked) - 1, min(len(ranked), MOST_COLOURS)).astype(int)
    ids = ranked["genome_id"].iloc[shown]
    return tuple("#{:02x}{:02x}{:02x}".format(*colour[own]) for own in ids)


def _measured(fitness: pd.DataFrame, position: int, landscape: str) -> Measured:
    """The fitness at a place of a ranking; NaN where nobody stands.

    A genome behind the gate has no spread to be proud of: one that never groks has none at all.
    """
    if position >= len(fitness):
        return Measured(math.nan, math.nan)
    row = fitness.iloc[position]
    if landscape == "sniper" and not row["passes_gate"]:
        return Measured(math.nan, math.nan)
    return Measured(float(row[landscape]), float(row[f"{landscape}_se"]))
