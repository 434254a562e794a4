"""Crosses as figures."""

from __future__ import annotations

import pytest

from dashboards import theme
from dashboards.figures import crosses
from dashboards.figures.crosses import (
    breakdown_grid,
    by_distance,
    draw_breakdown,
    draw_by_distance,
)
from tests.dashboards.crosses_made_up import made_up


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


def test_many_crosses_do_not_hide_each_other(six, monkeypatch):
    found, told = six
    usual = draw_by_distance(found, told.group_of).data
    monkeypatch.setattr(crosses, "CROWD", len(found.pairs) - 1)
    many = draw_by_distance(found, told.group_of).data
    assert [trace.name for trace in many] == ["between groups", "within a group"]
    assert {trace.error_y.visible for trace in usual} == {True}
    assert {trace.error_y.visible for trace in many} == {False}
    assert many[0].marker.size < usual[0].marker.size
