"""A driver of a synthetic run on a running Ray cluster, as a process that can be killed.

    python -m tests.cluster.drive ADDRESS STORE GENERATIONS SEED [TROUBLE]

A share TROUBLE of its writes to the store fail. It ends with 0 once the run has finished.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import ray

from cluster.config import RunConfig
from cluster.driver import run
from cluster.ray_executor import RayExecutor
from tests.cluster.chaos import ChaosStore
from tests.cluster.runs import config
from tests.cluster.synthetic import PLAN, Behaviour

SLOTS = 4
WORK = Behaviour(slots=SLOTS, seconds=0.02)


def wanted(generations: int) -> RunConfig:
    """The run."""
    return config(name="storm", evolution={"generations": generations})


def main(address: str, folder: str, generations: str, seed: str, trouble: str = "0") -> None:
    """Drive it, and print its summary."""
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    rng = random.Random(int(seed))
    store = ChaosStore(Path(folder), rng, trouble=float(trouble), death=0.0)
    executor = RayExecutor(PLAN, make=WORK, work_seconds=0.2)
    summary = run(wanted(int(generations)), store, executor)
    print(json.dumps({"finished": summary.finished, "faults": summary.faults}))


if __name__ == "__main__":
    main(*sys.argv[1:])
