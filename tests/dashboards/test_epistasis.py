"""The page of which genes work only together."""

from __future__ import annotations

import pytest

from dashboards.epistasis import HEADER, report, rows
from speciation.analysis.epistasis import Epistasis, epistasis, factorial
from tests.dashboards.reading import Page
from tests.speciation.analysis.test_epistasis import FOUR, H, law, tried


@pytest.fixture(scope="module")
def found() -> Epistasis:
    return epistasis(factorial(FOUR), tried(factorial(FOUR), law), H)


def test_the_page_counts_what_works_only_together(found, tmp_path):
    report(found, "one", "other", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "Epistasis: from one to other" in page.text
    assert "on 60 seeds" in page.text
    assert "of 6 pairs" in page.text
    assert len(page.data) == 3
    first = rows(found)[0]
    assert (first[0], first[-1], len(first)) == ("b + c", "only together", len(HEADER))
    assert first[-2] == "< 0.001"


def test_steps_that_are_gained_have_a_true_minus(found):
    cells = [cell for row in rows(found) for cell in row[1:5]]
    assert any("−" in cell for cell in cells)
    assert not any("-" in cell for cell in cells)


def test_names_of_genomes_cannot_break_the_page(found, tmp_path):
    report(found, "<script>", "b", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "from <script> to b" in page.text
