"""The cluster files: Ray accepts them, what they copy exists, and what they start is closed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.local_cluster import HEALTH_CHECKS

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "hosts": ROOT / "launch" / "ray_cluster_hosts.yaml",
    "aws": ROOT / "ray_cluster.yaml",
    "gcp": ROOT / "launch" / "ray_cluster_gcp.yaml",
}
CLOUDS = ("aws", "gcp")


def text(name: str) -> str:
    return FILES[name].read_text(encoding="utf-8")


def cluster(name: str) -> dict[str, Any]:
    return yaml.safe_load(text(name))


def starts(name: str) -> list[str]:
    parsed = cluster(name)
    commands = parsed["head_start_ray_commands"] + parsed["worker_start_ray_commands"]
    return [command for command in commands if "ray start" in command]


@pytest.mark.ray
@pytest.mark.parametrize("name", FILES)
def test_ray_accepts_the_file(name):
    launcher = pytest.importorskip("ray.autoscaler._private.util")
    prepared = launcher.prepare_config(cluster(name))
    launcher.validate_config(prepared)
    workers = cluster(name)["provider"].get("worker_ips")
    assert prepared["max_workers"] == (8 if workers is None else len(workers))


@pytest.mark.ray
def test_ray_would_not_accept_a_slip_of_the_pen():
    launcher = pytest.importorskip("ray.autoscaler._private.util")
    slipped = cluster("aws") | {"idle_timeout_minute": 3}
    with pytest.raises(Exception, match="idle_timeout_minute"):
        launcher.validate_config(launcher.prepare_config(slipped))


@pytest.mark.parametrize("name", FILES)
def test_every_host_asks_for_a_token(name):
    assert len(starts(name)) == 2
    assert all("RAY_AUTH_MODE=token " in command for command in starts(name))
    assert "auth_token" in "".join(cluster(name)["file_mounts"])
    assert "RAY_AUTH_TOKEN=" not in text(name)


@pytest.mark.parametrize("name", FILES)
def test_the_dashboard_stays_on_the_head(name):
    head, worker = starts(name)
    assert "--dashboard-host=127.0.0.1" in head
    assert "--dashboard-host" not in worker


@pytest.mark.parametrize("name", FILES)
def test_a_node_that_is_gone_is_noticed_after_seconds(name):
    head, _ = starts(name)
    assert dict(re.findall(r"(RAY_health_check\w+)=(\d+)", head)) == HEALTH_CHECKS


def test_kubernetes_and_slurm_look_after_their_nodes_as_often():
    job = yaml.safe_load((ROOT / "launch" / "kuberay.yaml").read_text(encoding="utf-8"))
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert {each["name"]: each["value"] for each in head["env"]} == HEALTH_CHECKS
    told = (ROOT / "launch" / "README.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"(RAY_health_check\w+)=(\d+)", told)) == HEALTH_CHECKS


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_to_the_hosts_is_here(name):
    here = [path for path in cluster(name)["file_mounts"].values() if not path.startswith("~")]
    assert len(here) == 8
    assert [path for path in here if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", CLOUDS)
def test_workers_of_a_cloud_are_spot_and_come_and_go(name):
    worker = cluster(name)["available_node_types"]["worker"]
    assert (worker["min_workers"], worker["max_workers"]) == (0, 8)
    assert "spot" in str(worker["node_config"]) or "preemptible" in str(worker["node_config"])
    assert cluster(name)["idle_timeout_minutes"] > 0


@pytest.mark.parametrize("name", CLOUDS)
def test_results_of_a_cloud_are_in_a_bucket_and_its_queue_is_taken_up(name):
    last = cluster(name)["head_start_ray_commands"][-1]
    assert re.search(r"speciation dispatch .*--store (s3|gs)://BUCKET/results", last)


def test_the_job_of_kubernetes_asks_for_a_token_and_goes_on_after_a_loss():
    job = yaml.safe_load((ROOT / "launch" / "kuberay.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert spec["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert spec["rayClusterSpec"]["enableInTreeAutoscaling"] is True
    assert spec["backoffLimit"] > 0
    assert "--store s3://BUCKET/results" in spec["entrypoint"]


@pytest.mark.parametrize("path", [*FILES.values(), *(ROOT / "launch").iterdir()], ids=str)
def test_the_commands_that_a_file_shows_exist(path):
    from cluster.cli import speciation

    shown = path.read_text(encoding="utf-8").replace("\\\n#", "").replace("\\\n", "")
    used = re.findall(r"(?:^|[ `/])speciation ([a-z]+)((?: +(?:--)?\w[\w:/.-]*)*)", shown, re.M)
    commands = [(name, rest) for name, rest in used if name in speciation.commands]
    assert commands or path.name in ("Dockerfile",)
    for name, rest in commands:
        command = speciation.commands[name]
        for word in rest.split():
            command = getattr(command, "commands", {}).get(word, command)
        known = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, (name, rest)


@pytest.mark.parametrize("path", [*FILES.values(), *(ROOT / "launch").iterdir()], ids=str)
def test_a_file_names_the_ray_that_is_pinned(path):
    pinned = re.search(r"^ray==([\d.]+)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert pinned
    named = re.findall(r"ray:(\d+\.\d+\.\d+)|rayVersion: \"([\d.]+)\"", path.read_text())
    assert {one or other for one, other in named} <= {pinned[1]}
