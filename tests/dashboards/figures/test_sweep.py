"""A sweep as figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dashboards import theme
from dashboards.figures.sweep import (
    CLASSES,
    draw_classes,
    draw_steps,
    draw_transfer,
    from_first,
    grid_of,
)
from speciation.analysis.sweep import Swept
from speciation.trial.trial import LearningClass
from tests.dashboards.sweep_made_up import COLUMNS, GENOMES, ROWS, made_up


@pytest.fixture(scope="module")
def found() -> Swept:
    return made_up()


def test_every_learning_class_has_a_colour_of_its_own():
    assert set(CLASSES) == {kind.value for kind in LearningClass}
    assert len(set(CLASSES.values())) == len(CLASSES)


def test_a_map_has_the_rows_and_columns_of_the_sweep_in_their_order(found):
    grid = grid_of(found.cells[found.cells["genome"] == GENOMES[0]])
    assert (list(grid.index), list(grid.columns)) == (ROWS, COLUMNS)
    figure = draw_classes(found)
    assert len(figure.data) == len(GENOMES)
    names = list(CLASSES)
    drawn = [[names[int(own)] for own in line] for line in figure.data[0].z]
    assert drawn == grid.to_numpy().tolist()
    assert figure.data[0].colorscale[0][0] == 0
    assert figure.data[0].colorscale[-1][0] == 1


def test_settings_of_one_axis_are_one_map_of_all_genomes(found):
    cells = found.cells[found.cells["column"] == COLUMNS[0]]
    one = dataclasses.replace(found, cells=cells)
    (squares,) = draw_classes(one).data
    assert list(squares.y) == list(GENOMES)
    assert list(squares.x) == list(dict.fromkeys(cells["setting"]))
    assert squares.customdata[0, 0].startswith(cells["setting"].iloc[0])


def test_steps_are_numbers_on_a_share_of_each_settings_own_horizon(found):
    figure = draw_steps(found)
    assert len(figure.data) == len(GENOMES)
    own = found.cells[found.cells["genome"] == GENOMES[0]]
    steps, horizon = (grid_of(own, value=name).to_numpy() for name in ("steps", "horizon"))
    assert np.array_equal(figure.data[0].z, steps / horizon)
    shown = [[int(text.replace(",", "")) for text in line] for line in figure.data[0].text]
    assert np.abs(np.array(shown) - steps).max() <= 0.5


def test_a_correlation_whose_interval_holds_zero_is_grey(found):
    (dots,) = draw_transfer(found).data
    told = from_first(found)
    assert set(told["first"]) == {f"{ROWS[0]}, {COLUMNS[0]}"}
    assert len(told) == len(ROWS) * len(COLUMNS) - 1
    assert told["rank_correlation"].is_monotonic_decreasing
    assert list(dots.x) == list(told["rank_correlation"])
    expected = [theme.BLUE if low > 0 else theme.GREY for low in told["low"]]
    assert list(dots.marker.color) == expected
