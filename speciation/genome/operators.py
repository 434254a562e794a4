"""The operators of evolution, by the names that biology gave them.

Each takes genomes and a generator and returns children, in the order of the parents. How a gene
is inherited or moved is the business of its :class:`~speciation.genome.genome.GenomeKind`.

Axes: P genomes, G columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speciation.genome.genome import GenomeKind, Genomes, kind_named


def uniform_crossover(
    mothers: Genomes, fathers: Genomes, rng: np.random.Generator
) -> tuple[Genomes, NDArray[np.bool_]]:
    """Sexual reproduction, gene by gene.

    Args:
        mothers: P genomes.
        fathers: P genomes of the same kind; couple i is ``(mothers[i], fathers[i])``.
        rng: The only source of chance.

    Returns:
        P children, and the mask ``(P, G)`` of genes that the father gave.
    """
    return kind_named(mothers.kind).crossover(mothers, fathers, rng, keep_groups=False)


def group_crossover(
    mothers: Genomes, fathers: Genomes, rng: np.random.Generator
) -> tuple[Genomes, NDArray[np.bool_]]:
    """Sexual reproduction that keeps co-adapted gene groups together.

    Arguments and returns as of :func:`uniform_crossover`; each group is from one parent.
    """
    return kind_named(mothers.kind).crossover(mothers, fathers, rng, keep_groups=True)


def clone(parents: Genomes) -> Genomes:
    """Asexual reproduction: children equal to their parents, ids included."""
    return Genomes(parents.kind, parents.values)


def radiate(genomes: Genomes, dose: float, rate: float, rng: np.random.Generator) -> Genomes:
    """Mutation by radiation.

    Args:
        genomes: P genomes.
        dose: Standard deviation of a step on the unit scale, where a gene's range is 1.
        rate: Probability that a gene is hit; at least one gene of each genome always is.
        rng: The only source of chance.

    Returns:
        P mutants, every gene in its range.
    """
    return kind_named(genomes.kind).mutate(genomes, dose, rate, rng)


def aliens(kind: GenomeKind, count: int, rng: np.random.Generator) -> Genomes:
    """``count`` genomes from nowhere, against inbreeding."""
    return kind.random(count, rng)


def donor_genes(
    columns: tuple[str, ...], donated: NDArray[np.bool_]
) -> tuple[tuple[str, ...], ...]:
    """Names of the genes that each child has from its father.

    Args:
        columns: The G column names of the kind.
        donated: Mask ``(P, G)`` as the crossovers return it.
    """
    names = np.array(columns, dtype=object)
    return tuple(tuple(names[row]) for row in donated)
