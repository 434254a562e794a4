"""Differences, their intervals and their margins."""

from __future__ import annotations

import numpy as np
import pytest

from dashboards import theme
from dashboards.figures.forest import differences, draw_differences
from speciation.analysis.fidelity import Answer, Arms, verdict

REFERENCE = np.array([[100.0, 200, 300, 400] * 5, [500.0, 600, 700, 800] * 5])


def table(tested: np.ndarray, names: tuple[str, ...] = ("a", "b")):
    return differences(verdict(Arms(names, REFERENCE, tested, 1000)))


def test_differences_are_in_the_units_that_are_shown():
    tested = 1.2 * REFERENCE
    tested[0, 0] = np.inf
    found = table(tested).set_index(["genome", "criterion"])
    assert found.loc[("b", "steps"), "estimate"] == pytest.approx(0.2 * 650)
    assert found.loc[("b", "ratio"), "estimate"] == pytest.approx(20)
    assert found.loc[("a", "success"), "estimate"] == pytest.approx(-5)
    assert found.loc[("a", "ratio"), "pairs"] == 19
    assert (found["low"] <= found["estimate"]).all()
    assert (found["high"] >= found["estimate"]).all()


def test_margins_are_those_of_the_verdict():
    found = table(REFERENCE).set_index(["genome", "criterion"])
    assert found.loc[("a", "steps"), "margin_high"] == 25
    assert found.loc[("a", "ratio"), "margin_high"] == pytest.approx(5)
    assert found.loc[("a", "ratio"), "margin_low"] == pytest.approx(100 * (1 / 1.05 - 1))
    assert found.loc[("a", "success"), "margin_low"] == pytest.approx(-2)


def test_a_dot_has_the_colour_of_its_answer():
    figure = draw_differences(table(np.minimum(2 * REFERENCE, 1000)))
    dots = [trace for trace in figure.data if trace.type == "scatter"]
    assert len(dots) == 3
    assert dots[0].marker.color[1] == theme.VERMILION
    assert list(dots[0].x) == pytest.approx([250, 350])


def test_an_interval_without_end_is_a_dot_alone():
    tested = np.full_like(REFERENCE, np.inf)
    tested[:, 0] = REFERENCE[:, 0]
    found = table(tested)
    ratio = found["criterion"] == "ratio"
    assert np.isinf(found.loc[ratio, "high"]).all()
    assert set(found.loc[ratio, "answer"]) == {Answer.INCONCLUSIVE}
    dots = draw_differences(found).data[3]
    assert list(dots.error_x.array) == list(dots.error_x.arrayminus) == [0, 0]


def test_a_genome_with_markup_is_drawn_as_words():
    figure = draw_differences(table(REFERENCE, ("<b>", "b")))
    assert figure.layout.yaxis.ticktext[0] == "&lt;b&gt;"
    assert figure.data[1].customdata[0][0].startswith("&lt;b&gt;: ")
