"""The same genomes on the same seeds, every one of them: a complete table of trials.

What a comparison of genomes across settings, or of combinations of genes, reads. Trials are
those of a validation: whatever the store answers already is not trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.campaign import Campaign
from cluster.config import RunConfig
from cluster.executor import Executor
from cluster.training import Trainer, Work
from cluster.validate import register
from cluster.validate_asked import RUN, Asked
from speciation.genome.genome import Genome
from speciation.seeds import pool_b
from speciation.tables.readers import answering
from speciation.tables.store import Store
from speciation.trial.trial import Outcome

COLUMNS = ("trial_id", "genome_id", "seed", "outcome", "learning_class", "steps_to_grok")

Tell = Callable[[int, int], None]


def lacking(config: RunConfig, genomes: Sequence[Genome], seeds: int, store: Store) -> int:
    """How many of a panel's trials the store does not answer; see :func:`panel`."""
    trials = config.trials(genomes, pool_b(seeds))
    known = answering(store, trials, (*COLUMNS, "steps_run"))["trial_id"]
    return len(trials) - pc.count_distinct(known).as_py()


def complete(
    config: RunConfig,
    genomes: Sequence[Genome],
    seeds: int,
    store: Store,
    executor: Executor,
    tell: Tell = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train what a panel lacks.

    Args:
        config: Task, model, horizon, precision.
        genomes: All different.
        seeds: How many, the first of pool B.
        store: Where rows are and go.
        executor: Where trials are trained.
        tell: Told how many trials have ended, and of how many.
        stop: Asked whether to stop; what has finished by then is stored.

    Raises:
        StoppedEarlyError: ``stop`` asked to stop.
        RunError: No trial can be finished.
        ExecutorError: There is nowhere to train.
        StoreError: The store cannot be read or written.
    """
    asked = Asked(config, {g.id: g for g in genomes}, {}, pool_b(seeds))
    register(asked, store)

    def watch(campaign: Campaign, work: Work) -> None:
        tell(work.trials - campaign.total + campaign.done, work.trials)

    trials = config.trials(genomes, asked.seeds)
    Trainer(store, executor, RUN, watch, stop).train(trials, None, "B")
    tell(len(trials), len(trials))


def panel(
    config: RunConfig, genomes: Sequence[Genome], seeds: int, store: Store
) -> pd.DataFrame:
    """The rows of all genomes on the first seeds of pool B; see :func:`complete`.

    Returns:
        A row a trial: :data:`COLUMNS`, and ``steps``, min(T, H); NaN where the machine failed.

    Raises:
        StoreError: The store cannot be read.
    """
    ids = [trial.id for trial in config.trials(genomes, pool_b(seeds))]
    rows = store.select("trials", ids, COLUMNS).table.select(COLUMNS).to_pandas()
    steps = rows["steps_to_grok"].astype(float).fillna(np.inf)
    steps = steps.clip(upper=config.the_horizon())
    return rows.assign(steps=steps.where(rows["outcome"] != Outcome.FAILED.value))


def steps_matrix(rows: pd.DataFrame, genomes: Sequence[Genome]) -> NDArray[np.float64]:
    """min(T, H) of shape ``(S, M)``: a row a seed, a column a genome."""
    table = rows.pivot(index="seed", columns="genome_id", values="steps")
    return table[[genome.id for genome in genomes]].to_numpy(dtype=np.float64)
