"""Genomes in space: every species in its colour, thinned evenly, ranks nested."""

from __future__ import annotations

from functools import cache

import numpy as np

from dashboards import theme
from dashboards.figures.space import axes_in_words, clouds, draw_ranks, draw_space, keys_of
from speciation.analysis.taxonomy import RANKS, Taxonomy, classify
from speciation.genome.genome import HYPER17


@cache
def found() -> Taxonomy:
    return classify(HYPER17.random(200, np.random.default_rng(0)))


def test_every_genome_is_in_the_cloud_of_its_species():
    shown = clouds(found(), "family")
    assert sorted(own for cloud in shown for own in cloud.ids) == list(found().ids)
    for cloud in shown:
        assert cloud.ids == found().members("family", cloud.species.name)


def test_of_too_many_genomes_each_species_keeps_its_share():
    shown = clouds(found(), "kingdom", most=50)
    assert 40 <= sum(len(cloud.ids) for cloud in shown) <= 60
    for cloud in shown:
        assert 1 <= len(cloud.ids) <= cloud.species.size


def test_points_carry_their_ids_and_the_colour_of_their_species():
    figure = draw_space(found(), "order")
    for trace, species in zip(figure.data, found().at("order"), strict=True):
        assert len(trace.customdata) == species.size
        assert trace.marker.color == theme.species_colour(species.colour)
        assert trace.marker.symbol == theme.species_shape(species.colour)
    assert figure.layout.scene.xaxis.title.text == "PC 1"


def test_what_the_axes_explain_is_told_in_words():
    said = axes_in_words(found())
    assert all(f"{100 * own:.0f} %" in said for own in found().space.explained)


def test_colour_and_shape_together_tell_64_species_apart():
    looks = {(theme.species_colour(n), theme.species_shape(n)) for n in range(64)}
    assert len(looks) == 64


def test_boxes_of_ranks_stand_under_the_one_that_contains_them():
    (trace,) = draw_ranks(found()).data
    size = dict(zip(trace.ids, trace.values, strict=True))
    below: dict[str, int] = {}
    for parent, value in zip(trace.parents[1:], trace.values[1:], strict=True):
        below[parent] = below.get(parent, 0) + value
    assert all(size[own] == total for own, total in below.items())
    assert len(trace.ids) == 1 + sum(len(found().at(rank)) for rank in RANKS)


def test_keys_name_the_largest_species():
    assert len(keys_of(found(), "genus")) == 10
    assert next(iter(keys_of(found(), "genus"))).startswith(found().at("genus")[0].name)
