"""Colours can be seen, by everyone, on either paper."""

from __future__ import annotations

import pytest

from dashboards import theme
from speciation.trial.trial import Outcome

MARKS = (theme.BLUE, theme.VERMILION, theme.GREEN, theme.PURPLE, theme.GREY)
PAPERS = (theme.LIGHT, theme.DARK)


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_the_greatest_contrast():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("paper", PAPERS)
def test_marks_stand_out_on_light_and_dark_paper(mark, paper):
    assert contrast(mark, paper["paper"]) >= 3


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("ink", ["ink", "muted", "accent", "warn"])
@pytest.mark.parametrize("ground", ["paper", "raised"])
def test_words_can_be_read_on_either_paper(paper, ink, ground):
    assert contrast(paper[ink], paper[ground]) >= 4.5


def test_every_outcome_has_a_colour_of_its_own():
    assert set(theme.OUTCOMES) == {*Outcome, "unanswered"}
    assert len(set(theme.OUTCOMES.values())) == len(theme.OUTCOMES)


def test_dark_is_for_screens_alone():
    css = theme.css_variables()
    dark = css.index("@media screen and (prefers-color-scheme:dark)")
    assert css.index(theme.LIGHT["paper"]) < dark < css.index(theme.DARK["paper"])


def test_a_colour_can_be_seen_through():
    assert theme.see_through("#1f83c6", 0.25) == "rgba(31,131,198,0.25)"


def test_generations_are_counted_from_one():
    assert theme.generation_axis(5)["dtick"] == 1
    assert theme.generation_axis(40)["dtick"] is None
    assert theme.generation_axis(40)["range"] == [0.4, 40.6]
