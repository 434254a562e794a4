"""The random numbers of training as tensors: which examples a step sees, what it drops.

Axes: S slots, B examples, D model width. Integers throughout, so every device draws the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speciation import seeds
from speciation.engine.recipe import DROPOUT_LEVELS
from speciation.seeds import Purpose


def words(
    key: Tensor,  # (S, 2) int64, the key words of each slot's seed
    purpose: int,
    step: Tensor,  # (S,) int64
    count: int,
    lane: int = 0,
) -> Tensor:  # (S, count) int64, each below 2**32
    """``speciation.seeds.bits`` for every slot at its own step."""
    blocks = torch.arange((count + 3) // 4, device=key.device)[None, :]
    four = seeds.philox((blocks, step[:, None], purpose, lane), (key[:, 0:1], key[:, 1:2]))
    shape = (key.shape[0], blocks.shape[1])
    return torch.stack([word.expand(shape) for word in four], dim=-1).flatten(1)[:, :count]


def minibatch(
    key: Tensor,  # (S, 2)
    step: Tensor,  # (S,)
    train: Tensor,  # (S, train_count) int64, examples trained on
    batch: int,
) -> Tensor:  # (S, batch) int64
    """Examples of a step, drawn with replacement.

    A word times the count, shifted by 32 bits, is the index (Lemire 2019 without rejection: the bias
    is below count / 2**32).
    """
    count = train.shape[1]
    place = (words(key, Purpose.ORDER, step, batch) * count) >> 32
    return train.gather(1, place)


def kept(
    key: Tensor,  # (S, 2)
    step: Tensor,  # (S,)
    threshold: Tensor,  # (S,) in [0, 65536]
    shape: tuple[int, ...],
    lane: int = 0,
) -> Tensor:  # (S, *shape) bool
    """Which activations dropout keeps: those whose 16 random bits are not below the threshold.

    Activation ``i`` of the flattened shape uses the low (``i`` even) or high (``i`` odd) half of
    word ``i // 2``, read as a signed number. ``lane`` tells token positions apart; the position of
    ``=`` is lane 0.
    """
    count = torch.Size(shape).numel()
    word = words(key, Purpose.DROPOUT, step, (count + 1) // 2, lane).to(torch.int32)
    # Shifted to the top of 32 bits, a half compares with the shifted limit as it would alone.
    limit = ((threshold.to(torch.int64) - DROPOUT_LEVELS // 2) << 16).to(torch.int32)[:, None]
    halves = torch.stack([(word << 16) >= limit, word >= limit], dim=-1)
    return halves.flatten(1)[:, :count].view(key.shape[0], *shape)


def keep_scale(threshold: Tensor) -> Tensor:
    """What kept activations are multiplied by, so that dropout keeps the mean."""
    return DROPOUT_LEVELS / (DROPOUT_LEVELS - threshold)
