"""The Gene Forge: genomes compared, and made by hand out of others.

    compare    recipient and donors side by side, each gene on its own scale
    transfer   genes or whole gene groups of a donor into a recipient (horizontal gene transfer)
    splice     genes set to chosen values
    assemble   several transfers and a splice at once
    mutate     a dose of radiation

Every operation returns a :class:`Forged` genome that knows what it is made of, so that its name
says what it inherited and its file where it came from. Needs a kind that is a table of genes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speciation.genome.genes import Gene
from speciation.genome.genome import (
    GeneTable,
    Genome,
    GenomeError,
    Genomes,
    kind_named,
)
from speciation.genome.operators import radiate

MOST_NAMED = 3
"""A child's name tells so many genes, and counts the rest."""


@dataclass(frozen=True)
class Party:
    """A genome in the forge, and what people call it."""

    name: str
    genome: Genome


@dataclass(frozen=True, eq=False)
class Comparison:
    """Genomes side by side, the recipient first.

    Args:
        names: N names.
        ids: N genome ids.
        genes: The G genes.
        units: Unit coordinates ``(N, G)``, each gene on its own scale.
        values: What the genomes have, ``(N, G)``.
        distances: Of each genome to the recipient, ``(N,)``, in [0, 1].
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    genes: tuple[Gene, ...]
    units: NDArray[np.float64]
    values: NDArray[np.float64]
    distances: NDArray[np.float64]

    def differing(self) -> tuple[str, ...]:
        """Genes in which not all genomes agree, the widest apart on their scale first."""
        spread = np.ptp(self.units, axis=0)
        unequal = np.ptp(self.values, axis=0) > 0
        order = np.argsort(-spread, kind="stable")
        return tuple(self.genes[i].name for i in order if unequal[i])


@dataclass(frozen=True)
class Forged:
    """A genome made in the forge.

    Args:
        genome: The child.
        name: What it inherited, in words.
        operator: ``transfer``, ``splice``, ``assemble`` or ``mutate``.
        recipient: Whom most genes are from.
        donors: Who gave the others, if anybody did.
        changed: Genes whose value is not the recipient's, in the order of the kind.
        settings: What else decided the child: a dose, a seed.
    """

    genome: Genome
    name: str
    operator: str
    recipient: Party
    donors: tuple[Party, ...]
    changed: tuple[str, ...]
    settings: tuple[tuple[str, float], ...] = ()

    def provenance(self) -> dict[str, Any]:
        """Where it came from, as a genome file tells it."""
        parties = (self.recipient, *self.donors)
        return {
            "source": f"made in the Gene Forge by {self.operator}: {self.name}",
            "operator": self.operator,
            "parents": [party.genome.id for party in parties],
            "parent_names": [party.name for party in parties],
            "genes": {gene: self.genome.gene(gene) for gene in self.changed},
            **dict(self.settings),
        }


def compare(recipient: Party, donors: Sequence[Party] = ()) -> Comparison:
    """Genomes of one kind side by side.

    Raises:
        GenomeError: They are of several kinds, or of one that is no table of genes.
    """
    parties = [recipient, *donors]
    table = gene_table(recipient.genome)
    genomes = Genomes.of([party.genome for party in parties])
    return Comparison(
        names=tuple(party.name for party in parties),
        ids=genomes.ids,
        genes=table.genes,
        units=table.encode(genomes),
        values=genomes.values,
        distances=table.distance(genomes, genomes[:1])[:, 0],
    )


def transfer(recipient: Party, donor: Party, genes: Iterable[str]) -> Forged:
    """Horizontal gene transfer: some genes of a donor in place of the recipient's.

    Args:
        recipient: Who keeps all other genes.
        donor: A genome of the same kind.
        genes: Names of genes or of whole gene groups.

    Raises:
        GenomeError: A name is neither, none is given, or the kinds differ.
    """
    table = gene_table(recipient.genome)
    if donor.genome.kind != recipient.genome.kind:
        raise GenomeError(
            f"genes of a {donor.genome.kind} genome cannot be put into a "
            f"{recipient.genome.kind} one"
        )
    given = genes_named(table, genes)
    if not given:
        raise GenomeError("a transfer needs at least one gene or gene group")
    child = _with_values(recipient.genome, {name: donor.genome.gene(name) for name in given})
    changed = _changed(recipient.genome, child)
    told = _listed(_grouped(table, changed or given))
    name = f"{recipient.name} + {told} of {donor.name}"
    return Forged(child, _cut(name), "transfer", recipient, (donor,), changed)


def splice(recipient: Party, values: Mapping[str, float]) -> Forged:
    """Genes set to chosen values.

    Args:
        recipient: Who keeps all other genes.
        values: Gene → value, in the gene's own units.

    Raises:
        GenomeError: A gene is unknown, a value is out of its range, or none is given.
    """
    table = gene_table(recipient.genome)
    if not values:
        raise GenomeError("a splice needs at least one gene and its value")
    for name in values:
        genes_named(table, [name], groups=False)
    child = _with_values(recipient.genome, values)
    changed = _changed(recipient.genome, child)
    told = [f"{_plain(name)} {child.gene(name):.3g}" for name in changed]
    name = f"{recipient.name} with {_listed(told)}" if told else recipient.name
    return Forged(child, _cut(name), "splice", recipient, (), changed)


def assemble(
    recipient: Party, gifts: Sequence[tuple[Party, Sequence[str]]], values: Mapping[str, float]
) -> Forged:
    """Transfers from several donors, and values set by hand, in one child.

    Args:
        recipient: Who keeps all other genes.
        gifts: A donor and its genes or gene groups each; of two gifts of one gene the later
            counts.
        values: Gene → value, in place of whatever was given.

    Raises:
        GenomeError: As :func:`transfer` and :func:`splice`. Nothing at all is no error: the
            child is the recipient.
    """
    child = Forged(recipient.genome, recipient.name, "assemble", recipient, (), ())
    for donor, genes in gifts:
        child = transfer(Party(child.name, child.genome), donor, genes)
    if values:
        child = splice(Party(child.name, child.genome), values)
    changed = _changed(recipient.genome, child.genome)
    donors = tuple(donor for donor, _ in gifts)
    operator = child.operator if len(gifts) + bool(values) == 1 else "assemble"
    name = child.name if changed else recipient.name
    return Forged(child.genome, name, operator, recipient, donors, changed)


def mutate(
    recipient: Party, dose: float, rate: float, rng: np.random.Generator, count: int = 1
) -> tuple[Forged, ...]:
    """Mutants by radiation, each from the same recipient.

    Args:
        recipient: Who is irradiated.
        dose: Standard deviation of a step on the unit scale.
        rate: Probability that a gene is hit; at least one always is.
        rng: The only source of chance.
        count: How many.

    Raises:
        GenomeError: Dose, rate or count is out of range.
    """
    gene_table(recipient.genome)
    if not 1 <= count <= 1000:
        raise GenomeError(f"mutants must be 1 to 1,000, got {count}")
    parents = Genomes.of([recipient.genome] * count)
    children = radiate(parents, dose, rate, rng)
    return tuple(_mutant(recipient, child, dose, rate) for child in children)


def genes_named(
    table: GeneTable, names: Iterable[str], *, groups: bool = True
) -> tuple[str, ...]:
    """Genes by their names or their groups', each once, in the order of the kind.

    Case does not matter, and blanks, dashes and underscores are the same.

    Raises:
        GenomeError: A name is neither a gene nor, where allowed, a group.
    """
    by_name: dict[str, tuple[str, ...]] = {_key(own): (own,) for own in table.columns}
    if groups:
        for group, columns in table.groups.items():
            by_name[_key(group)] = tuple(table.genes[i].name for i in columns)
    wanted: set[str] = set()
    for name in names:
        if _key(name) not in by_name:
            known = f"genes are {', '.join(table.columns)}"
            if groups:
                known += f"; groups are {', '.join(table.groups)}"
            raise GenomeError(f"{name[:60]!r} is no gene of a {table.name} genome; {known}")
        wanted.update(by_name[_key(name)])
    return tuple(name for name in table.columns if name in wanted)


def gene_table(genome: Genome) -> GeneTable:
    """The table of genes of a genome's kind.

    Raises:
        GenomeError: Its kind is unknown, or is something else than a table of genes.
    """
    kind = kind_named(genome.kind)
    if not isinstance(kind, GeneTable):
        raise GenomeError(
            f"the forge works gene by gene, and a {genome.kind} genome is no table of genes"
        )
    kind.validate(genome)
    return kind


# -- Inside ---------------------------------------------------------------------------------


def _with_values(genome: Genome, values: Mapping[str, float]) -> Genome:
    child = Genome(genome.kind, tuple((dict(genome.genes) | dict(values)).items()))
    kind_named(genome.kind).validate(child)
    return child


def _changed(before: Genome, after: Genome) -> tuple[str, ...]:
    columns = kind_named(before.kind).columns
    return tuple(name for name in columns if before.gene(name) != after.gene(name))


def _mutant(recipient: Party, child: Genome, dose: float, rate: float) -> Forged:
    changed = _changed(recipient.genome, child)
    told = _listed([_plain(name) for name in changed])
    name = f"{recipient.name} irradiated in {told}" if told else recipient.name
    settings = (("dose", dose), ("rate", rate))
    return Forged(child, _cut(name), "mutate", recipient, (), changed, settings)


def _grouped(table: GeneTable, genes: Sequence[str]) -> list[str]:
    """Genes in words, whole groups by the group's name."""
    told: list[str] = []
    left = list(genes)
    for group, columns in table.groups.items():
        own = [table.genes[i].name for i in columns]
        if len(own) > 1 and all(name in left for name in own):
            told.append(group)
            left = [name for name in left if name not in own]
    return told + [_plain(name) for name in left]


def _listed(words: Sequence[str]) -> str:
    shown = list(words[:MOST_NAMED])
    if len(words) > MOST_NAMED:
        shown.append(f"{len(words) - MOST_NAMED} more")
    return ", ".join(shown)


def _cut(name: str) -> str:
    """A genome file's name has at most 200 characters."""
    return name if len(name) <= 200 else f"{name[:199]}…"


def _plain(gene: str) -> str:
    return gene.replace("_", " ")


def _key(name: str) -> str:
    return name.strip().casefold().replace("-", " ").replace("_", " ")
