"""The phase transition: loss and accuracy against steps, the median over seeds with its band.

A trial that has ended keeps its last value, so that at each step all seeds are looked at. The
band is the interval of the median that order statistics give (Conover 1999, section 3.2): it
assumes nothing of the curves, and holds at each step alone.

Axes: n trials, E steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
    ids = pa.array([own for trials in arms.values() for own in trials], pa.string())
    rows = store.select("curves", ids, ("step", *MEASURES), ordered=False).table
    if pc.min(pc.list_value_length(rows["step"])).as_py() == 0:
        rows = rows.filter(pc.greater(pc.list_value_length(rows["step"]), 0))
    place = pc.index_in(ids, value_set=rows["trial_id"].combine_chunks())
    own = np.split(
        pc.fill_null(place, -1).to_numpy(), np.cumsum([len(t) for t in arms.values()])[:-1]
    )
    there = {name: known for name, p in zip(arms, own, strict=True) if len(known := p[p >= 0])}
    step, starts = _flat(rows["step"])
    grids = {
        name: _grid(known, step, starts, horizon, most_steps) for name, known in there.items()
    }
    bands: dict[str, dict[str, Band]] = {name: {} for name in there}
    for measure in MEASURES:  # one after the other: together they would take twice the memory
        flat, _ = _flat(rows[measure])
        for name, grid in grids.items():
            bands[name][measure] = _band(flat[grid.where])
    return {
        name: Phase(grids[name].step, len(known), bands[name]) for name, known in there.items()
    }


def _flat(column: pa.ChunkedArray) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """All lists' values one after the other, and where each begins; one more at the end."""
    lengths = pc.list_value_length(column).to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.zeros(0), starts


class _Grid(NamedTuple):
    """The steps at which an arm is looked at, ``(E,)``, and places of values, ``(E, n)``."""

    step: Floats
    where: NDArray[np.int64]


def _grid(
    own: NDArray[np.int64],
    step: NDArray[np.generic],
    starts: NDArray[np.int64],
    horizon: int,
    most_steps: int,
) -> _Grid:
    first, last = starts[own], starts[own + 1] - 1
    longest = int((last - first).argmax())
    grid = np.asarray(step[first[longest] : last[longest] + 1])
    grid = grid[grid <= horizon]
    interval = int(grid[0]) if len(grid) else 1
    if len(grid) > most_steps:
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, most_steps).astype(np.int64))]
    # Evaluations are evenly spaced, so a step's place in every curve is known.
    evaluation = grid.astype(np.int64) // interval - 1
    where = np.minimum(first + evaluation[:, None], last)
    return _Grid(grid.astype(np.float64), where)


def _band(values: NDArray[np.generic]) -> Band:
    """The band of values ``(E, n)``."""
    n = values.shape[1]
    low, high = _ranks(n)
    seen: Singles = np.nan_to_num(values.astype(np.float32), nan=np.inf, posinf=np.inf)
    seen.sort(axis=1)
    middle = seen[:, [(n - 1) // 2, n // 2]].mean(axis=1, dtype=np.float64)
    return Band(middle.astype(np.float32), seen[:, low], seen[:, high])


def _ranks(n: int) -> tuple[int, int]:
    """Places of the order statistics between which the median lies; the ends of few trials."""
    low = int(stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5)) - 1
    return max(low, 0), min(n - 1 - low, n - 1)
