"""How different the genomes of a population are, as a number and as colours.

Both look only at unit vectors, so they work for every genome kind.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from speciation.genome.genome import GenomeKind, Genomes, kind_named
from speciation.seeds import Purpose, generator

# The random population that index 1 refers to: large enough to know its mean distance to 0.5 %.
_YARDSTICK = 512
# Rows of the distance matrix at a time, so that memory stays small for any population.
_BLOCK = 512


def diversity_index(genomes: Genomes) -> float:
    """Mean distance between two genomes, as a share of that in a random population.

    Returns:
        0 for clones, about 1 for a random population, up to about 1.5 for one that sits in
        opposite corners. A population of fewer than two genomes has 0.
    """
    kind = kind_named(genomes.kind)
    return _mean_distance(kind, genomes) / _random_distance(kind)


def rgb(genomes: Genomes) -> NDArray[np.uint8]:
    """A colour for each genome, alike for relatives.

    Three fixed orthonormal directions of the unit cube become red, green and blue, so the
    colour depends on the genome alone: it is the same in every generation, run and report.
    Along each direction random genomes are about normal; the normal distribution function
    spreads them evenly over the channel.

    Returns:
        Shape ``(P, 3)``.
    """
    units = kind_named(genomes.kind).encode(genomes)
    # A uniform coordinate has variance 1/12; this makes it 1, and a rotation keeps it.
    standard = (units - 0.5) * math.sqrt(12.0)
    return np.rint(ndtr(standard @ _directions(units.shape[1])) * 255).astype(np.uint8)


def _mean_distance(kind: GenomeKind, genomes: Genomes) -> float:
    count = len(genomes)
    if count < 2:
        return 0.0
    rows = range(0, count, _BLOCK)
    total = sum(float(kind.distance(genomes[i : i + _BLOCK], genomes).sum()) for i in rows)
    return total / (count * (count - 1))  # the diagonal is zero and does not count


@cache
def _random_distance(kind: GenomeKind) -> float:
    return _mean_distance(kind, kind.random(_YARDSTICK, generator(0, Purpose.COLOUR)))


@cache
def _directions(dimension: int) -> NDArray[np.float64]:
    """Three directions ``(dimension, 3)``, orthonormal if there is room for three."""
    size = max(dimension, 3)
    draws = generator(0, Purpose.COLOUR, generation=1).standard_normal((size, size))
    q, r = np.linalg.qr(draws)
    # The sign of a column is a matter of the linear algebra library's taste; fix it.
    return np.asarray((q * np.sign(np.diag(r)))[:dimension, :3])
