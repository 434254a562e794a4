"""The page of crosses."""

from __future__ import annotations

import dataclasses

import pytest

from dashboards.crosses import HEADER, of_distance, of_groups, parent_rows, report, rows
from tests.dashboards.crosses_made_up import made_up
from tests.dashboards.reading import Page


@pytest.fixture(scope="module")
def six():
    return made_up(6)


def test_the_page_counts_crosses_that_fail_and_says_what_groups_show(six, tmp_path):
    found, told = six
    report(found, told, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "Crosses of 6 genomes" in page.text
    assert "of 15 pairs: slower children" in page.text
    assert "too few to test that" in page.text
    assert "Rank correlation of breakdown with distance" in page.text
    assert len(page.data) == 2
    assert all(len(row) == len(HEADER) for row in rows(found))
    parents = parent_rows(found, told)
    assert {(name, group) for name, group, *_ in parents} == set(told.group_of.items())


def test_what_cannot_be_said_of_two_genomes_is_said_to_be_unsaid(tmp_path):
    found, told = made_up(2)
    report(found, told, tmp_path / "page.html")
    text = Page((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert "cannot be held against each other" in text
    assert "that takes 5 genomes or more" in text
    assert "no known group" not in text


def test_enough_genomes_are_given_their_p(six):
    _, told = six
    sure = dataclasses.replace(told, between=told.between._replace(least=0.008, p=0.008))
    assert "labels dealt out anew show as much with p = 0.008" in of_groups(sure)
    assert "one of 10" in of_groups(told)
    assert "over 6 genomes" in of_distance(told)
