"""Who becomes a parent: strategies over ranks.

A strategy sees ranks and nothing else, so it works for every fitness landscape.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Strategy = Callable[[NDArray[np.int64], int, np.random.Generator], NDArray[np.int64]]


def select(
    ranks: NDArray[np.int64], count: int, strategy: str, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Choose parents, with replacement.

    Args:
        ranks: Shape ``(P,)``; less is better. Gaps and ties do no harm.
        count: Parents to choose.
        strategy: A key of :data:`STRATEGIES`.
        rng: The only source of chance.

    Returns:
        Positions in ``ranks``, shape ``(count,)``.

    Raises:
        ValueError: The strategy is unknown, or there is nobody to choose from.
    """
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ValueError(f"unknown selection strategy {strategy!r}; known strategies: {known}")
    if count and not len(ranks):
        raise ValueError(f"cannot select {count} parents from nobody")
    return STRATEGIES[strategy](np.asarray(ranks), count, rng)


def _tournament(size: int) -> Strategy:
    """Each parent is the best of ``size`` genomes that met by chance."""

    def strategy(
        ranks: NDArray[np.int64], count: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        met = rng.integers(0, max(len(ranks), 1), (count, size))
        winners = ranks[met].argmin(axis=1) if count else np.zeros(0, dtype=np.int64)
        return met[np.arange(count), winners]

    return strategy


def _spartan(
    ranks: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The worse half is culled; all others are equal. Of an odd number the middle one lives."""
    survivors = np.argsort(ranks, kind="stable")[: (len(ranks) + 1) // 2]
    return survivors[rng.integers(0, max(len(survivors), 1), count)]


STRATEGIES: dict[str, Strategy] = {
    "tournament2": _tournament(2),
    "tournament3": _tournament(3),
    "spartan": _spartan,
}
"""Every selection strategy by name."""
