"""Pairs as a grid of colours."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboards.figures.pair_grid import draw_pair_grid, pair_grid

PAIRS = pd.DataFrame({"first": ["a", "c"], "second": ["b", "b"], "steps": [-40.0, 25.0]})
SHOWN = PAIRS.iloc[:1]


def test_the_grid_is_the_same_from_both_sides_and_empty_where_there_is_no_pair():
    grid = pair_grid("abc", PAIRS, "steps")
    assert grid.loc["a", "b"] == grid.loc["b", "a"] == -40
    assert grid.loc["b", "c"] == grid.loc["c", "b"] == 25
    assert np.isnan(grid.to_numpy()).sum() == 3 + 2


def test_a_dot_marks_what_was_shown_from_both_sides_and_zero_is_in_the_middle():
    squares, dots = draw_pair_grid(pair_grid("abc", PAIRS, "steps"), SHOWN, "with").data
    assert sorted(zip(dots.x, dots.y, strict=True)) == [("a", "b"), ("b", "a")]
    assert (squares.zmin, squares.zmax) == (-40, 40)
    assert "%{x} with %{y}" in squares.hovertemplate
