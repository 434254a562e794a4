"""Joining Ray: what it takes over from a process, and what it does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from cluster.executor import ExecutorError
from cluster.launch import stop_signals
from cluster.manifest import manifest_of
from cluster.ray_session import own_ray
from speciation.tables.store import Store
from tests.cluster.runs import config
from tests.cluster.test_cli import yaml_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def greedy(monkeypatch) -> Iterator[None]:
    """A Ray that takes SIGTERM for itself, as Ray does, and then cannot be started."""

    def init(**_: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
        raise ConnectionError("no room")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr("cluster.ray_session.ensure_token", lambda: None)
    monkeypatch.setattr("cluster.ray_session.WITHOUT_METRICS", {})
    yield
    signal.signal(signal.SIGTERM, before)


def test_who_asks_for_signals_before_ray_starts_gets_them(greedy):
    with stop_signals() as stop:
        with pytest.raises(ExecutorError, match="no room"):
            own_ray()
        signal.raise_signal(signal.SIGTERM)
        assert stop()


def test_where_nobody_does_ray_may_have_them(greedy):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.raises(ExecutorError, match="no room"):
        own_ray()
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_on_a_ray_of_its_own_that_is_interrupted_says_how_to_go_on(tmp_path, number):
    endless = config(horizon=75, evolution={"generations": 1000}, executor="ray")
    (tmp_path / "run.yaml").write_text(yaml_of(endless))
    words = ["evolve", "run.yaml", "--store", "new", "--device", "cpu", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "cluster.cli", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while '"event": "generation"' not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"
    assert err.endswith(f"go on with: speciation resume {endless.run_id()} --store new\n")
    manifest = manifest_of(Store(tmp_path / "new"), endless.run_id())
    assert manifest is not None
    assert manifest["status"] == "stopped"
