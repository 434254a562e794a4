"""Joining a cluster of Ray, or starting one for this process alone.

Also what Ray says of an error, as one line.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray
import ray._private.worker
from ray._private.authentication.authentication_token_setup import (
    maybe_enable_token_auth_if_token_available,
)

import cluster
import speciation
from cluster.closed import insist, prove
from cluster.executor import ExecutorError
from cluster.local_cluster import WITHOUT_METRICS
from cluster.own_cluster import located, named
from cluster.ray_address import (
    JOB_ENVIRONMENT,
    check_token,
    ensure_token,
    probe,
    wanted_address,
)

_logger = logging.getLogger(__name__)

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")  # colours, in what an actor's end says


def join(address: str | None, tell: Callable[[str], None]) -> None:
    """Join a cluster and say which, or start one here."""
    _settle_environment()
    if wanted := wanted_address(address):
        wanted = located(wanted)
        probe(wanted)
        if check_token(wanted):
            _show_token()
        # Its machines may not have this code. Started here, actors find it where we did; and
        # a job of the cluster has brought its own.
        code = (
            []
            if JOB_ENVIRONMENT in os.environ
            else [str(Path(p).resolve()) for m in (speciation, cluster) for p in m.__path__]
        )
        _init(
            f"cannot join the Ray cluster at {wanted}",
            address=wanted,
            runtime_env={"py_modules": code} if code else None,
        )
        tell(f"joined the Ray cluster at {named(wanted)}")
    else:
        own_ray(
            num_cpus=len(os.sched_getaffinity(0)),
            include_dashboard=True,
            dashboard_host="127.0.0.1",
        )


def own_ray(**options: Any) -> None:
    """A Ray of this process, which nobody else may enter."""
    _settle_environment()
    ensure_token()
    for name, value in WITHOUT_METRICS.items():
        os.environ.setdefault(name, value)
    context = _init("Ray cannot be started here", address="local", **options)
    if os.environ.get("RAY_AUTH_MODE") != "disabled":
        try:
            insist(prove(str(context.address_info["session_dir"])))
        except ExecutorError:
            ray.shutdown()
            raise


def _show_token() -> None:
    """Have Ray show our token; to an address that was named it would not, of its own accord."""
    logging.getLogger("ray").setLevel(logging.ERROR)  # else it tells everybody how to opt out
    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def _settle_environment() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Else Ray warns, at every start, of how it will hide GPUs in a version to come.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def _init(problem: str, **options: Any) -> Any:
    # Ray prints the end of every actor to standard output, where our own output goes. What it
    # says is in the events; its words go to the log.
    setattr(ray._private.worker, "print_to_stdstream", _log)  # noqa: B010  (typed otherwise)
    try:
        with _signals_kept():
            return ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray raises a dozen kinds here
        with contextlib.suppress(Exception):
            ray.shutdown()
        raise ExecutorError(f"{problem}: {in_one_line(error)}") from error


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray ends its process at SIGTERM. Who settled before what happens then, keeps that."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        ours = before not in (signal.SIG_DFL, None)
        if ours and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _log(said: Any, ignore_prefix: bool) -> None:
    _logger.info("%s: %s", said.get("pid"), said.get("lines"))


def in_one_line(error: BaseException) -> str:
    """An error as one line; of a long story from Ray, its end, where the cause stands."""
    cause = getattr(error, "cause", None)
    text = str(cause if isinstance(cause, BaseException) else error)
    lines = [line.strip() for line in _ESCAPES.sub("", text).splitlines() if line.strip()]
    if isinstance(error, ray.exceptions.ActorDiedError) and "creation task" in text:
        return lines[-1][:300]
    name = type(cause if isinstance(cause, BaseException) else error).__name__
    return f"{name}: {lines[0] if lines else 'no reason given'}"[:300]
