"""The job that `speciation bench` gives to everyone: which trials, and how long they live.

Every way of training gets the same trials: one task, one model, and for each trial genes and a
seed of its own. The genes are drawn where training stays finite, so that nobody is timed on
NaNs and no slot falls empty while the cost of a step is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from speciation.engine.layout import PAD_LOGIT, Layout, initial_parameters, layout
from speciation.engine.recipe import RECIPE_COLUMNS, initial_scale, recipe_row
from speciation.genome.genome import KINDS, Genome
from speciation.seeds import Purpose, generator
from speciation.trial.task import Task, split
from speciation.trial.trial import ModelShape, Trial

FOREVER = 10_000_000
HORIZON = 2500  # of the lengths below: that of the track add97-mb512

_GENOMES, _SEEDS = 4096, 16  # a generation tries many genomes on the same few seeds
_AT_MOST = {"learning_rate": 1e-3, "layer_scale": 1.0}  # far from where training blows up
_SPREAD = 0.3  # standard deviation of the logarithm of a length
_NEVER = 0.2  # share of trials that run to the horizon


@dataclass(frozen=True, slots=True)
class Job:
    """What is trained, on what device (as torch calls it), and in which precision by us."""

    task: Task
    model: ModelShape
    device: str
    precision: str = "float32"

    @property
    def kind(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.device.partition(":")[0]


@dataclass(frozen=True)
class Stack:
    """Trials as arrays, for peers that train a whole pack; S trials, P parameters, E examples.

    The padded logits' bias is ``PAD_LOGIT`` from the start and keeps it, having no gradient.
    """

    plan: Layout
    weight: NDArray[np.float32]  # (S, P), in the layout's order
    order: NDArray[np.int32]  # (S, E), train examples first
    recipe: dict[str, NDArray[np.float32]]  # (S,) each, by ``RECIPE_COLUMNS``


def bench_trials(
    job: Job, count: int, horizons: NDArray[np.int64] | None = None, first: int = 0
) -> list[Trial]:
    """Trials number ``first`` and on; without horizons they never end."""
    ends = np.full(count, FOREVER) if horizons is None else horizons
    return [
        Trial(
            genome=_genomes()[i % _GENOMES],
            task=job.task,
            model=job.model,
            seed=2 * (i % _SEEDS),
            horizon=int(end),
            to_horizon=True,
            precision=job.precision,
        )
        for i, end in enumerate(ends, start=first)
    ]


@lru_cache(maxsize=1)
def stack(job: Job, count: int) -> Stack:
    """The first trials of the job as arrays, which are to be copied before they are changed."""
    trials, plan = bench_trials(job, count), layout(job.task, job.model)
    weight = np.stack(
        [initial_parameters(plan, initial_scale(t.genome), t.seed) for t in trials]
    )
    weight[:, weight.shape[1] - plan.vocabulary + plan.elements :] = PAD_LOGIT
    rows = np.stack([recipe_row(t.genome) for t in trials]).astype(np.float32)
    return Stack(
        plan=plan,
        weight=weight,
        order=np.stack([split(job.task, t.seed) for t in trials]).astype(np.int32),
        recipe=dict(zip(RECIPE_COLUMNS, rows.T.copy(), strict=True)),
    )


def lengths(count: int, interval: int, horizon: int = HORIZON) -> NDArray[np.int64]:
    """How long trials live, ``(count,)`` steps in whole evaluation intervals.

    Four in five grok, after a log-normal time (standard deviation .3 of the logarithm, mean
    half the horizon); the others run to the horizon. The mean is 60 % of the longest.
    """
    rng = generator(0, Purpose.BOOTSTRAP)
    grok = rng.lognormal(math.log(horizon / 2) - _SPREAD**2 / 2, _SPREAD, count)
    steps = np.where(rng.random(count) < _NEVER, horizon, grok)
    return (
        np.clip(np.rint(steps / interval), 1, horizon // interval).astype(np.int64) * interval
    )


def lengths_left(count: int, interval: int, horizon: int = HORIZON) -> NDArray[np.int64]:
    """What is left of the trials that one meets in an engine that has been refilled for ever.

    A long trial is met more often, in proportion to its length, and anywhere within it.
    """
    rng = generator(1, Purpose.BOOTSTRAP)
    known = lengths(16 * count, interval, horizon)
    met = rng.choice(known, count, p=known / known.sum())
    return np.ceil(rng.random(count) * met / interval).clip(1).astype(np.int64) * interval


@cache
def mean_length(interval: int, horizon: int = HORIZON) -> float:
    """Mean of :func:`lengths`, in steps."""
    return float(lengths(100_000, interval, horizon).mean())


@cache
def longest_of(count: int, interval: int, horizon: int = HORIZON) -> float:
    """Expected length of the longest of so many trials, in steps."""
    packs = max(1, 100_000 // count)
    return float(lengths(packs * count, interval, horizon).reshape(packs, count).max(1).mean())


@cache
def _genomes() -> list[Genome]:
    drawn = KINDS["hyper17"].random(_GENOMES, generator(0, Purpose.FOUNDERS))
    return [_tame(drawn[i]) for i in range(_GENOMES)]


def _tame(genome: Genome) -> Genome:
    genes = ((name, min(value, _AT_MOST.get(name, value))) for name, value in genome.genes)
    return replace(genome, genes=tuple(genes))
