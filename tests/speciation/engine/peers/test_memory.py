"""The high-water mark of memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from speciation.engine.peers import memory
from speciation.engine.peers.memory import Watermark


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux says it")
def test_it_sees_what_was_held_and_given_back():
    mark = Watermark("cpu")
    held = torch.ones(2**23)
    del held
    assert 24 * 2**20 < mark.bytes() < 256 * 2**20


def test_where_nobody_knows_it_says_so(monkeypatch):
    monkeypatch.setattr(memory, "_CLEAR", Path("/nowhere/clear_refs"))
    assert Watermark("cpu").bytes() is None
