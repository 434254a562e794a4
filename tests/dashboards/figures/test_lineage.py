"""Ancestors by generation, and species as bands."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboards import theme
from dashboards.figures.lineage import ORIGINS, draw_ancestry, draw_stream
from speciation.analysis.lineage import OTHERS, ancestry, species_stream

BIRTHS = pd.DataFrame(
    [
        ("a", "ancestor", None, None, 0, []),
        ("b", "random", None, None, 0, []),
        ("c", "crossover", "a", "b", 1, ["beta1"]),
        ("d", "radiation", "c", None, 2, []),
    ],
    columns=["genome_id", "origin", "mother", "father", "generation", "donor_genes"],
)


def test_every_ancestor_is_a_mark_in_the_column_of_its_birth():
    lines, *marks = draw_ancestry(ancestry(BIRTHS, "d"), {"a": "<Ada>"}).data
    placed = {
        said[0]: x for trace in marks for said, x in zip(trace.customdata, trace.x, strict=True)
    }
    assert sorted(placed.values()) == [0, 0, 1, 2]
    assert any("&lt;Ada&gt;" in said for said in placed)
    assert any("from its father: beta1" in said for said in placed)
    assert sum(x is None for x in lines.x) == 3
    assert {trace.name: trace.marker.color for trace in marks}["radiation"] == ORIGINS[
        "radiation"
    ]


def test_bands_stand_upon_each_other_and_sum_to_the_population():
    rows = pd.DataFrame({"generation": [0, 0, 0, 1, 1, 1], "genome_id": list("aabbcx")})
    stream = species_stream(rows, {"a": "A", "b": "B", "c": "B"})
    figure = draw_stream(stream, {"A": 0, "B": 4})
    assert np.sum([trace.y for trace in figure.data], axis=0).tolist() == [3, 3]
    assert [trace.name for trace in figure.data] == ["B", "A", OTHERS]
    colours = [trace.line.color for trace in figure.data]
    assert colours == [theme.species_colour(4), theme.species_colour(0), theme.GREY]
