"""The arithmetic of inheritance, on arrays alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.genome.units import group_donor_mask, radiation_hits, reflect


@given(st.floats(-1e6, 1e6))
def test_reflection_ends_inside(unit):
    assert 0 <= reflect(np.array(unit)) <= 1


@pytest.mark.parametrize(
    ("stepped", "landed"), [(0.3, 0.3), (-0.2, 0.2), (1.2, 0.8), (2.25, 0.25), (-1.25, 0.75)]
)
def test_reflection_is_a_ball_between_two_walls(stepped, landed):
    assert reflect(np.array(stepped)) == pytest.approx(landed)


@given(st.integers(0, 5), st.integers(1, 6), st.floats(0, 1), st.integers(0, 2**32))
def test_no_row_is_spared(count, genes, rate, seed):
    hits = radiation_hits(count, genes, rate, np.random.default_rng(seed))
    assert hits.shape == (count, genes)
    assert hits.any(axis=1).all()
    assert rate < 1 or hits.all()


def test_scattered_groups_are_kept_whole_too():
    groups = {"a": (0, 3), "b": (1,), "c": (2, 4)}
    mask = group_donor_mask(64, groups, np.random.default_rng(0))
    assert np.array_equal(mask[:, 0], mask[:, 3])
    assert np.array_equal(mask[:, 2], mask[:, 4])
    assert len(np.unique(mask, axis=0)) == 8
