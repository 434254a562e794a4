"""Do crosses fail? Children of two genomes, held against their parents.

Two genomes may be as good as each other by genes that do not go together. Then children that
have some genes of either do worse than both: reproductive isolation, by which biologists know
species. The *breakdown* of a cross is

    breakdown = mean of min(T, H) of children - mean of both parents (mid-parent),

in steps, on the same seeds. Above zero the cross fails (outbreeding depression), below it gains
(heterosis); were genes to add up, it would be zero (Lynch and Walsh 1998, "Genetics and
Analysis of Quantitative Traits", chapter 9). Near the horizon, where nothing can be slower, it
shrinks.

Children are a sample of what crossover makes, and seeds one of what luck makes; every child is
tried on every seed, so both are crossed random effects, and to take either as fixed would
promise too much (Clark 1973, "The language-as-fixed-effect fallacy").

Axes: S seeds, C children.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from speciation.analysis.equivalence import holm
from speciation.analysis.survival import CONFIDENCE, Floats
from speciation.genome.canonical import content_hash
from speciation.genome.genome import Genome, Genomes, kind_named
from speciation.genome.operators import group_crossover, uniform_crossover
from speciation.seeds import Purpose, generator

LEVEL = 0.05
LEAST_SEEDS = 3
MOST_GENOMES = 50  # 1,225 crosses; a run's last generation, crossed by mistake, has more
KEEP_GROUPS = 0.5  # of children; the share that the presets of evolution have


class CrossesError(ValueError):
    """Genomes that cannot be crossed so: one sentence."""


# -- Breeding -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cross:
    """Two genomes and their children.

    Args:
        first: A parent.
        second: The other one.
        children: C of them, as drawn: one may stand twice, or be its parent again.
    """

    first: Genome
    second: Genome
    children: tuple[Genome, ...]

    @property
    def distance(self) -> float:
        """Of the parents, in unit coordinates; see ``GenomeKind.distance``."""
        kind = kind_named(self.first.kind)
        return float(kind.distance(Genomes.of([self.first]), Genomes.of([self.second]))[0, 0])


def crosses_of(genomes: Sequence[Genome], children: int) -> list[Cross]:
    """Every two genomes crossed.

    Args:
        genomes: All different.
        children: C of each cross.

    Raises:
        CrossesError: There is one genome only or more than :data:`MOST_GENOMES`, they are of
            several kinds, or two differ in a single gene, so that nothing can be recombined.
    """
    if len(genomes) < 2:
        raise CrossesError(f"crosses need two different genomes or more, got {len(genomes)}")
    if len(genomes) > MOST_GENOMES:
        raise CrossesError(
            f"{len(genomes):,} genomes have {math.comb(len(genomes), 2):,} crosses; name "
            f"{MOST_GENOMES} genomes at most"
        )
    if len(kinds := sorted({own.kind for own in genomes})) > 1:
        raise CrossesError(f"genomes must be of one kind, got {' and '.join(kinds)}")
    return [
        Cross(first, second, breed(first, second, children))
        for first, second in combinations(genomes, 2)
    ]


def breed(first: Genome, second: Genome, count: int) -> tuple[Genome, ...]:
    """Children by the crossovers of evolution, without radiation.

    :data:`KEEP_GROUPS` of them have each gene group from one parent, the others each gene. They
    belong to the two genomes, in whatever order and company: more children are these and more.

    Raises:
        CrossesError: The genomes differ in a single gene.
    """
    differing = [name for name, value in first.genes if second.gene(name) != value]
    if len(differing) < 2:
        raise CrossesError(
            f"genomes {first.id[:8]} and {second.id[:8]} differ in {differing[0]} alone; a "
            "cross needs parents that differ in two genes or more"
        )
    mother, father = sorted((first, second), key=lambda own: own.id)
    seed = int(content_hash([mother.id, father.id])[:16], 16)
    together = round(count * KEEP_GROUPS)
    children: list[Genome] = []
    for cross, many in ((group_crossover, together), (uniform_crossover, count - together)):
        mothers, fathers = (Genomes.of([own])[[0] * many] for own in (mother, father))
        rng = generator(seed, Purpose.CROSS, generation=int(cross is uniform_crossover))
        children += cross(mothers, fathers, rng)[0]
    return tuple(children)


# -- What trials show -----------------------------------------------------------------------


@dataclass(frozen=True)
class Crosses:
    """What trials of crosses show; steps are min(T, H), intervals 95 %.

    Args:
        pairs: A row a cross, the greatest breakdown first: ``first, second`` (names),
            ``distance``, ``seeds`` (that all of the cross was finished on), ``mid_parent``,
            ``better`` (parent's mean steps), ``children`` (mean), ``best`` (child's mean, the
            best of many on the same seeds), ``grokked`` (share of the children's trials),
            ``parents_grokked``, ``breakdown, low, high, p, adjusted`` (after Holm, over pairs).
        children: A row a child: ``first, second, genome_id, steps, grokked``.
        parents: A row a genome: ``genome, genome_id, steps, grokked``.
        count: C.
        horizon: H in steps.
    """

    pairs: pd.DataFrame
    children: pd.DataFrame
    parents: pd.DataFrame
    count: int
    horizon: int


def crosses(
    crossed: Sequence[Cross], names: Mapping[str, str], rows: pd.DataFrame, horizon: int
) -> Crosses:
    """What the trials of crosses show.

    Args:
        crossed: One at least, of C children each.
        names: Genome id → display name, of the parents.
        rows: A row a trial of every parent and child: ``genome_id, seed, steps_to_grok,
            steps``; ``steps`` is min(T, H), NaN where the machine failed. A seed counts for a
            cross if all of it was finished on it.
        horizon: H in steps.

    Raises:
        CrossesError: Fewer than three seeds count for a cross.
    """
    trials = _trials(rows, horizon)
    parents = {own.id: own for cross in crossed for own in (cross.first, cross.second)}
    pairs = pd.DataFrame([_pair(cross, names, trials) for cross in crossed])
    pairs["adjusted"] = holm(pairs["p"])
    return Crosses(
        pairs.sort_values("breakdown", ascending=False, kind="stable", ignore_index=True),
        pd.concat([_children(own, names, trials) for own in crossed], ignore_index=True),
        _means(list(parents), trials).assign(genome=[names[own] for own in parents]),
        len(crossed[0].children),
        horizon,
    )


class _Trials(NamedTuple):
    """Steps and whether they grokked: a row a seed, a column a genome; NaN where failed."""

    place: Mapping[str, int]  # genome id → its column
    steps: Floats
    grokked: Floats

    def of(self, ids: Sequence[str]) -> tuple[Floats, Floats]:
        """Both tables of some genomes."""
        columns = [self.place[own] for own in ids]
        return self.steps[:, columns], self.grokked[:, columns]


def _trials(rows: pd.DataFrame, horizon: int) -> _Trials:
    grokked = (rows["steps_to_grok"] <= horizon).where(rows["steps"].notna())
    wide = rows.assign(grokked=grokked.astype(np.float64)).pivot(
        index="seed", columns="genome_id", values=["steps", "grokked"]
    )
    place = {str(own): column for column, own in enumerate(wide["steps"].columns)}
    return _Trials(place, wide["steps"].to_numpy(), wide["grokked"].to_numpy())


def _pair(cross: Cross, names: Mapping[str, str], trials: _Trials) -> dict[str, object]:
    first, second = names[cross.first.id], names[cross.second.id]
    steps, grokked = trials.of([own.id for own in (cross.first, cross.second, *cross.children)])
    finished = ~np.isnan(steps).any(axis=1)
    if finished.sum() < LEAST_SEEDS:
        raise CrossesError(
            f"intervals need {LEAST_SEEDS} seeds or more that all of a cross was finished on, "
            f"got {finished.sum()} of {first} × {second}"
        )
    steps, grokked = steps[finished], grokked[finished]
    parents, children = steps[:, :2], steps[:, 2:]
    middle = parents.mean(axis=1, keepdims=True)
    return {
        "first": first,
        "second": second,
        "distance": cross.distance,
        "seeds": len(steps),
        "mid_parent": middle.mean(),
        "better": parents.mean(axis=0).min(),
        "children": children.mean(),
        "best": children.mean(axis=0).min(),
        "grokked": grokked[:, 2:].mean(),
        "parents_grokked": grokked[:, :2].mean(),
        **crossed_mean(children - middle)._asdict(),
    }


def _children(cross: Cross, names: Mapping[str, str], trials: _Trials) -> pd.DataFrame:
    told = _means([own.id for own in cross.children], trials)
    told.insert(0, "first", names[cross.first.id])
    told.insert(1, "second", names[cross.second.id])
    return told


def _means(ids: Sequence[str], trials: _Trials) -> pd.DataFrame:
    """Of each genome over the seeds that it was finished on."""
    steps, grokked = (np.nanmean(own, axis=0) for own in trials.of(ids))
    return pd.DataFrame({"genome_id": list(ids), "steps": steps, "grokked": grokked})


class Breakdown(NamedTuple):
    """A breakdown in steps, its 95 % interval, and p of there being none."""

    breakdown: float
    low: float
    high: float
    p: float


def crossed_mean(values: Floats) -> Breakdown:
    """The mean of a table whose rows and columns are both samples, and how sure it is.

    With mean squares of seeds, children and what is left, each of which counts the last,

        Var(mean) = (MS_seeds + MS_children - MS_rest) / (S C)

    is without bias (Searle, Casella and McCulloch 1992, "Variance Components", chapter 4). It
    is held at the greater of the first two, where the estimate of a component would be below
    zero; degrees of freedom are Satterthwaite's (1946), and no fewer than the shorter side has.

    Args:
        values: Shape ``(S, C)``, both at least 2.
    """
    mean, squares, freedom = _mean_squares(values)
    total = max(squares[0] + squares[1] - squares[2], squares[0], squares[1])
    if total == 0:  # without any spread a difference is sure, and no difference is none
        return Breakdown(mean, mean, mean, float(mean == 0))
    error = float(np.sqrt(total / values.size))
    degrees = max(total**2 / float((squares**2 / freedom).sum()), freedom.min())
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, degrees))
    return Breakdown(mean, mean - half, mean + half, p)


def _mean_squares(values: Floats) -> tuple[float, Floats, Floats]:
    """The mean, and of seeds, children and the rest mean squares and degrees of freedom."""
    seeds, children = values.shape
    mean = values.mean()
    by_seed, by_child = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_seed[:, None] - by_child + mean
    freedom = np.array([seeds - 1, children - 1, (seeds - 1) * (children - 1)])
    sums = [
        children * ((by_seed - mean) ** 2).sum(),
        seeds * ((by_child - mean) ** 2).sum(),
        (rest**2).sum(),
    ]
    return float(mean), np.array(sums) / freedom, freedom
