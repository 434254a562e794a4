"""A Ray cluster on this machine, closed to everyone without its token.

``ray start --head`` alone lets anybody run code who reaches its ports. What is started here
asks for a token of ours at every port, keeps the dashboard on loopback, serves no metrics page
unless told to, and is asked, before it is used, whether all that is so (``closed.py``). Several
nodes are several raylets of one machine: enough to try out what a cluster does, and what the
tests use.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.closed import Proof, insist, processes, prove
from cluster.executor import ExecutorError
from cluster.own_cluster import OwnCluster, forget, own_cluster, remember
from cluster.ray_address import ensure_token, own_token

START_SECONDS = 120.0
STOP_SECONDS = 10.0
FOLDER = "--session-dir="  # by which a head is told the folder of its session
NO_PORT = "65536"  # none: Ray says in its log that it cannot serve there, and goes on

# No metrics page: Prometheus shows no token, so Ray asks for none there.
WITHOUT_METRICS = {
    "RAY_enable_metrics_collection": "0",
    "AUTOSCALER_METRIC_PORT": NO_PORT,
    "DASHBOARD_METRIC_PORT": NO_PORT,
}

# A node that died or froze is noticed after three to five seconds, not a minute.
HEALTH_CHECKS = {
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}


@dataclass(frozen=True, slots=True)
class Started:
    """A cluster that was started and found closed."""

    address: str
    dashboard: str
    nodes: int
    listeners: int
    metrics: tuple[str, ...]  # where anybody can read numbers, if that was asked for
    session: str


def start(
    tell: Callable[[str], None] = lambda _: None,
    *,
    nodes: int = 1,
    cpus: int | None = None,
    gpus: int | None = None,
    port: int = 6379,
    dashboard_port: int = 8265,
    metrics: bool = False,
) -> Started:
    """Start a cluster on this machine.

    Args:
        tell: Told what is going on.
        nodes: How many raylets.
        cpus: Cores of each; None is all of the machine.
        gpus: GPUs of each; more than there are is a pretence, for trying things out.
        port: Of the cluster.
        dashboard_port: Of the dashboard, on loopback.
        metrics: Serve metrics pages, which anybody can read who reaches them.

    Raises:
        ExecutorError: One runs already, a port is taken, Ray cannot be started, or it would
            let somebody in.
    """
    _check_startable(port, dashboard_port)
    environment = _environment(metrics)
    tell("starting the head …")
    try:
        _ray([*_head(port, dashboard_port), *_resources(cpus, gpus)], environment)
        folder, address = _session(port), f"{_own_ip()}:{port}"
        for number in range(1, nodes):
            tell(f"starting node {number + 1} of {nodes} …")
            joining = [f"--address={address}", *_resources(cpus, gpus)]
            _ray(joining, environment)
        tell("asking every listener without the token …")
        proof = prove(folder)
        pages = _metrics_pages(proof) if metrics else ()
        answered = tuple(told for told in proof.answered if str(told[0]) not in pages)
        insist(Proof(proof.listeners, answered))
    except BaseException:
        with contextlib.suppress(ExecutorError):  # no head has come up
            _end(_session(port))
        raise
    started = Started(
        address,
        f"http://127.0.0.1:{dashboard_port}",
        nodes,
        len(proof.listeners),
        pages,
        folder,
    )
    remember(OwnCluster(folder, address))
    return started


def stop(tell: Callable[[str], None] = lambda _: None) -> int:
    """Stop the cluster that was started here; how many processes that were.

    Args:
        tell: Told that it takes some seconds.

    Raises:
        ExecutorError: None was.
    """
    own = own_cluster()
    if own is None:
        raise ExecutorError("no cluster was started here by `speciation cluster start`")
    tell("stopping, which takes some seconds …")
    count = _end(own.session)
    forget()
    return count


def _check_startable(port: int, dashboard_port: int) -> None:
    """Raise unless a cluster can be started at these ports, with a token of ours."""
    if own_cluster() is not None:
        raise ExecutorError(
            "a cluster was started here already; use it (--address auto), or end it with "
            "`speciation cluster stop`"
        )
    if port == dashboard_port:
        raise ExecutorError(f"--port and --dashboard-port are both {port}; choose two")
    for wanted in (port, dashboard_port):
        _check_free(wanted)
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        raise ExecutorError(
            "RAY_AUTH_MODE is disabled, so no command would show the token that this cluster "
            "asks for; unset it first"
        )
    ensure_token()
    if own_token() is None:
        raise ExecutorError("Ray's token cannot be read; see `speciation doctor`")


def _head(port: int, dashboard_port: int) -> Sequence[str]:
    return [
        "--head",
        f"--port={port}",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={dashboard_port}",
        f"--ray-client-server-port={_free_port()}",
    ]


def _environment(metrics: bool) -> dict[str, str]:
    return {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        **HEALTH_CHECKS,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        **(_metrics_ports() if metrics else WITHOUT_METRICS),
    }


def _metrics_ports() -> Mapping[str, str]:
    return {
        "AUTOSCALER_METRIC_PORT": str(_free_port()),
        "DASHBOARD_METRIC_PORT": str(_free_port()),
    }


def _resources(cpus: int | None, gpus: int | None) -> list[str]:
    given = {"num-cpus": cpus, "num-gpus": gpus}
    return [f"--{name}={count}" for name, count in given.items() if count is not None]


def _ray(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start a node.

    Raises:
        ExecutorError: Ray says why not.
    """
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words]
    command += ["--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0"]
    # Any free one. At its usual port, a second Ray of this machine could take no jobs.
    command += ["--dashboard-agent-listen-port=0"]
    environment = {k: v for k, v in environment.items() if k != "RAY_ADDRESS"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ExecutorError(f"Ray did not start within {START_SECONDS:.0f} s") from error
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise ExecutorError(f"Ray cannot be started here: {lines[-1][:300] if lines else ''}")


def _session(port: int) -> str:
    """The session folder of the head that was just started.

    The head says it itself. Ray's link to its latest session may be another's by now, who would
    be asked, and ended, in place of this one.

    Raises:
        ExecutorError: No head is at that port.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            words = (process / "cmdline").read_text(errors="replace").split("\0")
            if f"--gcs_server_port={port}" in words:
                return next(w for w in words if w.startswith(FOLDER)).removeprefix(FOLDER)
    raise ExecutorError(f"Ray was started, but its head is not at port {port}")


def _metrics_pages(proof: Proof) -> tuple[str, ...]:
    return tuple(str(who) for who, _ in proof.answered if who.is_metrics_page())


def _own_ip() -> str:
    """The address that Ray gives this machine: the one that leads outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probing:
        try:
            probing.connect(("8.8.8.8", 80))  # nothing is sent
        except OSError:
            return "127.0.0.1"
        return str(probing.getsockname()[0])


def _check_free(port: int) -> None:
    with socket.socket() as probing:
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probing.bind(("", port))
        except OSError as error:
            raise ExecutorError(
                f"port {port} cannot be used ({error.strerror}); choose others with --port and "
                "--dashboard-port"
            ) from error


def _free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("", 0))
        return int(probing.getsockname()[1])


def _end(session: str) -> int:
    """End every process of a session, gently at first; how many there were."""
    found = processes(session)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in processes(session):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while processes(session) and time.monotonic() < deadline:
            time.sleep(0.1)
    return len(found)
