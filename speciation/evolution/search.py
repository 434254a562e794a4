"""Other ways to search than evolution, to hold it against.

    random     independent draws from the whole space
    sobol      a scrambled Sobol sequence: points that spread evenly
    tpe        tree-structured Parzen estimator (Bergstra 2011), as Optuna has it
    cma-es     covariance matrix adaptation (Hansen 2016), as the library ``cmaes`` has it

A method is asked for a generation of genomes, as evolution is, and is a pure function of what
was tried before it: nothing is kept between two generations, so a search that was killed goes
on as if it had not been. It sees the order of what was tried, and no more: selection does not
see more either, and ties are broken for all in the same way.

Axes: N genomes tried so far, P genomes asked for, D coordinates of the unit cube.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speciation.evolution import peers
from speciation.evolution.fitness import LANDSCAPES
from speciation.genome.genome import GenomeKind, Genomes
from speciation.seeds import Purpose, generator

EVOLUTION = "evolution"


@dataclass(frozen=True)
class History:
    """What was tried so far, in the order of generations.

    Args:
        genomes: N of them.
        generation: Shape ``(N,)``: in which each was tried, never falling.
        rank: Shape ``(N,)``: 0 is the best of all.

    Raises:
        ValueError: The fields are not of one length.
    """

    genomes: Genomes
    generation: NDArray[np.int64]
    rank: NDArray[np.int64]

    def __post_init__(self) -> None:
        lengths = {len(self.genomes), len(self.generation), len(self.rank)}
        if len(lengths) > 1:
            raise ValueError(f"a history of one length, got lengths {sorted(lengths)}")


@dataclass(frozen=True)
class Asked:
    """Which generation is asked for.

    Args:
        kind: Of the genomes.
        count: How many, P.
        generation: Counted from 0.
        run_seed: All chance comes from it and from the generation.
        history: Of the generations before.
    """

    kind: GenomeKind
    count: int
    generation: int
    run_seed: int
    history: History

    def rng(self) -> np.random.Generator:
        """The chance of this generation."""
        return generator(self.run_seed, Purpose.SEARCH, self.generation)

    def dimension(self) -> int:
        """D."""
        return int(self.kind.encode(self.kind.random(1, self.rng())).shape[1])


def overall_rank(tables: pd.DataFrame, landscape: str) -> NDArray[np.int64]:
    """The place of each row among all, whatever its generation; 0 is the best.

    Args:
        tables: Fitness tables of several generations, one below the other.
        landscape: The one to rank in.

    Returns:
        Shape ``(N,)``.
    """
    order = np.lexsort([*LANDSCAPES[landscape](tables)[::-1]])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def propose(method: str, asked: Asked) -> Genomes:
    """The genomes that a method wants to be tried next; there may be equal ones among them.

    Args:
        method: A key of :data:`METHODS`.
        asked: Which generation.

    Raises:
        PeerError: The method's library is not installed.
    """
    return METHODS[method](asked)


def _random(asked: Asked) -> Genomes:
    return asked.kind.random(asked.count, asked.rng())


def _sobol(asked: Asked) -> Genomes:
    """The next points of one sequence, which is scrambled once for the whole run."""
    from scipy.stats import qmc  # takes longer to import than all else that a run needs

    scramble = int(generator(asked.run_seed, Purpose.SEARCH).integers(2**63))
    sequence = qmc.Sobol(asked.dimension(), scramble=True, rng=scramble)
    start = asked.generation * asked.count
    end = start + asked.count
    points = sequence.random_base2(max(end - 1, 1).bit_length())
    return asked.kind.decode(points[start:end])


def _tpe(asked: Asked) -> Genomes:
    if not len(asked.history.genomes):
        return _random(asked)
    units = asked.kind.encode(asked.history.genomes)
    return asked.kind.decode(peers.tpe(units, asked.history.rank, asked.count, asked.rng()))


def _cma_es(asked: Asked) -> Genomes:
    history = asked.history
    units = asked.kind.encode(history.genomes)
    told = [
        (units[history.generation == own], history.rank[history.generation == own])
        for own in range(asked.generation)
    ]
    points = peers.cma_es(told, asked.count, asked.dimension(), asked.rng())
    return asked.kind.decode(points)


METHODS: dict[str, Callable[[Asked], Genomes]] = {
    "random": _random,
    "sobol": _sobol,
    "tpe": _tpe,
    "cma-es": _cma_es,
}
"""Methods by name. Evolution is the other one; see ``speciation/evolution/generation.py``."""

LEARNING = ("tpe", "cma-es")
"""Methods that look at what was tried; the others need no history."""
