"""A run on a real Ray cluster of this machine, where everything is lost at some time.

    python -m tests.cluster.storm [--seconds 900] [--seed 1] [--trouble 0.02]

Actors and the driver are killed, machines (raylets) are killed, frozen and added, and some
writes to the store fail, in an order that the seed decides, for so many seconds. Then the run
may end in peace. Its tables must be those of a calm run in one process. Printed are what
was done, how often, and how long it took until the next result was stored.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
from ray.cluster_utils import Cluster

from cluster.driver import run
from cluster.local_cluster import HEALTH_CHECKS
from cluster.local_executor import LocalExecutor
from cluster.plan import closed_generations
from cluster.ray_address import ensure_token
from speciation.tables.store import Store
from tests.cluster.drive import wanted
from tests.cluster.runs import FAST, tables
from tests.cluster.synthetic import PLAN

ROOT = Path(__file__).parents[2]
MOST_MACHINES = 3
PAUSE = (2.0, 8.0)  # seconds between two faults
PATIENCE = 300.0
MOST_GENERATIONS = 100_000


@contextmanager
def machines() -> Iterator[Cluster]:
    """Ray with a head of one pretended GPU, and a home of its own."""
    with tempfile.TemporaryDirectory() as home, patch.dict(os.environ, HOME=home):
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.pop("RAY_ADDRESS", None)
        ensure_token()
        settings = {n.removeprefix("RAY_"): int(v) for n, v in HEALTH_CHECKS.items()}
        head = {"num_cpus": 1, "num_gpus": 1, "include_dashboard": False}
        cluster = Cluster(
            initialize_head=True, head_node_args={**head, "_system_config": settings}
        )
        try:
            yield cluster
        finally:
            cluster.shutdown()


class Storm:
    """What can be done to a run; each fault tells what it was.

    Args:
        cluster: Where it runs.
        folder: Its store.
        generations: Of the run, more than can be tried while the storm lasts.
        rng: Decides.
        trouble: Share of writes that fail.
        only: Name of the method that is the only fault; any, if empty.
    """

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        generations: int,
        rng: random.Random,
        trouble: float,
        only: str = "",
    ) -> None:
        self.cluster, self.folder, self.rng = cluster, folder, rng
        self.generations, self._trouble, self._only = generations, trouble, only
        self.done: Counter[str] = Counter()
        self.workers: list[Any] = []
        self.driver = self._begin()

    def revive(self) -> None:
        """Begin the driver again, if it ended before the run did."""
        if self.driver.poll() not in (None, 0):
            self.done["driver begun again"] += 1
            self.driver = self._begin()

    def fault(self) -> str:
        """Do one thing."""
        kinds = [self.kill_actor] * 4 + [self.kill_driver, self.kill_machine, self.freeze]
        kinds += [self.add_machine] * (2 if len(self.workers) < MOST_MACHINES else 0)
        what = self.rng.choice([kind for kind in kinds if self._only in ("", kind.__name__)])()
        self.done[what] += 1
        return what

    def pass_over(self) -> None:
        """Let the run end with a generation more than it has."""
        self.driver.kill()  # first: a driver that lives may close another and plan one more
        self.driver.wait()
        self.generations = closed_generations(wanted(1).run_id(), Store(self.folder)) + 1
        self.driver = self._begin()
        while self.driver.poll() != 0:
            self.revive()
            time.sleep(0.2)

    def kill_actor(self) -> str:
        """SIGKILL."""
        if not (found := actors_of(self.cluster)):
            return "no actor to kill"
        _signal(self.rng.choice(found), signal.SIGKILL)
        return "actor killed"

    def kill_driver(self) -> str:
        """SIGKILL; it is begun again at once."""
        self.driver.kill()
        self.driver.wait()
        self.driver = self._begin()
        return "driver killed"

    def kill_machine(self) -> str:
        """Its raylet and all of its processes."""
        if not self.workers:
            return self.add_machine()
        node = self.workers.pop(self.rng.randrange(len(self.workers)))
        self.cluster.remove_node(node, allow_graceful=False)
        return "machine killed"

    def freeze(self) -> str:
        """Stop a machine for longer than anybody waits; then it is killed."""
        if not self.workers:
            return self.add_machine()
        node = self.workers.pop(self.rng.randrange(len(self.workers)))
        pids = [p.process.pid for each in node.all_processes.values() for p in each]
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        time.sleep(8)
        for pid in pids:
            _signal(pid, signal.SIGCONT)
        self.cluster.remove_node(node, allow_graceful=False)
        return "machine frozen"

    def add_machine(self) -> str:
        """One more pretended GPU."""
        self.workers.append(self.cluster.add_node(num_cpus=1, num_gpus=1))
        return "machine added"

    def _begin(self) -> subprocess.Popen[bytes]:
        seed = self.rng.randrange(2**31)
        words = self.cluster.address, self.folder, self.generations, seed, self._trouble
        return begin(*map(str, words))


def actors_of(cluster: Cluster) -> list[int]:
    """Processes of a cluster's actors: children of its raylets that are called so.

    While an actor is called, its process is called after the call.
    """
    raylets = {
        process.process.pid
        for node in cluster.list_all_nodes()
        for process in node.all_processes.get("raylet", ())
    }
    return [
        pid
        for pid, parent, name in _processes()
        if parent in raylets and name.startswith(("ray::EngineActor", "ray::train"))
    ]


def begin(
    address: str, folder: str, generations: str, *rest: str, **environment: str
) -> subprocess.Popen[bytes]:
    """A driver; arguments are those of ``drive.py``. What it says goes into a log."""
    with Path(f"{folder}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.drive", address, folder, generations, *rest],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )


def stored(folder: Path) -> frozenset[str]:
    """Parts of trials."""
    return frozenset(path.name for path in folder.glob("trials/*.parquet"))


def seconds_to_a_result(storm: Storm) -> float | None:
    """How long it takes until a part of trials is stored; None if the run ends meanwhile."""
    before, began = stored(storm.folder), time.monotonic()
    while storm.driver.poll() != 0:
        if stored(storm.folder) - before:
            return time.monotonic() - began
        if time.monotonic() - began > PATIENCE:
            raise AssertionError(f"no result for {PATIENCE:.0f} s after {dict(storm.done)}")
        storm.revive()
        time.sleep(0.05)
    return None


def weather(storm: Storm, seconds: float) -> dict[str, list[float]]:
    """Faults for so many seconds, then calm until the run has finished."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    seconds_to_a_result(storm)
    end = time.monotonic() + seconds
    while time.monotonic() < end and storm.driver.poll() != 0:
        what = storm.fault()
        if (waited := seconds_to_a_result(storm)) is not None:
            took[what].append(waited)
            time.sleep(storm.rng.uniform(*PAUSE))
    storm.pass_over()
    return took


