"""The executor in this process."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest

from cluster.campaign import ActorLost, Append, Campaign, Cause, Close, Submit
from cluster.executor import EnginePlan, Executor, ExecutorError
from cluster.local_executor import LocalExecutor
from tests.cluster.synthetic import PLAN, Behaviour, SyntheticEngine, trials
from tests.contracts.executor import ExecutorContract, collect


class TestLocalExecutor(ExecutorContract):
    @pytest.fixture
    def make(self) -> Callable[[Behaviour], Executor]:
        return lambda behaviour: LocalExecutor(PLAN, behaviour)


def test_an_engine_that_cannot_be_built_is_a_sentence():
    def broken(plan: EnginePlan) -> SyntheticEngine:
        raise ValueError("device 'cuda:0' is not there")

    with pytest.raises(ExecutorError, match="cannot be built here: device 'cuda:0' is not"):
        LocalExecutor(PLAN, broken)


def test_a_closed_executor_says_so():
    executor = LocalExecutor(PLAN, Behaviour())
    executor.close()
    with pytest.raises(ExecutorError, match="closed"):
        executor.wait(0.0)


def test_steps_of_a_lost_engine_still_count():
    bad = trials(4)[3]
    executor = LocalExecutor(PLAN, Behaviour(slots=1, poison=frozenset({bad.id})))
    executor.submit(trials(3))
    results = collect(executor, 3)
    executor.submit([bad])
    assert executor.wait(0.1)[0].reason.startswith("RuntimeError: CUDA error")
    assert executor.trial_steps == sum(row["steps_run"] for row in results)


class Hungry(SyntheticEngine):
    """Has memory for two trials, and no more."""

    def advance(self):
        if self.occupied > 2:
            raise MemoryError("no memory left for 3 slots")
        return super().advance()


class HungryBehindAnother(Hungry):
    """Says so in other words, as CUDA may where memory runs out while it records a graph."""

    def advance(self):
        try:
            return super().advance()
        except MemoryError:
            raise RuntimeError("operation failed due to a previous error")  # noqa: B904


def test_where_memory_runs_out_slots_are_halved_and_no_trial_is_blamed():
    def make(plan: EnginePlan) -> SyntheticEngine:
        return Hungry(Behaviour(slots=8 >> plan.halvings))

    executor = LocalExecutor(PLAN, make)
    campaign = Campaign(trials(12), max_in_flight=100)
    commands, stored, losses = campaign.start(), [], []
    while not any(isinstance(command, Close) for command in commands):
        for command in commands:
            assert isinstance(command, Submit | Append)
            if isinstance(command, Submit):
                assert not command.apart
                executor.submit(command.trials)
        events = executor.wait(0.0)
        losses += [event for event in events if isinstance(event, ActorLost)]
        commands = [command for event in events for command in campaign.handle(event)]
        stored += [own for c in commands if isinstance(c, Append) for own in c.results.ids]
    assert sorted(stored) == sorted(t.id for t in trials(12))
    assert [(loss.cause, loss.innocent) for loss in losses] == [(Cause.MEMORY, True)] * 2
    assert executor.capacity == 2


def test_an_engine_that_has_no_room_is_built_with_half_of_the_slots_and_half_of_those():
    begun: list[weakref.ref[SyntheticEngine]] = []

    def make(plan: EnginePlan) -> SyntheticEngine:
        assert not any(engine() for engine in begun)  # what was made of them is gone
        engine = SyntheticEngine(Behaviour(slots=8 >> plan.halvings))
        begun.append(weakref.ref(engine))
        if plan.halvings < 2:
            raise MemoryError("no room")
        return engine

    assert LocalExecutor(PLAN, make).capacity == 2


def test_an_engine_that_has_no_room_at_all_is_refused_in_a_sentence():
    def make(plan: EnginePlan) -> SyntheticEngine:
        raise MemoryError("no room")

    with pytest.raises(ExecutorError, match="the engine cannot be built here: no room"):
        LocalExecutor(PLAN, make)


@pytest.mark.parametrize("kind", [Hungry, HungryBehindAnother])
def test_an_engine_that_ran_out_of_memory_is_gone_before_the_next_is_built(kind):
    engines: list[weakref.ref[SyntheticEngine]] = []

    def make(plan: EnginePlan) -> SyntheticEngine:
        assert not any(engine() for engine in engines)
        engine = kind(Behaviour(slots=8 >> plan.halvings))
        engines.append(weakref.ref(engine))
        return engine

    executor = LocalExecutor(PLAN, make)
    executor.submit(trials(4))
    [lost] = executor.wait(0.0)
    assert (lost.cause, lost.innocent, executor.capacity) == (Cause.MEMORY, True, 4)
    assert len(engines) == 2


def test_what_the_next_engine_raises_is_not_laid_to_the_memory_of_the_last():
    plans: list[EnginePlan] = []

    def make(plan: EnginePlan) -> SyntheticEngine:
        plans.append(plan)
        if plan.halvings:
            raise ValueError("the device is gone")
        return Hungry(Behaviour(slots=8))

    executor = LocalExecutor(PLAN, make)
    executor.submit(trials(4))
    with pytest.raises(ExecutorError, match="cannot be built here: the device is gone"):
        executor.wait(0.0)
    assert [plan.halvings for plan in plans] == [0, 1]


def test_a_trial_that_does_not_fit_alone_is_to_blame():
    class Starving(SyntheticEngine):
        def advance(self):
            raise MemoryError("not even one")

    executor = LocalExecutor(PLAN, lambda plan: Starving(Behaviour(slots=1)))
    executor.submit(trials(1))
    (loss,) = executor.wait(0.0)
    assert (loss.cause, loss.innocent) == (Cause.MEMORY, False)
