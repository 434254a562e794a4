"""The random numbers of training as tensors: which examples a step sees, what it drops.

Axes: S slots, B examples, D model width. Integers throughout, so every device draws the same.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from speciation import seeds
from speciation.engine.recipe import DROPOUT_LEVELS
from speciation.seeds import Purpose


def words(
    key: Tensor,  # (S, 2) int64, the key words of each slot's seed
    purpose: int,
    step: Tensor,  # (S,) int64
    blocks: Tensor,  # (N,) int64, 0 ... N - 1
    lane: int = 0,
) -> list[Tensor]:  # four, each (S, N) int64 below 2**32
    """``speciation.seeds.bits`` for every slot at its own step: words 4 i, 4 i + 1, ….

    ``blocks`` is a stored tensor rather than a ``torch.arange`` made here: compilers compute
    with the latter as with an index, in 32 bits, where these products need 64.
    """
    counter = (blocks[None, :], step[:, None], purpose, lane)
    four = seeds.philox(counter, (key[:, 0:1], key[:, 1:2]))
    shape = (key.shape[0], blocks.shape[0])
    return [word.expand(shape) for word in four]


def block_count(numbers: int) -> int:
    """Blocks of four words that hold so many numbers."""
    return -(-numbers // 4)


def minibatch(
    key: Tensor,  # (S, 2)
    step: Tensor,  # (S,)
    train: Tensor,  # (S, train_count) int64, examples trained on
    batch: int,
    blocks: Tensor,  # (N,) int64, at least block_count(batch) of them
) -> Tensor:  # (S, batch) int64
    """Examples of a step, drawn with replacement.

    A word times the count, shifted by 32 bits, is the index (Lemire 2019 without rejection: the
    bias is below count / 2**32).
    """
    count = train.shape[1]
    four = words(key, Purpose.ORDER, step, blocks[: block_count(batch)])
    drawn = torch.stack([(word * count) >> 32 for word in four], dim=-1)
    return train.gather(1, drawn.flatten(1)[:, :batch])


def kept(
    key: Tensor,  # (S, 2)
    step: Tensor,  # (S,)
    threshold: Tensor,  # (S,) in [0, 65536]
    shape: tuple[int, ...],
    blocks: Tensor,  # (N,) int64, at least dropout_blocks(shape) of them
    lane: int = 0,
) -> Tensor:  # (S, *shape) bool
    """Which activations dropout keeps: those whose 16 random bits are not below the threshold.

    Activation ``i`` of the flattened shape uses the low (``i`` even) or high (``i`` odd) half
    of word ``i // 2``, read as a signed number. ``lane`` tells token positions apart; the
    position of ``=`` is lane 0.
    """
    count = math.prod(shape)
    blocks = blocks[: dropout_blocks(shape)]
    four = [word.to(torch.int32) for word in words(key, Purpose.DROPOUT, step, blocks, lane)]
    word = torch.stack(four, dim=-1)
    # Shifted to the top of 32 bits, a half compares with the shifted limit as it would alone.
    limit = ((threshold.to(torch.int64) - DROPOUT_LEVELS // 2) << 16).to(torch.int32)
    limit = limit[:, None, None]
    halves = torch.stack([(word << 16) >= limit, word >= limit], dim=-1)
    return halves.flatten(1)[:, :count].view(key.shape[0], *shape)


def dropout_blocks(shape: tuple[int, ...]) -> int:
    """Blocks that dropout of this shape uses: a word decides two activations."""
    return block_count(-(-math.prod(shape) // 2))


def keep_scale(threshold: Tensor) -> Tensor:
    """What kept activations are multiplied by, so that dropout keeps the mean."""
    return DROPOUT_LEVELS / (DROPOUT_LEVELS - threshold)
