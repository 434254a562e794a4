"""A pack of trials as plain arrays, for a peer that knows no torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sizes(NamedTuple):
    """What the compiled program is a function of."""

    algebra: str
    train_count: int
    batch: int | None
    interval: int
    width: int
    heads: int


class Given(NamedTuple):
    """A pack of S trials as arrays; see ``job.Stack``."""

    sizes: Sizes
    weights: dict[str, NDArray[np.float32]]  # (S, …) each
    recipe: dict[str, NDArray[np.float32]]  # (S,) each
    order: NDArray[np.int32]  # (S, E)
    table: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]  # (E,) each
