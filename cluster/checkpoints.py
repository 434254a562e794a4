"""A run's champion as it would have been, had the run ended sooner.

At each checkpoint, a number of trial-steps, the champion is the best genome of the generations
that had been paid for by then, chosen by the same rule as a finished run's. It is confirmed on
seeds that evolution never saw, the same for all, and that costs the search nothing. So quality
is told as a function of cost, and never by the seeds that a genome was selected on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from cluster.config import RunConfig
from cluster.executor import Executor
from cluster.plan import champion_among, closed_generations, spent_in
from cluster.summary import Figures, figures, plain
from cluster.training import Trainer
from speciation import seeds
from speciation.evolution.fitness import JUDGED_BY
from speciation.tables.readers import genome_of
from speciation.tables.store import Store

Row = dict[str, Any]


def champions_at(
    config: RunConfig,
    store: Store,
    executor: Executor,
    checkpoints: Sequence[int],
    confirm: int,
    stop: Callable[[], bool],
) -> list[Row]:
    """The champion at each checkpoint, selected and confirmed.

    Args:
        config: A run whose generations are closed.
        store: Where it is.
        executor: Where trials of confirmation are trained.
        checkpoints: Trial-steps, rising.
        confirm: Seeds of pool B for each champion.
        stop: Asked whether to stop.

    Returns:
        A row a checkpoint: ``checkpoint``, trial-steps ``spent`` and ``generations`` paid for
        by then; where there is a champion also its ``genome``, and ``selected`` and
        ``confirmed`` :class:`~cluster.summary.Figures` as plain values.

    Raises:
        StoppedEarlyError: ``stop`` asked to stop.
        RunError: No trial can be finished.
        ExecutorError: There is nowhere to train.
        StoreError: The store cannot be read or written.
    """
    run, horizon = config.run_id(), config.the_horizon()
    closed = closed_generations(run, store)
    spent = list(accumulate(spent_in(run, store, horizon)[:closed], initial=0))
    tried = trials_by_generation(run, store)
    rows: list[Row] = []
    chosen: dict[int, tuple[str, Figures | None]] = {}
    for checkpoint in checkpoints:
        paid = sum(cost <= checkpoint for cost in spent) - 1
        rows.append({"checkpoint": checkpoint, "spent": spent[paid], "generations": paid})
        if paid and paid not in chosen:
            among = tried[tried["generation"] < paid]
            genome, _ = champion_among(among, config)
            if genome is not None:
                chosen[paid] = genome, figures(among[among["genome_id"] == genome], config)
    confirmed = _confirmed(
        {genome for genome, _ in chosen.values()}, config, store, executor, confirm, stop
    )
    for row in rows:
        if row["generations"] in chosen:
            genome, selected = chosen[row["generations"]]
            row |= {"genome": genome, "selected": plain(selected)}
            row |= {"confirmed": plain(confirmed[genome])}
    return rows


def trials_by_generation(run: str, store: Store) -> pd.DataFrame:
    """Rows of all trials that a run planned and has, with the ``generation`` that asked."""
    plans = store.select("plans", [run], ("generation", "trial_ids")).table.combine_chunks()
    asked = pc.list_flatten(plans["trial_ids"])
    generation = plans["generation"].take(pc.list_parent_indices(plans["trial_ids"]))
    of = pd.Series(generation.to_pylist(), index=asked.to_pylist())
    rows = store.select("trials", asked, JUDGED_BY).table.select(JUDGED_BY).to_pandas()
    return rows.assign(generation=rows["trial_id"].map(of))


def _confirmed(
    genomes: set[str],
    config: RunConfig,
    store: Store,
    executor: Executor,
    count: int,
    stop: Callable[[], bool],
) -> dict[str, Figures | None]:
    """How genomes do on seeds of pool B."""
    if not genomes:
        return {}
    of = [genome_of(store, own) for own in sorted(genomes)]
    trials = config.trials(of, seeds.pool_b(count))
    trainer = Trainer(store, executor, config.run_id(), stop=stop)
    rows = trainer.train(trials, None, "B").to_pandas()
    return {own: figures(rows[rows["genome_id"] == own], config) for own in genomes}
