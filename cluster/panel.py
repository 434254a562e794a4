"""The same genomes on the same seeds, every one of them: a complete table of trials.

What a comparison of genomes across settings, or of combinations of genes, reads. Trials are
those of a validation: whatever the store answers already is not trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

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
from speciation.trial.trial import Outcome, Trial

COLUMNS = ("trial_id", "genome_id", "seed", "outcome", "learning_class", "steps_to_grok")

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Panel:
    """Genomes, each on the same seeds.

    Args:
        config: Task, model, horizon, precision.
        genomes: All different.
        seeds: How many, the first of pool B.
        store: Where rows are and go.
    """

    config: RunConfig
    genomes: Sequence[Genome]
    seeds: int
    store: Store

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Every genome on every seed."""
        return self.config.trials(self.genomes, pool_b(self.seeds))

    def lacking(self) -> int:
        """How many trials the store does not answer."""
        known = answering(self.store, self.trials, (*COLUMNS, "steps_run"))["trial_id"]
        return len(self.trials) - pc.count_distinct(known).as_py()

    def complete(
        self,
        executor: Executor,
        tell: Tell = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train what is lacking.

        Args:
            executor: Where trials are trained.
            tell: Told how many trials have ended, and of how many.
            stop: Asked whether to stop; what has finished by then is stored.

        Raises:
            StoppedEarlyError: ``stop`` asked to stop.
            RunError: No trial can be finished.
            ExecutorError: There is nowhere to train.
            StoreError: The store cannot be read or written.
        """
        genomes = {genome.id: genome for genome in self.genomes}
        register(Asked(self.config, genomes, {}, pool_b(self.seeds)), self.store)

        def watch(campaign: Campaign, work: Work) -> None:
            tell(work.trials - campaign.total + campaign.done, work.trials)

        Trainer(self.store, executor, RUN, watch, stop).train(self.trials, None, "B")
        tell(len(self.trials), len(self.trials))

    def rows(self) -> pd.DataFrame:
        """A row a trial: :data:`COLUMNS`, and ``steps``, min(T, H), NaN where it failed.

        Raises:
            StoreError: The store cannot be read.
        """
        ids = [trial.id for trial in self.trials]
        rows = self.store.select("trials", ids, COLUMNS).table.select(COLUMNS).to_pandas()
        steps = rows["steps_to_grok"].astype(float).fillna(np.inf)
        steps = steps.clip(upper=self.config.the_horizon())
        return rows.assign(steps=steps.where(rows["outcome"] != Outcome.FAILED.value))


def steps_matrix(rows: pd.DataFrame, genomes: Sequence[Genome]) -> NDArray[np.float64]:
    """min(T, H) of shape ``(S, M)``: a row a seed, a column a genome."""
    table = rows.pivot(index="seed", columns="genome_id", values="steps")
    return table[[genome.id for genome in genomes]].to_numpy(dtype=np.float64)
