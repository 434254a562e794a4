"""Crosses as figures, and the page around them."""

from __future__ import annotations

import dataclasses

import pytest

from dashboards import theme
from dashboards.crosses import HEADER, of_distance, of_groups, parent_rows, report, rows
from dashboards.figures.crosses import (
    breakdown_grid,
    by_distance,
    draw_breakdown,
    draw_by_distance,
)
from tests.dashboards.crosses_made_up import made_up
from tests.dashboards.reading import Page


@pytest.fixture(scope="module")
def six():
    return made_up(6)


def test_genomes_of_a_group_stand_together_in_the_grid(six):
    found, _ = six
    mixed = {f"genome-{i}": "ab"[i % 2] for i in range(6)}
    evens, odds = [0, 2, 4], [1, 3, 5]
    assert list(breakdown_grid(found, mixed)) == [f"genome-{i}" for i in evens + odds]
    assert list(breakdown_grid(found, {})) == [f"genome-{i}" for i in range(6)]


def test_dots_mark_the_crosses_that_were_told_apart(six):
    found, told = six
    _, dots = draw_breakdown(found, told.group_of).data
    sure = found.pairs[found.pairs["adjusted"] < 0.05]
    assert len(dots.x) == 2 * len(sure)
    assert set(zip(sure["first"], sure["second"], strict=True)) <= set(
        zip(dots.x, dots.y, strict=True)
    )


def test_every_cross_has_its_dot_and_its_interval_by_kinship(six):
    found, told = six
    between, within = draw_by_distance(found, told.group_of).data
    assert (between.name, len(between.x)) == ("between groups", 9)
    assert (within.name, len(within.x)) == ("within a group", 6)
    assert between.marker.color == theme.PURPLE
    assert min(between.y) > max(within.y)
    table = by_distance(found, told.group_of)
    assert table["distance"].is_monotonic_increasing
    assert set(by_distance(found, {})["relation"]) == {"of no known group"}


def test_a_cross_that_is_not_told_apart_is_hollow(six):
    found, told = six
    table = by_distance(found, told.group_of)
    hollow = sum(
        symbol == "circle-open"
        for trace in draw_by_distance(found, told.group_of).data
        for symbol in trace.marker.symbol
    )
    assert 0 < hollow == int((~table["shown"]).sum())


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
