"""The taxonomy finds what was planted, nests, and keeps its names."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from speciation.analysis.taxonomy import (
    BANDS,
    GROWTH,
    RANKS,
    Taxonomy,
    TaxonomyError,
    classify,
    fit_space,
)
from speciation.analysis.taxonomy_file import decode, encode
from speciation.genome.genome import HYPER17, Genomes


def from_units(units: np.ndarray) -> Genomes:
    return Genomes(
        "hyper17",
        np.stack([g.from_unit(units[:, i]) for i, g in enumerate(HYPER17.genes)], axis=1),
    )


def planted(clusters: int, each: int = 40, spread: float = 0.03, seed: int = 0):
    """Genomes around centres, of unequal sizes, and who belongs where, in order of ids."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.15, 0.85, (clusters, 17))
    sizes = rng.integers(each // 2, 2 * each, clusters)
    truth = np.repeat(np.arange(clusters), sizes)
    units = np.clip(centres[truth] + spread * rng.standard_normal((len(truth), 17)), 0, 1)
    genomes = from_units(units)
    order = np.argsort(genomes.ids)
    return genomes, truth[order]


@cache
def of_six() -> tuple[Taxonomy, np.ndarray]:
    genomes, truth = planted(6)
    return classify(genomes), truth


@cache
def of_chance() -> Taxonomy:
    return classify(HYPER17.random(300, np.random.default_rng(3)))


# -- What was planted is found ----------------------------------------------------------------


@pytest.mark.parametrize("clusters", [2, 3, 6, 11, 20, 50])
def test_planted_clusters_are_found_at_the_clearest_rank(clusters):
    genomes, truth = planted(clusters, each=20)
    found = classify(genomes)
    assert adjusted_rand_score(truth, found.labels_at(found.clearest)) >= 0.95
    assert len(found.at(found.clearest)) == clusters


def test_two_near_twins_do_not_make_the_rank_clearest_at_which_all_others_are_alone():
    units = np.random.default_rng(0).uniform(0.1, 0.9, (57, 17))
    units[1] = units[0] + 1e-4
    found = classify(from_units(units))
    assert 2 * len(found.at(found.clearest)) <= len(found.ids)


def test_planted_clusters_are_found_among_more_genomes_than_leaves():
    genomes, truth = planted(7, each=300)
    found = classify(genomes)
    assert adjusted_rand_score(truth, found.labels_at(found.clearest)) >= 0.95


def test_the_second_opinion_agrees_where_there_are_clusters():
    found, _ = of_six()
    assert found.opinion.species == 6
    assert found.opinion.agreement[RANKS.index(found.clearest)] >= 0.95


def test_planted_clusters_are_stable_and_chance_is_not():
    found, _ = of_six()
    assert min(species.stability for species in found.at(found.clearest)) > 0.95
    stability = [species.stability for species in of_chance().at("order")]
    assert np.mean([value for value in stability if value is not None]) < 0.75


# -- Ranks nest -------------------------------------------------------------------------------


@given(st.integers(4, 80), st.integers(0, 10_000))
@settings(max_examples=6)
def test_ranks_nest_whatever_the_genomes(count, seed):
    found = classify(HYPER17.random(count, np.random.default_rng(seed)))
    assert found.labels.shape == (count, 7)
    for rank in range(1, 7):
        pairs = {(int(a), int(b)) for a, b in found.labels[:, [rank, rank - 1]]}
        assert len(pairs) == len({below for below, _ in pairs})
        for below, above in pairs:
            assert found.species[rank][below].parent == above
    for own, (few, many) in zip(found.species, BANDS, strict=True):
        assert min(few, count) <= len(own) <= many
        assert sum(species.size for species in own) == count
        assert len({species.name for species in own}) == len(own)
    assert list(found.heights) == sorted(found.heights, reverse=True)


def test_the_same_genomes_in_any_order_are_classified_alike():
    genomes = HYPER17.random(50, np.random.default_rng(5))
    shuffled = genomes[np.random.default_rng(6).permutation(50)]
    a, b = classify(genomes), classify(shuffled.concat(shuffled[:10]))
    assert a.ids == b.ids
    assert np.array_equal(a.labels, b.labels)
    assert a.places == pytest.approx(b.places)


# -- Names and colours ------------------------------------------------------------------------


def test_a_species_is_named_from_its_most_deviant_genes():
    units = np.full((90, 17), 0.5)
    units[:, 16] += np.linspace(-0.02, 0.02, 90)  # all are different
    units[:30, 0] += 0.4  # learning_rate
    units[:30, 1] -= 0.3  # weight_decay
    units[30:60, 9] += 0.4  # dropout
    found = classify(from_units(np.clip(units, 0, 1)))
    names = {species.name for species in found.at("kingdom")}
    assert len(names) == 3
    assert names & {"High-LR / Low-Decay", "Low-Decay / High-LR"}
    assert any(name.startswith("High-Dropout / ") for name in names)


@pytest.mark.parametrize("growth", [1.1, 1.4], ids=["the same tree", "a new tree"])
@pytest.mark.parametrize("clusters", [3, 12])
def test_names_and_colours_stay_when_data_grows(clusters, growth):
    grown, truth = planted(clusters)
    rows = np.random.default_rng(9).permutation(len(grown))
    early = classify(grown[rows[: int(len(rows) / growth)]])
    late = classify(grown, early)
    assert late.grown_from == (len(early.ids) if growth < GROWTH else len(late.ids))
    assert np.array_equal(late.space.axes, early.space.axes)
    assert late.clearest == early.clearest
    assert called(late, early.ids) == called(early, early.ids)
    assert adjusted_rand_score(truth, late.labels_at(late.clearest)) >= 0.95


def test_names_stay_under_a_tenth_of_new_data_even_where_there_is_no_structure():
    genomes = HYPER17.random(220, np.random.default_rng(8))
    early = classify(genomes[:200])
    late = classify(genomes, early)
    assert set(early.ids) < set(late.ids)
    for rank in RANKS:
        assert called(late, early.ids, rank) == called(early, early.ids, rank)
        assert sum(species.size for species in late.at(rank)) == 220
    assert late.places[[late.ids.index(own) for own in early.ids]] == pytest.approx(
        early.places
    )


def test_a_tree_serves_only_while_all_its_genomes_are_there():
    genomes = HYPER17.random(60, np.random.default_rng(8))
    early = classify(genomes[:55])
    assert classify(genomes[1:], early).grown_from == 59
    assert classify(genomes, early).grown_from == 55


def called(
    found: Taxonomy, ids: tuple[str, ...], rank: str | None = None
) -> list[tuple[str, int]]:
    """Name and colour of each genome's species, by default at the clearest rank."""
    rank = rank or found.clearest
    species, label = found.at(rank), found.labels_at(rank)
    own = [species[label[found.ids.index(name)]] for name in ids]
    return [(one.name, one.colour) for one in own]


def test_a_new_species_takes_neither_name_nor_colour_of_another():
    genomes, truth = planted(6)
    ordered = genomes[np.argsort(genomes.ids)]
    early = classify(ordered[np.flatnonzero(truth != np.bincount(truth).argmax())])
    late = classify(ordered, early)
    rank = "phylum"
    assert (len(early.at(rank)), len(late.at(rank))) == (5, 6)
    kept = {(own.name, own.colour) for own in early.at(rank)}
    now = {(own.name, own.colour) for own in late.at(rank)}
    assert kept < now
    assert len({name for name, _ in now}) == len({colour for _, colour in now}) == 6


# -- Space ------------------------------------------------------------------------------------


def test_the_axes_are_fixed_in_sign_and_explain_what_they_say():
    units = HYPER17.encode(planted(3)[0])
    space = fit_space("hyper17", units)
    for axis in space.axes:
        assert axis[np.abs(axis).argmax()] > 0
    standard = space.standardise(units)
    along = (standard @ space.axes.T).var(axis=0)
    assert space.explained == pytest.approx(along / standard.var(axis=0).sum())
    assert list(space.explained) == sorted(space.explained, reverse=True)


def test_a_genome_from_a_file_has_its_place_in_the_same_space():
    found, _ = of_six()
    genomes = planted(6)[0]
    row = list(genomes.ids).index(found.ids[4])
    assert found.space.place(genomes[[row]])[0] == pytest.approx(found.places[4])


def test_genomes_that_agree_in_a_gene_or_in_nearly_all_are_no_trouble():
    units = np.full((12, 17), 0.5)
    units[:, 3] = np.linspace(0.2, 0.8, 12)
    found = classify(from_units(units))
    assert found.space.explained == pytest.approx([1, 0, 0])
    assert np.isfinite(found.places).all()


# -- Members and mistakes ---------------------------------------------------------------------


def test_the_ids_of_a_species_are_one_list():
    found, _ = of_six()
    rank = found.clearest
    lists = [found.members(rank, species.name) for species in found.at(rank)]
    assert [len(ids) for ids in lists] == [species.size for species in found.at(rank)]
    assert sorted(own for ids in lists for own in ids) == list(found.ids)


def test_what_is_not_there_is_one_sentence():
    found, _ = of_six()
    with pytest.raises(
        TaxonomyError, match=r"no genus is called 'Low-Hope'; there are .* more$"
    ):
        found.members("genus", "Low-Hope")
    with pytest.raises(TaxonomyError, match="'tribe' is no rank; ranks are domain, kingdom"):
        found.at("tribe")
    with pytest.raises(TaxonomyError, match="at least 4 different genomes, got 1"):
        classify(HYPER17.random(1, np.random.default_rng(0))[[0, 0, 0, 0, 0]])


# -- As a file --------------------------------------------------------------------------------


def test_a_taxonomy_comes_back_from_its_file():
    found, _ = of_six()
    again = decode(encode(found))
    assert again.ids == found.ids
    assert again.places == pytest.approx(found.places, abs=1e-5)
    assert np.array_equal(again.labels, found.labels)
    assert np.array_equal(again.space.axes, found.space.axes)
    assert again.species == found.species
    assert (again.heights, again.clearest, again.opinion) == (
        found.heights,
        found.clearest,
        found.opinion,
    )


def test_a_small_taxonomy_of_unknown_stabilities_comes_back():
    found = classify(HYPER17.random(5, np.random.default_rng(0)))
    again = decode(encode(found))
    assert again.species == found.species
    assert set(again.opinion.agreement) == {None}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"PAR1" * 100,
        lambda data: data[: len(data) // 2],
        lambda data: data[:-300],
        lambda data: data.replace(b'"clearest"', b'"clearesT"'),
        lambda data: data.replace(b'"hyper17"', b'"hyper18"'),
        lambda data: data.replace(b'"species"', b'"specieS"'),
    ],
)
def test_a_damaged_file_is_one_sentence(damage):
    with pytest.raises(TaxonomyError, match="is no taxonomy"):
        decode(damage(encode(of_six()[0])))
