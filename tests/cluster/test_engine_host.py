"""An engine and the trials that wait in front of it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.engine_host import (
    SLOTS,
    EngineHost,
    engine_bytes,
    first_trial,
    make_planned_engine,
    planned_spec,
)
from cluster.executor import EnginePlan
from speciation.trial.trial import ModelShape
from tests.cluster.synthetic import MODEL, PLAN, TASK, Behaviour, SyntheticEngine, trials


def host(slots: int) -> EngineHost:
    """Time passes by a second whenever somebody looks."""
    return EngineHost(SyntheticEngine(Behaviour(slots=slots)), itertools.count().__next__)


def test_work_ends_when_its_time_is_over():
    mine = host(2)
    assert mine.work(trials(2, horizon=1000), seconds=3) == []
    assert mine.trial_steps == 3 * 2 * TASK.eval_interval


def test_at_least_one_advance_is_made_however_little_time_there_is():
    assert len(host(4).work(trials(4, horizon=25), seconds=0)) == 4


def test_work_may_end_with_the_first_that_finishes():
    mine = host(8)
    done = mine.work(trials(8, horizon=1000), seconds=1e9, until_first=True)
    assert 0 < len(done) < 8
    assert mine.occupied == 8 - len(done)


def test_freed_slots_are_filled_before_work_returns():
    mine = host(2)
    mine.work(trials(5, horizon=25), seconds=0)
    assert (mine.slots, mine.occupied) == (2, 2)


def test_without_trials_nothing_is_done_and_no_time_is_waited():
    mine = host(2)
    assert mine.work([], seconds=1e9) == []
    assert mine.trial_steps == 0


def test_a_trial_of_its_own_leaves_nothing_behind():
    mine = host(2)
    mine.try_out(first_trial(PLAN))
    assert (mine.occupied, mine.trial_steps) == (0, 0)
    assert len(mine.work(trials(2, horizon=25), seconds=0)) == 2
    assert mine.trial_steps == 2 * TASK.eval_interval


@pytest.mark.slow
def test_the_first_trial_is_one_that_the_engine_of_the_plan_trains():
    pytest.importorskip("torch", reason="engines need torch")
    [result] = EngineHost(make_planned_engine(PLAN)).work([first_trial(PLAN)], 0.0)
    assert result.steps_run == PLAN.task.eval_interval


@given(st.lists(st.integers(0, 6), max_size=5), st.integers(1, 4), st.integers(0, 3))
def test_every_trial_comes_back_once_however_they_arrive(batches, slots, seconds):
    mine, waiting = host(slots), iter(trials(sum(batches), horizon=75))
    done = [
        result
        for count in [*batches, 0]
        for result in mine.work(list(itertools.islice(waiting, count)), seconds)
    ]
    done += mine.work([], 1e9)
    assert sorted(r.trial.seed for r in done) == list(range(sum(batches)))
    assert mine.occupied == 0


# -- Which engine -------------------------------------------------------------------------


@pytest.fixture
def devices(monkeypatch):
    """Let this machine have a GPU with so many bytes."""
    pytest.importorskip("torch", reason="engines need torch")
    from speciation.engine.devices import DeviceInfo

    def have(memory_bytes: int) -> None:
        gpu = DeviceInfo("A GPU", "cuda", 0, memory_bytes)
        monkeypatch.setattr("speciation.engine.devices.devices", lambda: [gpu])

    return have


def test_a_gpu_is_used_as_gpus_are_best_used(devices):
    devices(80 * 2**30)
    spec = planned_spec(PLAN)
    assert (spec.device, spec.backend, spec.slots) == ("cuda:0", "fused", SLOTS["cuda"])


def test_slots_are_halved_until_they_fit_into_half_of_the_memory(devices):
    devices(2 * engine_bytes(TASK, MODEL, SLOTS["cuda"] // 2, "cuda"))
    assert planned_spec(PLAN).slots == SLOTS["cuda"] // 2
    devices(2 * engine_bytes(TASK, MODEL, SLOTS["cuda"] // 2, "cuda") - 1)
    assert planned_spec(PLAN).slots == SLOTS["cuda"] // 4


def test_what_a_wide_model_keeps_outside_of_shared_memory_is_counted():
    pytest.importorskip("torch", reason="engines need torch")
    wide, deep = ModelShape(d_model=128, d_ff=256), ModelShape(d_model=128, d_ff=256, layers=2)

    def of_a_slot(model: ModelShape, kind: str) -> float:
        return (engine_bytes(TASK, model, 101, kind) - engine_bytes(TASK, model, 1, kind)) / 100

    assert of_a_slot(wide, "cuda") - of_a_slot(wide, "cpu") > 985_120  # what docs/log.md found
    assert of_a_slot(deep, "cuda") == of_a_slot(deep, "cpu")  # which that kernel does not train


def test_a_device_of_no_size_is_still_asked_for_a_block(devices):
    from speciation.engine.devices import block_shape

    devices(1)
    assert planned_spec(PLAN).slots == block_shape("cuda", TASK, MODEL).slots


def test_what_is_asked_for_goes_before_what_is_usual(devices):
    devices(1)
    asked = EnginePlan(TASK, MODEL, backend="torch", precision="float64", slots=3, device="cpu")
    spec = planned_spec(asked)
    assert (spec.device, spec.backend, spec.precision, spec.slots) == (
        "cpu",
        "torch",
        "float64",
        3,
    )
