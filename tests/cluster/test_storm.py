"""Runs on a real Ray cluster that loses calls, actors, machines, its driver and its disk."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

pytest.importorskip("ray", reason="a storm needs a Ray cluster")

from ray.cluster_utils import Cluster

from tests.cluster.storm import begin, carry_out, differences, machines

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


def test_a_run_through_a_storm_ends_with_the_tables_of_a_calm_one():
    storm, differ = carry_out(seconds=60, seed=2, trouble=0.02)
    assert sum(storm.done.values()) >= 3
    assert differ == []
