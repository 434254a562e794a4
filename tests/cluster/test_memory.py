"""What was freed goes back to the machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.memory import _trim, give_back

BLOCKS, BYTES = 20_000, 4_000


def resident() -> int:
    """Pages of this process that are in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="pages are counted as Linux tells them")
def test_blocks_that_were_freed_between_others_leave_ram():
    blocks = [bytes([1]) * BYTES for _ in range(BLOCKS)]
    del blocks[:-1]  # what was made last stands above all the others, and keeps them
    before = resident()
    give_back()
    assert before - resident() > BLOCKS * BYTES / 4096 / 2


def test_what_is_in_use_stays():
    kept = pa.array(range(1000))
    give_back()
    assert kept.to_pylist() == list(range(1000))


def test_a_machine_without_gnu_c_gives_nothing_back_and_does_not_mind(monkeypatch):
    _trim.cache_clear()
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    try:
        give_back()
    finally:
        _trim.cache_clear()
