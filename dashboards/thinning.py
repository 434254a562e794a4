"""Fewer points than there are, evenly spaced: a page stays small, and its captions say so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Positions of at most ``most`` of ``count`` items, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.rint(np.linspace(0, count - 1, most)).astype(np.int64)
