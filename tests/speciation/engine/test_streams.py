"""Random streams as tensors: the same words as NumPy's, at each slot's own step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speciation import seeds
from speciation.engine import streams
from speciation.seeds import Purpose

BLOCKS = torch.arange(5000)


def keys(*values: int) -> torch.Tensor:
    return torch.tensor([seeds.key_words(value) for value in values])


@given(
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3),
    st.integers(0, 2**31),
    st.integers(1, 70),
)
def test_torch_draws_the_words_that_numpy_draws(values, step, count):
    steps = torch.arange(len(values)) + step
    words = streams.words(keys(*values), Purpose.ORDER, steps, BLOCKS[: (count + 3) // 4])
    expected = [seeds.bits(v, Purpose.ORDER, step + i, count) for i, v in enumerate(values)]
    words = torch.stack(words, dim=-1).flatten(1)[:, :count]
    assert np.array_equal(words.numpy().astype(np.uint64), np.stack(expected))


def test_a_minibatch_is_drawn_evenly_from_the_train_examples_of_its_slot():
    train = torch.stack([torch.arange(100, 110), torch.arange(200, 210)])
    batch = streams.minibatch(keys(1, 2), torch.tensor([3, 3]), train, 20_000, BLOCKS)
    assert batch.shape == (2, 20_000)
    for row, start in zip(batch, (100, 200), strict=True):
        counts = torch.bincount(row - start, minlength=10)
        assert len(counts) == 10
        assert counts.min() > 1800
        assert counts.max() < 2200


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(share):
    threshold = torch.tensor([share * 65536])
    kept = streams.kept(keys(5), torch.tensor([9]), threshold, (2, 100, 32), BLOCKS)
    assert kept.shape == (1, 2, 100, 32)
    assert abs(kept.double().mean().item() - (1 - share)) < 0.02
    mean = (kept.double() * streams.keep_scale(threshold)).mean().item()
    assert abs(mean - 1) < 0.02
    if share == 0:
        assert kept.all()


def test_steps_lanes_and_slots_drop_differently():
    threshold = torch.full((2,), 32768.0)
    draws = [
        streams.kept(keys(5, 6), torch.tensor([step, step]), threshold, (64,), BLOCKS, lane)
        for step in (0, 1)
        for lane in (0, 1)
    ]
    rows = {tuple(row.tolist()) for draw in draws for row in draw}
    assert len(rows) == 8
