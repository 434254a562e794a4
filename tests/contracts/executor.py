"""What every executor promises, as tests.

An implementation enrols by a subclass with the fixture ``make``, which starts an executor over
synthetic engines that behave as told. The suite never asks which executor it is talking to.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa
import pytest

from cluster.campaign import ActorLost, Event, Finished
from cluster.executor import Executor
from speciation.tables.schema import Row, result_tables
from tests.cluster.synthetic import Behaviour, result, trial, trials

PATIENCE = 60.0


class ExecutorContract:
    """The promises of ``cluster.executor.Executor``."""

    @pytest.fixture
    def make(self) -> Callable[[Behaviour], Executor]:
        raise NotImplementedError("an executor enrols by overriding this fixture")

    def test_every_trial_comes_back_once_with_its_own_result(self, make):
        executor = make(Behaviour(slots=4))
        work = trials(50)
        executor.submit(work)
        rows = collect(executor, 50)
        assert sorted(row["trial_id"] for row in rows) == sorted(t.id for t in work)
        of = {t.id: t for t in work}
        for row in rows:
            expected = result(of[row["trial_id"]])
            assert (row["outcome"], row["steps_run"]) == (expected.outcome, expected.steps_run)
            assert row["steps_to_grok"] == expected.milestones.steps_to_grok

    def test_all_that_is_to_be_stored_of_a_trial_comes_back(self, make):
        executor = make(Behaviour(slots=4))
        work = trials(30)
        executor.submit(work)
        events = until(executor, lambda events: len(finished(events)) == 30)
        told = [(e.results.trials, e.results.curves) for e in events]
        expected = result_tables([result(t) for t in work])
        for got, wanted in zip(zip(*told, strict=True), expected, strict=True):
            rows = {row["trial_id"]: row for row in pa.concat_tables(got).to_pylist()}
            assert rows == {row["trial_id"]: row for row in wanted.to_pylist()}

    def test_results_do_not_wait_for_the_slowest(self, make):
        executor = make(Behaviour(slots=64))
        work = trials(20, horizon=200)
        executor.submit(work)
        assert len(collect(executor, 20)) == 20

    def test_nothing_to_do_is_nothing_happening(self, make):
        executor = make(Behaviour())
        began = time.monotonic()
        assert executor.wait(0.05) == []
        assert time.monotonic() - began < PATIENCE / 2

    def test_work_can_be_handed_in_later(self, make):
        executor = make(Behaviour(slots=3))
        executor.submit(trials(5))
        collect(executor, 5)
        executor.submit([trial(100), trial(101)])
        assert {row["seed"] for row in collect(executor, 2)} == {100, 101}

    def test_it_tells_how_much_it_does(self, make):
        executor = make(Behaviour(slots=4))
        executor.submit(trials(10))
        results = collect(executor, 10)
        assert executor.capacity >= 4
        assert executor.occupied == 0
        assert executor.trial_steps == sum(row["steps_run"] for row in results)

    def test_a_pack_apart_comes_back_whole(self, make):
        executor = make(Behaviour(slots=4))
        work = trials(30)
        executor.submit(work[:20])
        executor.submit(work[20:], apart=True)
        results = collect(executor, 30)
        assert sorted(row["seed"] for row in results) == list(range(30))

    def test_an_engine_that_breaks_is_a_loss_and_not_the_end(self, make):
        bad = trial(3)
        executor = make(Behaviour(slots=4, poison=frozenset({bad.id})))
        executor.submit(trials(8))
        events = until(executor, lambda events: any(isinstance(e, ActorLost) for e in events))
        loss = next(e for e in events if isinstance(e, ActorLost))
        assert bad in loss.trials
        assert "illegal memory access" in loss.reason
        assert "\n" not in loss.reason
        assert not finished(events) & {t.id for t in loss.trials}
        executor.submit([trial(50)])
        until(executor, lambda events: trial(50).id in finished(events))

    def test_a_loss_of_a_pack_apart_names_only_the_pack(self, make):
        bad = trial(3)
        executor = make(Behaviour(slots=2, poison=frozenset({bad.id})))
        executor.submit([bad, trial(4)], apart=True)
        executor.submit(trials(3))
        events = until(executor, lambda events: any(isinstance(e, ActorLost) for e in events))
        loss = next(e for e in events if isinstance(e, ActorLost))
        assert set(loss.trials) <= {bad, trial(4)}
        assert bad in loss.trials

    def test_closing_takes_seconds_and_can_be_repeated(self, make):
        executor = make(Behaviour(slots=4, seconds=0.05))
        executor.submit(trials(10_000))
        executor.wait(1.0)
        began = time.monotonic()
        executor.close()
        executor.close()
        assert time.monotonic() - began < 10

    def test_what_finished_before_the_close_is_told(self, make):
        executor = make(Behaviour(slots=4, seconds=0.01))
        executor.submit(trials(10_000))
        events = until(executor, lambda events: bool(events))
        events += executor.close()
        told = [own for e in events if isinstance(e, Finished) for own in e.results.ids]
        assert len(set(told)) == len(told)


def collect(executor: Executor, count: int) -> list[Row]:
    """So many results, as rows; anything else that happens is a failure."""
    results: list[Row] = []
    deadline = time.monotonic() + PATIENCE
    while len(results) < count:
        assert time.monotonic() < deadline, f"only {len(results)} of {count} came back"
        for event in executor.wait(0.5):
            assert isinstance(event, Finished), event
            results += event.results.trials.to_pylist()
    return results


def finished(events: list[Event]) -> set[str]:
    """Ids of the trials that finished."""
    return {own for e in events if isinstance(e, Finished) for own in e.results.ids}


def until(executor: Executor, enough: Callable[[list[Event]], bool]) -> list[Event]:
    """Events, until they are enough."""
    events: list[Event] = []
    deadline = time.monotonic() + PATIENCE
    while not enough(events):
        assert time.monotonic() < deadline, f"waited in vain; so far: {events}"
        events += executor.wait(0.5)
    return events
