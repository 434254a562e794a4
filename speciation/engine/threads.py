"""How many threads torch computes with on a CPU: those that suit the work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def quickest(work: Callable[[], object]) -> int:
    """One thread or all of them, whichever does the work sooner.

    Operations on small tensors gain little from threads; and where another program wants the
    cores too, threads that wait for each other lose tenfold.
    """
    every = torch.get_num_threads()
    return min((1, every), key=lambda count: _seconds(work, count))


def _seconds(work: Callable[[], object], count: int) -> float:
    with threads(count):
        began = time.perf_counter()
        work()
        return time.perf_counter() - began
