"""Finished trials as columns."""

from __future__ import annotations

import pickle

import pytest

from cluster.results import READY_SHARE, Results
from speciation.tables.parts import PART_WEIGHT, decode, part_name
from speciation.tables.schema import TABLES
from speciation.trial.trial import failed
from tests.cluster.synthetic import result, trial, trials

WORK = trials(6)
IDS = [t.id for t in WORK]


@pytest.fixture
def results() -> Results:
    return Results.of(map(result, WORK))


@pytest.fixture
def eager(monkeypatch):
    """Whatever there is of curves is made a part."""
    monkeypatch.setattr("cluster.results.READY_SHARE", 0.0)


def test_ids_stand_in_the_order_of_the_rows(results):
    assert results.ids == IDS
    assert len(results) == 6


def test_those_that_the_machine_failed_are_told(results):
    mixed = Results.of([result(WORK[0]), failed(WORK[1], "ECC error")])
    assert mixed.failed == {IDS[1]}
    assert results.failed == set()


def test_some_results_are_their_rows_and_their_curves(results):
    some = results.only([IDS[4], IDS[1]])
    assert some.ids == [IDS[1], IDS[4]]
    assert some.curves["trial_id"].to_pylist() == [IDS[1], IDS[4]]


def test_a_result_that_is_there_twice_is_taken_once():
    twice = Results.of(result(t) for t in (WORK[0], WORK[0], WORK[1]))
    assert twice.only(IDS[:2]).ids == IDS[:2]


def test_few_curves_stay_rows(results):
    assert results.packed() is results


def test_curves_that_fill_a_part_are_a_part():
    enough = int(READY_SHARE * PART_WEIGHT) + 1
    packed = Results.of(result(trial(i, 25)) for i in range(enough)).packed()
    assert (len(packed), len(packed.curves), len(packed.parts)) == (enough, 0, 1)


def test_a_part_holds_the_curves_in_the_order_of_their_keys(results, eager):
    packed = results.packed()
    (data,) = packed.parts
    rows = decode(TABLES["curves"], part_name(data), data)
    assert rows["trial_id"].to_pylist() == sorted(IDS)
    assert packed.ids == IDS


def test_some_results_of_a_part_are_their_curves_alone(results, eager):
    some = results.packed().only(IDS[:2])
    assert some.parts == ()
    assert sorted(some.curves["trial_id"].to_pylist()) == sorted(IDS[:2])


def test_results_travel_as_they_are(results, eager):
    packed = results.packed()
    again = pickle.loads(pickle.dumps(packed, protocol=5))
    assert again.trials.equals(packed.trials)
    assert again.curves.equals(packed.curves)
    assert again.parts == packed.parts
    assert again.ids == IDS
