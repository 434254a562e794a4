"""Whether Ray is closed: every socket that it listens on is asked without a token.

What is asked is found by listing the sockets of Ray's processes, not by a list of ports, so
that a listener nobody thought of is found too. Asked are Ray's HTTP pages and one harmless
method of each of its gRPC services. (The dashboard's empty page is shown to anybody; what would
fill it is not.) Linux only: elsewhere no listener is found, and that is told.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cluster.executor import ExecutorError

SECONDS = 3.0
PAGES = ("/api/jobs/", "/api/version", "/metrics")
REFUSED = (401, 403, 404)
# One method of each service that has any; an empty message is a harmless request to each.
METHODS = (
    "NodeInfoGcsService/GetAllNodeInfo",
    "InternalKVGcsService/InternalKVExists",
    "NodeManagerService/GetNodeStats",
    "ObjectManagerService/FreeObjects",
    "CoreWorkerService/NumPendingTasks",
    "ReporterService/GetTraceback",
    "RuntimeEnvService/GetRuntimeEnvsInfo",
    "LogService/ListLogs",
    "RayletDriver/ClusterInfo",
)
SAYS_NO = ("UNAUTHENTICATED", "PERMISSION_DENIED")
NOT_THERE = ("UNIMPLEMENTED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
LOOPBACK = "127.0.0.1"
_LISTEN = "0A"  # in /proc/net/tcp


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A socket that a process listens on. ``host`` is one at which this machine reaches it."""

    host: str
    port: int
    process: int
    everywhere: bool = False  # at all addresses of this machine, not at ``host`` alone

    def __str__(self) -> str:
        return f"{'*' if self.everywhere else self.host}:{self.port}"

    def is_metrics_page(self) -> bool:
        """Whether it serves numbers for Prometheus, whatever it is asked, and nothing else."""
        pages = {_get(self, page)[1][:6] for page in (*PAGES, "/anything")}
        return pages == {b"# HELP"}


@dataclass(frozen=True, slots=True)
class Proof:
    """What listens, and what of it answered without a token, to what question."""

    listeners: tuple[Listener, ...]
    answered: tuple[tuple[Listener, str], ...]

    @property
    def closed(self) -> bool:
        """Whether something was asked and nothing answered."""
        return bool(self.listeners) and not self.answered


def prove(session: str) -> Proof:
    """Ask every listener of a session of Ray.

    Args:
        session: Ray's session folder, which its processes are told.
    """
    found = listeners(processes(session))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(answer, found))
    return Proof(
        tuple(found),
        tuple((who, what) for who, what in zip(found, answers, strict=True) if what),
    )


def insist(proof: Proof) -> None:
    """Raise unless a proof is one.

    Raises:
        ExecutorError: Something answers, or nothing was found to ask.
    """
    if not proof.listeners:
        raise ExecutorError(
            "Ray was started, but none of its sockets can be seen here, so it cannot be shown "
            "to be closed"
        )
    if proof.answered:
        told = ", ".join(f"{who} ({what})" for who, what in proof.answered[:5])
        raise ExecutorError(
            f"Ray would let anybody in without its token, so it was stopped: {told}; is "
            "RAY_AUTH_MODE set to anything but token?"
        )


# -- What listens -------------------------------------------------------------------------


def processes(session: str) -> set[int]:
    """Processes of a session: those that know its folder, and all that they began.

    Most are told it. One is not, and its parent does not outlive Ray's start: the server of
    ``ray://`` addresses. What it says goes into the folder, though.
    """
    parents: dict[int, int] = {}
    roots: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name of a process may hold anything, spaces and brackets included.
            after = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(after[1])
            words = (folder / "cmdline").read_bytes().split(b"\0")
            told = any(session.encode() in word for word in words) and b"-m" not in words[:2]
            if told or _speaks_into(session, folder):
                roots.add(int(folder.name))
    found = set(roots)
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _speaks_into(session: str, process: Path) -> bool:
    """Whether standard output or errors of a process are a file of the session."""
    return any(
        (process / "fd" / number).readlink().is_relative_to(session) for number in ("1", "2")
    )


def listeners(pids: Iterable[int]) -> list[Listener]:
    """Sockets that these processes listen on, each host and port once."""
    owner = {inode: pid for pid in sorted(pids) for inode in _sockets(pid)}
    found: dict[tuple[str, int], Listener] = {}
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTEN and words[9] in owner:
                    host, port = _place(words[1])
                    who = Listener(host or LOOPBACK, port, owner[words[9]], not host)
                    found[who.host, port] = who
    return sorted(found.values())


def _sockets(pid: int) -> set[str]:
    """Inodes of a process's sockets."""
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if match := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())):
                    found.add(match[1])
    return found


def _place(text: str) -> tuple[str, int]:
    """Host and port of a line of /proc/net; no host where all addresses are meant."""
    address, port = text.split(":")
    # Four bytes at a time, each four in this machine's order.
    words = [address[i : i + 8] for i in range(0, len(address), 8)]
    data = b"".join(bytes.fromhex(word)[::-1] for word in words)
    if len(data) == 16 and data[:12] != bytes(10) + b"\xff\xff" and any(data):
        return str(ipaddress.IPv6Address(data)), int(port, 16)
    host = ".".join(map(str, data[-4:]))
    return ("" if host == "0.0.0.0" else host), int(port, 16)


# -- What answers -------------------------------------------------------------------------


def answer(listener: Listener) -> str:
    """The first question that a listener answers without a token; nothing if there is none."""
    return _http(listener) or _grpc(listener)


def _http(listener: Listener) -> str:
    for page in PAGES:
        try:
            status, _ = _get(listener, page)
        except (OSError, http.client.HTTPException):
            return ""  # it does not speak HTTP
        if status not in REFUSED:
            return f"GET {page}"
    return ""


def _get(listener: Listener, page: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(listener.host, listener.port, timeout=SECONDS)
    try:
        connection.request("GET", page)
        reply = connection.getresponse()
        return reply.status, reply.read(1024)
    finally:
        connection.close()


def _grpc(listener: Listener) -> str:
    import grpc

    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    with grpc.insecure_channel(f"{host}:{listener.port}") as channel:
        for method in METHODS:
            call = channel.unary_unary(f"/ray.rpc.{method}")
            try:
                call(b"", timeout=SECONDS)
            except grpc.RpcError as error:
                status = error.code().name
                if status in SAYS_NO:
                    return ""
                if status == "UNAVAILABLE":
                    return ""  # it does not speak gRPC
                if status in NOT_THERE:
                    continue
            return method
    return ""
