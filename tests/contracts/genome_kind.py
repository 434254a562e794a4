"""What every genome kind promises. Enrol: subclass, and give the fixture ``kind``."""

from __future__ import annotations

import json

import numpy as np
import pytest

from speciation.genome.genome import GenomeError, GenomeKind, Genomes, genome_from_json

COUNT = 40


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class GenomeKindContract:
    """The laws of :class:`GenomeKind`; nothing here knows a gene."""

    @pytest.fixture
    def kind(self) -> GenomeKind:
        raise NotImplementedError("give the fixture `kind`, registered in KINDS")

    @pytest.fixture
    def population(self, kind: GenomeKind) -> Genomes:
        return kind.random(COUNT, rng())

    def test_random_genomes_are_of_the_kind_and_valid(self, kind, population):
        assert (population.kind, len(population)) == (kind.name, COUNT)
        assert population.values.shape == (COUNT, len(kind.columns))
        for genome in population:
            kind.validate(genome)

    def test_chance_comes_from_the_generator_alone(self, kind, population):
        def everything(seed):
            source = rng(seed)
            children, donated = kind.crossover(population, population[::-1], source, True)
            mutants = kind.mutate(children, 0.3, 0.3, source)
            return [kind.random(COUNT, source).ids, children.ids, donated.tolist(), mutants.ids]

        assert everything(1) == everything(1)
        assert everything(1) != everything(2)

    def test_the_id_is_of_the_genes_by_whatever_way_they_came(self, kind, population):
        rebuilt = Genomes.of(list(population))
        assert rebuilt == population
        assert rebuilt.ids == population.ids
        assert Genomes.of([population[3]]).ids == (population[3].id,)
        assert population[3:4].ids == (population[3].id,)

    def test_json_keeps_the_id(self, kind, population):
        for genome in population:
            document = json.loads(json.dumps(kind.to_json(genome, {"from": "a test"}, "x")))
            assert kind.from_json(document) == genome
            assert genome_from_json(document).id == genome.id
            assert (document["provenance"], document["name"]) == ({"from": "a test"}, "x")

    def test_json_without_a_gene_or_with_a_foreign_one_is_refused(self, kind, population):
        document = kind.to_json(population[0])
        column = kind.columns[0]
        genes = document["genes"]
        missing = {name: value for name, value in genes.items() if name != column}
        with pytest.raises(GenomeError, match=column):
            kind.from_json(document | {"genes": missing})
        with pytest.raises(GenomeError, match="no_such_gene"):
            kind.from_json(document | {"genes": genes | {"no_such_gene": 0.5}})
        with pytest.raises(GenomeError, match=column):
            kind.from_json(document | {"genes": genes | {column: float("nan")}})

    @pytest.mark.parametrize("keep_groups", [False, True])
    def test_a_child_has_each_gene_from_one_parent_as_the_mask_says(
        self, kind, population, keep_groups
    ):
        fathers = population[::-1]
        children, donated = kind.crossover(population, fathers, rng(), keep_groups)
        assert donated.shape == population.values.shape
        expected = np.where(donated, fathers.values, population.values)
        assert np.array_equal(children.values, expected)
        assert 0 < donated.mean() < 1

    def test_mutants_are_valid_and_different(self, kind, population):
        mutants = kind.mutate(population, 0.3, 0.0, rng(1))
        for genome in mutants:
            kind.validate(genome)
        assert (mutants.values != population.values).any(axis=1).mean() > 0.5

    def test_the_unit_vector_is_in_the_unit_cube(self, kind, population):
        units = kind.encode(population)
        assert units.shape[0] == COUNT
        assert np.isfinite(units).all()
        assert ((units >= 0) & (units <= 1)).all()

    def test_what_is_decoded_lies_where_it_was_encoded(self, kind, population):
        units = kind.encode(population)
        found = kind.encode(kind.decode(units))
        assert np.allclose(found, units)
        anywhere = kind.decode(rng(3).random(units.shape))
        assert len(anywhere) == COUNT

    def test_distance_is_a_distance(self, kind, population):
        distance = kind.distance(population, population[:7])
        assert distance.shape == (COUNT, 7)
        assert np.allclose(np.diag(distance[:7]), 0, atol=1e-7)
        assert ((distance >= 0) & (distance <= 1)).all()
        assert np.allclose(distance[:7], distance[:7].T)

    def test_a_population_of_none_is_a_population(self, kind, population):
        none = population[:0]
        assert len(none) == 0
        assert kind.encode(none).shape[0] == 0
        assert len(kind.mutate(none, 0.1, 0.1, rng())) == 0
        assert kind.random(0, rng()).ids == ()
