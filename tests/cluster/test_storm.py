"""Runs on a real Ray cluster that loses calls, actors, machines, its driver and its disk."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("ray", reason="a storm needs a Ray cluster")

from ray.cluster_utils import Cluster

from cluster.plan import closed_generations
from speciation.tables.store import Store
from tests.cluster.drive import wanted
from tests.cluster.storm import begin, carry_out, differences, machines, stored

pytestmark = [
    pytest.mark.ray,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of processes that are killed
]

# A call that never arrives, an answer that is lost, and a call that is carried out though the
# caller is told that it failed.
LOST = ("req_failure_prob", "resp_failure_prob", "in_flight_failure_prob")
GENERATIONS = "10"
LONG = "1000"  # generations, more than are closed before the service dies
ENDS_WITHIN = 120  # seconds; Ray ends its drivers when it has missed its service for 60


@pytest.fixture(scope="module")
def cluster(request) -> Iterator[Cluster]:
    with machines() as cluster:
        yield cluster


@pytest.mark.parametrize("lost", LOST)
def test_lost_and_repeated_calls_end_with_the_tables_of_a_calm_run(cluster, tmp_path, lost):
    chances = dict.fromkeys(LOST, 0) | {lost: 20}
    how = {"CoreWorkerService.grpc_client.PushTask": {"num_failures": 3} | chances}
    folder = tmp_path / "store"
    driver = begin(
        cluster.address,
        str(folder),
        GENERATIONS,
        "1",
        RAY_testing_rpc_failure=json.dumps(how),
    )
    try:
        assert driver.wait(400) == 0, (tmp_path / "store.log").read_text()
    finally:
        driver.kill()
    said = (tmp_path / "store.log").read_text().strip().splitlines()[-1]
    assert json.loads(said)["faults"] == {"actor left": 3}  # each was one, and nobody's fault
    assert differences(folder, int(GENERATIONS)) == []


def test_a_control_service_that_dies_ends_the_driver_and_another_cluster_goes_on(tmp_path):
    folder = tmp_path / "store"
    with machines() as first:
        driver = begin(first.address, str(folder), LONG, "1")
        while not stored(folder):
            assert driver.poll() is None, (tmp_path / "store.log").read_text()
            time.sleep(0.2)
        [service] = first.head_node.all_processes["gcs_server"]
        service.process.kill()
        assert driver.wait(ENDS_WITHIN) != 0
    generations = closed_generations(wanted(1).run_id(), Store(folder)) + 1
    with machines() as second:
        driver = begin(second.address, str(folder), str(generations), "1")
        assert driver.wait(400) == 0, (tmp_path / "store.log").read_text()
    assert differences(folder, generations) == []


def test_a_run_through_a_storm_ends_with_the_tables_of_a_calm_one():
    storm, differ = carry_out(seconds=60, seed=2, trouble=0.02)
    assert sum(storm.done.values()) >= 3
    assert differ == []
