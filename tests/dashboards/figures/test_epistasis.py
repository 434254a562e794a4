"""Epistasis as figures."""

from __future__ import annotations

import pytest

from dashboards import theme
from dashboards.figures.epistasis import draw_effects, draw_grid, draw_pairs
from speciation.analysis.epistasis import Epistasis, epistasis, factorial
from tests.speciation.analysis.test_epistasis import FOUR, H, law, tried


@pytest.fixture(scope="module")
def found() -> Epistasis:
    return epistasis(factorial(FOUR), tried(factorial(FOUR), law), H)


def test_a_dot_marks_what_was_shown_and_no_other_square(found):
    squares, dots = draw_grid(found).data
    assert sorted(zip(dots.x, dots.y, strict=True)) == [("b", "c"), ("c", "b")]
    assert squares.zmin == -squares.zmax


def test_effects_that_were_not_shown_are_grey(found):
    (dots,) = draw_effects(found).data
    told = dict(zip(found.effects["factor"], dots.marker.color, strict=True))
    assert told["d"] == theme.GREY
    assert told["a"] == told["b"] == told["c"] == theme.BLUE
    assert list(dots.x) == sorted(dots.x)


def test_pairs_are_coloured_by_verdict(found):
    (dots,) = draw_pairs(found).data
    assert list(dots.marker.color) == [theme.GREEN] + [theme.GREY] * 5
