"""The cluster file: Ray accepts it, what it copies exists, and what it starts is closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "ray_cluster.yaml").read_text(encoding="utf-8")


@pytest.fixture
def cluster() -> dict[str, Any]:
    return yaml.safe_load(TEXT)


def starts(cluster: dict[str, Any]) -> list[str]:
    commands = cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
    return [command for command in commands if "ray start" in command]


@pytest.mark.ray
def test_ray_accepts_the_file(cluster):
    launcher = pytest.importorskip("ray.autoscaler._private.util")
    prepared = launcher.prepare_config(cluster)
    launcher.validate_config(prepared)
    assert prepared["max_workers"] == len(cluster["provider"]["worker_ips"])


def test_every_host_asks_for_a_token(cluster):
    assert len(starts(cluster)) == 2
    assert all("RAY_AUTH_MODE=token " in command for command in starts(cluster))
    assert "auth_token" in "".join(cluster["file_mounts"])
    assert "RAY_AUTH_TOKEN=" not in TEXT


def test_the_dashboard_stays_on_the_head(cluster):
    head, worker = starts(cluster)
    assert "--dashboard-host=127.0.0.1" in head
    assert "--dashboard-host" not in worker


def test_what_is_copied_to_the_hosts_is_here(cluster):
    here = [path for path in cluster["file_mounts"].values() if not path.startswith("~")]
    assert [path for path in here if not (ROOT / path).exists()] == []
