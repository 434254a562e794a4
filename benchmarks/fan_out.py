"""One device of a host against several, through Ray: is the driver in the way?

    python benchmarks/fan_out.py [GENOMES] [SEEDS] [DEVICES …]

Trains one generation (children of a quick genome, up to 500 steps) on 1 and on 2 devices, or
on the numbers that are named, each in a store of its own. Everything is what ``speciation
evolve`` does. Printed are, between 15 % and 85 % of the trials, so away from start and end:
trials a second, the driver's cores (its own processor time by the clock's), the median share of
slots occupied, and how many times the trials a second of the first number.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from cluster.config import RunConfig, make_config
from cluster.driver import Progress, run
from cluster.launch import executor_for
from cluster.summary import Snapshot
from speciation.tables.store import Store

HORIZON, FROM, TO = 500, 0.15, 0.85
ANCESTOR = Path("genomes/fidelity/fast.json")

Look = tuple[float, float, Snapshot]  # clock, processor time, what the driver said


def config_of(genomes: int, seeds: int) -> RunConfig:
    """A run of one generation that confirms nothing much."""
    evolution = {"landscape": "sprinter", "population": genomes, "generations": 1}
    return make_config(
        {
            "name": "fan-out",
            "horizon": HORIZON,
            "ancestors": [str(ANCESTOR.resolve())],
            "evolution": {
                **evolution,
                "seeds": seeds,
                "radiation": {"dose": 0.05, "rate": 0.2},
            },
            "confirm": {"seeds": 1},
            "executor": "ray",
        },
        "fan_out",
    )


def looks_at(config: RunConfig, devices: int) -> list[Look]:
    """Run it; what the driver said ten times a second."""
    looks: list[Look] = []

    def look(progress: Progress) -> None:
        if isinstance(progress, Snapshot) and progress.phase == "evolve":
            looks.append((time.monotonic(), time.process_time(), progress))

    with tempfile.TemporaryDirectory() as folder, executor_for(config, devices) as executor:
        run(config, Store(folder), executor, look)
    return looks


def main() -> None:
    """Run it as the module says."""
    genomes, seeds, *several = [int(word) for word in sys.argv[1:]] or [4096, 16]
    config, alone = config_of(genomes, seeds), 0.0
    for devices in several or [1, 2]:
        looks = looks_at(config, devices)
        total = looks[-1][2].trials
        middle = [look for look in looks if FROM <= look[2].finished / total <= TO]
        (began, busy, first), (ended, busy_then, last) = middle[0], middle[-1]
        seconds = ended - began
        rate = (last.finished - first.finished) / seconds
        steps = (last.trial_steps - first.trial_steps) / seconds
        full = statistics.median(now.occupied / now.capacity for *_, now in middle)
        alone = alone or rate
        print(
            f"{devices} devices: {rate:,.0f} trials/s ({rate / alone:.2f} times), {steps:,.0f} "
            f"steps/s, driver {(busy_then - busy) / seconds:.2f} cores, {full:.1%} of "
            f"{last.capacity:,} slots occupied, over {seconds:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
