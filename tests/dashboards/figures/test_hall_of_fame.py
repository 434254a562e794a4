"""The Hall of Fame of a run."""

from __future__ import annotations

import pytest

from dashboards.figures.hall_of_fame import MOST_GENOMES, draw_hall, hall_table
from dashboards.figures.population import colours_of
from dashboards.run import Rules
from speciation.evolution.fitness import wilson
from tests.dashboards.rows import H, genomes, trials

RULES = Rules("sprinter", 0.5, 0.5, 8, H)
ROWS = trials(
    *[400] * 8, *[300] * 8, 200, "censored", genome_id=["slow"] * 8 + ["fast"] * 8 + ["odd"] * 2
)


def test_the_admitted_stand_best_first_with_their_births():
    born = genomes("slow", "fast", origin=["alien", "<b>"], generation=[3, 0])
    hall = hall_table(ROWS, born, RULES)
    assert hall["genome_id"].tolist() == ["fast", "slow"]
    assert hall["rank"].tolist() == [0, 1]
    assert hall["origin"].tolist() == ["<b>", "alien"]
    assert hall["born"].tolist() == [0, 3]
    assert hall["low"].tolist() == [pytest.approx(wilson(8, 8)[0])] * 2
    assert hall["colour"][0] == "#{:02x}{:02x}{:02x}".format(*colours_of(born)["fast"])


def test_a_genome_that_was_lost_is_admitted_all_the_same():
    hall = hall_table(ROWS, genomes("fast"), RULES)
    assert hall["origin"].tolist() == ["random", "unknown"]
    assert hall["born"].tolist() == [0, -1]
    assert hall["colour"][1] == "transparent"
    assert "<td>unknown</td>" in draw_hall(hall)


def test_the_rules_of_the_run_decide():
    strict = Rules("sprinter", 0.5, 0.9, 8, H)
    assert hall_table(ROWS, genomes(), strict).empty
    assert hall_table(ROWS.iloc[:0], genomes(), Rules("tank", 0.5, 0.5, 8, None)).empty


def test_the_table_has_intervals_and_errors_and_no_markup_of_others():
    page = draw_hall(hall_table(ROWS, genomes("slow", "fast", origin="<b>"), RULES))
    assert "8 of 8<small>95 % 68–100 %</small>" in page
    assert "300 ± 0" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "generation 1" in page


def test_a_large_hall_is_cut():
    ids = [f"g{i}" for i in range(40) for _ in range(8)]
    hall = hall_table(trials(*[400] * 320, genome_id=ids), genomes(), RULES)
    assert len(hall) == 40
    assert draw_hall(hall).count("<tr>") == MOST_GENOMES + 1
