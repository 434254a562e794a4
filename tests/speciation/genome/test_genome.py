"""Genomes: identity, populations as arrays, and the kind that knows what values mean."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speciation.genome.genes import GENES, GROUPS
from speciation.genome.genome import (
    HYPER17,
    KINDS,
    Genome,
    GenomeError,
    Genomes,
    genome_from_json,
    kind_named,
)
from tests.contracts.genome_kind import GenomeKindContract
from tests.contracts.toy_kind import TOY

COLUMNS = HYPER17.columns
units = arrays(np.float64, (3, len(COLUMNS)), elements=st.floats(0.0, 1.0))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def population(count: int = 10, seed: int = 0) -> Genomes:
    return HYPER17.random(count, rng(seed))


def genes(**changes: float) -> dict[str, float]:
    return dict(population(1)[0].genes) | changes


def from_units(array: np.ndarray) -> Genomes:
    columns = [gene.from_unit(array[:, i]) for i, gene in enumerate(GENES)]
    return Genomes("hyper17", np.stack(columns, axis=1))


class TestHyper17(GenomeKindContract):
    @pytest.fixture
    def kind(self):
        return HYPER17


class TestToy(GenomeKindContract):
    @pytest.fixture
    def kind(self, monkeypatch):
        monkeypatch.setitem(KINDS, TOY.name, TOY)
        return TOY


# -- Identity -----------------------------------------------------------------------------


@given(units, st.randoms())
def test_the_order_in_which_genes_are_given_does_not_matter(array, random):
    genome = from_units(array)[0]
    pairs = list(genome.genes)
    random.shuffle(pairs)
    again = Genome("hyper17", tuple(pairs))
    assert (again, again.id, hash(again)) == (genome, genome.id, hash(genome))


@given(units)
def test_genomes_have_one_id_exactly_if_they_have_the_same_genes(array):
    genomes = from_units(array)
    for a in range(3):
        for b in range(3):
            same = np.array_equal(genomes.values[a], genomes.values[b])
            assert (genomes.ids[a] == genomes.ids[b]) == same


def test_the_id_of_a_genome_never_changes():
    middle = from_units(np.full((1, len(COLUMNS)), 0.5))
    assert middle[0].id == "79d8522c31ba674019ee66ab74672062"


def test_integers_and_numpy_numbers_are_the_float_they_equal():
    whole = Genome("hyper17", tuple(genes(warmup_steps=100).items()))
    numpy = Genome("hyper17", tuple(genes(warmup_steps=np.float64(100)).items()))
    assert whole.id == numpy.id
    assert type(numpy.gene("warmup_steps")) is float


def test_kinds_with_the_same_genes_have_different_ids():
    assert Genome("a", (("x", 1.0),)).id != Genome("b", (("x", 1.0),)).id


def test_a_pickled_genome_is_the_same_genome():
    genome = population()[0]
    assert pickle.loads(pickle.dumps(genome)) == genome


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([("a", 1.0), ("a", 2.0)], "'a' stands twice"),
        ([("a", float("nan"))], "'a' should be a finite number, got nan"),
        ([("a", float("inf"))], "'a' should be a finite number, got inf"),
        ([("a", 10**400)], "'a' should be a finite number"),
        ([("a", "1")], "'a' should be a number, got '1'"),
        ([("a", True)], "'a' should be a number, got True"),
        ([("a", None)], "'a' should be a number, got None"),
    ],
)
def test_what_is_no_genome_is_refused_by_gene(pairs, sentence):
    with pytest.raises(GenomeError, match=sentence):
        Genome("hyper17", tuple(pairs))


def test_asking_for_an_unknown_gene_names_the_known_ones():
    with pytest.raises(GenomeError, match=r"no gene 'momentum'.*learning_rate"):
        population()[0].gene("momentum")


# -- Populations ----------------------------------------------------------------------------


def test_a_population_cannot_be_changed_by_anybody():
    values = population().values.copy()
    genomes = Genomes("hyper17", values)
    values[:] = 0
    assert genomes == population()
    with pytest.raises(ValueError, match="read-only"):
        genomes.values[0, 0] = 0.5


def test_slicing_and_joining_give_populations():
    genomes = population()
    assert genomes[2:5].concat(genomes[[0, 1]]).ids == genomes.ids[2:5] + genomes.ids[:2]
    assert genomes[np.arange(10) < 3].ids == genomes.ids[:3]
    assert genomes[[]].ids == ()
    assert genomes[-1].id == genomes.ids[-1]
    assert [genome.id for genome in genomes] == list(genomes.ids)
    assert hash(genomes) == hash(population())
    assert genomes != genomes[:5]
    assert genomes != "genomes"


def test_a_population_of_the_wrong_shape_is_refused():
    with pytest.raises(GenomeError, match=r"shape \(P, 17\), but it was \(17, 10\)"):
        Genomes("hyper17", population().values.T)
    with pytest.raises(GenomeError, match=r"\(17,\)"):
        Genomes("hyper17", population().values[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, 501.0, 2.5])
def test_a_value_out_of_range_is_refused_by_name_range_and_value(value):
    values = population().values.copy()
    values[4, COLUMNS.index("warmup_steps")] = value
    sentence = rf"'warmup_steps' should be a whole number in \[0, 500\], got {value}"
    with pytest.raises(GenomeError, match=sentence):
        Genomes("hyper17", values)
    if np.isfinite(value):
        with pytest.raises(GenomeError, match=sentence):
            HYPER17.validate(Genome("hyper17", tuple(genes(warmup_steps=value).items())))


def test_mixed_or_missing_genomes_make_no_population():
    with pytest.raises(GenomeError, match="at least one"):
        Genomes.of([])
    with pytest.raises(GenomeError, match="toy stands among hyper17"):
        Genomes.of([population()[0], Genome("toy", (("x", 1.0),))])
    with pytest.raises(GenomeError, match="'learning_rate' is missing"):
        Genomes.of([Genome("hyper17", population()[0].genes[:6])])


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(
        GenomeError, match="unknown genome kind 'hyper18'; known kinds: hyper17"
    ):
        Genomes("hyper18", population().values)
    assert kind_named("hyper17") is KINDS["hyper17"] is HYPER17


def test_a_kind_refuses_genomes_of_another():
    with pytest.raises(GenomeError, match="expected a hyper17 genome, got a toy one"):
        HYPER17.validate(Genome("toy", (("x", 1.0),)))


# -- Operators of the kind ------------------------------------------------------------------


def test_with_groups_kept_each_group_comes_whole_from_one_parent():
    genomes = population(200)
    _, donated = HYPER17.crossover(genomes, genomes, rng(), keep_groups=True)
    for columns in GROUPS.values():
        share = donated[:, columns].mean(axis=1)
        assert set(share) == {0.0, 1.0}
    # The groups themselves are dealt independently and fairly.
    firsts = donated[:, [columns[0] for columns in GROUPS.values()]]
    assert abs(firsts.mean() - 0.5) < 0.05
    assert len(np.unique(firsts, axis=0)) > 50


def test_without_groups_each_gene_has_its_own_fair_coin():
    genomes = population(400)
    _, donated = HYPER17.crossover(genomes, genomes, rng(), keep_groups=False)
    assert (np.abs(donated.mean(axis=0) - 0.5) < 0.12).all()
    correlation = np.corrcoef(donated.T.astype(float)) - np.eye(len(COLUMNS))
    assert np.abs(correlation).max() < 0.25


def test_a_crossover_needs_a_father_for_each_mother():
    with pytest.raises(GenomeError, match="3 mothers and 2 fathers"):
        HYPER17.crossover(population(3), population(2), rng(), keep_groups=False)


def test_radiation_hits_genes_at_its_rate_and_spares_the_others_exactly():
    genomes = population(500)
    hit = HYPER17.mutate(genomes, 0.1, 0.3, rng()).values != genomes.values
    assert abs(hit.mean() - 0.3) < 0.02
    assert hit.any(axis=1).all()


def test_radiation_does_not_round_the_genes_that_it_spares():
    exact = Genome("hyper17", tuple(genes(dropout=0.123456789012345).items()))
    genomes = Genomes.of([exact] * 50)
    hit = HYPER17.mutate(genomes, 0.1, 0.0, rng()).values != genomes.values
    assert set(hit.sum(axis=1)) == {1}


def test_radiation_at_rate_zero_still_hits_one_gene_of_each():
    genomes = population(200)
    hit = HYPER17.mutate(genomes, 0.2, 0.0, rng()).values != genomes.values
    assert set(hit.sum(axis=1)) == {1}
    assert hit.any(axis=0).all()


@pytest.mark.parametrize("dose", [0.02, 0.1])
def test_the_dose_is_the_standard_deviation_on_the_unit_scale(dose):
    middle = from_units(np.full((2000, len(COLUMNS)), 0.5))
    step = HYPER17.encode(HYPER17.mutate(middle, dose, 1.0, rng())) - 0.5
    assert np.allclose(step.std(axis=0), dose, rtol=0.07)
    assert np.allclose(step.mean(axis=0), 0, atol=0.1 * dose + 0.001)


def test_radiation_at_a_border_turns_back_and_does_not_pile_up():
    border = from_units(np.zeros((500, len(COLUMNS))))
    units = HYPER17.encode(HYPER17.mutate(border, 0.1, 1.0, rng()))
    assert (units == 0).mean() < 0.01
    assert abs(units.mean() - 0.1 * np.sqrt(2 / np.pi)) < 0.005


def test_no_dose_changes_nothing():
    values = HYPER17.mutate(population(), 0.0, 1.0, rng()).values
    assert np.allclose(values, population().values, rtol=2e-9)


@given(units, st.floats(0.0, 50.0), st.floats(0.0, 1.0), st.integers(0, 2**32))
def test_radiation_of_any_strength_leaves_a_genome_in_range(array, dose, rate, seed):
    HYPER17.mutate(from_units(array), dose, rate, rng(seed))  # Genomes checks every value


@pytest.mark.parametrize(
    ("dose", "rate", "sentence"),
    [(-0.1, 0.5, "got -0.1"), (np.nan, 0.5, "got nan"), (0.1, 1.1, "got 1.1")],
)
def test_impossible_radiation_is_refused(dose, rate, sentence):
    with pytest.raises(GenomeError, match=sentence):
        HYPER17.mutate(population(), dose, rate, rng())


def test_distance_is_one_between_opposite_corners():
    corners = from_units(np.stack([np.zeros(len(COLUMNS)), np.ones(len(COLUMNS))]))
    assert np.allclose(HYPER17.distance(corners, corners), [[0, 1], [1, 0]])


# -- JSON -------------------------------------------------------------------------------------


@given(units)
def test_json_keeps_every_bit(array):
    genome = from_units(array)[0]
    assert genome_from_json(HYPER17.to_json(genome)) == genome


DOCUMENT = HYPER17.to_json(population()[0], {"run": "r"})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": "pickle"}, "'format' should be \"speciation-genome\", got 'pickle'"),
        ({"version": 2}, "'version' should be 1, the newest .*, got 2"),
        ({"version": True}, "'version' should be 1"),
        ({"kind": "hyper18"}, "unknown genome kind 'hyper18'"),
        ({"kind": 3}, "'kind' should be the name of a genome kind, got 3"),
        ({"genes": [1]}, r"'genes' should be an object of gene values, got \[1\]"),
        ({"genes": genes(dropout=0.6)}, r"'dropout' should be .* \[0, 0.5\], got 0.6"),
        (
            {"genes": genes(dropout="x" * 999)},
            r"'dropout' should be a number, got 'x{56}\.\.\.",
        ),
        ({"name": 5}, "'name' should be null or a string"),
        ({"name": "x" * 201}, "'name' should be null or a string of at most 200"),
        ({"provenance": None}, "'provenance' should be an object, got None"),
        ({"colour": "red"}, "unknown key 'colour'; known keys: format, version, kind"),
    ],
)
def test_a_bad_document_is_refused_by_key_and_value(changes, sentence):
    with pytest.raises(GenomeError, match=sentence):
        genome_from_json(DOCUMENT | changes)


@pytest.mark.parametrize("key", ["format", "version", "kind", "genes"])
def test_a_document_that_lacks_a_key_is_refused(key):
    with pytest.raises(GenomeError, match=f"'{key}' is missing"):
        genome_from_json({k: v for k, v in DOCUMENT.items() if k != key})


def test_what_is_no_object_is_refused():
    with pytest.raises(GenomeError, match="expected a JSON object, got \\[\\]"):
        genome_from_json([])
