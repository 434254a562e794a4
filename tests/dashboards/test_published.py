"""A published ranking beside chance: the figures of the example, and what may go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dashboards.figures.arms import checked
from dashboards.figures.ranking import draw_ranking, ranking_table
from dashboards.published import report
from speciation.analysis.validation import ValidationError, published

EXAMPLE = Path("examples/neural_speciation_hall_of_fame.csv")


def test_the_published_ranking_lies_within_what_equal_genomes_would_show():
    table = ranking_table(published(EXAMPLE))
    assert len(table) == 68
    assert table["steps"].is_monotonic_increasing
    within = (table["low"] <= table["steps"]) & (table["steps"] <= table["high"])
    assert within.mean() > 0.9
    assert within.iloc[0]


def test_figures_that_vary_more_than_seeds_do_are_more_than_luck(tmp_path):
    """No figure stands out here, but trials of one genome would never lie so far apart."""
    path = tmp_path / "figures.csv"
    path.write_text("hash,steps\n" + "\n".join(f"g{i},{300 * i + 300}" for i in range(12)))
    found = published(path)
    assert found.luck.plausible
    assert not found.plausible
    assert published(EXAMPLE).plausible


def test_the_band_is_where_equal_genomes_do_lie(tmp_path):
    """Order statistics of draws from one distribution, against a simulation."""
    rng = np.random.default_rng(0)
    path = tmp_path / "figures.csv"
    steps = rng.normal(1000, 100, 20)
    path.write_text("hash,steps\n" + "\n".join(f"g{i},{s}" for i, s in enumerate(steps)))
    table = ranking_table(published(path))
    drawn = np.sort(rng.normal(steps.mean(), steps.std(ddof=1), (20_000, 20)), axis=1)
    low, middle, high = np.quantile(drawn, (0.025, 0.5, 0.975), axis=0)
    scale = steps.std(ddof=1)
    for own, theirs in (("low", low), ("equal", middle), ("high", high)):
        assert table[own].to_numpy() == pytest.approx(theirs, abs=0.08 * scale)


def test_plotly_knows_every_property():
    assert len(checked(draw_ranking(ranking_table(published(EXAMPLE)))).data) == 3


def test_a_hostile_name_is_only_text(tmp_path):
    path = tmp_path / "figures.csv"
    path.write_text("hash,steps\n<img src=x onerror=alert(1)>,1000\nb,1100\n")
    report(published(path), "<b>x", ["<i>said"], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<img src=x" not in page
    assert "<b>x" not in page
    assert "<i>said" not in page


def test_figures_that_are_all_the_same_are_drawn(tmp_path):
    path = tmp_path / "figures.csv"
    path.write_text("hash,steps\na,1000\nb,1000\nc,1000\n")
    report(published(path), "same", [], tmp_path / "page.html")
    assert "compatible with luck" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("steps", ["inf", "-5", "0"])
def test_steps_that_cannot_be_are_refused(tmp_path, steps):
    path = tmp_path / "figures.csv"
    path.write_text(f"hash,steps\na,{steps}\nb,1100\nc,1200\n")
    with pytest.raises(ValidationError, match="steps must be positive numbers"):
        published(path)
