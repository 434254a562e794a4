"""The page of searches at equal cost."""

from __future__ import annotations

import pytest

from dashboards.searches import HEADER, report, rows
from tests.dashboards.reading import Page
from tests.dashboards.searches_made_up import ARMS, searches


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    output = tmp_path_factory.mktemp("page") / "page.html"
    report(searches(), "made-up", 15_000_000, 200, output)
    return Page(output.read_text(encoding="utf-8"))


def test_the_page_says_what_was_compared_and_at_what_cost(page):
    assert f"{len(ARMS)} ways to search, 15,000,000 trial-steps each" in page.text
    assert "with a horizon of 1,000 steps" in page.text
    for arm in ARMS:
        assert arm in page.texts
    assert len(page.data) == 2


def test_a_repeat_that_failed_is_named(page):
    assert "1 repeat failed" in page.text
    assert "stock-adamw, repeat 10: its process ended (-9)" in page.text


def test_without_failures_none_are_spoken_of(tmp_path):
    report(searches(failed=False), "made-up", 15_000_000, 200, tmp_path / "page.html")
    assert "failed" not in Page((tmp_path / "page.html").read_text(encoding="utf-8")).text


def test_the_table_has_a_row_an_arm_and_names_the_reference():
    listed = rows(searches())
    assert all(len(row) == len(HEADER) for row in listed)
    assert [row[0] for row in listed if "reference" in row] == ["evolution"]
    assert {row[0] for row in listed} == set(ARMS)
