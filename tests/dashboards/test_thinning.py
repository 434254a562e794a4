"""Fewer points, evenly."""

from __future__ import annotations

import pytest

from dashboards.thinning import evenly


def test_few_items_all_stay():
    assert evenly(3, 3).tolist() == [0, 1, 2]
    assert evenly(0, 3).tolist() == []


def test_of_many_items_both_ends_and_even_steps_stay():
    assert evenly(9, 5).tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("count", [7, 100, 12345])
def test_no_item_is_chosen_twice(count):
    chosen = evenly(count, 6)
    assert len(set(chosen.tolist())) == 6
    assert chosen[-1] == count - 1
