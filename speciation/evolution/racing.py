"""Racing over seeds: no more trials for genomes that cannot become parents.

Successive halving (Jamieson and Talwalkar 2016): all genomes of a generation meet on the first
few of its seeds, the better part of them on twice as many, and so on, until the last few are
compared on all. Who goes on is a function of the rows of the seeds so far, all of them, in the
order of the plan: never of who was ready first. So one actor or a thousand, with whatever
interruptions, race the same race.

Comparisons are paired, since all genomes of a rung share its seeds. Who came further ranks
before who did not, whatever luck says of means over different seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class RacingParams:
    """How a race goes.

    Args:
        first: Seeds of the first rung; each rung has twice as many as the one before, and the
            last has all.
        keep: Share of the genomes that a rung lets through, best first.
        least: So many always go on, as parents have to come from somewhere.
        cap: A genome without any success so far goes no further, if enough others have one.

    Raises:
        ValueError: A value is out of range.
    """

    first: int = 2
    keep: float = 0.5
    least: int = 4
    cap: bool = True

    def __post_init__(self) -> None:
        if self.first < 1:
            raise ValueError(f"the first rung needs at least 1 seed, got {self.first}")
        if not 0 < self.keep < 1:
            raise ValueError(f"keep must be within (0, 1), got {self.keep:g}")
        if self.least < 1:
            raise ValueError(f"at least 1 genome must go on, got {self.least}")


def rungs(seeds: int, params: RacingParams) -> tuple[int, ...]:
    """How many seeds a genome has been tried on at the end of each rung."""
    ends = []
    end = params.first
    while end < seeds:
        ends.append(end)
        end *= 2
    return (*ends, seeds)


def survivors(fitness: pd.DataFrame, params: RacingParams) -> tuple[str, ...]:
    """Genomes that go on to the next rung, best first.

    Args:
        fitness: The fitness table of those that raced so far, all on the same seeds.
        params: How many go on.
    """
    ranked = fitness.sort_values("rank")
    count = max(math.ceil(params.keep * len(ranked)), params.least)
    if params.cap:
        able = ranked[ranked["successes"] > 0]
        if len(able) >= params.least:
            ranked = able
    return tuple(str(own) for own in ranked["genome_id"][:count])


def ranked_by_rung(fitness: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """A fitness table in which those that came further rank first.

    Args:
        fitness: Of all genomes of the race.
        trials: Its rows, of which a genome has as many as it was tried on seeds.
    """
    tried = trials.drop_duplicates("trial_id")["genome_id"].value_counts()
    reached = fitness["genome_id"].map(tried).fillna(0).astype("int64")
    # Those without a scientific row stand last, as in every fitness table.
    nothing = fitness["trials"] == 0
    order = np.lexsort([fitness["rank"], -reached, nothing])
    return fitness.iloc[order].reset_index(drop=True).assign(rank=np.arange(len(fitness)))
