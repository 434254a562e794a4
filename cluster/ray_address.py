"""Where Ray is, and who may enter: what has to be settled before Ray is asked anything.

No Ray in here, so that a wrong address is told at once and a token exists before it is needed.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import Any

from cluster.executor import ExecutorError
from cluster.own_cluster import own_cluster

PROBE_SECONDS = 5.0
JOB_ENVIRONMENT = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # where Ray tells a job what it is
TOKEN_HINT = (
    "copy the head node's ~/.ray/auth_token to the same place here (chmod 600), or name the "
    "file in RAY_AUTH_TOKEN_PATH"
)
TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")  # the first comes first
HARMLESS = "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo"  # what a cluster is asked to see
TOKEN_FILE = Path(".ray") / "auth_token"  # in the home folder, where Ray's own tools look


def wanted_address(address: str | None) -> str | None:
    """The cluster to join, from an argument or ``RAY_ADDRESS``; None is to start one here.

    Of ``auto``, that is the one of ``RAY_ADDRESS``, or the one that was started here by
    ``speciation cluster start``; where there is neither, Ray knows what it started last.
    """
    given = os.environ.get("RAY_ADDRESS")
    address = address or given
    if address == "auto" and given not in (None, "", "local", "auto"):
        return given
    if address == "auto" and (own := own_cluster()):
        return own.address
    return None if address in (None, "", "local") else address


def probe(address: str, seconds: float = PROBE_SECONDS) -> None:
    """Check that something listens at an address; Ray itself would try for minutes.

    Raises:
        ExecutorError: The address is not one, or nothing answers there.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    digits = port.isascii() and port.isdigit() and len(port) <= 5
    if not colon or not digits or not 0 < int(port) < 65536:
        raise ExecutorError(
            f"address {address!r} is not one of Ray's; use host:port (6379 is Ray's usual "
            "port), ray://host:port or auto"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except (OSError, UnicodeError) as error:  # the latter: no host may be called that
        reason = getattr(error, "strerror", None) or error
        raise ExecutorError(
            f"nothing answers at {address} ({reason}); start a cluster with "
            "`speciation cluster start`, or leave --address and RAY_ADDRESS away to use this "
            "machine"
        ) from error


def own_token() -> str | None:
    """The token that we would show, if there is one; from where Ray itself looks for it."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    try:
        return (Path(named) if named else Path.home() / TOKEN_FILE).read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def check_token(address: str) -> bool:
    """Ask a cluster whether it lets us in; Ray itself would try for half a minute, aloud.

    Args:
        address: ``host:port`` of a cluster. Of any other kind, nothing is asked.

    Returns:
        Whether it wants to see a token. Our own is the one.

    Raises:
        ExecutorError: It asks for a token, and ours is not the one, there is none, or Ray was
            told to show none.
    """
    if "://" in address or ":" not in address:
        return False
    import grpc  # Ray brings it

    with grpc.insecure_channel(address) as channel:
        if not _refuses(channel, None):
            return False
        token = own_token()
        if token is None or _refuses(channel, token):
            raise ExecutorError(locked_out(address))
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        raise ExecutorError(
            f"RAY_AUTH_MODE is disabled, so Ray would not show the token that the cluster at "
            f"{address} asks for; unset it"
        )
    return True


def _refuses(channel: Any, token: str | None) -> bool:
    """Whether a cluster says that this token, or none, is not enough."""
    import grpc

    shown = [("authorization", f"Bearer {token}")] if token else None
    try:
        channel.unary_unary(HARMLESS)(b"", timeout=PROBE_SECONDS, metadata=shown)
    except grpc.RpcError as error:
        return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)
    return False


def locked_out(address: str) -> str:
    """The sentence for whoever lacks a cluster's token."""
    named = next((n for n in TOKEN_VARIABLES if os.environ.get(n)), None)
    ours, here = (f"that of {named}", f"where {named} points") if named else ("ours", "here")
    problem = f"it does not take {ours}" if own_token() else f"there is none {here}"
    unset = f"unset {named}, and " if named else ""  # it would come before a file
    return (
        f"the Ray cluster at {address} lets nobody in without its token, and {problem}: "
        f"{unset}{TOKEN_HINT}"
    )


def ensure_token() -> None:
    """Let a token exist before Ray starts, readable by nobody else.

    A Ray that is started without saying otherwise lets nobody in without its token. Where there
    is none yet it would write one that all users of the machine can read.

    Raises:
        ExecutorError: It cannot be written.
    """
    given = any(os.environ.get(name) for name in TOKEN_VARIABLES)
    path = Path.home() / TOKEN_FILE
    if given or os.environ.get("RAY_AUTH_MODE") == "disabled" or path.exists():
        return
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        if path.exists():
            return  # somebody was faster
        # A home that cannot be written to.
        descriptor, name = tempfile.mkstemp(prefix="speciation-ray-token-")
        os.environ["RAY_AUTH_TOKEN_PATH"], path = name, Path(name)
    try:
        os.write(descriptor, secrets.token_hex(32).encode())
    except OSError as error:
        path.unlink(missing_ok=True)  # an empty one would lock everybody out
        raise ExecutorError(
            f"Ray's token {path} cannot be written ({error.strerror}); free some space"
        ) from error
    finally:
        os.close(descriptor)
