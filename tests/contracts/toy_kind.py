"""A second genome kind, as unlike ``hyper17`` as the protocol allows.

Columns are not unit coordinates, the unit vector is longer than a row, and genes are whole
numbers of an architecture. It shares no code with the kind of the product: whatever works with
both does not know what a genome is made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speciation.genome.genome import Genome, GenomeError, Genomes

DEPTHS = 50
WIDTHS = tuple(2**k for k in range(11))


class ToyKind:
    """Networks of 1 to 50 layers whose width is a power of two up to 1,024."""

    name = "toy"
    columns = ("depth", "width")

    def random(self, count: int, rng: np.random.Generator) -> Genomes:
        depths = rng.integers(1, DEPTHS + 1, count)
        widths = rng.choice(WIDTHS, count)
        return Genomes(self.name, np.stack([depths, widths], axis=1).astype(float))

    def crossover(
        self, mothers: Genomes, fathers: Genomes, rng: np.random.Generator, keep_groups: bool
    ) -> tuple[Genomes, NDArray[np.bool_]]:
        shape = (len(mothers), 1 if keep_groups else 2)
        donated = np.broadcast_to(rng.random(shape) < 0.5, (len(mothers), 2))
        return Genomes(self.name, np.where(donated, fathers.values, mothers.values)), donated

    def mutate(
        self, genomes: Genomes, dose: float, rate: float, rng: np.random.Generator
    ) -> Genomes:
        fresh = self.random(len(genomes), rng).values
        hit = rng.random(genomes.values.shape) < rate
        hit[np.arange(len(genomes)), rng.integers(0, 2, len(genomes))] |= dose > 0
        return Genomes(self.name, np.where(hit, fresh, genomes.values))

    def encode(self, genomes: Genomes) -> NDArray[np.float64]:
        depth = (genomes.values[:, 0] - 1) / (DEPTHS - 1)
        width = np.log2(genomes.values[:, 1]) / 10
        return np.stack([depth, width, depth * width, 1 - depth], axis=1)

    def decode(self, units: NDArray[np.float64]) -> Genomes:
        depth = np.round(1 + units[:, 0] * (DEPTHS - 1))
        width = 2.0 ** np.round(10 * units[:, 1])
        return Genomes(self.name, np.stack([depth, width], axis=1))

    def distance(self, a: Genomes, b: Genomes) -> NDArray[np.float64]:
        return np.abs(self.encode(a)[:, None] - self.encode(b)[None]).max(axis=2)

    def check(self, values: NDArray[np.float64]) -> None:
        for depth, width in values:
            if depth not in range(1, DEPTHS + 1):
                raise GenomeError(f"gene 'depth' should be 1 to {DEPTHS}, got {depth}")
            if width not in WIDTHS:
                raise GenomeError(f"gene 'width' should be one of {WIDTHS}, got {width}")

    def validate(self, genome: Genome) -> None:
        given = dict(genome.genes)
        if given.keys() != set(self.columns):
            raise GenomeError(f"expected the genes {self.columns}, got {tuple(given)}")
        self.check(np.array([[given[name] for name in self.columns]]))

    def to_json(
        self,
        genome: Genome,
        provenance: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        return {
            "format": "speciation-genome",
            "version": 1,
            "kind": self.name,
            "name": name,
            "genes": dict(genome.genes),
            "provenance": json.loads(json.dumps(provenance or {})),
        }

    def from_json(self, document: Mapping[str, Any]) -> Genome:
        genome = Genome(self.name, tuple(document["genes"].items()))
        self.validate(genome)
        return genome


TOY = ToyKind()
