"""One generation to the next: the whole step on a page.

    parents ── select ─┬─ recombine group by group ── radiate ──┐
                       ├─ recombine gene by gene ──── radiate ──┤
                       ├─ clone ────────────────────────────────┼── no genome ── next
                       └─ clone ───────────────────── radiate ──┤      twice     generation
    elites ─────────────────────────────────────────────────────┤
    aliens ─────────────────────────────────────────────────────┘

Pure functions: what is drawn comes from the generator argument, and genomes are known by ids.
Nothing here knows what a genome is made of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speciation.evolution.fitness import LANDSCAPES
from speciation.evolution.selection import STRATEGIES, select
from speciation.genome.genome import GenomeError, GenomeKind, Genomes, kind_named
from speciation.genome.operators import (
    aliens,
    clone,
    donor_genes,
    group_crossover,
    radiate,
    uniform_crossover,
)

# How often duplicates are radiated again, and then replaced, before the space is called full.
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EvolutionParams:
    """How a population becomes the next one.

    Args:
        population: Genomes in a generation.
        elites: Best genomes that are carried over and must prove themselves again.
        aliens: Random genomes that join each generation.
        crossover_share: Share of the offspring (all but elites and aliens) with two parents.
        keep_groups: Share of these whose gene groups stay together.
        clone_share: Share of the offspring that are exact copies of a parent. The others with
            one parent are radiated copies.
        senescence: An elite that does not grok on every new seed dies.
        radiation_dose: Standard deviation of a mutation, on the unit scale of genes.
        radiation_rate: Probability that a gene of a child is hit; at least one always is.
        strategy: Selection strategy, a key of ``selection.STRATEGIES``.
        landscape: Fitness landscape, a key of ``fitness.LANDSCAPES``.
        gate: Wilson lower bound of the success rate that the sniper landscape asks for.

    Raises:
        ValueError: A value is out of range; the sentence names it and what would do.
    """

    population: int = 64
    elites: int = 4
    aliens: int = 4
    crossover_share: float = 0.6
    keep_groups: float = 0.5
    clone_share: float = 0.0
    senescence: bool = True
    radiation_dose: float = 0.1
    radiation_rate: float = 0.15
    strategy: str = "tournament3"
    landscape: str = "sprinter"
    gate: float = 0.5

    def __post_init__(self) -> None:
        for key, least in (("population", 1), ("elites", 0), ("aliens", 0)):
            count = getattr(self, key)
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise ValueError(f"{key} must be a whole number ≥ {least}, got {count!r}")
        if self.population < self.elites + self.aliens:
            raise ValueError(
                f"a population of {self.population} has no room for {self.elites} elites and "
                f"{self.aliens} aliens; it must be at least {self.elites + self.aliens}"
            )
        for key in ("crossover_share", "keep_groups", "clone_share", "radiation_rate"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key} must be in [0, 1], got {getattr(self, key)}")
        if self.crossover_share + self.clone_share > 1:
            raise ValueError(
                f"crossover_share and clone_share are shares of the same offspring; "
                f"{self.crossover_share} and {self.clone_share} are more than 1 together"
            )
        if not (math.isfinite(self.radiation_dose) and 0 < self.radiation_dose <= 1):
            raise ValueError(f"radiation_dose must be in (0, 1], got {self.radiation_dose}")
        if not 0 < self.gate < 1:
            raise ValueError(f"gate must be within (0, 1), got {self.gate}")
        for key, known in (("strategy", STRATEGIES), ("landscape", LANDSCAPES)):
            if getattr(self, key) not in known:
                raise ValueError(
                    f"{key} must be one of {', '.join(known)}, got {getattr(self, key)!r}"
                )


@dataclass(frozen=True)
class Offspring:
    """A generation that has not been tried yet, with where each genome comes from.

    Args:
        genomes: P different genomes.
        origin: "random", "ancestor", "elite", "crossover", "group_crossover", "clone",
            "radiation" or "alien"; or the name of another search, as in ``search.METHODS``.
        mothers: Genome id of the (first) parent, or None. Elites and clones are their own.
        fathers: Genome id of the second parent, or None.
        donor_genes: Names of the genes that came from the father, before radiation.
        elite_age: Shape ``(P,)``: generations that the genome has been an elite; 0 if none.

    Raises:
        ValueError: The fields are not of one length.
    """

    genomes: Genomes
    origin: tuple[str, ...]
    mothers: tuple[str | None, ...]
    fathers: tuple[str | None, ...]
    donor_genes: tuple[tuple[str, ...], ...]
    elite_age: NDArray[np.int64]

    def __post_init__(self) -> None:
        fields = (self.origin, self.mothers, self.fathers, self.donor_genes, self.elite_age)
        if any(len(field) != len(self.genomes) for field in fields):
            lengths = ", ".join(str(len(field)) for field in fields)
            raise ValueError(f"{len(self.genomes)} genomes with fields of lengths {lengths}")

    def __len__(self) -> int:
        return len(self.genomes)

    @property
    def newborn(self) -> NDArray[np.bool_]:
        """Shape ``(P,)``: not merely carried over or copied from the generation before."""
        return np.array(
            [origin not in ("elite", "clone") for origin in self.origin], dtype=bool
        )


def found(
    params: EvolutionParams,
    kind: GenomeKind,
    ancestors: Genomes | None,
    rng: np.random.Generator,
) -> Offspring:
    """The first generation.

    Ancestors come first, as they are. Half of the rest are radiated copies of them, each
    ancestor in turn, and the others are random; without ancestors all are random.

    Raises:
        ValueError: There are more different ancestors than places, or they are of another kind.
    """
    given = _different(ancestors if ancestors is not None else kind.random(0, rng))
    if given.kind != kind.name:
        raise GenomeError(f"{given.kind} ancestors cannot found a population of {kind.name}")
    if len(given) > params.population:
        raise ValueError(
            f"{len(given)} ancestors do not fit into a population of {params.population}"
        )
    rest = params.population - len(given)
    copies = np.arange(rest // 2 if len(given) else 0) % max(len(given), 1)
    parts = [
        _without_parents(clone(given), "ancestor"),
        _radiated(given[copies], params, rng),
        _without_parents(kind.random(rest - len(copies), rng), "random"),
    ]
    return _no_genome_twice(_joined(parts), params, rng)


def next_generation(
    genomes: Genomes,
    fitness: pd.DataFrame,
    elite_age: Mapping[str, int],
    params: EvolutionParams,
    rng: np.random.Generator,
) -> Offspring:
    """Select, recombine, radiate, carry over the elites, let in the aliens.

    Args:
        genomes: The present generation.
        fitness: Its fitness table: rows in any order, of the trials of this generation alone
            (an elite shall prove itself *again*). Genomes without a scientific row in it
            neither survive nor have children.
        elite_age: Genome id → generations that it has been an elite; what is missing is 0.
        params: Sizes, shares and doses.
        rng: The only source of chance.

    Returns:
        ``params.population`` different genomes: elites, then children, then aliens. If there is
        nobody to have children, aliens take all places.
    """
    kind = kind_named(genomes.kind)
    dead = deaths(fitness, elite_age) if params.senescence else frozenset()
    parents = _parents(genomes, fitness, dead)
    elites = _elites(parents[: params.elites], elite_age)
    count = params.population - len(elites) - params.aliens if len(parents) else 0
    children = _children(parents, count, params, rng)
    places = params.population - len(elites) - len(children)
    foreign = _without_parents(aliens(kind, places, rng), "alien")
    return _no_genome_twice(_joined([elites, children, foreign]), params, rng)


def newcomers(
    genomes: Genomes, origin: str, params: EvolutionParams, rng: np.random.Generator
) -> Offspring:
    """A generation without parents, as other searches than evolution make them.

    Args:
        genomes: P of them; later copies of one are radiated.
        origin: What made them.
        params: The dose of that radiation.
        rng: The only source of chance.
    """
    return _no_genome_twice(_without_parents(genomes, origin), params, rng)


def deaths(fitness: pd.DataFrame, elite_age: Mapping[str, int]) -> frozenset[str]:
    """Ids of elites that did not grok in every trial of this generation (senescence).

    A trial that the machine failed kills nobody.
    """
    age = fitness["genome_id"].map(lambda genome_id: elite_age.get(genome_id, 0))
    fell = (age >= 1) & (fitness["successes"] < fitness["trials"])
    return frozenset(fitness.loc[fell, "genome_id"])


# -- Parts of the step ------------------------------------------------------------------------


def _parents(genomes: Genomes, fitness: pd.DataFrame, dead: frozenset[str]) -> Genomes:
    """Who may have children, best first."""
    genomes = _different(genomes)
    tried = fitness[fitness["trials"] > 0]
    rank = dict(zip(tried["genome_id"], tried["rank"], strict=True))
    able = [i for i, own in enumerate(genomes.ids) if own in rank and own not in dead]
    return genomes[sorted(able, key=lambda i: rank[genomes.ids[i]])]


def _elites(best: Genomes, elite_age: Mapping[str, int]) -> Offspring:
    age = np.array([elite_age.get(own, 0) + 1 for own in best.ids], dtype=np.int64)
    return replace(_of_one_parent(clone(best), best, "elite"), elite_age=age)


def _children(
    parents: Genomes, count: int, params: EvolutionParams, rng: np.random.Generator
) -> Offspring:
    """Children of selected parents; how many are born which way is not left to chance."""
    with_two = round(count * params.crossover_share)
    in_groups = round(with_two * params.keep_groups)
    copied = min(round(count * params.clone_share), count - with_two)

    ranks = np.arange(len(parents))  # they stand best first
    mothers = select(ranks, count, params.strategy, rng)
    fathers = select(ranks, with_two, params.strategy, rng)
    fathers = _someone_else(fathers, mothers[:with_two], len(parents), rng)
    together, apart = slice(0, in_groups), slice(in_groups, with_two)
    copies, mutants = slice(with_two, with_two + copied), slice(with_two + copied, count)
    return _joined(
        [
            _crossed(parents, mothers[together], fathers[together], True, params, rng),
            _crossed(parents, mothers[apart], fathers[apart], False, params, rng),
            _of_one_parent(clone(parents[mothers[copies]]), parents[mothers[copies]], "clone"),
            _radiated(parents[mothers[mutants]], params, rng),
        ]
    )


def _someone_else(
    fathers: NDArray[np.int64],
    mothers: NDArray[np.int64],
    parents: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Fathers, with a random other parent wherever one would mate with itself."""
    if parents < 2:
        return fathers
    stranger = (mothers + rng.integers(1, parents, len(mothers))) % parents
    return np.where(fathers == mothers, stranger, fathers)


