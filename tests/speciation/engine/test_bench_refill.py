"""Continuous batching and growth, in numbers that are known beforehand."""

from __future__ import annotations

import pytest

from speciation.engine.bench_refill import Refill, exponent, growth, refill
from tests.speciation.engine.peers.cases import JOB


def test_a_refilled_engine_against_itself_and_against_packs():
    found = Refill(
        "torch", "float32", 8, 100, [1.0, 2.0, 2.0], [2.0, 2.5, 2.0], 9, 1500.0, 2500.0
    )
    assert found.shares == [0.5, 0.8, 1.0]
    assert found.idle_bound == pytest.approx(0.4)
    assert found.trials_per_second == pytest.approx(1e6 / (2.0 * 1500))
    assert found.packed_trials_per_second == pytest.approx(1e6 / (2.0 * 2500))


def test_trials_end_and_are_replaced_while_it_is_measured():
    found = refill(JOB, 6, "torch", seconds=0.0, rounds=2, horizon=20)
    assert len(found.steady) == len(found.refilled) == 2
    assert found.steps == 20
    assert 6 < found.ended < 80  # 6 slots, 4 intervals, 2 rounds, about 12 steps a trial
    assert found.mean_length < found.longest <= 20


def test_growth_trains_so_many_trials():
    said = []
    taken = list(growth(JOB, 4, "torch", [3, 9], said.append))
    assert [count for count, _ in taken] == [3, 9]
    assert all(seconds > 0 for _, seconds in taken)
    assert said == ["3 trials", "9 trials"]


def test_the_exponent_of_a_line_is_one():
    assert exponent([(1000, 2.0), (10_000, 20.0), (100_000, 200.0)]) == pytest.approx(1.0)
    assert exponent([(10, 1.0), (1000, 100.0**2)]) == pytest.approx(2.0)
    assert exponent([(1000, 2.0)]) is None
