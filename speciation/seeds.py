"""Counter-based random numbers: every draw is a function of where it is used.

There is no generator whose state has to be carried along. A random word is
``philox(counter, key)``: the key is a seed, the counter says *what for* (purpose), *when*
(step) and *which* (index). So any trial can be recomputed alone, in any order, on any
device, and two processes never disagree.

The algorithm is Philox4x32-10 (Salmon 2011, "Parallel random numbers: as easy as 1, 2, 3").
:func:`philox` uses only ``*``, ``>>``, ``&`` and ``^``, so that the same lines run on NumPy
``uint64`` arrays and on torch ``int64`` tensors (which wrap modulo 2**64) and give the same
bits.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF


class Purpose(IntEnum):
    """What random numbers are for. Values are part of every result: never renumber."""

    SPLIT = 0
    INIT = 1
    ORDER = 2
    DROPOUT = 3
    FOUNDERS = 16
    OFFSPRING = 17
    POOL_A = 18
    BOOTSTRAP = 19
    COLOUR = 20
    SEARCH = 21
    CROSS = 22


def philox(
    counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]
) -> tuple[Any, Any, Any, Any]:
    """Four random 32-bit words for each counter.

    Args:
        counter: Four broadcastable words below 2**32 (NumPy ``uint64`` or torch ``int64``).
        key: Two broadcastable words below 2**32 of the same type.

    Returns:
        Four arrays of the broadcast shape, same type, values below 2**32.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        product0 = c0 * _MULTIPLIERS[0]
        product1 = c2 * _MULTIPLIERS[1]
        # A signed right shift smears the sign; the mask takes it away again.
        c0, c2 = (
            ((product1 >> 32) & _MASK) ^ c1 ^ k0,
            ((product0 >> 32) & _MASK) ^ c3 ^ k1,
        )
        c1, c3 = product1 & _MASK, product0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def key_words(seed: int) -> tuple[int, int]:
    """The two key words of a seed: its low and high 32 bits.

    Raises:
        ValueError: The seed is negative or does not fit in 64 bits.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"a seed must be in [0, 2**64), got {seed}")
    return seed & _MASK, seed >> 32


def bits(
    seed: int, purpose: int, step: int, count: int, *, first: int = 0, lane: int = 0
) -> NDArray[np.uint64]:
    """``count`` random words of a stream at a step, beginning with block ``first``.

    Word ``i`` is word ``i % 4`` of the counter ``(first + i // 4, step, purpose, lane)``.

    Returns:
        Shape ``(count,)``, values below 2**32.
    """
    blocks = np.arange(first, first + (count + 3) // 4, dtype=np.uint64)
    constant = [np.full(1, word, dtype=np.uint64) for word in (step, purpose, lane)]
    key = [np.full(1, word, dtype=np.uint64) for word in key_words(seed)]
    words = philox((blocks, constant[0], constant[1], constant[2]), (key[0], key[1]))
    return np.stack(words, axis=1).reshape(-1)[:count]


def normals(seed: int, purpose: int, step: int, count: int) -> NDArray[np.float64]:
    """Standard normal numbers by Box and Muller's transform.

    Returns:
        Shape ``(count,)``. Always computed by NumPy on the CPU: logarithm and cosine differ in
        their last bits between mathematics libraries.
    """
    half = (count + 1) // 2
    words = bits(seed, purpose, step, 2 * half).astype(np.float64)
    uniform = (words + 0.5) / 2.0**32  # never 0, never 1
    radius = np.sqrt(-2.0 * np.log(uniform[:half]))
    angle = 2.0 * np.pi * uniform[half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


def permutation(seed: int, purpose: int, step: int, count: int) -> NDArray[np.int64]:
    """A uniformly random order of ``0 … count - 1``.

    Sorts random words; a tie (a chance of about count**2 / 2**33) is broken by the index.
    """
    return np.argsort(bits(seed, purpose, step, count), kind="stable")


def generator(
    run_seed: int, purpose: Purpose, generation: int = 0, index: int = 0
) -> np.random.Generator:
    """A NumPy generator that belongs to one place in one run."""
    words = bits(run_seed, purpose, generation, 4, first=index)
    return np.random.Generator(np.random.Philox(key=_join(words)))


def pool_a(run_seed: int, generation: int, count: int) -> tuple[int, ...]:
    """Trial seeds of a generation: even numbers below 2**62, shared by all its genomes.

    Sharing makes comparisons between genomes of a generation paired.
    """
    words = bits(run_seed, Purpose.POOL_A, generation, 2 * count).reshape(count, 2)
    return tuple(2 * ((int(high) << 32 | int(low)) >> 3) for low, high in words)


def pool_b(count: int, start: int = 0) -> tuple[int, ...]:
    """Trial seeds for validation: odd numbers, which evolution never draws."""
    return tuple(2 * i + 1 for i in range(start, start + count))


def _join(words: NDArray[np.uint64]) -> int:
    """One 128-bit number from four words."""
    return sum(int(word) << (32 * i) for i, word in enumerate(words))
