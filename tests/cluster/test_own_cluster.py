"""Which cluster of this machine is ours, and that ``auto`` means that one."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cluster import own_cluster as module
from cluster.executor import ExecutorError
from cluster.own_cluster import NOTE, OwnCluster, forget, located, named, own_cluster, remember
from cluster.ray_address import wanted_address

OURS = OwnCluster("/tmp/ray/session_ours", "192.0.2.1:6379")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A home of its own, and processes of any session."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(module, "processes", lambda session: {os.getpid()})
    return tmp_path


def test_what_is_remembered_is_found_until_it_is_forgotten():
    assert own_cluster() is None
    remember(OURS)
    assert own_cluster() == OURS
    forget()
    forget()
    assert own_cluster() is None


def test_a_cluster_without_a_process_is_not_there(monkeypatch):
    remember(OURS)
    monkeypatch.setattr(module, "processes", lambda session: set())
    assert own_cluster() is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"session": "x"}', "{", "3"])
def test_a_note_that_cannot_be_read_is_no_cluster(home, text):
    path = home / NOTE
    path.parent.mkdir()
    path.write_text(text)
    assert own_cluster() is None


def test_auto_is_ours_whatever_ray_was_started_last():
    assert wanted_address("auto") == "auto"
    remember(OURS)
    assert wanted_address("auto") == OURS.address
    assert wanted_address(None) is None


@pytest.mark.parametrize("given", ["auto", "local"])
def test_an_environment_that_names_no_cluster_leaves_auto_to_the_note(monkeypatch, given):
    remember(OURS)
    monkeypatch.setenv("RAY_ADDRESS", given)
    assert wanted_address("auto") == OURS.address


def test_a_cluster_that_the_environment_names_comes_first(monkeypatch):
    remember(OURS)
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert wanted_address("auto") == "head:6379"
    assert wanted_address(None) == "head:6379"
    assert wanted_address("there:1") == "there:1"


def test_where_no_ray_runs_auto_is_one_sentence(monkeypatch, tmp_path):
    pytest.importorskip("ray", reason="Ray knows what it started")
    monkeypatch.setattr(
        "ray._private.services.canonicalize_bootstrap_address", _nothing_was_started
    )
    assert located("head:6379") == "head:6379"
    with pytest.raises(ExecutorError, match="no Ray cluster runs on this machine; start one"):
        located("auto")


def test_a_cluster_that_has_ended_is_no_cluster(monkeypatch):
    pytest.importorskip("ray", reason="Ray notes what it started")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
        monkeypatch.setattr(
            "ray._private.services.canonicalize_bootstrap_address", lambda _: address
        )
        with pytest.raises(ExecutorError, match="no Ray cluster runs on this machine; start"):
            located("auto")
        one.listen()
        assert located("auto") == address


def _nothing_was_started(address: str) -> str:
    raise ConnectionError("Could not find any running Ray instance")


def test_ours_is_called_so():
    remember(OURS)
    assert named(OURS.address) == "192.0.2.1:6379, which `speciation cluster start` began"
    assert named("head:6379") == "head:6379"
