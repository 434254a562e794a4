"""The executor in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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
    assert executor.trial_steps == sum(r.steps_run for r in results)
