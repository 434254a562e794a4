"""Genomes, and what the rest of the project knows of them.

A :class:`Genome` is one set of gene values with an identity: the hash of its content. A
population is :class:`Genomes`, one array with a row a genome. What gene values *mean* is known
to the genome's :class:`GenomeKind` alone; the evolutionary loop calls the kind's operators and
never learns how many genes there are or what they are called. ``hyper17`` is the first kind;
another is added by putting it into :data:`KINDS`.

    Genome  --Genomes.of-->  Genomes (P, G)  --kind.crossover, .mutate-->  Genomes (P, G)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from speciation.genome.canonical import canonical_json, content_hash
from speciation.genome.envelope import FORMAT, VERSION, GenomeError, check_envelope, short
from speciation.genome.genes import GENES, Gene, group_columns
from speciation.genome.units import (
    group_donor_mask,
    radiation_hits,
    reflect,
    uniform_donor_mask,
)

MEMBERS = 2**13
"""Genomes of populations that are remembered, about 2 kB each: those of some generations."""

__all__ = [
    "FORMAT",
    "HYPER17",
    "KINDS",
    "VERSION",
    "GeneTable",
    "Genome",
    "GenomeError",
    "GenomeKind",
    "Genomes",
    "canonical_json",
    "content_hash",
    "genome_from_json",
    "kind_named",
]


@dataclass(frozen=True)
class Genome:
    """One genome.

    Args:
        kind: Name of its kind, a key of :data:`KINDS`.
        genes: ``(name, value)`` pairs, in any order; kept sorted by name, so that two genomes
            are equal when their genes are. A mapping is taken too.

    Raises:
        GenomeError: A gene stands twice, or a value is not a finite number. Ranges are the
            kind's business; see :meth:`GenomeKind.validate`.
    """

    kind: str
    genes: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        given: Any = self.genes
        pairs = given.items() if isinstance(given, Mapping) else given
        genes = tuple(sorted((str(name), _number(name, value)) for name, value in pairs))
        for (name, _), (following, _) in pairwise(genes):
            if name == following:
                raise GenomeError(f"gene {name!r} stands twice; a genome has each gene once")
        object.__setattr__(self, "genes", genes)

    @cached_property
    def id(self) -> str:
        """Content hash of kind and genes: 32 hexadecimal digits."""
        return content_hash({"kind": self.kind, "genes": dict(self.genes)})

    def gene(self, name: str) -> float:
        """Value of a gene.

        Raises:
            GenomeError: There is no such gene.
        """
        for own, value in self.genes:
            if own == name:
                return value
        known = ", ".join(own for own, _ in self.genes)
        raise GenomeError(f"a {self.kind} genome has no gene {name!r}; it has {known}")


@dataclass(frozen=True, eq=False)
class Genomes:
    """A population of one kind: a frozen, checked array with a row a genome.

    Args:
        kind: Name of the kind, a key of :data:`KINDS`.
        values: Shape ``(P, G)``, columns as :attr:`GenomeKind.columns`. Copied; the copy is
            read-only.

    Raises:
        GenomeError: The kind is unknown, the shape is wrong, or a value is out of range.
    """

    kind: str
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        kind = kind_named(self.kind)
        values = np.array(self.values, dtype=np.float64, order="C") + 0.0  # no minus zero
        if values.ndim != 2 or values.shape[1] != len(kind.columns):
            raise GenomeError(
                f"expected values of {self.kind} genomes to have shape "
                f"(P, {len(kind.columns)}), but it was {values.shape}"
            )
        kind.check(values)
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @classmethod
    def of(cls, genomes: Sequence[Genome]) -> Genomes:
        """A population from single genomes of one kind.

        Raises:
            GenomeError: There are none, they are of several kinds, or one is invalid.
        """
        if not genomes:
            raise GenomeError("a population needs at least one genome to know its kind")
        kind = kind_named(genomes[0].kind)
        for genome in genomes:
            if genome.kind != kind.name:
                raise GenomeError(
                    f"a population is of one kind, but {genome.kind} stands among {kind.name}"
                )
            kind.validate(genome)
        rows = [dict(genome.genes) for genome in genomes]
        return cls(kind.name, np.array([[row[name] for name in kind.columns] for row in rows]))

    def concat(self, *others: Genomes) -> Genomes:
        """This population followed by others of the same kind.

        Raises:
            GenomeError: Another is of another kind.
        """
        for other in others:
            if other.kind != self.kind:
                raise GenomeError(f"cannot append {other.kind} genomes to {self.kind} genomes")
        return Genomes(self.kind, np.concatenate([self.values, *(o.values for o in others)]))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of :attr:`values`."""
        return kind_named(self.kind).columns

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Content hash of every genome, in order."""
        return tuple(genome.id for genome in self)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Genome]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> Genome: ...
    @overload
    def __getitem__(self, rows: slice | NDArray[Any] | Sequence[int]) -> Genomes: ...

    def __getitem__(
        self, rows: int | np.integer[Any] | slice | NDArray[Any] | Sequence[int]
    ) -> Genome | Genomes:
        if isinstance(rows, int | np.integer):
            return _member(self.kind, self.values[rows].tobytes())
        if not isinstance(rows, slice | np.ndarray):
            rows = np.asarray(rows, dtype=np.int64)  # an empty list would be floats
        return Genomes(self.kind, self.values[rows])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Genomes):
            return NotImplemented
        return self.kind == other.kind and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.kind, self.values.tobytes()))


@lru_cache(maxsize=MEMBERS)
def _member(kind: str, row: bytes) -> Genome:
    """A row as a genome: one object for equal rows, so that its id is hashed once."""
    values = np.frombuffer(row, dtype=np.float64).tolist()
    return Genome(kind, tuple(zip(kind_named(kind).columns, values, strict=True)))


class GenomeKind(Protocol):
    """All that the evolutionary loop knows of genomes.

    P genomes of G columns; D is the dimension of the unit vector (not necessarily G). A kind is
    a constant: hashable, and without state that changes.
    """

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str:
        """Key in :data:`KINDS`, and ``kind`` of every genome."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the G columns: of the values and of the tables."""
        ...

    def random(self, count: int, rng: np.random.Generator) -> Genomes:
        """``count`` genomes drawn from the whole space."""
        ...

    def crossover(
        self, mothers: Genomes, fathers: Genomes, rng: np.random.Generator, keep_groups: bool
    ) -> tuple[Genomes, NDArray[np.bool_]]:
        """One child of each couple, and the mask ``(P, G)`` of genes that the father gave.

        With ``keep_groups``, genes that belong together come from one parent.
        """
        ...

    def mutate(
        self, genomes: Genomes, dose: float, rate: float, rng: np.random.Generator
    ) -> Genomes:
        """Copies in which each gene moved by about ``dose`` with probability ``rate``.

        ``dose`` is on the unit scale. At least one gene of each genome is hit.
        """
        ...

    def encode(self, genomes: Genomes) -> NDArray[np.float64]:
        """Unit vectors ``(P, D)`` in [0, 1], for distance, colour and maps."""
        ...

    def decode(self, units: NDArray[np.float64]) -> Genomes:
        """Genomes at or near the unit vectors ``(P, D)``, for searches of the unit cube.

        Decoding what was encoded gives a genome that encodes to the same, but for rounding.
        """
        ...

    def distance(self, a: Genomes, b: Genomes) -> NDArray[np.float64]:
        """Pairwise distances ``(Pa, Pb)``; zero for equal genomes, at most 1."""
        ...

    def check(self, values: NDArray[np.float64]) -> None:
        """Check the values ``(P, G)`` of a population.

        Raises:
            GenomeError: A value is not finite or out of range.
        """
        ...

    def validate(self, genome: Genome) -> None:
        """Check one genome.

        Raises:
            GenomeError: A gene is missing, unknown or out of range.
        """
        ...

    def to_json(
        self,
        genome: Genome,
        provenance: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """The genome as a JSON document, with where it came from."""
        ...

    def from_json(self, document: Mapping[str, Any]) -> Genome:
        """The genome of a JSON document; keeps the id.

        Raises:
            GenomeError: The document is not a valid genome of this kind.
        """
        ...


@dataclass(frozen=True)
class GeneTable:
    """The kind of genome that is a row of independent :class:`Gene` values.

    Args:
        name: Key in :data:`KINDS`.
        genes: The table.
    """

    name: str
    genes: tuple[Gene, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the genes."""
        return tuple(gene.name for gene in self.genes)

    @cached_property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Columns of each gene group."""
        return group_columns(self.genes)

    def random(self, count: int, rng: np.random.Generator) -> Genomes:
        """Uniform on the unit cube."""
        return Genomes(self.name, self._from_unit(rng.random((count, len(self.genes)))))

    def crossover(
        self, mothers: Genomes, fathers: Genomes, rng: np.random.Generator, keep_groups: bool
    ) -> tuple[Genomes, NDArray[np.bool_]]:
        """A fair coin a gene, or a fair coin a gene group."""
        shape = self._own(mothers).values.shape
        if self._own(fathers).values.shape != shape:
            raise GenomeError(
                f"a crossover needs a father for each mother, got {len(mothers)} mothers "
                f"and {len(fathers)} fathers"
            )
        if keep_groups:
            donated = group_donor_mask(len(mothers), self.groups, rng)
        else:
            donated = uniform_donor_mask(len(mothers), len(self.genes), rng)
        values = np.where(donated, fathers.values, mothers.values)
        return Genomes(self.name, values), donated

    def mutate(
        self, genomes: Genomes, dose: float, rate: float, rng: np.random.Generator
    ) -> Genomes:
        """A normal step of standard deviation ``dose``, reflected at the borders."""
        if not (math.isfinite(dose) and dose >= 0):
            raise GenomeError(f"a dose of radiation must be a finite number ≥ 0, got {dose}")
        if not 0 <= rate <= 1:
            raise GenomeError(f"the rate of radiation must be in [0, 1], got {rate}")
        values = self._own(genomes).values
        hits = radiation_hits(len(genomes), len(self.genes), rate, rng)
        stepped = reflect(self.encode(genomes) + dose * rng.standard_normal(values.shape))
        # Genes that were spared keep their exact value: no way through the unit scale and back.
        return Genomes(self.name, np.where(hits, self._from_unit(stepped), values))

    def encode(self, genomes: Genomes) -> NDArray[np.float64]:
        """Unit coordinates; D = G."""
        values = self._own(genomes).values
        return np.stack([g.to_unit(values[:, i]) for i, g in enumerate(self.genes)], axis=1)

    def decode(self, units: NDArray[np.float64]) -> Genomes:
        """The genomes at these coordinates."""
        return Genomes(self.name, self._from_unit(units))

    def distance(self, a: Genomes, b: Genomes) -> NDArray[np.float64]:
        """Root mean square difference of the unit coordinates."""
        from scipy.spatial.distance import cdist  # slow to import, and no actor needs it

        return np.asarray(cdist(self.encode(a), self.encode(b))) / math.sqrt(len(self.genes))

    def check(self, values: NDArray[np.float64]) -> None:
        """Every value finite, in its gene's range, and whole where it must be."""
        for column, gene in enumerate(self.genes):
            inside = gene.contains(values[:, column])
            if not inside.all():
                row = int(np.argmin(inside))
                raise GenomeError(_out_of_range(gene, float(values[row, column])))

    def validate(self, genome: Genome) -> None:
        """Exactly the genes of the table, each in its range."""
        if genome.kind != self.name:
            raise GenomeError(f"expected a {self.name} genome, got a {genome.kind} one")
        given = dict(genome.genes)
        for name in given:
            if name not in self.columns:
                raise GenomeError(
                    f"unknown gene {name!r}; a {self.name} genome has {', '.join(self.columns)}"
                )
        for gene in self.genes:
            if gene.name not in given:
                raise GenomeError(f"gene {gene.name!r} is missing ({gene.describe_range()})")
            if not gene.contains(given[gene.name]):
                raise GenomeError(_out_of_range(gene, given[gene.name]))

    def to_json(
        self,
        genome: Genome,
        provenance: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Genes in the order of the table, for readers."""
        self.validate(genome)
        given = dict(genome.genes)
        return {
            "format": FORMAT,
            "version": VERSION,
            "kind": self.name,
            "name": name,
            "genes": {column: given[column] for column in self.columns},
            "provenance": dict(provenance or {}),
        }

    def from_json(self, document: Mapping[str, Any]) -> Genome:
        """Reads what :meth:`to_json` wrote."""
        check_envelope(document)
        genome = Genome(document["kind"], tuple(document["genes"].items()))
        self.validate(genome)
        return genome

    def _own(self, genomes: Genomes) -> Genomes:
        if genomes.kind != self.name:
            raise GenomeError(f"expected {self.name} genomes, got {genomes.kind} ones")
        return genomes

    def _from_unit(self, units: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([g.from_unit(units[:, i]) for i, g in enumerate(self.genes)], axis=1)


HYPER17 = GeneTable("hyper17", GENES)
"""The hyperparameters of a MicroTransformer; see ``speciation/genome/genes.py``."""

KINDS: dict[str, GenomeKind] = {HYPER17.name: HYPER17}
"""Every genome kind by name. The command line and all readers of genomes look here."""


def kind_named(name: str) -> GenomeKind:
    """The kind of this name.

    Raises:
        GenomeError: There is none.
    """
    try:
        return KINDS[name]
    except (KeyError, TypeError):
        known = ", ".join(KINDS)
        raise GenomeError(f"unknown genome kind {name!r}; known kinds: {known}") from None


def genome_from_json(document: Mapping[str, Any]) -> Genome:
    """The genome of a JSON document of any known kind.

    Raises:
        GenomeError: The document is not a genome; the sentence names key and value.
    """
    check_envelope(document)
    return kind_named(document["kind"]).from_json(document)


def _number(name: Any, value: Any) -> float:
    """The value as a plain finite float, or an error that names the gene."""
    if type(value) is float and math.isfinite(value):  # as nearly always
        return value + 0.0
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise GenomeError(f"gene {short(name)} should be a number, got {short(value)}")
    try:
        number = float(value) + 0.0  # minus zero becomes zero
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise GenomeError(f"gene {short(name)} should be a finite number, got {short(value)}")
    return number


def _out_of_range(gene: Gene, value: float) -> str:
    return f"gene {gene.name!r} should be {gene.describe_range()}, got {value!r}"
