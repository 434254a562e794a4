"""Listeners are found by looking, and asked without a token."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cluster.closed import Listener, Proof, _place, answer, insist, listeners, processes, prove
from cluster.executor import ExecutorError


class Page(BaseHTTPRequestHandler):
    status, text = 401, b"Unauthorized"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def serve() -> Iterator:
    servers = []

    def start(status: int, text: bytes = b"") -> Listener:
        page = type("Served", (Page,), {"status": status, "text": text})
        server = HTTPServer(("127.0.0.1", 0), page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return Listener("127.0.0.1", server.server_port, os.getpid())

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_sockets_of_a_process_are_found_without_knowing_their_ports(serve):
    mine = {who.port for who in listeners([os.getpid()])}
    port = serve(401).port
    assert {who.port for who in listeners([os.getpid()])} - mine == {port}


@pytest.mark.parametrize(("host", "said"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "*")])
def test_who_listens_at_every_address_is_not_said_to_be_on_loopback_alone(host, said):
    with socket.socket() as plain:
        plain.bind((host, 0))
        plain.listen()
        port = plain.getsockname()[1]
        [who] = [who for who in listeners([os.getpid()]) if who.port == port]
        assert (who.host, str(who)) == ("127.0.0.1", f"{said}:{port}")


def test_a_session_is_whoever_was_told_its_folder_and_all_that_it_began(tmp_path):
    code = (
        "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', 'input()']); "
        "print(c.pid, flush=True); input(); c.kill()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=-1, stdout=-1, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert processes(str(tmp_path)) >= {parent.pid, child}
        assert os.getpid() not in processes(str(tmp_path))
        parent.communicate("\n")


def test_who_speaks_into_the_folder_of_a_session_belongs_to_it(tmp_path):
    with (
        (tmp_path / "server.err").open("wb") as said,
        subprocess.Popen(
            [sys.executable, "-m", "timeit", "-n1", "-r1", "input()"], stdin=-1, stdout=said
        ) as orphan,
    ):
        assert processes(str(tmp_path)) == {orphan.pid}
        orphan.communicate(b"\n")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_who_refuses_every_page_does_not_answer(serve, status):
    assert answer(serve(status)) == ""


@pytest.mark.parametrize("status", [200, 302, 405, 500])
def test_who_does_anything_else_answers(serve, status):
    assert answer(serve(status)) == "GET /api/jobs/"


def test_a_metrics_page_is_told_from_anything_else(serve):
    assert serve(200, b"# HELP ray_x A number.\nray_x 1\n").is_metrics_page()
    assert not serve(200, b"[]").is_metrics_page()


def test_a_socket_that_says_nothing_we_know_does_not_answer():
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()

        def hang_up() -> None:
            while True:
                try:
                    plain.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        assert answer(Listener("127.0.0.1", plain.getsockname()[1], 0)) == ""
        plain.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def grpc_server() -> Iterator:
    """A gRPC service with one of Ray's methods: ``start(refuses)``."""
    grpc = pytest.importorskip("grpc")
    from concurrent.futures import ThreadPoolExecutor

    started = []

    def start(refuses: bool) -> Listener:
        def method(_: bytes, context) -> bytes:
            if refuses:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
            return b""

        handler = grpc.unary_unary_rpc_method_handler(method)
        service = grpc.method_handlers_generic_handler(
            "ray.rpc.NodeManagerService", {"GetNodeStats": handler}
        )
        server = grpc.server(ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((service,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        started.append(server)
        return Listener("127.0.0.1", port, 0)

    yield start
    for server in started:
        server.stop(None).wait()


def test_a_service_of_ray_that_answers_strangers_is_found(grpc_server):
    assert answer(grpc_server(refuses=False)) == "NodeManagerService/GetNodeStats"


def test_a_service_of_ray_that_asks_for_the_token_is_closed(grpc_server):
    assert answer(grpc_server(refuses=True)) == ""


def test_nothing_found_is_no_proof(tmp_path):
    proof = prove(str(tmp_path / "no session"))
    assert not proof.closed
    with pytest.raises(ExecutorError, match="none of its sockets can be seen"):
        insist(proof)


def test_who_answers_is_named_with_the_question():
    who = Listener("127.0.0.1", 6379, 1)
    proof = Proof((who,), ((who, "GET /api/jobs/"),))
    assert not proof.closed
    with pytest.raises(ExecutorError, match=r"127\.0\.0\.1:6379 \(GET /api/jobs/\)"):
        insist(proof)
    insist(Proof((who,), ()))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0100007F:18EB", ("127.0.0.1", 6379)),
        ("00000000:0050", ("", 80)),
        ("020200C0:2049", ("192.0.2.2", 8265)),
        ("00000000000000000000000000000000:18EB", ("", 6379)),
        ("0000000000000000FFFF0000020200C0:18EB", ("192.0.2.2", 6379)),
        ("00000000000000000000000001000000:18EB", ("::1", 6379)),
        ("B80D0120000000000000000001000000:18EB", ("2001:db8::1", 6379)),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the kernel writes in its own order")
def test_addresses_are_read_as_the_kernel_writes_them(text, place):
    assert _place(text) == place
