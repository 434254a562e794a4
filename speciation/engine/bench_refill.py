"""What continuous batching costs and saves, and how the cost of an engine grows with its work.

Trials of many lengths (``peers/job.py``) pass through an engine that is always full: its rate
is compared with that of the same engine while nobody leaves, and with packs that wait for
their longest trial.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from statistics import median

import numpy as np
from numpy.typing import NDArray

from speciation.engine.bench_ways import filled, settle, suited, train
from speciation.engine.engine import Engine
from speciation.engine.peers.job import (
    HORIZON,
    Job,
    bench_trials,
    lengths,
    lengths_left,
    longest_of,
    mean_length,
)

LEAST_INTERVALS, MOST_INTERVALS = 4, 60


@dataclass(frozen=True)
class Refill:
    """An engine refilled, and the same one with trials that never end, in turn.

    Both are microseconds a trial-step, one number a round.
    """

    backend: str
    precision: str
    slots: int
    steps: int  # of a round
    steady: list[float]
    refilled: list[float]
    ended: int  # trials, in all rounds
    mean_length: float  # steps
    longest: float  # of a pack of so many, expected

    @property
    def shares(self) -> list[float]:
        """Share of its steady rate that the engine keeps, a round each."""
        return [
            still / moving for still, moving in zip(self.steady, self.refilled, strict=True)
        ]

    @property
    def idle_bound(self) -> float:
        """Share of its steps that a pack wastes on trials that have ended: 1 − mean / max."""
        return 1.0 - self.mean_length / self.longest

    @property
    def trials_per_second(self) -> float:
        """Trials completed a second, refilled."""
        return 1e6 / (median(self.refilled) * self.mean_length)

    @property
    def packed_trials_per_second(self) -> float:
        """The same in packs at the steady rate, were a pack begun at no cost."""
        return 1e6 / (median(self.steady) * self.longest)


def refill(
    job: Job,
    slots: int,
    backend: str,
    *,
    seconds: float,
    rounds: int,
    horizon: int = HORIZON,
) -> Refill:
    """Measure it, for about so many seconds."""
    job = suited(job, backend)
    interval = job.task.eval_interval
    engine = filled(job, slots, backend)
    train(engine, 1, cycle(bench_trials(job, slots)))
    following = bench_trials(job, slots, lengths(slots, interval, horizon))

    def cost(ends: NDArray[np.int64] | None, intervals: int) -> tuple[float, int]:
        """Microseconds a trial-step, and trials that ended."""
        engine.admit(bench_trials(job, slots, ends))
        settle()
        done = train(engine, intervals, cycle(following))
        return 1e6 * done.seconds / done.trial_steps, done.ended

    seconds_each = 1e-6 * cost(None, LEAST_INTERVALS)[0] * interval * slots
    intervals = int(seconds / (2 * rounds * seconds_each))
    intervals = min(max(intervals, LEAST_INTERVALS), MOST_INTERVALS)
    left = lengths_left(slots, interval, horizon)
    in_turn = [(cost(None, intervals), cost(left, intervals)) for _ in range(rounds)]
    return Refill(
        backend=backend,
        precision=job.precision,
        slots=slots,
        steps=intervals * interval,
        steady=[still[0] for still, _ in in_turn],
        refilled=[moving[0] for _, moving in in_turn],
        ended=sum(moving[1] for _, moving in in_turn),
        mean_length=mean_length(interval, horizon),
        longest=longest_of(slots, interval, horizon),
    )


def growth(
    job: Job, slots: int, backend: str, counts: Sequence[int], tell: Callable[[str], None]
) -> Iterator[tuple[int, float]]:
    """Seconds that ever more trials of one interval take, admission included."""
    job = suited(job, backend)
    engine = filled(job, slots, backend)
    train(engine, 1, cycle(bench_trials(job, slots)))  # what has to be compiled, is
    for count in counts:
        tell(f"{count:,} trials")
        yield count, _time(partial(_train, engine, job, count))


def exponent(taken: Sequence[tuple[int, float]]) -> float | None:
    """Slope of log seconds over log trials: 1 is linear. None for fewer than two points."""
    if len(taken) < 2:
        return None
    counts, seconds = np.log(np.array(taken, dtype=np.float64)).T
    return float(np.polyfit(counts, seconds, 1)[0])


def _train(engine: Engine, job: Job, count: int) -> None:
    begun = 0
    while begun < count or engine.occupied:
        entering = min(engine.free, count - begun)
        ends = np.full(entering, job.task.eval_interval, dtype=np.int64)
        engine.admit(bench_trials(job, entering, ends, first=begun))
        begun += entering
        engine.advance()


def _time(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
