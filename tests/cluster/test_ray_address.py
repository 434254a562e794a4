"""Where Ray is, and its token; what a wrong address says stands in test_ray_executor.py."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import ray_address
from cluster.executor import ExecutorError
from cluster.ray_address import (
    HARMLESS,
    TOKEN_FILE,
    check_token,
    ensure_token,
    own_token,
    probe,
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


@pytest.fixture
def locked() -> Iterator[str]:
    """The address of a cluster, as far as it can be asked, whose token is `right`."""
    grpc = pytest.importorskip("grpc", reason="Ray brings it")
    from concurrent.futures import ThreadPoolExecutor

    def method(_: bytes, context) -> bytes:
        if ("authorization", "Bearer right") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
        return b""

    service, name = HARMLESS.removeprefix("/").split("/")
    handler = grpc.unary_unary_rpc_method_handler(method)
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {name: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_cluster_that_takes_our_token_lets_us_in(home, monkeypatch, locked):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    assert check_token(locked)


def test_a_token_that_ray_was_told_not_to_show_is_missed_at_once(home, monkeypatch, locked):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ExecutorError, match="RAY_AUTH_MODE is disabled, so Ray would not show"):
        check_token(locked)


def test_a_wrong_token_and_none_are_told_apart_and_never_shown(home, monkeypatch, locked):
    with pytest.raises(ExecutorError, match="and there is none here: copy") as none:
        check_token(locked)
    (home / TOKEN_FILE).parent.mkdir(exist_ok=True)
    (home / TOKEN_FILE).write_text("wrong-secret")
    with pytest.raises(ExecutorError, match="and it does not take ours: copy") as wrong:
        check_token(locked)
    assert "secret" not in f"{none.value}{wrong.value}"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("RAY_AUTH_TOKEN", "wrong", "it does not take that of RAY_AUTH_TOKEN: unset RAY_AUTH"),
        (
            "RAY_AUTH_TOKEN_PATH",
            "/nowhere",
            "there is none where RAY_AUTH_TOKEN_PATH points: u",
        ),
    ],
)
def test_a_token_that_comes_before_the_file_is_named(
    home, monkeypatch, locked, name, value, problem
):
    monkeypatch.setenv(name, value)
    with pytest.raises(ExecutorError, match=problem):
        check_token(locked)


@pytest.mark.parametrize("address", ["auto", "http://127.0.0.1:8265", "ray://127.0.0.1:10001"])
def test_an_address_of_another_kind_is_left_to_ray(home, address):
    assert not check_token(address)


def test_a_port_that_is_no_cluster_is_left_to_ray(home):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert not check_token(f"127.0.0.1:{nobody.getsockname()[1]}")


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


@given(st.text(max_size=12).filter(lambda text: not re.search(r":[0-9]+\Z", text)))
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
