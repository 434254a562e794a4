"""Resident memory of the driver over many generations of a synthetic executor.

    python benchmarks/driver_memory.py [generations] [population] [seeds]

Nothing is trained: results are made up at once, so what grows is the driver's own. Printed are
the generation, resident memory, its ratio to that after the first tenth, and the pace.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cluster.campaign import Event, Finished
from cluster.config import make_config
from cluster.driver import Progress, run
from cluster.results import Results
from cluster.summary import GenerationSummary
from speciation.tables.store import Store
from speciation.trial.trial import Curves, Milestones, Outcome, Trial, TrialResult


class InstantExecutor:
    """Every trial groks at a step that its id decides, the moment it is submitted."""

    capacity = 4096
    occupied = 0
    waiting = 0
    trial_steps = 0

    def __init__(self) -> None:
        self._submitted: list[Trial] = []

    def submit(self, trials: Sequence[Trial], apart: bool = False) -> None:
        """Take trials in."""
        self._submitted += trials

    def wait(self, timeout_s: float) -> list[Event]:
        """Everything that was submitted has finished."""
        results, self._submitted = tuple(map(_result, self._submitted)), []
        self.trial_steps += sum(result.steps_run for result in results)
        return [Finished(Results.of(results))] if results else []

    def close(self) -> list[Event]:
        """Nothing to give back."""
        return []


def _result(trial: Trial) -> TrialResult:
    steps = 25 * (1 + int(trial.id[:4], 16) % 80)
    step = np.arange(25, steps + 1, 25, dtype=np.int32)
    flat = np.full(len(step), 0.5, dtype=np.float32)
    return TrialResult(
        trial=trial,
        outcome=Outcome.GROKKED,
        milestones=Milestones(steps_to_grok=steps),
        best_validation_accuracy=1.0,
        steps_run=steps,
        curves=Curves(step, *(flat,) * 9),
    )


def resident_megabytes() -> float:
    """Memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main(generations: int = 1000, population: int = 16, seeds: int = 4) -> None:
    """Run and print."""
    config = make_config(
        {
            "name": "memory",
            "evolution": {"population": population, "generations": generations, "seeds": seeds},
            "confirm": {"seeds": 8},
        },
        "benchmark",
    )
    every = max(generations // 20, 1)
    base: list[float] = []
    began = time.perf_counter()

    def show(progress: Progress) -> None:
        if not isinstance(progress, GenerationSummary) or (progress.generation + 1) % every:
            return
        memory = resident_megabytes()
        if progress.generation + 1 >= generations // 10:
            base.append(memory)
        ratio = f"{memory / base[0]:8.3f}" if base else "        "
        pace = (progress.generation + 1) / (time.perf_counter() - began)
        print(
            f"{progress.generation + 1:>10,} {memory:>8.1f} MB {ratio} {pace:>8.2f} /s",
            flush=True,
        )

    print(f"{'generation':>10} {'resident':>11} {'ratio':>8} {'pace':>11}")
    with tempfile.TemporaryDirectory() as folder:
        summary = run(config, Store(folder), InstantExecutor(), show)
    print(
        f"{summary.finished:,} trials in {summary.seconds:.0f} s, "
        f"{summary.finished / summary.seconds:,.0f} a second"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
