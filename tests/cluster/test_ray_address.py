"""Where Ray is, and its token; what a wrong address says stands in test_ray_executor.py."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import ray_address
from cluster.executor import ExecutorError
from cluster.ray_address import (
    TOKEN_FILE,
    ensure_token,
    own_token,
    probe,
    show_token,
    wanted_address,
)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_token_is_made_once_and_is_for_its_owner_alone(home):
    ensure_token()
    token = (home / TOKEN_FILE).read_text()
    assert len(token) == 64
    assert stat.S_IMODE((home / TOKEN_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((home / TOKEN_FILE).parent.stat().st_mode) == 0o700
    ensure_token()
    assert (home / TOKEN_FILE).read_text() == token


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAY_AUTH_MODE", "disabled"),
        ("RAY_AUTH_TOKEN", "token"),
        ("RAY_AUTH_TOKEN_PATH", "token"),
    ],
)
def test_whoever_has_decided_on_a_token_is_left_alone(home, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    ensure_token()
    assert list(home.iterdir()) == []


def test_who_asks_for_tokens_still_needs_one(home, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    ensure_token()
    assert own_token() == (home / TOKEN_FILE).read_text()


def test_the_token_that_is_shown_is_found_where_ray_finds_it(home, monkeypatch):
    assert own_token() is None
    ensure_token()
    (home / "other").write_text("b" * 64 + "\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "other"))
    assert own_token() == "b" * 64
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "nowhere"))
    assert own_token() is None
    monkeypatch.setenv("RAY_AUTH_TOKEN", "c" * 64)
    assert own_token() == "c" * 64


def test_a_token_is_shown_where_there_is_one_unless_somebody_decided_otherwise(
    home, monkeypatch
):
    show_token()
    assert "RAY_AUTH_MODE" not in os.environ
    ensure_token()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    show_token()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    monkeypatch.delenv("RAY_AUTH_MODE")
    show_token()
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_a_token_that_must_be_shown_and_is_not_there_is_told(home, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(ExecutorError, match=r"there is none here: copy the head node's"):
        show_token()


def test_a_home_that_cannot_be_written_to_has_its_token_elsewhere(home, monkeypatch):
    monkeypatch.setenv("HOME", str(home / "nowhere" / "at all"))
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.setattr("tempfile.tempdir", None)
    ensure_token()
    path = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "")  # known to the fixture, which removes it
    assert path.parent == home
    assert len(path.read_text()) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_leaves_no_half_of_a_token(home, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ray_address.os, "write", full)
    with pytest.raises(ExecutorError, match=r"token .* cannot be written \(No space left"):
        ensure_token()
    assert not (home / TOKEN_FILE).exists()


def test_an_address_that_answers_is_fine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe(f"127.0.0.1:{port}")
        probe(f"ray://127.0.0.1:{port}")
    probe("auto")


@given(st.text(max_size=12).filter(lambda text: not re.search(r":[0-9]+\Z|\Aauto\Z", text)))
def test_text_without_a_port_is_not_an_address(text):
    with pytest.raises(ExecutorError, match="is not one of Ray's; use host:port"):
        probe(text)


@pytest.mark.parametrize("port", ["0", "65536", "9" * 5000, "²", "٣", "-1", "1.0", " 1"])
def test_a_port_that_no_host_has_is_told(port):
    with pytest.raises(ExecutorError, match="is not one of Ray's; use host:port"):
        probe(f"localhost:{port}")


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "x" * 300])
def test_a_name_that_no_host_can_have_is_told(host):
    with pytest.raises(
        ExecutorError, match=r"nothing answers at .* leave --address and RAY_ADD"
    ):
        probe(f"{host}:6379", seconds=0.5)


@pytest.mark.parametrize("nothing", [None, "", "local"])
def test_nothing_and_local_both_mean_this_machine(monkeypatch, nothing):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert wanted_address(nothing) is None
