"""The phase transition: loss and accuracy against steps, the median over seeds with its band.

A trial that has ended keeps its last value, so that at each step all seeds are looked at. The
band is the interval of the median that order statistics give (Conover 1999, section 3.2): it
assumes nothing of the curves, and holds at each step alone.

Axes: n trials, E steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats

from speciation.analysis.survival import CONFIDENCE, Floats
from speciation.tables.store import Store

MEASURES = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A median over seeds with its 95 % band, each of shape ``(E,)``."""

    median: Singles
    low: Singles
    high: Singles


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """How an arm learned.

    Args:
        step: Shape ``(E,)``.
        trials: n, those that have curves.
        bands: Measure of :data:`MEASURES` → its band.
    """

    step: Floats
    trials: int
    bands: Mapping[str, Band]


def phases(
    store: Store, arms: Mapping[str, Sequence[str]], horizon: int, most_steps: int = 100
) -> dict[str, Phase]:
    """Phase transitions of arms; one without curves is left out.

    Args:
        store: Where the curves are.
        arms: Name → ids of its trials.
        horizon: In steps; what came later is not looked at.
        most_steps: Points of a curve; of more evaluations, evenly spaced ones.

    Raises:
        StoreError: The store cannot be read.
    """
    ids = [own for trials in arms.values() for own in trials]
    rows = store.select("curves", ids, ("step", *MEASURES), ordered=False).table
    rows = rows.filter(pc.greater(pc.list_value_length(rows["step"]), 0)).combine_chunks()
    if not len(rows):
        return {}
    place = dict(zip(rows["trial_id"].to_pylist(), range(len(rows)), strict=True))
    step, starts = _flat(rows["step"])
    values = {name: _flat(rows[name])[0] for name in MEASURES}
    found = {}
    for name, trials in arms.items():
        own = np.array([place[t] for t in trials if t in place], dtype=np.int64)
        if len(own):
            found[name] = _phase(own, step, starts, values, horizon, most_steps)
    return found


def _flat(column: pa.ChunkedArray) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """All lists' values one after the other, and where each begins; one more at the end."""
    lists = column.combine_chunks()
    lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return lists.flatten().to_numpy(zero_copy_only=False), starts


def _phase(
    own: NDArray[np.int64],
    step: NDArray[np.generic],
    starts: NDArray[np.int64],
    values: Mapping[str, NDArray[np.generic]],
    horizon: int,
    most_steps: int,
) -> Phase:
    first, last = starts[own], starts[own + 1] - 1
    longest = int((last - first).argmax())
    grid = np.asarray(step[first[longest] : last[longest] + 1])
    grid = grid[grid <= horizon]
    interval = int(grid[0]) if len(grid) else 1
    if len(grid) > most_steps:
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, most_steps).astype(np.int64))]
    # Evaluations are evenly spaced, so a step's place in every curve is known.
    evaluation = grid.astype(np.int64) // interval - 1
    where = np.minimum(first[:, None] + evaluation[None, :], last[:, None])  # (n, E)
    low, high = _ranks(len(own))
    bands = {}
    for name, flat in values.items():
        seen = np.asarray(flat[where], dtype=np.float32)
        seen = np.sort(np.nan_to_num(seen, nan=np.inf, posinf=np.inf), axis=0)
        middle = seen[[(len(own) - 1) // 2, len(own) // 2]].mean(axis=0, dtype=np.float64)
        bands[name] = Band(middle.astype(np.float32), seen[low], seen[high])
    return Phase(grid.astype(np.float64), len(own), bands)


def _ranks(n: int) -> tuple[int, int]:
    """Places of the order statistics between which the median lies; the ends of few trials."""
    low = int(stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5)) - 1
    return max(low, 0), min(n - 1 - low, n - 1)
