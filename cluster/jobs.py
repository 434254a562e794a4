"""Ray's jobs: hand one over, ask what became of it, read what it said.

Ray keeps its jobs in the memory of the head node, so nothing here is the truth: that is the
queue in the store (``job_queue.py``). A job is named by us, so that handing it over twice runs
it once.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import shlex
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
from ray._private.authentication.authentication_token_setup import (
    maybe_enable_token_auth_if_token_available,
)
from ray.job_submission import JobStatus, JobSubmissionClient

from cluster.dispatch import Devices, Seen
from cluster.executor import ExecutorError
from cluster.own_cluster import located
from cluster.provenance import SHIPPED_COMMIT, UNKNOWN
from cluster.ray_address import (
    JOB_ENVIRONMENT,
    check_token,
    locked_out,
    own_token,
    probe,
    wanted_address,
)
from cluster.shipping import Parcel
from speciation.genome.genome import content_hash

NO_AGENT = "No available agent"  # says Ray for some seconds after its start
AGENT_SECONDS = 30.0
HTTP_SECONDS = 10.0
STOP_SECONDS = 60  # between asking a job to stop and ending it: finished trials are stored
DISPATCHER = "dispatcher"
QUIET = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")


class RayJobs:
    """The jobs of one cluster, over its dashboard's port.

    Args:
        address: ``host:port`` of the cluster or of its dashboard, ``http://…``, or None for
            ``RAY_ADDRESS`` or a cluster on this machine, ours before others.

    Raises:
        ExecutorError: There is no cluster, or it does not let us in.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = located(wanted_address(address) or wanted_address("auto") or "auto")
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
        if not self.address.startswith(("http://", "https://")):
            probe(self.address)
            check_token(self.address)
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
        with self._understood():
            self._client = JobSubmissionClient(self._dashboard())
            self._client.list_jobs()  # Ray's version is told to anybody: this asks for a token
        self.url = self._client.get_address()

    def statuses(self) -> dict[str, Seen]:
        """What Ray says of every job that it knows, by submission id."""
        with self._understood():
            return {
                job.submission_id: Seen(str(job.status), _reason(job.message))
                for job in self._client.list_jobs()
                if job.submission_id
            }

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        metadata: Mapping[str, str],
        runtime_env: Mapping[str, Any],
    ) -> None:
        """Hand a job over. One that Ray has already is left as it is."""
        deadline = time.monotonic() + AGENT_SECONDS
        while True:
            try:
                with self._understood():
                    self._client.submit_job(
                        submission_id=submission_id,
                        entrypoint=entrypoint,
                        metadata=dict(metadata),
                        runtime_env=dict(runtime_env),
                    )
                return
            except ExecutorError as error:
                if "already exists" in str(error):
                    return
                if NO_AGENT not in str(error):
                    raise
                if time.monotonic() > deadline:
                    raise ExecutorError(
                        f"the Ray cluster at {self.address} takes no jobs: the agent of its "
                        "head does not answer; see dashboard_agent.log in its logs"
                    ) from error
            time.sleep(0.5)

    def stop(self, submission_id: str) -> None:
        """Ask a job to stop; it has ``STOP_SECONDS`` for that."""
        with self._understood():
            self._client.stop_job(submission_id)

    def logs(self, submission_id: str) -> str:
        """What a job has said so far."""
        with self._understood():
            return self._client.get_job_logs(submission_id)

    def follow(self, submission_id: str) -> Iterator[str]:
        """What a job says, until it is over."""
        lines = self._client.tail_job_logs(submission_id)
        loop = asyncio.new_event_loop()
        try:
            with self._understood(), contextlib.suppress(StopAsyncIteration):
                while True:
                    yield loop.run_until_complete(anext(lines))
        finally:
            loop.run_until_complete(lines.aclose())  # type: ignore[attr-defined]
            loop.close()

    def devices(self) -> Devices:
        """What the cluster has to train on at the moment."""
        has = [node["resources_total"] for node in self._nodes()]
        return Devices(
            gpus=sum(float(node.get("GPU", 0)) for node in has),
            cores=sum(float(node.get("CPU", 0)) for node in has),
        )

    def is_here(self) -> bool:
        """Whether the head is this machine, and sees its files."""
        return any(node["is_head_node"] and _is_ours(node["node_ip"]) for node in self._nodes())

    # -- The dispatcher -----------------------------------------------------------------

    def ensure_dispatcher(
        self,
        store: str,
        parcel: Parcel,
        tell: Callable[[str], None] = lambda _: None,
        anew: bool = False,
    ) -> tuple[str, bool]:
        """Have one dispatcher of a store's queue running, with this code.

        One with other code makes room: what it began goes on, what is queued begins with this.

        Args:
            store: Whose queue.
            parcel: The code.
            tell: Told if one is being started, which takes some seconds.
            anew: The one that runs is about to leave, and another one is wanted.

        Returns:
            Its submission id, and whether it was started now.
        """
        tag = content_hash(store)[:8]
        with self._understood():
            known = [
                job
                for job in self._client.list_jobs()
                if (job.metadata or {}).get("queue") == tag
                and (job.metadata or {}).get("role") == DISPATCHER
            ]
        alive = [job for job in known if not JobStatus(job.status).is_terminal()]
        for job in alive:
            if not anew and (job.metadata or {}).get("code") == parcel.name:
                return str(job.submission_id), False
        tell("starting the dispatcher …")
        for job in alive:
            self.stop(str(job.submission_id))
        own = f"{DISPATCHER}-{tag}-{len(known) + 1}"
        with tempfile.TemporaryDirectory() as folder:
            zipped = str(parcel.write(Path(folder)))
            self.submit(
                own,
                f"{python_there()} -m cluster.dispatcher --store {shlex.quote(store)}",
                {
                    "role": DISPATCHER,
                    "queue": tag,
                    "store": store,
                    "code": parcel.name,
                    "commit": parcel.commit,
                },
                runtime_env(zipped, parcel.commit),
            )
        return own, True

    # -- Inside -------------------------------------------------------------------------

    def _dashboard(self) -> str:
        """The dashboard's address. Ray finds it from the cluster's, but takes no other one."""
        if "://" in self.address or not _speaks_http(self.address):
            return self.address
        return f"http://{self.address}"

    def _nodes(self) -> list[dict[str, Any]]:
        nodes = self._get("/api/v0/nodes?limit=1000")["data"]["result"]["result"]
        return [node for node in nodes if node["state"] == "ALIVE"]

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {own_token() or ''}"}
        )
        with self._understood(), urllib.request.urlopen(request, timeout=HTTP_SECONDS) as reply:
            return json.load(reply)

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Turn what Ray raises into a sentence."""
        before = os.environ.pop("RAY_ADDRESS", None)  # Ray would prefer it to what it is told
        try:
            yield
        except ray.exceptions.AuthenticationError as error:
            raise ExecutorError(locked_out(self.address)) from error
        except (ConnectionError, OSError) as error:
            raise ExecutorError(
                f"no Ray cluster answers at {self.address} ({_first_line(str(error))}); start "
                "one with `speciation cluster start`, or name another with --address"
            ) from error
        except (RuntimeError, ValueError) as error:
            raise ExecutorError(
                f"the Ray cluster at {self.address} refused: {_first_line(str(error))}"
            ) from error
        finally:
            if before is not None:
                os.environ["RAY_ADDRESS"] = before


def runtime_env(code: str, commit: str) -> dict[str, Any]:
    """Where a job finds its code, and what its process is told."""
    return {
        "working_dir": code,
        "env_vars": {
            SHIPPED_COMMIT: commit,
            "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
            "PYTHONUNBUFFERED": "1",
        },
    }


def own_runtime_env() -> dict[str, Any]:
    """Of the job that this process is: whatever it begins has the same code."""
    given = json.loads(os.environ[JOB_ENVIRONMENT])["runtime_env"]
    return runtime_env(given["working_dir"], os.environ.get(SHIPPED_COMMIT, UNKNOWN))


def ask_autoscaler(gpus: int, cores: int) -> None:
    """Have an autoscaler keep so many devices; engines ask only for what has joined."""
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=[{"GPU": 1}] * gpus + [{"CPU": 1}] * cores)


def python_there() -> str:
    """A shell word for the Python that runs jobs: this one where it exists, else the PATH's.

    Ray runs an entrypoint with whatever ``python`` its own shell finds, which is rarely the
    environment that it was started from.
    """
    here = shlex.quote(sys.executable)
    return f'"$(test -x {here} && echo {here} || echo python)"'


def _speaks_http(address: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{address}/api/version", timeout=HTTP_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError, http.client.HTTPException):
        return False  # the cluster's own port, or no address: Ray will say
    return True


def _is_ours(ip: str) -> bool:
    """Whether an address belongs to this machine: then, and only then, it can be bound to."""
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probing:
        try:
            probing.bind((ip, 0))
        except OSError:
            return False
    return True


def _reason(message: str | None) -> str:
    """Why a job ended. What it said last follows in Ray's words, and is in its log."""
    return _first_line(message).partition(", last available logs")[0]


def _first_line(text: str | None) -> str:
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return lines[0][:300] if lines else ""
