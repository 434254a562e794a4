"""The queue: what facts add up to, whatever their order, and what a store keeps of them."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import job_queue
from cluster.job_queue import (
    LONG_SECONDS,
    MOST_ATTEMPTS,
    Fact,
    Job,
    JobQueue,
    QueueError,
    State,
    at_once,
    job_id,
    jobs_of,
    submission_id,
)
from cluster.manifest import settings_of
from speciation.tables.store import Store
from tests.cluster.runs import config

REQUEST = {"run": "r-1", "settings": {}, "priority": 0, "devices": None}


def fact(kind: str, where: int = 0, attempt: int = 0, at: float = 0.0, **content) -> Fact:
    if kind == "began":
        content = {"cluster": "c"} | content
    return Fact("j", kind, where, attempt, at, content)


SUBMITTED = fact("submitted", **REQUEST)


def ended(attempt: int, how: str, reason: str = "", **where) -> Fact:
    return fact("ended", attempt=attempt, how=how, reason=reason, **where)


def job(*facts: Fact) -> Job:
    [found] = jobs_of([SUBMITTED, *facts])
    return found


@pytest.fixture
def queue(tmp_path) -> JobQueue:
    ticks = itertools.count(1000)
    return JobQueue(Store(tmp_path), lambda: float(next(ticks)))


# -- What facts add up to -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([], State.QUEUED),
        ([fact("began", attempt=1)], State.RUNNING),
        ([fact("began", attempt=1), ended(1, "succeeded")], State.SUCCEEDED),
        ([fact("began", attempt=1), ended(1, "failed")], State.FAILED),
        ([fact("began", attempt=1), ended(1, "lost")], State.QUEUED),
        ([fact("cancelled")], State.CANCELLED),
        ([fact("began", attempt=1), fact("cancelled")], State.RUNNING),
        ([fact("began", attempt=1), fact("cancelled"), ended(1, "cancelled")], State.CANCELLED),
        ([fact("began", attempt=1), fact("cancelled"), ended(1, "succeeded")], State.SUCCEEDED),
        ([fact("began", attempt=1), fact("cancelled"), ended(1, "lost")], State.CANCELLED),
        ([fact("began", attempt=1), ended(1, "cancelled")], State.CANCELLED),
        (
            [fact("began", attempt=1), ended(1, "cancelled"), fact("reopened", 1)],
            State.QUEUED,
        ),
        ([fact("cancelled"), fact("reopened", where=1)], State.QUEUED),
        ([fact("cancelled"), fact("reopened", 1), fact("cancelled", 1)], State.CANCELLED),
        ([fact("began", attempt=1), ended(1, "failed"), fact("reopened", 1)], State.QUEUED),
        (
            [
                fact("began", attempt=1),
                ended(1, "failed"),
                fact("reopened", 1),
                fact("began", where=1, attempt=2),
            ],
            State.RUNNING,
        ),
    ],
)
def test_a_job_stands_where_its_facts_say(facts, state):
    assert job(*facts).state is state


def test_who_finished_knows_better_than_who_lost_sight():
    told = [fact("began", attempt=1), ended(1, "lost", at=1.0), ended(1, "succeeded", at=2.0)]
    assert job(*told).state is State.SUCCEEDED


def lost(times: int) -> list[Fact]:
    attempts = range(1, times + 1)
    return [f for n in attempts for f in (fact("began", attempt=n), ended(n, "lost", "gone"))]


def test_what_dies_is_begun_again_but_not_for_ever():
    assert job(*lost(MOST_ATTEMPTS - 1)).state is State.QUEUED
    given_up = job(*lost(MOST_ATTEMPTS))
    assert given_up.state is State.FAILED
    assert given_up.reason == (
        f"died {MOST_ATTEMPTS} times in a row with little done; last: gone"
    )


def test_what_dies_after_a_long_life_is_begun_again_as_if_nothing_had_been():
    long_life = [
        fact("began", attempt=MOST_ATTEMPTS, at=100.0),
        ended(MOST_ATTEMPTS, "lost", "spot", at=100.0 + LONG_SECONDS),
    ]
    told = [*lost(MOST_ATTEMPTS - 1), *long_life]
    assert job(*told).state is State.QUEUED
    told += [f for n in range(6, 10) for f in (fact("began", attempt=n), ended(n, "lost"))]
    assert job(*told).state is State.QUEUED
    assert job(*told, fact("began", attempt=10), ended(10, "lost")).state is State.FAILED


def test_what_gives_up_is_not_tried_for_ever_however_long_it_takes_to():
    told = [
        f
        for n in range(1, MOST_ATTEMPTS + 1)
        for f in (
            fact("began", attempt=n),
            ended(n, "gave up", "no engine", at=9 * LONG_SECONDS),
        )
    ]
    assert job(*told[:-2]).state is State.QUEUED
    assert job(*told).state is State.FAILED


def test_who_gave_up_is_believed_before_who_lost_sight():
    told = [
        fact("began", attempt=1),
        ended(1, "lost", "exit 2"),
        ended(1, "gave up", "no room"),
    ]
    assert job(*told).reason == "starts again: no room"


def test_a_new_round_has_all_its_attempts_again():
    assert job(*lost(MOST_ATTEMPTS), fact("reopened", where=1)).state is State.QUEUED


@given(st.randoms(use_true_random=False), st.integers(0, 12))
def test_neither_order_nor_repetition_of_facts_matters(rng: random.Random, most: int):
    facts = [SUBMITTED, *lost(3), fact("cancelled"), fact("reopened", 1), ended(3, "failed")]
    expected = jobs_of(facts)
    told = facts + rng.choices(facts, k=most)
    rng.shuffle(told)
    assert jobs_of(told) == expected


def test_facts_without_their_request_make_no_job():
    assert jobs_of([fact("began", attempt=1), fact("cancelled")]) == []


def test_jobs_are_due_by_priority_then_by_age():
    asked = [("a", 0, 5.0), ("b", 9, 7.0), ("c", 0, 3.0), ("d", -1, 1.0)]
    facts = [
        Fact(own, "submitted", 0, 0, at, REQUEST | {"priority": priority})
        for own, priority, at in asked
    ]
    assert [found.id for found in jobs_of(facts)] == ["b", "c", "a", "d"]


def test_the_latest_word_on_how_many_run_at_a_time_counts():
    limits = [Fact("*", "limited", 0, 0, at, {"at_once": k}) for at, k in [(2.0, 7), (1.0, 3)]]
    assert at_once([]) == job_queue.AT_ONCE
    assert at_once(limits) == 7


# -- In a store ---------------------------------------------------------------------------


def test_asking_twice_is_asking_once(queue):
    first, new = queue.submit(config())
    again, repeated = queue.submit(config())
    assert (new, repeated) == (True, False)
    assert first == again
    assert len(queue.facts()) == 1


def test_asked_again_a_job_takes_the_new_priority_but_keeps_its_age(queue):
    first, _ = queue.submit(config(), priority=1)
    later, new = queue.submit(config(), priority=7, devices=0.5)
    assert not new
    assert (later.priority, later.devices, later.submitted) == (7, 0.5, first.submitted)


def test_asked_again_without_a_priority_or_devices_a_job_keeps_those_it_has(queue):
    queue.submit(config(), priority=7, devices=0.5)
    queue.submit(config(), devices=2.0)
    again, _ = queue.submit(config())
    assert (again.priority, again.devices) == (7, 2.0)


def test_more_generations_or_seeds_are_another_job_of_the_same_run(queue):
    ids = {
        queue.submit(plan)[0].id
        for plan in (
            config(),
            config(evolution={"generations": 9}),
            config(confirm={"seeds": 9}),
        )
    }
    assert len(ids) == 3
    assert {found.run for found in queue.jobs()} == {config().run_id()}


def test_where_results_are_kept_is_no_part_of_what_is_asked():
    assert job_id(config(store="s3://bucket/results")) == job_id(config())


def test_a_job_can_be_run_from_the_store_alone(queue):
    found, _ = queue.submit(config(executor="ray"))
    again = JobQueue(Store(queue.store.uri), lambda: 0.0)
    plan = again.config_of(again.find(found.id))
    assert plan == config(executor="ray", store=queue.store.uri)


def test_a_full_queue_says_so(queue, monkeypatch):
    monkeypatch.setattr(job_queue, "MOST_QUEUED", 2)
    queue.submit(config())
    queue.submit(config(name="other"))
    queue.submit(config())  # is there already
    with pytest.raises(QueueError, match="is full: 2 jobs are waiting; cancel some"):
        queue.submit(config(name="third"))


def test_a_cancelled_job_is_resumed_by_retry(queue):
    found, _ = queue.submit(config())
    queue.cancel(found)
    assert queue.find(found.id).state is State.CANCELLED
    queue.retry(queue.find(found.id))
    assert queue.find(found.id).state is State.QUEUED


def test_attempts_are_counted_over_rounds_so_that_no_name_is_used_twice(queue):
    found, _ = queue.submit(config())
    queue.begin(found, 1)
    queue.end(found, 1, "failed", "no")
    queue.retry(queue.find(found.id))
    reopened = queue.find(found.id)
    queue.begin(reopened, 2)
    assert queue.find(found.id).submission_id == submission_id(found.id, 2)


@pytest.mark.parametrize(
    ("how", "act", "sentence"),
    [
        ("succeeded", "cancel", "has succeeded already"),
        ("failed", "cancel", "has failed already"),
        ("succeeded", "retry", "has succeeded; only what failed or was cancelled"),
        (None, "retry", "is running; only what failed or was cancelled"),
    ],
)
def test_what_cannot_be_done_to_a_job_is_told(queue, how, act, sentence):
    found, _ = queue.submit(config())
    queue.begin(found, 1)
    if how:
        queue.end(found, 1, how)
    with pytest.raises(QueueError, match=sentence):
        getattr(queue, act)(queue.find(found.id))


def test_a_job_is_found_by_the_beginning_of_its_id(queue):
    first, _ = queue.submit(config())
    queue.submit(config(name="other"))
    assert queue.find("test").id == first.id
    with pytest.raises(QueueError, match=r"there is no job 'tset' in .*; its jobs are"):
        queue.find("tset")
    queue.submit(config(seed=9))
    with pytest.raises(QueueError, match="is the beginning of 2 jobs"):
        queue.find("test")


def test_of_several_jobs_of_a_run_the_one_that_is_not_over_is_meant_or_the_latest(queue):
    first, _ = queue.submit(config())
    queue.begin(first, 1)
    queue.end(first, 1, "succeeded")
    longer, _ = queue.submit(config(evolution={"generations": 9}))
    assert queue.find("test").id == longer.id
    longest, _ = queue.submit(config(evolution={"generations": 10}))
    with pytest.raises(QueueError, match="is the beginning of 3 jobs"):
        queue.find("test")
    queue.cancel(longer)
    assert queue.find("test").id == longest.id
    queue.cancel(longest)
    assert queue.find("test").id == longest.id
    assert queue.find(first.id).id == first.id


def test_what_is_still_stopping_is_said_to_be_so(queue):
    job, _ = queue.submit(config())
    queue.begin(job, 1)
    queue.cancel(queue.find(job.id))
    with pytest.raises(QueueError, match="is still stopping; try again in some seconds"):
        queue.retry(queue.find(job.id))


def test_the_queue_goes_along_with_a_copy_of_the_store(queue, tmp_path):
    found, _ = queue.submit(config())
    queue.begin(found, 1)
    elsewhere = Store(tmp_path / "elsewhere")
    elsewhere.merge(queue.store)
    assert JobQueue(elsewhere, lambda: 0.0).jobs() == queue.jobs()


def test_compaction_loses_no_job(queue):
    for number in range(4):
        queue.submit(config(name=f"run-{number}"))
    before = queue.jobs()
    queue.store.compact()
    assert JobQueue(Store(queue.store.uri), lambda: 0.0).jobs() == before


def test_a_damaged_fact_is_put_aside_and_the_others_count(queue, tmp_path):
    queue.submit(config())
    queue.submit(config(name="other"))
    part = next((tmp_path / "jobs").glob("*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    assert len(JobQueue(Store(tmp_path), lambda: 0.0).jobs()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"run": "../../etc"},
        {"run": "A b"},
        {"priority": True},
        {"devices": 0},
        {"devices": -1},
        {"devices": "all"},
        {"settings": []},
    ],
)
def test_a_request_that_could_do_harm_is_left_out(queue, wrong):
    content = REQUEST | wrong
    told = {"job": "x", "fact": "x", "kind": "submitted", "round": 0, "attempt": 1, "at": 9.0}
    queue.store.append("jobs", [told | {"content": json.dumps(content)}])
    assert queue.jobs() == []
    queue.store.append("jobs", [told | {"fact": "y", "content": json.dumps(REQUEST)}])
    assert [found.id for found in queue.jobs()] == ["x"]


@pytest.mark.parametrize("own", ["../x", "a/b", "", "x" * 200, "[red]x", "a b", "a;rm"])
def test_a_job_that_no_path_may_hold_is_left_out(queue, own):
    told = {"job": own, "fact": "x", "kind": "submitted", "round": 0, "attempt": 1, "at": 9.0}
    queue.store.append("jobs", [told | {"content": json.dumps(REQUEST)}])
    assert queue.jobs() == []


@pytest.mark.parametrize("count", [0, -1, 10_000, True, 1.5])
def test_a_limit_that_is_none_is_left_out(queue, count):
    told = {"job": "*", "fact": "x", "kind": "limited", "round": 0, "attempt": 0, "at": 9.0}
    queue.store.append("jobs", [told | {"content": json.dumps({"at_once": count})}])
    assert at_once(queue.facts()) == job_queue.AT_ONCE


def test_where_a_job_runs_is_not_for_a_store_to_say(queue):
    settings = settings_of(config()) | {"address": "evil:6379", "store": "/etc"}
    content = REQUEST | {"settings": settings}
    told = {"job": "x", "fact": "x", "kind": "submitted", "round": 0, "attempt": 1, "at": 9.0}
    queue.store.append("jobs", [told | {"content": json.dumps(content)}])
    plan = queue.config_of(queue.find("x"))
    assert (plan.address, plan.store, plan.executor) == (None, queue.store.uri, "ray")


def test_reasons_are_one_line_that_a_terminal_only_shows(queue):
    found, _ = queue.submit(config())
    queue.begin(found, 1)
    queue.end(found, 1, "failed", "two\nlines \x1b[31mred\x07" + "x" * 5000)
    reason = queue.find(found.id).reason
    assert reason.startswith("two lines [31mredxxx")
    assert len(reason) == job_queue.REASON


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"run": 3}', '{"how": "well"}', "[" * 100 + "]" * 100, '{"at_once": "x"}'],
)
@pytest.mark.parametrize("kind", ["submitted", "ended", "limited", "of tomorrow"])
def test_rows_that_are_no_facts_of_ours_are_left_out(queue, kind, content):
    found, _ = queue.submit(config())
    told = {"job": found.id, "fact": "x", "kind": kind, "round": 0, "attempt": 1, "at": 9.0}
    queue.store.append("jobs", [told | {"content": content}])
    assert JobQueue(Store(queue.store.uri), lambda: 0.0).jobs() == [found]


def test_a_store_that_is_gone_and_back_has_its_queue(queue, tmp_path: Path):
    queue.submit(config())
    moved = shutil.copytree(tmp_path, tmp_path.parent / "moved")
    assert len(JobQueue(Store(moved), lambda: 0.0).jobs()) == 1
