"""A gene alone knows what a unit coordinate means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.genome.genes import GENES, GROUPS, Gene, round_significant

units = st.floats(0.0, 1.0)
genes = st.sampled_from(GENES)
# Nine digits of value are at least this many of coordinate on every scale of the table: the
# worst is beta2 at its high end, 5e-10 of 1e-4 on a scale 7.6 wide.
TOLERANCE = 1e-6


def tolerance(gene: Gene) -> float:
    """How far a coordinate may move by going to a value and back."""
    return 0.5 / (gene.high - gene.low) + 1e-12 if gene.scale == "integer" else TOLERANCE


@given(genes, units)
def test_a_coordinate_survives_the_way_to_a_value_and_back(gene, unit):
    assert abs(float(gene.to_unit(gene.from_unit(unit))) - unit) <= tolerance(gene)


@given(genes, units)
def test_a_value_survives_the_way_to_a_coordinate_and_back(gene, unit):
    value = gene.from_unit(unit)
    again = gene.from_unit(gene.to_unit(value))
    assert math.isclose(value, again, rel_tol=2e-9, abs_tol=1e-12)


@given(genes, units, units)
def test_a_greater_coordinate_never_gives_a_smaller_value(gene, a, b):
    low, high = gene.from_unit([min(a, b), max(a, b)])
    assert low <= high


@given(genes, st.floats(allow_nan=False))
def test_every_coordinate_gives_a_value_in_range(gene, unit):
    value = gene.from_unit(unit)
    assert gene.low <= value <= gene.high
    assert gene.contains(value)


@pytest.mark.parametrize("gene", GENES, ids=lambda gene: gene.name)
def test_the_ends_of_the_coordinate_are_the_ends_of_the_range(gene):
    assert gene.from_unit([0.0, 1.0, -3.0, 7.0]).tolist() == [
        gene.low,
        gene.high,
        gene.low,
        gene.high,
    ]
    assert gene.to_unit([gene.low, gene.high]).tolist() == [0.0, 1.0]


@given(st.floats(1e-12, 1e4))
def test_values_are_rounded_as_decimal_text_is(value):
    assert float(round_significant(value)) == float(f"{value:.8e}")


def test_zero_and_signs_survive_rounding():
    assert round_significant([0.0, -1.23456789012]).tolist() == [0.0, -1.23456789]


@given(genes, st.lists(units, min_size=1, max_size=5))
def test_arrays_are_treated_number_by_number(gene, unit_list):
    together = gene.from_unit(unit_list)
    assert together.tolist() == [float(gene.from_unit(unit)) for unit in unit_list]


def test_each_scale_halves_its_own_thing():
    middle = {
        scale: float(Gene("g", "group", scale, low, high, "").from_unit(0.5))
        for scale, low, high in [
            ("linear", 0.0, 3.0),
            ("log", 1e-4, 1e-2),
            ("log1m", 0.9, 0.999),
            ("integer", 0, 500),
        ]
    }
    assert middle == {"linear": 1.5, "log": 1e-3, "log1m": 0.99, "integer": 250.0}


def test_contains_refuses_what_a_gene_cannot_be():
    whole = Gene("steps", "life", "integer", 0, 10, "")
    values = [0, 10, -1, 11, 2.5, math.nan, math.inf]
    assert whole.contains(values).tolist() == [True, True] + [False] * 5


@pytest.mark.parametrize(
    ("scale", "low", "high", "sentence"),
    [
        ("linear", 1.0, 1.0, "low < high, got 1.0 and 1.0"),
        ("linear", 0.0, math.inf, "finite low < high"),
        ("linear", math.nan, 1.0, "finite low < high"),
        ("log", 0.0, 1.0, "low > 0, got 0.0"),
        ("log1m", 0.5, 1.0, "high < 1, got 1.0"),
        ("integer", 0.5, 2.0, "whole ends, got 0.5 and 2.0"),
    ],
)
def test_an_impossible_range_is_refused_by_name(scale, low, high, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        Gene("odd", "group", scale, low, high, "")
    assert "'odd'" in str(error.value)


def test_the_table_has_seventeen_genes_in_seven_groups_of_neighbours():
    assert len({gene.name for gene in GENES}) == 17
    assert [len(columns) for columns in GROUPS.values()] == [2, 2, 2, 3, 2, 4, 2]
    assert np.concatenate(list(GROUPS.values())).tolist() == list(range(17))
