"""Fewer points than there are, evenly spaced: a page stays small, and its captions say so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Positions of at most ``most`` of ``count`` items, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.rint(np.linspace(0, count - 1, most)).astype(np.int64)


def doubling(count: int, most: int) -> NDArray[np.int64]:
    """Positions of at most ``most`` of ``count`` items: every k-th one, and the last.

    k is 1, then 2, 4, 8 …, so that nearly all that was shown of fewer items stays in its place.
    """
    step = 1
    while count > (most - 1) * step + 1:
        step *= 2
    places = np.arange(0, count, step)
    if count and places[-1] != count - 1:
        places = np.append(places, count - 1)
    return places