def _crossed(
    parents: Genomes,
    mothers: NDArray[np.int64],
    fathers: NDArray[np.int64],
    keep_groups: bool,
    params: EvolutionParams,
    rng: np.random.Generator,
) -> Offspring:
    cross = group_crossover if keep_groups else uniform_crossover
    children, donated = cross(parents[mothers], parents[fathers], rng)
    children = radiate(children, params.radiation_dose, params.radiation_rate, rng)
    origin = "group_crossover" if keep_groups else "crossover"
    return replace(
        _of_one_parent(children, parents[mothers], origin),
        fathers=parents[fathers].ids,
        donor_genes=donor_genes(children.columns, donated),
    )


def _radiated(parents: Genomes, params: EvolutionParams, rng: np.random.Generator) -> Offspring:
    mutants = radiate(clone(parents), params.radiation_dose, params.radiation_rate, rng)
    return _of_one_parent(mutants, parents, "radiation")


def _of_one_parent(children: Genomes, parents: Genomes, origin: str) -> Offspring:
    return replace(_without_parents(children, origin), mothers=parents.ids)


def _without_parents(genomes: Genomes, origin: str) -> Offspring:
    count = len(genomes)
    return Offspring(
        genomes=genomes,
        origin=(origin,) * count,
        mothers=(None,) * count,
        fathers=(None,) * count,
        donor_genes=((),) * count,
        elite_age=np.zeros(count, dtype=np.int64),
    )