def differences(folder: Path, generations: int) -> list[str]:
    """Tables that are not those of the calm run."""
    with tempfile.TemporaryDirectory() as calm:
        run(wanted(generations), Store(calm), LocalExecutor(PLAN, FAST))
        expected, found = tables(Path(calm)), tables(folder)
    differ = {name: _difference(found[name], frame) for name, frame in expected.items()}
    return [f"{name} ({how})" for name, how in differ.items() if how]


def carry_out(
    seconds: float, seed: int, trouble: float, only: str = ""
) -> tuple[Storm, list[str]]:
    """A whole storm; what was done, and tables that differ."""
    with machines() as cluster, tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "store"
        storm = Storm(cluster, folder, MOST_GENERATIONS, random.Random(seed), trouble, only)
        try:
            took = weather(storm, seconds)
        finally:
            storm.driver.kill()
        differ = differences(folder, storm.generations)
    for what, waits in sorted(took.items()):
        middle, worst = sorted(waits)[len(waits) // 2], max(waits)
        print(
            f"{what:>16}: {len(waits):>3}, next result after {middle:.1f} s, worst {worst:.1f}"
        )
    return storm, differ


def _difference(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """In which way two tables differ; nothing if they do not."""
    try:
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    except AssertionError as error:
        return ", ".join(str(error).split("\n")[:4])
    return ""


def _processes() -> Iterator[tuple[int, int, str]]:
    """Process, its parent, its name."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
            after = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield int(folder.name), int(after[1]), name


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def main() -> None:
    """Run and print; ends with 1 where tables differ."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--seconds", type=float, default=900.0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--trouble", type=float, default=0.02)
    words.add_argument("--only", default="", choices=("kill_actor", "kill_driver"))
    asked = words.parse_args()
    storm, differ = carry_out(asked.seconds, asked.seed, asked.trouble, asked.only)
    print(f"seed {asked.seed}: {dict(sorted(storm.done.items()))}")
    print(f"tables that differ from the calm run: {', '.join(differ) or 'none'}")
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
