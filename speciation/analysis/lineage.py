"""Lineage: whom a genome is from, back to its founders, and how species came and went.

Every genome is stored with the operator that made it, its parents, and the genes that the
second one gave. Walking those rows backwards gives an ancestry; counting labels by generation
gives the stream of species.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_ANCESTORS = 2000
OTHERS = "others"


class LineageError(ValueError):
    """No ancestry can be told: one sentence."""


@dataclass(frozen=True)
class Ancestor:
    """A genome in an ancestry.

    Args:
        genome_id: Which.
        origin: The operator that made it.
        generation: Of its birth, counted from 0; -1 if it is not known.
        parents: Ids, mother first; none of a founder.
        donor_genes: Genes that the father gave.
        steps_back: Births between it and the genome that was asked for.
        known: Whether the tables tell its birth; a parent born elsewhere is only an id.
    """

    genome_id: str
    origin: str
    generation: int
    parents: tuple[str, ...]
    donor_genes: tuple[str, ...]
    steps_back: int
    known: bool = True

    @property
    def founder(self) -> bool:
        """Whether the ancestry begins here."""
        return not self.parents


@dataclass(frozen=True)
class Ancestry:
    """A genome and all whom it is from.

    Args:
        genome_id: Which.
        ancestors: It and its ancestors, each once, nearest first.
        complete: Whether every line was followed to a founder.
    """

    genome_id: str
    ancestors: tuple[Ancestor, ...]
    complete: bool

    @property
    def founders(self) -> tuple[Ancestor, ...]:
        """Where the lines begin."""
        return tuple(own for own in self.ancestors if own.founder)

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of parent and child."""
        return tuple(
            (parent, own.genome_id) for own in self.ancestors for parent in own.parents
        )


def ancestry(genomes: pd.DataFrame, genome_id: str, most: int = MOST_ANCESTORS) -> Ancestry:
    """The ancestry of a genome, nearest first, generation by generation of births.

    Args:
        genomes: Rows of ``genomes``; where one stands several times, the first counts.
        genome_id: Which genome.
        most: Ancestors after which lines are no longer followed.

    Raises:
        LineageError: The genome is not in the table.
    """
    births = genomes.drop_duplicates("genome_id").set_index("genome_id")
    births = births[["origin", "mother", "father", "donor_genes", "generation"]]
    if genome_id not in births.index:
        raise LineageError(f"the tables do not tell of a genome {genome_id}")
    found: dict[str, Ancestor] = {}
    level, back, complete = [genome_id], 0, True
    while level:
        below: list[str] = []
        for own in level:
            if own in found:
                continue
            if len(found) >= most:
                complete = False
                continue
            found[own] = _ancestor(births, own, back)
            complete &= found[own].known
            below += found[own].parents
        level, back = below, back + 1
    return Ancestry(genome_id, tuple(found.values()), complete)


@dataclass(frozen=True, eq=False)
class Stream:
    """How many genomes of each species lived in each generation.

    Args:
        generations: ``(R,)``, counted from 0.
        names: S species, in order of first appearance; what is small stands together last.
        counts: ``(S, R)``.
    """

    generations: NDArray[np.int64]
    names: tuple[str, ...]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Lived:
    """A run's lineage.

    Args:
        run: Which.
        stream: Species over its generations; None before the first is closed.
        ancestry: Of its champion; None if there is none yet.
    """

    run: str
    stream: Stream | None
    ancestry: Ancestry | None


def species_stream(
    generations: pd.DataFrame, species_of: Mapping[str, str], most: int = 12
) -> Stream:
    """Species over the generations of a run.

    Args:
        generations: Closed generations of one run, a row a genome.
        species_of: Genome id → name of its species. Who is not there is one of the others.
        most: Species that are told apart; the smaller ones are put together.
    """
    own = generations[["generation", "genome_id"]].copy()
    own["species"] = own["genome_id"].map(dict(species_of)).fillna(OTHERS)
    totals = own.loc[own["species"] != OTHERS, "species"].value_counts()
    large = set(totals.head(most).index)
    own["species"] = own["species"].where(own["species"].isin(large), OTHERS)
    table = pd.crosstab(own["species"], own["generation"])
    counts = table.to_numpy(dtype=np.int64)
    first = (counts > 0).argmax(axis=1) if counts.size else np.zeros(0, dtype=np.int64)
    others = table.index.to_numpy() == OTHERS
    order = np.lexsort((-counts.sum(axis=1), first, others))
    names = [str(table.index[i]) for i in order]
    return Stream(table.columns.to_numpy(dtype=np.int64), tuple(names), counts[order])


def layout(lineage: Ancestry) -> dict[str, tuple[float, float]]:
    """Where to draw each ancestor: generations from left to right, kin near each other.

    A genome that no table tells of stands one step left of its child. Within a column,
    ancestors are ordered by the mean place of their children, from the newest column back, so
    that few lines cross.

    Returns:
        Genome id → ``(column, place)``, places centred on 0.
    """
    column = {own.genome_id: float(own.generation) for own in lineage.ancestors if own.known}
    for parent, child in lineage.edges:
        column.setdefault(parent, column.get(child, 0.0) - 1.0)
    children: dict[str, list[str]] = {}
    for parent, child in lineage.edges:
        children.setdefault(parent, []).append(child)
    shown = {own.genome_id for own in lineage.ancestors}
    place: dict[str, float] = {}
    for generation in sorted({column[own] for own in shown}, reverse=True):
        members = [own for own in shown if column[own] == generation]
        wish = {
            own: _mean([place[c] for c in children.get(own, ()) if c in place])
            for own in members
        }
        members.sort(key=lambda own: (wish[own], own))
        for i, own in enumerate(members):
            place[own] = i - (len(members) - 1) / 2
    return {own: (column[own], place[own]) for own in place}


def _ancestor(births: pd.DataFrame, own: str, back: int) -> Ancestor:
    if own not in births.index:
        return Ancestor(own, "unknown", -1, (), (), back, known=False)
    row = births.loc[own].to_dict()
    parents = tuple(
        dict.fromkeys(p for p in (row["mother"], row["father"]) if isinstance(p, str))
    )
    genes = row["donor_genes"]
    donated = tuple(genes) if isinstance(genes, Sequence | np.ndarray) else ()
    return Ancestor(own, str(row["origin"]), int(row["generation"]), parents, donated, back)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
