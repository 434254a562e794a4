"""The server answers what is well said, bounds what is not, and lives on."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from dashboards.lab.app import HEADER_BYTES, listen, make_app, server_of
from dashboards.lab.guard import MOST_BYTES
from dashboards.lab.sources import Sources
from tests.dashboards.lab.browser import running

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("lab")
    listening = listen("127.0.0.1", 0)
    own = listening.getsockname()[1]
    with running(server_of(make_app(Sources(folder, folder), own), listening)):
        yield own


def ask(port: int, data: bytes) -> bytes:
    """The first line of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(data)
        return line.makefile("rb").readline()


def test_what_is_too_large_or_no_request_is_refused_and_the_server_lives_on(port):
    own = f"Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n".encode()
    post = b"POST /_dash-update-component HTTP/1.1\r\nContent-Type: application/json\r\n" + own
    asked = {
        b"": b"\x16\x03\x01 not HTTP\r\n\r\n",
        b" 431 ": b"GET / HTTP/1.1\r\nX: " + b"a" * 2 * HEADER_BYTES + b"\r\n\r\n",
        b" 413 ": post + f"Content-Length: {MOST_BYTES + 1}\r\n\r\n".encode(),
        b" 400 ": post + b"Content-Length: nonsense\r\n\r\n",
    }
    for code, data in asked.items():
        body = b"x" * (MOST_BYTES + 1) if code == b" 413 " else b""
        assert code in ask(port, data + body)
    assert b" 200 " in ask(port, b"GET / HTTP/1.1\r\n" + own + b"\r\n")


def test_a_port_that_is_taken_is_an_error(port):
    with pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", port)
