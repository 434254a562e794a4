"""A radar shows every gene of every genome on its own scale."""

from __future__ import annotations

import numpy as np
import pytest

from dashboards.figures.radar import MOST_SHAPES, comparison_table, draw_radar, outlines
from speciation.analysis.forge import Party, compare
from speciation.genome.genome import HYPER17

GENOMES = HYPER17.random(7, np.random.default_rng(0))
PARTIES = [Party(f"<g{i}>", own) for i, own in enumerate(GENOMES)]
FOUND = compare(PARTIES[0], PARTIES[1:3])


def test_outlines_are_unit_coordinates_with_real_values_in_words():
    first, *_ = outlines(FOUND)
    assert first.radius == pytest.approx(HYPER17.encode(GENOMES[:1])[0])
    assert first.said[HYPER17.columns.index("warmup_steps")] == f"{GENOMES.values[0, 6]:,.0f}"


def test_a_radar_closes_and_escapes_names():
    figure = draw_radar(FOUND)
    for trace in figure.data:
        assert len(trace.r) == 18
        assert (trace.r[0], trace.theta[0]) == (trace.r[-1], trace.theta[-1])
    assert figure.data[0].name == "&lt;g0&gt;"


def test_a_radar_draws_no_more_than_can_be_told_apart():
    found = compare(PARTIES[0], PARTIES[1:])
    assert len(draw_radar(found).data) == MOST_SHAPES
    assert comparison_table(found).count("<th") > 17


def test_what_differs_from_the_first_is_bold():
    assert comparison_table(compare(PARTIES[0], PARTIES[:1])).count("<strong>") == 0
    assert comparison_table(FOUND).count("<strong>") == 2 * 17
