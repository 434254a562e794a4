"""Joining Ray: what it takes over from a process, and what it does not."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest
import ray

from cluster.executor import ExecutorError
from cluster.launch import stop_signals
from cluster.ray_session import own_ray


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
