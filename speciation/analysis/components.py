"""What luck is made of: how much of a trial's time is due to which of its random streams.

A trial draws from four streams: split, initialisation, order, dropout. In a *block* each stream
has two seeds, and all sixteen combinations are trained: a crossed design with random effects.
For each set v of streams a contrast of the sixteen times has a mean square whose expectation
is a sum of variance components (Searle, Casella and McCulloch 1992, chapter 4)

    E[MS_v] = Σ over w ⊇ v of 2^(4 - |w|) σ²_w

which is solved for the components by Möbius inversion. Blocks have seeds of their own, so they
are independent: estimates are means over blocks, and intervals come from drawing blocks with
replacement, widened as Student's would be (Hesterberg 2015). Of fewer than 16 blocks they are
too narrow even so: a variance needs many. An estimate is unbiased, so one of nothing is below 0
as often as above.

Axes: R blocks, 16 combinations in binary order (split is the lowest bit).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from speciation.analysis.estimates import Estimate
from speciation.analysis.survival import CONFIDENCE, Floats, resampled, widening
from speciation.trial.trial import Streams

STREAMS = Streams._fields
COMBINATIONS = 2 ** len(STREAMS)


@dataclass(frozen=True, slots=True)
class Components:
    """Variance components of min(T, H).

    Args:
        blocks: R.
        deviation: Standard deviation of a trial in all, steps.
        shares: Stream → share of the variance that it has alone.
        together: Share that is in interactions of streams: no stream has it alone.
    """

    blocks: int
    deviation: float
    shares: dict[str, Estimate]
    together: Estimate


def crossed(seeds: tuple[int, ...]) -> Iterator[Streams]:
    """The sixteen combinations of every block, block by block.

    Args:
        seeds: Two for each block.
    """
    for low, high in zip(seeds[::2], seeds[1::2], strict=True):
        for combination in range(COMBINATIONS):
            yield Streams(
                *((high if combination >> i & 1 else low) for i in range(len(STREAMS)))
            )


def components(times: Floats) -> Components:
    """Variance components of a crossed design.

    Args:
        times: min(T, H) of every combination, ``(R, 16)``, in the order of :func:`crossed`.

    Raises:
        ValueError: The shape is wrong.
    """
    if times.ndim != 2 or times.shape[1] != COMBINATIONS or len(times) < 2:
        raise ValueError(f"expected times of shape (R, 16) with R ≥ 2, got {times.shape}")
    by_block = _components(times)  # (16, R)
    sets = np.arange(1, COMBINATIONS)
    alone = np.array([1 << i for i in range(len(STREAMS))])
    rest = np.setdiff1d(sets, alone)
    parts = np.vstack([by_block[alone], by_block[rest].sum(0), by_block[sets].sum(0)])
    drawn = resampled(parts) / len(times)
    mean = parts.mean(axis=1)
    wider = widening(len(times))
    shares = [
        _share(mean[i], mean[-1], drawn[i], drawn[-1], wider) for i in range(len(parts) - 1)
    ]
    return Components(
        blocks=len(times),
        deviation=float(np.sqrt(max(mean[-1], 0.0))),
        shares=dict(zip(STREAMS, shares[:-1], strict=True)),
        together=shares[-1],
    )


def _share(part: float, whole: float, parts: Floats, wholes: Floats, wider: float) -> Estimate:
    if whole <= 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    known = wholes > 0
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(parts[known] / wholes[known], (tail, 1 - tail))
    value = part / whole
    ends = (value - wider * (value - low), value + wider * (high - value))
    return Estimate(float(value), float(ends[0]), float(ends[1]))


def _components(times: Floats) -> Floats:
    """σ²_v of every set of streams, block by block: ``(16, R)``, row 0 unused."""
    bits = np.arange(COMBINATIONS)
    overlap = np.array([[(v & c).bit_count() for c in bits] for v in bits])
    contrasts = (-1.0) ** overlap @ times.T  # (16, R)
    squares = contrasts**2 / COMBINATIONS
    found = np.zeros_like(squares)
    for v in range(1, COMBINATIONS):
        for w in bits[(bits & v) == v]:
            found[v] += (-1) ** (int(w).bit_count() - v.bit_count()) * squares[w]
        found[v] /= 2 ** (len(STREAMS) - v.bit_count())
    return found
