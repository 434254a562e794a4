"""How much of the slots is idle, generation by generation and otherwise, in virtual time.

    python benchmarks/idle.py [runs] [slots]

The driver, the campaign and the tables are real; the engine counts evaluations instead of
training, so that nothing depends on this machine. When a trial groks is decided by its genome
(its distance to an optimum that the run's seed decides) and by its seed, with a coefficient of
variation of 25 %. Printed for each way of running are the share of slot-evaluations in which a
slot was empty, trial-steps, and the true median of the champion; the last two as ratios to
plain generations, means over runs.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from cluster.config import make_config
from cluster.driver import run
from cluster.executor import EnginePlan, engine_plan
from cluster.local_executor import LocalExecutor
from speciation.genome.genome import KINDS, Genome, Genomes
from speciation.tables.store import Store
from speciation.trial.trial import Curves, Milestones, Outcome, Trial, TrialResult

HORIZON, BEST, SLOPE, VARIATION = 2500, 300.0, 2.2, 0.25
POPULATION, GENERATIONS, SEEDS, BROOD = 64, 12, 16, 16
WAYS: dict[str, dict[str, Any]] = {
    "generations": {},
    "race": {"racing": {"first": 4}},
    "race, fill": {"racing": {"first": 4, "fill": True}},
    "steady state": {
        "steady": {"brood": BROOD, "ahead": 2},
        "generations": GENERATIONS * POPULATION // BROOD,
    },
}


class Countdown:
    """Slots that count evaluations, and how many of them were empty.

    Args:
        slots: How many.
        run_seed: Decides where the optimum is.
    """

    def __init__(self, slots: int, run_seed: int) -> None:
        self.slots, self.trial_steps = slots, 0
        self.evaluations = self.busy = 0
        self._optimum = np.random.default_rng(run_seed).uniform(0.2, 0.8, 17)
        self._left: dict[Trial, int] = {}
        self.median = cache(self._median)

    @property
    def occupied(self) -> int:
        """Slots with a trial."""
        return len(self._left)

    @property
    def free(self) -> int:
        """Slots without."""
        return self.slots - len(self._left)

    def admit(self, trials: Sequence[Trial]) -> None:
        """Put trials into slots."""
        self._left |= {trial: self._steps(trial) // 25 for trial in trials}

    def advance(self) -> list[TrialResult]:
        """One evaluation of every slot."""
        self.evaluations += 1
        self.busy += len(self._left)
        self.trial_steps += 25 * len(self._left)
        self._left = {trial: left - 1 for trial, left in self._left.items()}
        ended = [trial for trial, left in self._left.items() if not left]
        for trial in ended:
            del self._left[trial]
        return [_result(trial, self._time(trial)) for trial in ended]

    def _median(self, genome: Genome) -> float:
        unit = np.asarray(KINDS[genome.kind].encode(Genomes.of([genome])))[0]
        distance = math.sqrt(((unit - self._optimum) ** 2).mean())
        return BEST * math.exp(SLOPE * distance / 0.25 - SLOPE / 4)

    def _time(self, trial: Trial) -> int:
        spread = math.sqrt(math.log(1 + VARIATION**2))
        luck = np.random.default_rng(int(trial.id[:16], 16)).standard_normal()
        time = self.median(trial.genome) * math.exp(spread * luck)
        return 25 * math.ceil(time / 25)

    def _steps(self, trial: Trial) -> int:
        return min(self._time(trial), trial.horizon)


def _result(trial: Trial, time: int) -> TrialResult:
    grokked = time <= trial.horizon
    steps = min(time, trial.horizon)
    last = np.full(1, 0.5, dtype=np.float32)
    return TrialResult(
        trial=trial,
        outcome=Outcome.GROKKED if grokked else Outcome.CENSORED,
        milestones=Milestones(steps_to_grok=time if grokked else None),
        best_validation_accuracy=1.0 if grokked else 0.5,
        steps_run=steps,
        curves=Curves(np.full(1, steps, dtype=np.int32), *(last,) * 9),
    )


def measure(way: str, run_seed: int, slots: int) -> tuple[float, int, float]:
    """Share of empty slots, trial-steps, and the champion's true median, of one run."""
    evolution = {"population": POPULATION, "generations": GENERATIONS, "seeds": SEEDS}
    config = make_config(
        {
            "name": "idle",
            "seed": run_seed,
            "horizon": HORIZON,
            "evolution": evolution | WAYS[way],
            "confirm": {"seeds": 1},
        },
        "benchmark",
    )
    engine = Countdown(slots, run_seed)

    def make(plan: EnginePlan) -> Countdown:
        return engine

    with tempfile.TemporaryDirectory() as folder:
        summary = run(config, Store(folder), LocalExecutor(engine_plan(config), make))
    assert summary.champion is not None
    idle = 1 - engine.busy / (engine.evaluations * slots)
    return idle, engine.trial_steps, engine.median(summary.champion.genome)


def main(runs: int = 3, slots: int = 512) -> None:
    """Run and print."""
    plain: list[tuple[float, int, float]] = []
    print(f"{slots} slots, {GENERATIONS} × {POPULATION} genomes × {SEEDS} seeds, {runs} runs")
    print(f"{'way':>14} {'idle':>7} {'trial-steps':>12} {'champion':>9}")
    for way in WAYS:
        found = [measure(way, seed, slots) for seed in range(1, runs + 1)]
        plain = plain or found
        pairs = list(zip(found, plain, strict=True))
        idle = np.mean([own[0] for own in found])
        steps, best = (np.mean([own[k] / other[k] for own, other in pairs]) for k in (1, 2))
        print(f"{way:>14} {idle:>7.1%} {steps:>12.3f} {best:>9.3f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
