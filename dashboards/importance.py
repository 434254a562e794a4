"""Which genes matter, over all trials in a store: charts, or why nothing is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from dashboards import words
from dashboards.chart import Chart
from dashboards.figures import importance
from speciation.analysis.effects import LEAST_GENOMES, Effects, effects
from speciation.analysis.validation import ROWS, SETTINGS, Validation
from speciation.evolution.fitness import fitness_table
from speciation.genome.genome import Genomes, kind_named
from speciation.tables.readers import genomes_frame
from speciation.tables.store import Store

JUDGED_BY = (
    *("trial_id", "genome_id", "outcome", "steps_to_grok", "steps_run"),
    "best_validation_accuracy",
)


class Genes(NamedTuple):
    """What is said of genes.

    Args:
        charts: Figures; none where nothing can be said.
        unsaid: Why not, in a sentence.
    """

    charts: tuple[Chart, ...]
    unsaid: str = ""


def genes_of(store: Store, found: Validation, kind: str) -> Genes:
    """Which genes matter, over all trials in the store of the same experiment.

    Args:
        store: Where trials and genomes are.
        found: A validation, which says which experiment.
        kind: Of the genomes.

    Raises:
        StoreError: The store cannot be read.
    """
    table = _by_genome(store, found, kind)
    genes = [gene for gene in kind_named(kind).columns if gene in table]
    if len(table) < LEAST_GENOMES or not genes:
        return Genes(
            (),
            f"That takes {LEAST_GENOMES} genomes of this experiment to learn from, and the "
            f"store has {len(table):,}.",
        )
    rmst, trials = (table[name].to_numpy(dtype=np.float64) for name in ("rmst", "trials"))
    learned = effects(genes, table[genes].to_numpy(), rmst, trials)
    if learned is None or learned.forecast <= 0:
        return Genes(
            (),
            f"From the {len(table):,} genomes of this experiment nothing could be learned: a "
            "forest of trees forecasts mean steps of genomes that are new to it no better than "
            "their mean does.",
        )
    return Genes(tuple(_charts(table, learned)))


def _charts(table: pd.DataFrame, learned: Effects) -> Iterator[Chart]:
    leading = [own.genes[0] for own in learned.genes]
    shown = f"{100 * learned.forecast:.0f} %"
    yield Chart(
        "importance",
        "Which genes matter",
        importance.importance_table(learned.genes),
        importance.draw_genes(learned.genes),
        "Importance of each gene for the mean steps.",
        f"A forest of trees learned from {_how_many(table, learned)} how genes "
        f"go with mean steps; on genomes new to it, it forecasts {shown} of the variance. Bars "
        "are what that forecast loses when a gene is shuffled among genomes, ± a standard "
        "error over folds. It tells of a forecast among these genomes, and proves no cause.",
    )
    yield Chart(
        "complexes",
        "Which genes matter together",
        importance.importance_table(learned.pairs),
        importance.draw_pairs(learned.pairs),
        "Interactions of pairs of genes for the mean steps.",
        "What two genes say only together: what the forecast loses when each is shuffled "
        "apart, beyond what it loses when both are shuffled as one, ± a standard error over "
        "folds. "
        "Pairs of the leading genes; a pair that stands out is a co-adapted complex.",
    )
    yield Chart(
        "slices",
        "Slices",
        table[["genome_id", "rmst", "trials", *leading[: importance.LEADING]]],
        importance.draw_slices(table, leading),
        "Mean steps of each genome against each leading gene.",
        "A dot is a genome, the line a median of neighbours; each gene from the low to the "
        "high end of its own scale.",
    )
    yield Chart(
        "parallel",
        "All genes at once",
        table[["genome_id", "rmst", "trials", *leading]],
        importance.draw_parallel(table, leading),
        "A line a genome through all genes, coloured by fifths of mean steps.",
        "Each gene from the low to the high end of its own scale, the most important on the "
        "left; blue is fast. Thick lines are medians of each fifth: where they part, a gene "
        "matters.",
    )


def _how_many(table: pd.DataFrame, learned: Effects) -> str:
    counted = words.counted(learned.genomes, "genome")
    return counted if learned.genomes == len(table) else f"{counted} of {len(table):,}"


def _by_genome(store: Store, found: Validation, kind: str) -> pd.DataFrame:
    """A row a genome: id, mean of min(T, H), trials, and a unit coordinate a gene."""
    rows = store.scan("trials", ROWS).table
    sample = rows.filter(pc.equal(rows["trial_id"], found.trials.trial_id[0])).to_pylist()
    chosen = pc.field("kind") == kind
    for column in SETTINGS:
        chosen &= pc.field(column) == sample[0][column]
    known = rows.filter(chosen).select([*JUDGED_BY]).to_pandas()
    fitness = fitness_table(known, found.horizon)
    fitness = fitness[fitness["trials"] > 0][["genome_id", "rmst", "trials"]]
    genomes = genomes_frame(store, genome_ids=fitness["genome_id"])
    columns = list(kind_named(kind).columns)
    genomes = genomes[genomes["kind"] == kind].dropna(subset=columns)
    if genomes.empty:
        return pd.DataFrame(columns=["genome_id", "rmst", "trials"])
    unit = kind_named(kind).encode(Genomes(kind, genomes[columns].to_numpy()))
    table = pd.DataFrame(unit, columns=columns)
    table.insert(0, "genome_id", genomes["genome_id"].to_numpy())
    return fitness.merge(table, on="genome_id")
