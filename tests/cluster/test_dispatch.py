"""Which job runs next, and what Ray's answers mean."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.dispatch import Begin, Devices, End, Seen, Stop, decide, demand, share
from cluster.job_queue import Attempt, Job, State

QUEUED = Job(
    id="j",
    run="r",
    settings={},
    priority=0,
    devices=None,
    state=State.QUEUED,
    submitted=0.0,
    round=0,
    attempts=(),
    cancelling=False,
    reason="",
)
EIGHT = Devices(gpus=8, cores=32)


def queued(own: str, **changes) -> Job:
    return dataclasses.replace(QUEUED, id=own, run=f"run of {own}", **changes)


def running(own: str = "j", attempt: int = 1, **changes) -> Job:
    attempts = (Attempt(attempt, 0, 0.0),)
    return queued(own, state=State.RUNNING, attempts=attempts, **changes)


def on_gpus(wants: float | None, **changes) -> Job:
    return queued(changes.pop("own", "j"), devices=wants, **changes)


def begun(actions) -> list[str]:
    return [action.job.id for action in actions if isinstance(action, Begin)]


# -- What Ray's answers mean ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "cancelling", "how"),
    [
        ("SUCCEEDED", False, "succeeded"),
        ("SUCCEEDED", True, "succeeded"),
        ("FAILED", False, "lost"),
        ("FAILED", True, "cancelled"),
        ("STOPPED", False, "cancelled"),
        ("STOPPED", True, "cancelled"),
        ("MISSING", False, "lost"),
    ],
)
def test_an_attempt_that_is_over_has_ended_so(status, cancelling, how):
    told = {"run-j-1": Seen(status, "why")}
    job = running(cancelling=cancelling)
    [end, *_] = decide([job], told, 1, EIGHT)
    assert isinstance(end, End)
    assert (end.number, end.how) == (1, how)


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_an_attempt_that_goes_on_is_let_alone_unless_it_was_cancelled(status):
    told = {"run-j-1": Seen(status)}
    assert decide([running()], told, 1, EIGHT) == []
    [stop] = decide([running(cancelling=True)], told, 1, EIGHT)
    assert stop == Stop(running(cancelling=True), 1)


def test_of_an_attempt_that_ray_does_not_show_nothing_is_concluded():
    assert decide([running()], {}, 1, EIGHT) == []


def test_a_place_that_becomes_free_is_given_away_in_the_same_look():
    told = {"run-j-1": Seen("SUCCEEDED")}
    end, begin = decide([running(), queued("k")], told, 1, EIGHT)
    assert isinstance(end, End)
    assert begin == Begin(queued("k"), 1, 8.0)


# -- Who is next ----------------------------------------------------------------------------


def test_jobs_begin_by_priority_then_by_age_as_many_as_may():
    jobs = [
        queued("late", submitted=9.0),
        queued("early", submitted=1.0),
        queued("urgent", priority=5, submitted=99.0),
    ]
    assert begun(decide(jobs, {}, 2, EIGHT)) == ["urgent", "early"]


def test_devices_are_shared_equally_unless_somebody_asked_for_a_number():
    begins = decide([queued("a"), queued("b", devices=1.0, submitted=1.0)], {}, 4, EIGHT)
    assert [action.devices for action in begins] == [2.0, 1.0]


def test_a_job_that_does_not_fit_now_holds_later_ones_back():
    jobs = [running("r", devices=6.0), queued("big", devices=4.0, priority=1), queued("small")]
    assert begun(decide(jobs, {}, 4, EIGHT)) == []


def test_a_job_that_never_fits_holds_nobody_back():
    jobs = [queued("huge", devices=9.0, priority=1), queued("small", devices=1.0)]
    assert begun(decide(jobs, {}, 4, EIGHT)) == ["small"]


def test_a_run_has_one_driver_at_a_time():
    longer = dataclasses.replace(queued("longer"), run="run of j")
    assert begun(decide([running("j"), longer], {}, 4, EIGHT)) == []
    both = [queued("j"), longer]
    assert begun(decide(both, {}, 4, EIGHT)) == ["j"]


def test_who_wants_no_gpu_shares_the_cores():
    job = queued("j", settings={"engine": {"device": "cpu"}})
    assert share(job, 4, EIGHT) == 8.0
    jobs = [running("r", devices=8.0), dataclasses.replace(job, id="k", run="k")]
    assert begun(decide(jobs, {}, 4, EIGHT)) == ["k"]


def test_nothing_begins_where_there_is_nothing_to_train_on():
    assert decide([queued("j")], {}, 4, Devices(0, 0)) == []


def test_who_insists_on_gpus_waits_for_them_and_holds_nobody_back():
    wants = queued("gpu", settings={"engine": {"device": "cuda"}}, priority=1)
    jobs = [wants, queued("any", submitted=1.0)]
    assert begun(decide(jobs, {}, 2, Devices(0, 4))) == ["any"]
    assert begun(decide(jobs, {}, 2, Devices(2, 4))) == ["gpu", "any"]


def test_an_autoscaler_sees_what_the_jobs_in_turn_could_use():
    jobs = [
        running("r", devices=2.5),
        queued("next", priority=1, settings={"engine": {"device": "cuda"}}),
        queued("later", devices=50.0),
        queued("done", state=State.SUCCEEDED, devices=9.0),
    ]
    assert demand(jobs, 2, EIGHT) == (4, 0)
    assert demand(jobs, 2, Devices(0, 4)) == (1, 3)
    assert demand(jobs, 9, EIGHT) == (54, 0)
    assert demand([], 9, EIGHT) == (0, 0)


def test_attempts_go_on_counting():
    again = queued("j", attempts=(Attempt(3, 0, 0.0, "lost"),))
    [begin] = decide([again], {}, 1, EIGHT)
    assert begin.number == 4


jobs_lists = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([None, 0.25, 1.0, 3.0, 8.0, 20.0]),
        st.integers(-2, 2),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(jobs_lists, st.integers(1, 6), st.integers(0, 8))
def test_never_more_at_once_nor_more_devices_than_there_are(drawn, at_once, gpus):
    devices = Devices(gpus=gpus, cores=4)
    jobs = [
        dataclasses.replace(queued(f"j{i}", devices=wants, priority=priority), run=f"r{run}")
        for i, (_, wants, priority, run) in enumerate(drawn)
    ]
    begins = list(decide(jobs, {}, at_once, devices))
    assert all(isinstance(action, Begin) for action in begins)
    assert len(begins) <= at_once
    assert sum(action.devices for action in begins) <= (gpus or 4) + 1e-6
    assert len({action.job.run for action in begins}) == len(begins)
