"""Arithmetic of inheritance on unit coordinates: masks of who gives what, and radiation.

Axes: P genomes, G genes. Everything here is a function of arrays and a generator; what a
coordinate means is the gene's business.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def uniform_donor_mask(count: int, genes: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Each gene by its own coin: shape ``(count, genes)``, True where the father gives."""
    return rng.random((count, genes)) < 0.5


def group_donor_mask(
    count: int, groups: Mapping[str, tuple[int, ...]], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Each gene group by one coin, so that co-adapted genes stay together.

    Args:
        count: Children.
        groups: Group → its columns; together they cover every column once.
        rng: The only source of chance.

    Returns:
        Shape ``(count, genes)``, True where the father gives.
    """
    coins = rng.random((count, len(groups))) < 0.5
    mask = np.empty((count, sum(len(columns) for columns in groups.values())), dtype=np.bool_)
    for group, columns in enumerate(groups.values()):
        mask[:, list(columns)] = coins[:, group, None]
    return mask


def radiation_hits(
    count: int, genes: int, rate: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which genes a dose hits: each with probability ``rate``, and always at least one.

    Returns:
        Shape ``(count, genes)``; no row is all False.
    """
    draws = rng.random((count, genes))
    hits = draws < rate
    # Where all were spared, the gene that came closest is hit: no further draw needed.
    spared = ~hits.any(axis=1)
    hits[spared, draws[spared].argmin(axis=1)] = True
    return hits


def reflect(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates folded back into [0, 1] at both borders, like a ball between two walls.

    Unlike clipping, this does not pile genomes up on the borders.
    """
    folded = np.mod(units, 2.0)
    return np.where(folded > 1.0, 2.0 - folded, folded)
