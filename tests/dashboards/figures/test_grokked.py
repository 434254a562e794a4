"""Curves of both arms, a panel a genome."""

from __future__ import annotations

import numpy as np

from dashboards.figures.grokked import draw_panels, panels
from speciation.analysis.fidelity import Arms

ARMS = Arms(
    ("a", "<b>", "c"),
    np.array([[100.0, 200, np.inf, 400], [50.0] * 4, [np.inf] * 4]),
    np.array([[100.0, 300, 300, 400], [75.0] * 4, [np.inf] * 4]),
    1000,
)


def test_a_panel_holds_the_curves_of_both_arms_from_zero_to_the_horizon():
    shown = panels(ARMS)
    assert [panel.title for panel in shown] == ["a", "<b>", "c"]
    for panel in shown:
        for curve in (panel.reference, panel.tested):
            assert (curve.step[0], curve.step[-1]) == (0, 1000)
            assert curve.share[0] == 0
    assert shown[0].reference.share[-1] == 0.75
    assert shown[0].tested.share[-1] == 1
    assert shown[2].tested.share[-1] == 0


def test_a_band_goes_once_around_what_is_known_of_the_interval():
    shown = panels(ARMS)
    figure = draw_panels(shown)
    band, line = figure.data[0], figure.data[1]
    known = np.isfinite(shown[0].reference.low)
    assert band.fill == "toself"
    assert len(band.x) == len(band.y) == 2 * (2 * known.sum() - 1)
    assert line.line.shape == "hv"


def test_a_curve_without_any_interval_has_no_band():
    figure = draw_panels(panels(ARMS.of("c")))
    assert len(figure.data[0].x) == 0


def test_titles_are_words():
    figure = draw_panels(panels(ARMS))
    assert [note.text for note in figure.layout.annotations] == ["a", "&lt;b&gt;", "c"]
    renamed = draw_panels(panels(ARMS.of("c"), ("other",)))
    assert renamed.layout.annotations[0].text == "other"
