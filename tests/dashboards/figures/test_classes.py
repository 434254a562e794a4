"""Learning classes."""

from __future__ import annotations

import pytest

from dashboards.figures.classes import draw_classes, learning_classes
from speciation.evolution.fitness import wilson
from tests.dashboards.rows import trials


def test_classes_are_counted_most_frequent_first_without_failed_trials():
    rows = trials(1, 2, 3, 4, "failed", learning_class=["b", "a", "b", "c", None])
    table = learning_classes(rows)
    low, high = wilson([2, 1, 1], [4, 4, 4])
    assert table["learning_class"].tolist() == ["b", "a", "c"]
    assert table["count"].tolist() == [2, 1, 1]
    assert table["trials"].tolist() == [4, 4, 4]
    assert table["share"].tolist() == [0.5, 0.25, 0.25]
    assert table["low"].tolist() == pytest.approx(low.tolist())
    assert table["high"].tolist() == pytest.approx(high.tolist())


def test_trials_without_a_class_have_no_table():
    assert learning_classes(trials("failed")).empty


def test_a_class_with_markup_is_drawn_as_words_and_with_its_n():
    figure = draw_classes(learning_classes(trials(1, learning_class="<i>x</i>")))
    assert figure.layout.annotations[0].text == (
        "<b>&lt;i&gt;x&lt;/i&gt;</b>  1 of 1 (95 % 21–100 %)"
    )
