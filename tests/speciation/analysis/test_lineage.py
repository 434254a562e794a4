"""An ancestry holds every ancestor once, whatever the tables say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from speciation.analysis.lineage import (
    OTHERS,
    LineageError,
    ancestry,
    layout,
    species_stream,
)


def births(*rows: tuple[str, str, str | None, str | None, int]) -> pd.DataFrame:
    columns = ["genome_id", "origin", "mother", "father", "generation"]
    return pd.DataFrame(rows, columns=columns).assign(
        donor_genes=[["beta1"] if row[3] else [] for row in rows]
    )


FAMILY = births(
    ("a", "founder", None, None, 0),
    ("b", "founder", None, None, 0),
    ("c", "crossover", "a", "b", 1),
    ("d", "radiation", "a", None, 1),
    ("e", "crossover", "c", "d", 2),
    ("stranger", "alien", None, None, 2),
)


def test_an_ancestry_goes_back_to_its_founders():
    found = ancestry(FAMILY, "e")
    assert [own.genome_id for own in found.ancestors] == ["e", "c", "d", "a", "b"]
    assert {own.genome_id for own in found.founders} == {"a", "b"}
    assert set(found.edges) == {("c", "e"), ("d", "e"), ("a", "c"), ("b", "c"), ("a", "d")}
    assert [own.steps_back for own in found.ancestors] == [0, 1, 1, 2, 2]
    assert found.ancestors[1].donor_genes == ("beta1",)
    assert found.complete


def test_a_founder_is_its_own_ancestry():
    found = ancestry(FAMILY, "stranger")
    assert (len(found.ancestors), found.edges, found.founders) == (1, (), found.ancestors)


def test_a_parent_born_elsewhere_is_an_id_and_the_ancestry_says_so():
    found = ancestry(births(("x", "clone", "elsewhere", None, 3)), "x")
    assert not found.complete
    assert not found.ancestors[1].known
    assert layout(found)["elsewhere"][0] == 2


def test_a_circle_of_parents_ends():
    found = ancestry(births(("x", "clone", "y", None, 1), ("y", "clone", "x", None, 1)), "x")
    assert {own.genome_id for own in found.ancestors} == {"x", "y"}
    assert set(layout(found)) == {"x", "y"}


def test_a_long_line_is_cut_and_says_so():
    rows = [("g0", "founder", None, None, 0)]
    rows += [(f"g{i}", "radiation", f"g{i - 1}", None, i) for i in range(1, 50)]
    found = ancestry(births(*rows), "g49", most=10)
    assert (len(found.ancestors), found.complete) == (10, False)
    assert len(ancestry(births(*rows), "g49").ancestors) == 50


def test_an_unknown_genome_is_one_sentence():
    with pytest.raises(LineageError, match="do not tell of a genome nobody"):
        ancestry(FAMILY, "nobody")


def test_columns_of_the_drawing_are_generations_and_places_are_apart():
    placed = layout(ancestry(FAMILY, "e"))
    assert {own: x for own, (x, _) in placed.items()} == {
        "a": 0,
        "b": 0,
        "c": 1,
        "d": 1,
        "e": 2,
    }
    assert len(set(placed.values())) == 5


# -- The stream -------------------------------------------------------------------------------


def generations(*members: str) -> pd.DataFrame:
    rows = [(g, own) for g, text in enumerate(members) for own in text]
    return pd.DataFrame(rows, columns=["generation", "genome_id"])


def test_a_stream_counts_every_genome_of_every_generation_once():
    species = {"a": "Old", "b": "Old", "c": "New"}
    found = species_stream(generations("aab", "abc", "ccx"), species)
    assert found.names == ("Old", "New", OTHERS)
    assert found.counts.tolist() == [[3, 2, 0], [0, 1, 2], [0, 0, 1]]
    assert found.generations.tolist() == [0, 1, 2]


def test_small_species_stand_together():
    species = {own: own.upper() for own in "abcdef"}
    found = species_stream(generations("aaabbcdef"), species, most=2)
    assert found.names == ("A", "B", OTHERS)
    assert found.counts.tolist() == [[3], [2], [4]]


def test_a_run_without_a_generation_has_an_empty_stream():
    found = species_stream(generations().astype({"generation": np.int64}), {})
    assert (found.names, found.counts.size) == ((), 0)
