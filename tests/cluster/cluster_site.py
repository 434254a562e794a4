"""A closed cluster of this machine with a queue, used as people use it: by commands."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from cluster.job_queue import JobQueue
from cluster.overview import overview
from cluster.top import job_json
from speciation.tables.store import Store

ROOT = Path(__file__).parents[2]
RUN = {
    "track": "add97-mb512",
    "horizon": 25,
    "evolution": {"population": 4, "generations": 3, "seeds": 2, "aliens": 1, "elites": 1},
    "confirm": {"seeds": 6},
    "engine": {"device": "cpu", "slots": 8, "backend": "torch", "precision": "float32"},
}


class Said(NamedTuple):
    code: int
    out: str
    err: str


class Site:
    """A home, a working folder, and a cluster that only they know."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "results"
        self.read = Store(self.store)
        self.port, self.dashboard = free_port(), free_port()
        keep = {
            k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SPECIATION_"))
        }
        # Ray's socket paths must be short.
        self.temporary = Path(f"/tmp/sp-{os.getpid()}-{self.port}")
        self.temporary.mkdir()
        self.environment = keep | {
            "HOME": str(folder),
            "RAY_TMPDIR": str(self.temporary),
            "OMP_NUM_THREADS": "1",
        }

    def call(self, *words: str, seconds: float = 180, **environment: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "cluster.cli", *words],
            cwd=self.folder,
            env=self.environment | {"PYTHONPATH": str(ROOT)} | environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def json(self, *words: str) -> Any:
        """What a command says for machines."""
        said = self.call(*words, "--json")
        assert said.code == 0, said
        return json.loads(said.out)

    def start(self) -> dict[str, Any]:
        nodes = ("--nodes", "2", "--cpus", "1", "--gpus", "2")
        ports = ("--port", str(self.port), "--dashboard-port", str(self.dashboard))
        started = self.json("cluster", "start", *nodes, *ports)
        self.environment["RAY_ADDRESS"] = started["address"]
        return started

    def stop(self) -> None:
        assert self.call("cluster", "stop").code == 0

    def config(self, name: str, **changes: Any) -> str:
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps({"name": name} | RUN | changes))
        return str(path)

    def submit(self, name: str, *words: str, **changes: Any) -> str:
        return self.json("submit", self.config(name, **changes), *words)["job"]

    def job(self, own: str) -> dict[str, Any]:
        """What `jobs --json` says of a job, without a process for each look."""
        queue = JobQueue(self.read, time.time)
        job = queue.find(own)
        return job_json(job, overview(self.read, queue.jobs(), [job.run])[0])

    def until(self, own: str, *states: str, seconds: float = 240) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (job := self.job(own))["state"] not in states:
            assert time.monotonic() < deadline, (job, self.call("logs", own))
            time.sleep(1)
        return job

    def kept_log(self, own: str, end: str = "finished") -> Said:
        """What a job said to its end, when no Ray can be asked; kept seconds after that."""
        deadline = time.monotonic() + 30
        while True:
            said = self.call("logs", own, RAY_ADDRESS="127.0.0.1:1")
            if not said.code and f'"event": "{end}"' in said.out:
                return said
            assert time.monotonic() < deadline, said
            time.sleep(1)

    def begun(self, own: str, generations: int = 1) -> None:
        """Wait until a run has closed a few generations."""
        deadline = time.monotonic() + 240
        while self.job(own)["generation"] < generations:
            assert time.monotonic() < deadline, self.call("logs", own)
            time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("", 0))
        return int(probing.getsockname()[1])


def driver_of(own: str) -> int:
    """The process that drives a job, for us to kill."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "run-job" in words and own in words and words[0].endswith("python"):
            return int(folder.name)
    raise AssertionError(f"nobody drives {own}")


def jobs_of_ray(site: Site) -> dict[str, Any]:
    """What Ray's dashboard shows of the runs, as its pages ask for it."""
    token = (site.folder / ".ray" / "auth_token").read_text()
    request = urllib.request.Request(
        f"http://127.0.0.1:{site.dashboard}/api/jobs/",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=20) as reply:
        jobs = json.load(reply)
    return {
        job["submission_id"]: {
            "status": job["status"],
            "run": job["metadata"]["run"],
            "attempt": job["metadata"]["attempt"],
        }
        for job in jobs
        if job["metadata"].get("role") == "run"
    }
