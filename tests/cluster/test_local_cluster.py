"""A cluster on this machine, without starting Ray; that, test_jobs.py does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster import local_cluster
from cluster.closed import Listener, Proof, processes
from cluster.executor import ExecutorError
from cluster.local_cluster import WITHOUT_METRICS, start, stop
from cluster.own_cluster import NOTE

WHO = Listener("127.0.0.1", 6379, 1)
PAGE = Listener("127.0.0.1", 9999, 1)


class Ray:
    """What would have been started, and what would answer."""

    def __init__(self) -> None:
        self.commands: list[Sequence[str]] = []
        self.environments: list[dict[str, str]] = []
        self.proof = Proof((WHO,), ())
        self.ended: list[str] = []
        self.alive: set[int] = set()  # processes of any session

    def run(self, words: Sequence[str], environment: dict[str, str]) -> None:
        self.commands.append(words)
        self.environments.append(environment)

    def end(self, session: str) -> int:
        self.ended.append(session)
        return 7


@pytest.fixture
def ray(monkeypatch, tmp_path) -> Ray:
    for name in list(os.environ):
        if name.startswith("RAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    fake = Ray()
    monkeypatch.setattr(local_cluster, "_ray", fake.run)
    monkeypatch.setattr(local_cluster, "_end", fake.end)
    monkeypatch.setattr(local_cluster, "_session", lambda port: "/tmp/ray/session_x")
    monkeypatch.setattr(local_cluster, "prove", lambda session: fake.proof)
    monkeypatch.setattr("cluster.own_cluster.processes", lambda session: fake.alive)
    monkeypatch.setattr(Listener, "is_metrics_page", lambda self: self == PAGE)
    return fake


def begin(**options: Any) -> local_cluster.Started:
    return start(port=free_port(), dashboard_port=free_port(), **options)


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("", 0))
        return int(probing.getsockname()[1])


def test_every_node_asks_for_our_token_and_the_dashboard_stays_here(ray, tmp_path):
    started = begin(nodes=3, cpus=1, gpus=2)
    head, *others = ray.commands
    assert "--head" in head
    assert "--dashboard-host=127.0.0.1" in head
    assert len(others) == 2
    assert all(f"--address={started.address}" in words for words in others)
    assert all({"--num-cpus=1", "--num-gpus=2"} <= set(words) for words in ray.commands)
    assert all(told["RAY_AUTH_MODE"] == "token" for told in ray.environments)
    assert all(told.items() >= WITHOUT_METRICS.items() for told in ray.environments)
    token = tmp_path / ".ray" / "auth_token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() not in str(ray.commands)


def test_where_no_token_would_be_shown_none_is_asked_for(ray, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ExecutorError, match=r"no command would show the token .*; unset it"):
        begin()
    assert ray.commands == []


def test_a_token_that_cannot_be_read_is_told(ray, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/nowhere")
    with pytest.raises(ExecutorError, match="token cannot be read; see `speciation doctor`"):
        begin()
    assert ray.commands == []


def test_a_cluster_that_answers_strangers_is_ended_again(ray):
    ray.proof = Proof((WHO,), ((WHO, "GET /api/jobs/"),))
    with pytest.raises(ExecutorError, match=r"127\.0\.0\.1:6379 \(GET /api/jobs/\)"):
        begin()
    assert ray.ended == ["/tmp/ray/session_x"]
    assert not (Path.home() / NOTE).exists()


def test_metrics_pages_answer_only_where_they_were_asked_for(ray):
    ray.proof = Proof((WHO, PAGE), ((PAGE, "GET /metrics"),))
    with pytest.raises(ExecutorError, match="would let anybody in"):
        begin()
    started = begin(metrics=True)
    assert started.metrics == (str(PAGE),)
    assert "RAY_enable_metrics_collection" not in ray.environments[-1]


def test_a_port_that_is_taken_is_told_before_anything_starts(ray):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ExecutorError, match=rf"port {port} cannot be used \(.*--port and"):
            start(port=port, dashboard_port=free_port())
    assert ray.commands == []


def test_one_port_is_not_enough_for_two(ray):
    port = free_port()
    with pytest.raises(ExecutorError, match=f"are both {port}; choose two"):
        start(port=port, dashboard_port=port)
    assert ray.commands == []


def test_a_second_cluster_of_ours_is_not_started(ray):
    begin()
    ray.alive = {1}
    with pytest.raises(ExecutorError, match="was started here already"):
        begin()
    assert len(ray.commands) == 1


def test_what_was_started_is_stopped_and_forgotten(ray):
    begin()
    ray.alive = {1}
    assert stop() == 7
    assert ray.ended == ["/tmp/ray/session_x"]
    with pytest.raises(ExecutorError, match="no cluster was started here"):
        stop()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"session": "x"}', "{"])
def test_a_note_that_cannot_be_read_is_no_cluster(ray, text):
    path = Path.home() / NOTE
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ExecutorError, match="no cluster was started here"):
        stop()


def test_why_ray_cannot_be_started_is_told(ray, monkeypatch):
    monkeypatch.undo()
    answer = subprocess.CompletedProcess([], 1, "", "Traceback\n\nConnectionError: no room\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(ExecutorError, match="cannot be started here: ConnectionError: no room"):
        local_cluster._ray(["--head"], {})


def test_what_of_a_head_has_come_up_is_ended_where_somebody_does_not_wait(ray, monkeypatch):
    def interrupted(words: Sequence[str], environment: dict[str, str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(local_cluster, "_ray", interrupted)
    with pytest.raises(KeyboardInterrupt):
        begin()
    assert ray.ended == ["/tmp/ray/session_x"]


def test_only_a_session_of_its_own_is_ended(tmp_path):
    def sleeper(word: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", "input()", word], stdin=subprocess.PIPE)

    with sleeper(str(tmp_path / "session_1")) as ours, sleeper("session_2") as other:
        assert local_cluster._end(str(tmp_path / "session_1")) == 1
        assert ours.wait(5) != 0
        assert other.poll() is None
        assert processes(str(tmp_path / "session_1")) == set()
        other.communicate(b"\n")


def test_where_it_is_is_remembered_for_the_next_command(ray):
    started = begin()
    told = json.loads((Path.home() / NOTE).read_text())
    assert told == {"session": started.session, "address": started.address}


def test_a_head_is_told_by_its_port_and_not_by_who_started_last():
    port = free_port()
    told = [f"--gcs_server_port={port}", "--session-dir=/tmp/ray/session_mine"]
    sleeper = [sys.executable, "-c", "print(flush=True); input()", *told]
    with subprocess.Popen(sleeper, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as head:
        assert head.stdout is not None
        head.stdout.readline()  # a process has no words yet while it is being made
        assert local_cluster._session(port) == "/tmp/ray/session_mine"
        head.communicate(b"\n")
    with pytest.raises(ExecutorError, match=f"its head is not at port {port}"):
        local_cluster._session(port)
