"""Machines that leave, hang and run out of memory, on several Rays of one host.

A cluster of three pretended machines, with ports and folders of its own, is shared by the
module: it takes long to start.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="the executor on Ray needs ray")

from ray.cluster_utils import Cluster  # noqa: E402

from cluster import ray_address  # noqa: E402
from cluster.campaign import ActorLost, Cause, Finished  # noqa: E402
from cluster.local_cluster import HEALTH_CHECKS  # noqa: E402
from cluster.ray_executor import MAX_FAILED_STARTS, MOST_RESERVE, RayExecutor  # noqa: E402
from cluster.roster import Roster  # noqa: E402
from tests.cluster.storm import actors_of  # noqa: E402
from tests.cluster.synthetic import PLAN, Behaviour, trials  # noqa: E402
from tests.contracts.executor import collect, until  # noqa: E402

pytestmark = [
    pytest.mark.ray,
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of processes that are killed
]


SLOTS = 4


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    patch = pytest.MonkeyPatch()
    patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.delenv("RAY_ADDRESS", raising=False)
    ray_address.ensure_token()
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "num_gpus": 1,
            "include_dashboard": False,
            "_system_config": {
                name.removeprefix("RAY_"): int(value) for name, value in HEALTH_CHECKS.items()
            },
        },
    )
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    patch.undo()


@pytest.fixture
def executor(machines: Cluster) -> Iterator[RayExecutor]:
    made = RayExecutor(PLAN, make=Behaviour(slots=SLOTS, seconds=0.02), work_seconds=0.2)
    yield made
    made.close()


def ready(executor: RayExecutor, count: int) -> None:
    until(executor, lambda _: executor.actors == count)


def on_node(executor: RayExecutor, node: Any) -> str:
    return next(p.name for p in executor._places.values() if p.node == node.node_id)


def test_a_machine_that_joins_is_used_and_one_that_is_lost_costs_its_unfinished_steps(
    machines, executor
):
    ready(executor, 1)
    node = machines.add_node(num_cpus=1, num_gpus=1)
    ready(executor, 2)
    executor.submit(trials(4000))
    collect(executor, 20)
    gone = on_node(executor, node)
    machines.remove_node(node, allow_graceful=False)
    began = time.monotonic()
    events = until(executor, lambda events: any(isinstance(e, ActorLost) for e in events))
    assert _told("a machine that died is noticed after", time.monotonic() - began) <= 5
    loss = next(e for e in events if isinstance(e, ActorLost))
    assert (loss.actor, loss.cause, loss.innocent) == (gone, Cause.LEFT, True)
    assert loss.trials
    executor.submit(loss.trials)
    done = {own for e in events if isinstance(e, Finished) for own in e.results.ids}
    assert not done & {t.id for t in loss.trials}
    collect(executor, 100)
    assert executor.actors == 1


def test_a_machine_that_is_drained_gets_nothing_new_and_nobody_is_blamed(machines, executor):
    node = machines.add_node(num_cpus=1, num_gpus=1)
    ready(executor, 2)
    executor.submit(trials(20_000))
    collect(executor, 20)
    gone = on_node(executor, node)
    accepted, _ = ray._private.worker.global_worker.gcs_client.drain_node(
        node.node_id, 2, "preempted", int(time.time() * 1000) + 600_000
    )
    assert accepted
    before = executor._roster.queued
    until(executor, lambda _: gone not in executor._places)
    collect(executor, 20)
    assert executor._roster.queued < before  # the other one went on
    assert executor.actors == 1
    machines.remove_node(node)


def test_a_machine_that_freezes_is_noticed_in_seconds(machines, executor):
    node = machines.add_node(num_cpus=1, num_gpus=1)
    ready(executor, 2)
    executor.submit(trials(20_000))
    collect(executor, 20)
    pids = [p.process.pid for each in node.all_processes.values() for p in each]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    events = until(executor, lambda events: any(isinstance(e, ActorLost) for e in events))
    assert _told("a machine that froze is noticed after", time.monotonic() - began) <= 10
    loss = next(e for e in events if isinstance(e, ActorLost))
    assert loss.innocent
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    machines.remove_node(node, allow_graceful=False)


def test_slots_of_an_actor_that_is_killed_train_again_in_seconds_and_only_they_are_run_again(
    machines, executor
):
    began = time.monotonic()
    ready(executor, 1)
    start = _told("an actor is ready after", time.monotonic() - began)
    work = trials(400)
    executor.submit(work)
    done = {row["trial_id"] for row in collect(executor, 20)}
    [actor, *_] = actors_of(machines)
    os.kill(actor, signal.SIGKILL)
    began = time.monotonic()
    loss = next(
        e
        for e in until(executor, lambda events: any(isinstance(e, ActorLost) for e in events))
        if isinstance(e, ActorLost)
    )
    executor.submit(loss.trials)
    until(executor, lambda events: any(isinstance(e, Finished) for e in events))
    # On a busy machine, processes start as slowly as the first one did.
    took = _told("a killed actor's slots have a result after", time.monotonic() - began)
    assert took <= max(5, 2 * start)
    # Those in slots, and those that wait in the actor so that no slot is ever empty.
    assert len(loss.trials) <= (1 + MOST_RESERVE) * SLOTS
    assert not done & {t.id for t in loss.trials}


def test_a_machine_where_every_start_hangs_is_avoided_from_then_on(machines, monkeypatch):
    monkeypatch.setattr("cluster.ray_executor.FIRST_START", 5.0)
    monkeypatch.setattr("cluster.ray_executor.LEAST_START", 5.0)
    node = machines.add_node(num_cpus=1, num_gpus=1, env_vars={"MACHINE": "ill"})
    behaviour = Behaviour(slots=SLOTS, seconds=0.02, sick=frozenset({"ill"}))
    executor = RayExecutor(PLAN, make=behaviour, work_seconds=0.2)
    try:
        events = until(executor, lambda _: any(p.left_alone for p in executor._places.values()))
        ready(executor, 1)
        losses = [e for e in events if isinstance(e, ActorLost)]
        assert {e.cause for e in losses} == {Cause.STARTING}
        [healthy] = [place for place in executor._places.values() if place.slots]
        ray.kill(healthy.actor)
        executor.submit(trials(100))
        events = until(executor, lambda events: any(isinstance(e, Finished) for e in events))
        assert Cause.STARTING not in {e.cause for e in events if isinstance(e, ActorLost)}
        [alone] = [place for place in executor._places.values() if not place.slots]
        assert (alone.node, alone.left_alone) == (node.node_id, True)
    finally:
        executor.close()
        machines.remove_node(node, allow_graceful=False)


def test_one_actor_that_cannot_start_on_a_machine_starts_on_another(machines):
    taken = ray.remote(num_gpus=1)(Roster).remote()
    ray.get(taken.add.remote([]))
    node = machines.add_node(num_cpus=1, num_gpus=1, env_vars={"MACHINE": "broken"})
    behaviour = Behaviour(slots=SLOTS, broken=frozenset({"broken"}))
    executor = RayExecutor(PLAN, make=behaviour, work_seconds=0.2, most_actors=1)
    try:
        events = until(executor, lambda events: len(events) == MAX_FAILED_STARTS)
        assert all(isinstance(event, ActorLost) for event in events)
        ray.kill(taken)
        executor.submit(trials(10))
        collect(executor, 10)
        [place] = executor._places.values()
        assert place.node != node.node_id
    finally:
        executor.close()
        machines.remove_node(node, allow_graceful=False)


def _told(what: str, seconds: float) -> float:
    """Print a figure for docs/log.md, with ``pytest -s``."""
    print(f"{what} {seconds:.1f} s")
    return seconds
