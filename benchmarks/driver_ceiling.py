"""How many results a second one driver takes in: 64 actors of 4,096 slots that train nothing.

    python benchmarks/driver_ceiling.py [trials] [actors] [slots] [generations]

Everything that a driver does is real: plans, ids, the campaign, the roster, the bytes that
travel to and from each actor, tables, files, fitness. What an actor would do (training, and
putting its results into tables) is done here between two looks at the processor's clock, and
left out. Printed are results a second of the driver's own processor time, and how many cards
that is, if a card finishes so many trials a second as the engine's bench says.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cluster.campaign import Event, Finished
from cluster.config import make_config
from cluster.driver import Progress, run
from cluster.parcel import parcel, unpacked
from cluster.report import Report, report_of
from cluster.roster import Roster
from cluster.summary import GenerationSummary
from speciation.tables.store import Store
from speciation.trial.trial import Curves, Milestones, Outcome, Trial, TrialResult

TRIALS_A_SECOND = {"fused, 1 µs a trial-step": 1000.0, "graph, 4 µs a trial-step": 250.0}
"""Of one H100, for trials of 1,000 steps; docs/log.md has the measurements."""

_FLAT = np.full(100, 0.5, dtype=np.float32)
_STEP = np.arange(25, 2501, 25, dtype=np.int32)
_CURVES = [Curves(_STEP[:n], *(_FLAT[:n],) * 9) for n in range(1, 101)]


class VirtualActors:
    """Actors whose trials grok at a step that their ids decide, all in the next call."""

    occupied = 0
    waiting = 0
    trial_steps = 0

    def __init__(self, actors: int, slots: int) -> None:
        self.capacity, self._slots = actors * slots, slots
        self._names = [f"gpu-{number}" for number in range(actors)]
        self._roster = Roster()
        for name in self._names:
            self._roster.hire(name)
        self._calls: deque[tuple[str, bytes]] = deque()
        self.elsewhere = 0.0  # processor seconds that actors would have spent

    def submit(self, trials: Sequence[Trial], apart: bool = False) -> None:
        """Take trials in."""
        self._roster.add(trials, apart)

    def wait(self, timeout_s: float) -> list[Event]:
        """Call every actor that is idle and has something to do; then, the next answer."""
        called = {name for name, _ in self._calls}
        for name in self._names:
            if name not in called and (fresh := self._roster.take(name, self._slots)):
                self._calls.append((name, pickle.dumps(parcel(fresh), protocol=5)))
        if not self._calls:
            return []
        name, sent = self._calls.popleft()
        report: Report = pickle.loads(self._trained(sent))
        self._roster.settle(name, report.results.ids)
        return [Finished(report.results)]

    def close(self) -> list[Event]:
        """Nothing to give back."""
        return []

    def _trained(self, sent: bytes) -> bytes:
        began = time.process_time()
        results = [_result(trial) for trial in unpacked(pickle.loads(sent))]
        self.trial_steps += sum(result.steps_run for result in results)
        answer = pickle.dumps(report_of(results, 0, self.trial_steps, 1.0), protocol=5)
        self.elsewhere += time.process_time() - began
        return answer


def _result(trial: Trial) -> TrialResult:
    evaluations = 1 + int(trial.id[:4], 16) % 80
    return TrialResult(
        trial=trial,
        outcome=Outcome.GROKKED,
        milestones=Milestones(steps_to_grok=25 * evaluations),
        best_validation_accuracy=1.0,
        steps_run=25 * evaluations,
        curves=_CURVES[evaluations - 1],
    )


def resident_megabytes() -> float:
    """Memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main(
    trials: int = 1_000_000, actors: int = 64, slots: int = 4096, generations: int = 10
) -> None:
    """Run and print."""
    population = max(trials // (generations * 100), 2)
    config = make_config(
        {
            "name": "ceiling",
            "evolution": {"population": population, "generations": generations, "seeds": 100},
            "confirm": {"seeds": 8},
        },
        "benchmark",
    )
    executor = VirtualActors(actors, slots)

    def show(progress: Progress) -> None:
        if isinstance(progress, GenerationSummary):
            memory = resident_megabytes()
            print(f"generation {progress.generation:>3}   {memory:>7.0f} MB", flush=True)

    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        summary = run(config, Store(folder), executor, show)
        own = time.process_time() - began - executor.elsewhere
        began = time.perf_counter()
        again = run(config, Store(folder), executor)
        resumed = time.perf_counter() - began
    pace = summary.finished / own
    print(
        f"{summary.finished:,} results of {actors} actors of {slots:,} slots: "
        f"{own:.1f} s of the driver's processor time, {pace:,.0f} results a second"
    )
    print(f"started again over {summary.finished:,} rows: {resumed:.1f} s", end=", ")
    print(f"{again.finished} trials trained again")
    for what, each in TRIALS_A_SECOND.items():
        print(f"saturated by {pace / each:,.0f} cards ({what})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