def _joined(parts: list[Offspring]) -> Offspring:
    first, *others = [part.genomes for part in parts]
    return Offspring(
        genomes=first.concat(*others),
        origin=sum((part.origin for part in parts), ()),
        mothers=sum((part.mothers for part in parts), ()),
        fathers=sum((part.fathers for part in parts), ()),
        donor_genes=sum((part.donor_genes for part in parts), ()),
        elite_age=np.concatenate([part.elite_age for part in parts]),
    )


# -- No genome twice --------------------------------------------------------------------------


def _no_genome_twice(
    offspring: Offspring, params: EvolutionParams, rng: np.random.Generator
) -> Offspring:
    """Radiate every later copy of a genome again, and in the end let an alien take its place.

    Raises:
        ValueError: The kind does not seem to have as many genomes as the population.
    """
    kind = kind_named(offspring.genomes.kind)
    for attempt in range(2 * _ATTEMPTS):
        rows = _copies(offspring.genomes)
        if not len(rows):
            return offspring
        if attempt < _ATTEMPTS:
            old = offspring.genomes[rows]
            fresh = radiate(old, params.radiation_dose, params.radiation_rate, rng)
        else:
            fresh = aliens(kind, len(rows), rng)
        offspring = _with_fresh(offspring, rows, fresh, alien=attempt >= _ATTEMPTS)
    raise ValueError(
        f"could not find {len(offspring)} different {kind.name} genomes; "
        f"make the population smaller"
    )


def _copies(genomes: Genomes) -> NDArray[np.int64]:
    """Rows that are equal to an earlier row."""
    _, first = np.unique(genomes.values, axis=0, return_index=True)
    return np.setdiff1d(np.arange(len(genomes)), first)


def _different(genomes: Genomes) -> Genomes:
    """The same genomes in the same order, later copies left out."""
    return genomes[np.setdiff1d(np.arange(len(genomes)), _copies(genomes))]


def _with_fresh(
    offspring: Offspring, rows: NDArray[np.int64], fresh: Genomes, *, alien: bool
) -> Offspring:
    """Put fresh genomes into rows. A radiated clone is no clone; an alien has no parents."""
    values = offspring.genomes.values.copy()
    values[rows] = fresh.values
    origin, mothers = list(offspring.origin), list(offspring.mothers)
    fathers, donated = list(offspring.fathers), list(offspring.donor_genes)
    for row in rows:
        if alien:
            origin[row], mothers[row], fathers[row], donated[row] = "alien", None, None, ()
        elif origin[row] == "clone":
            origin[row] = "radiation"
    return replace(
        offspring,
        genomes=Genomes(offspring.genomes.kind, values),
        origin=tuple(origin),
        mothers=tuple(mothers),
        fathers=tuple(fathers),
        donor_genes=tuple(donated),
    )
