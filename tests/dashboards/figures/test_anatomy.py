"""Inside a trial: what is drawn is what was seen."""

from __future__ import annotations

import numpy as np
import pytest

from dashboards import theme
from dashboards.anatomy import HEADER, report, row
from dashboards.figures.anatomy import (
    LINES,
    draw_attention,
    draw_clock_or_pizza,
    draw_neurons,
    draw_progress,
    draw_spectrum,
)
from speciation.analysis.circuits import Anatomy
from tests.dashboards.reading import Page

P, T, HEADS = 11, 4, 5


def anatomy(right: float = 1.0) -> Anatomy:
    rng = np.random.default_rng(0)
    times = {
        name: rng.random(T)
        for name in (
            "train_loss",
            "validation_loss",
            "train_accuracy",
            "restricted_loss",
            "excluded_loss",
            "explained",
            "gini",
        )
    }
    return Anatomy(
        trial_id="t" * 32,
        genome_id="g" * 32,
        seed=3,
        modulus=P,
        steps=np.array([0, 25, 50, 75]),
        validation_accuracy=np.array([0, 0.5, 0.5, 1.0]) * right,
        spectrum=rng.random((T, 5)),
        power=np.array([1.0, 0, 8, 0, 1]),
        key=(3, 1),
        attention=rng.random((2, HEADS, 3, P, P)).astype(np.float32),
        neuron_frequency=np.array([3, 2, 0]),
        neuron_share=np.array([0.9, 0.5, 0.0]),
        gradient_symmetry=0.4,
        distance_irrelevance=0.8,
        **times,
    )


def test_losses_are_drawn_as_they_were_seen():
    own = anatomy()
    figure = draw_progress(own)
    assert [trace.name for trace in figure.data] == list(LINES)
    assert figure.data[2].y == pytest.approx(own.restricted_loss)
    assert [shape.x0 for shape in figure.layout.shapes] == [75]
    assert not draw_progress(anatomy(right=0.5)).layout.shapes


def test_key_frequencies_stand_out_in_the_power_of_the_logits():
    heat, bars = draw_spectrum(anatomy()).data
    assert np.asarray(heat.z).shape == (5, T)
    assert bars.x == pytest.approx([0.1, 0, 0.8, 0, 0.1])
    green = [
        y for y, colour in zip(bars.y, bars.marker.color, strict=True) if colour == theme.GREEN
    ]
    assert green == [1, 3]


def test_every_head_of_the_last_layer_has_its_square():
    own = anatomy()
    traces = draw_attention(own).data
    assert len(traces) == HEADS
    assert np.asarray(traces[4].z) == pytest.approx(own.attention[-1, 4, 0], abs=6e-4)


def test_constant_neurons_are_not_drawn():
    (trace,) = draw_neurons(anatomy()).data
    assert list(trace.x) == [3, 2]


def test_a_trial_lies_between_the_published_models():
    *_, own = draw_clock_or_pizza({"mine": anatomy()}).data
    assert (own.x[0], own.y[0]) == (0.4, 0.8)


def test_a_row_says_nearer_to_only_of_what_has_grokked():
    assert dict(zip(HEADER, row("x", anatomy()), strict=True))["nearer to"] == "clock"
    told = dict(zip(HEADER, row("x", anatomy(right=0.5)), strict=True))
    assert (told["nearer to"], told["99 % right at"]) == ("–", "–")


def test_the_page_needs_nothing_else(tmp_path):
    report({"<one>": anatomy(), "two": anatomy(0.5)}, tmp_path / "i.html")
    page = Page((tmp_path / "i.html").read_text())
    assert "<one>" in page.text
    assert "2 trials, looked into" in page.text
    sources = [given.get("src") or given.get("href", "#") for _, given in page.elements]
    assert all(source.startswith("#") for source in sources)
