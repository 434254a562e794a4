"""The cluster of this machine that ``speciation cluster start`` began, if it still runs.

Ray remembers whichever was started here last, which may be anybody's. A note in the home folder
says which is ours, so that ``auto`` means that one.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.closed import processes
from cluster.executor import ExecutorError

SECONDS = 5.0  # for a cluster of this machine to take a connection
NOTE = Path(".ray") / "speciation-cluster.json"  # in the home folder


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """Where it is, and the folder of its session, by which its processes are told."""

    session: str
    address: str


def remember(started: OwnCluster) -> None:
    """Leave a note."""
    path = Path.home() / NOTE
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(json.dumps(asdict(started)))


def forget() -> None:
    """Take the note away."""
    (Path.home() / NOTE).unlink(missing_ok=True)


def own_cluster() -> OwnCluster | None:
    """What the note says, if a process of that session is left."""
    try:
        told = json.loads((Path.home() / NOTE).read_text())
        noted = OwnCluster(str(told["session"]), str(told["address"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return noted if processes(noted.session) else None


def located(address: str) -> str:
    """An address; in place of ``auto``, that of the Ray that was started here last.

    Raises:
        ExecutorError: None was, or it has ended.
    """
    if address != "auto":
        return address
    from ray._private.services import canonicalize_bootstrap_address  # as Ray itself looks

    try:
        found = str(canonicalize_bootstrap_address(address))
        host, _, port = found.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
    except OSError as error:  # Ray's note of it outlives it
        raise ExecutorError(
            "no Ray cluster runs on this machine; start one with `speciation cluster start`, "
            "or name another with --address"
        ) from error
    return found


def named(address: str) -> str:
    """An address, and whether the cluster there is ours."""
    own = own_cluster()
    ours = own is not None and own.address == address
    return f"{address}{', which `speciation cluster start` began' if ours else ''}"
