"""Memory that nothing uses any more, given back to the machine.

Allocators keep what was freed, in case it is wanted again. Between two generations of a large
run it is not, and what they keep grows from one generation to the next though nothing holds it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import pyarrow as pa


def give_back() -> None:
    """Give back what Arrow's allocator and C's have kept. Takes some milliseconds."""
    pa.default_memory_pool().release_unused()
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    """``malloc_trim`` of the GNU C library; elsewhere, nothing is done."""
    try:
        found: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda _: None
    return found
