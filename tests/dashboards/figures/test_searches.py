"""Champions of searches as figures: the numbers that are drawn."""

from __future__ import annotations

import numpy as np

from dashboards import theme
from dashboards.figures.searches import draw_curves, draw_repeats, interval, repeat_table
from tests.dashboards.searches_made_up import ARMS, BUDGET, searches


def test_every_repeat_of_an_arm_lies_in_its_row():
    found = searches(repeats=6)
    table = repeat_table(found)
    assert len(table) == 6 * len(ARMS) - 1  # one has failed
    arm = found.final["arm"].to_numpy()[np.round(table["row"]).astype(int)]
    assert list(arm) == list(table["arm"])
    assert table.groupby("arm")["row"].nunique().min() >= 5


def test_the_best_arm_stands_first_and_the_reference_has_its_colour():
    found = searches()
    figure = draw_repeats(found)
    dots, medians = figure.data
    assert len(dots.x) == 10 * len(ARMS) - 1
    assert list(medians.x) == sorted(medians.x)
    assert list(figure.layout.yaxis.ticktext) == list(found.final["arm"])
    place = list(found.final["arm"]).index(found.reference)
    assert medians.marker.color[place] == theme.VERMILION
    assert set(medians.marker.color) == {theme.VERMILION, theme.BLUE}


def test_few_repeats_are_medians_without_intervals():
    medians = draw_repeats(searches(repeats=3)).data[1]
    assert set(medians.error_x.array) == {0}


def test_each_arm_has_a_panel_with_the_reference_behind_it():
    found = searches()
    figure = draw_curves(found)
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [arm for arm in ARMS if arm != found.reference]
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert len(lines) == 2 * len(titles)
    assert all(list(line.x) == list(lines[0].x) for line in lines)
    assert max(lines[0].x) == BUDGET


def test_an_interval_in_words():
    assert interval(212.4, 200.2, 230.0) == "212 (200 to 230)"
    assert interval(212.4, np.nan, np.nan) == "212"
