"""The page of the same genomes in many settings."""

from __future__ import annotations

import pytest

from dashboards.sweep import HEADER, TOO_FEW, report, rows
from speciation.analysis.sweep import Swept
from tests.dashboards.reading import Page
from tests.dashboards.sweep_made_up import COLUMNS, GENOMES, ROWS, made_up


@pytest.fixture(scope="module")
def found() -> Swept:
    return made_up()


def test_the_page_tells_every_cell_and_says_where_nothing_can_be_correlated(found, tmp_path):
    report(found, "made-up", 32, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert f"The same genomes in {len(ROWS) * len(COLUMNS)} settings" in page.text
    assert len(page.data) == 3
    assert {len(row) for row in rows(found)} == {len(HEADER)}
    few = Swept(found.cells, found.classes, found.transfer.iloc[:0])
    report(few, "made-up", 32, tmp_path / "few.html")
    assert "needs four genomes" in (tmp_path / "few.html").read_text(encoding="utf-8")


def test_a_row_says_how_a_genome_did_in_a_setting(found):
    first, cell = rows(found)[0], found.cells.iloc[0]
    assert first[:2] == [f"{ROWS[0]}, {COLUMNS[0]}", GENOMES[0]]
    assert first[3] == f"{cell['steps']:,.0f} of {cell['horizon']:,}"
    assert first[4] == cell["learning"]


def test_the_head_counts_settings_genomes_and_seeds(found, tmp_path):
    report(found, "made-up", 32, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert TOO_FEW not in page.text
    for told in (f"{len(ROWS) * len(COLUMNS)}", f"{len(GENOMES)}", "32"):
        assert told in page.texts
