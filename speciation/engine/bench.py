"""What a trial-step costs by every way, timed side by side.

Ways that are compared are opened together and timed in turn, round after round, so a device
that drifts drifts for all of them alike. A way that cannot be had, or fails, has its reason for
a result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from speciation.engine.bench_ways import Pack, Way, release
from speciation.engine.peers.jax_process import NO_MEMORY, in_words
from speciation.engine.peers.job import Job, longest_of, mean_length

LEAST_REPEATS = 2  # fewer have no range
LATE = "no time left"

Clock = Callable[[], float]
Tell = Callable[[str], None]


class Timing(NamedTuple):
    """How much is timed, and until when (on the clock that comes with it).

    After the last call neither a comparison nor, within one, a peer is begun any more; repeats
    may take their share of what is left until then when every way has started.
    """

    steps: int  # of a repeat, where time allows
    repeats: int  # where time allows
    last_call: float
    share: float
    clock: Clock


@dataclass
class Row:
    """What came of one way with one size of pack.

    ``microseconds`` are of a trial-step, one number a repeat; ``steps`` those of a repeat.
    ``start_seconds`` passed until the pack was made, ``first_seconds`` in its first interval:
    what is compiled is compiled in one of them. ``begin_seconds`` is a trial's admission.
    """

    way: Way
    batch: int
    slots: int
    microseconds: list[float] = field(default_factory=list)
    steps: int = 0
    start_seconds: float | None = None
    first_seconds: float | None = None
    begin_seconds: float = 0.0
    peak_bytes: int | None = None
    precision: str | None = None
    alone: bool = False  # timed after the others, beside which it had not enough memory
    reason: str | None = None

    @property
    def cost(self) -> float | None:
        """Median microseconds a trial-step; None if it was not timed."""
        return median(self.microseconds) if self.microseconds else None

    def trials_per_second(self, interval: int) -> float | None:
        """Trials completed a second, did they live as long as ``peers/job.py`` says.

        Where a trial's place is taken at once, each costs its own length; a pack is there until
        its longest has ended.
        """
        if self.cost is None:
            return None
        length = mean_length(interval) if self.way.refills else longest_of(self.slots, interval)
        return 1.0 / (1e-6 * self.cost * length + self.begin_seconds)

    def __str__(self) -> str:
        many = f"{self.slots:,} slots" if self.slots > 1 else "1 slot"
        return f"batch {self.batch:,} · {many} · {self.way.name}, {self.way.algebra}"


def measure(job: Job, ways: Sequence[Way], slots: int, timing: Timing, tell: Tell) -> list[Row]:
    """Open packs of every way, time them in turn, close them.

    Args:
        job: What is trained.
        ways: By which means; the first is what the others are compared with.
        slots: Trials in a pack, where a way does not say.
        timing: How much of it.
        tell: Hears what is going on.
    """
    late = LATE if timing.clock() > timing.last_call else None
    rows = [
        Row(way, job.task.batch_size, size, reason=way.missing or late)
        for way in ways
        for size in (way.sizes or (slots,))[: 1 if way.missing else None]
    ]
    packs: list[tuple[Row, Pack, float]] = []
    try:
        for row in rows:
            is_peer = row.way.backend is None and row.way is not ways[0]
            if row.reason is None and is_peer and timing.clock() > timing.last_call:
                row.reason = LATE
            if row.reason is None and (begun := _begin(job, row, timing, tell)):
                packs.append((row, *begun))
        _time_in_turn(packs, job.task.eval_interval, timing, tell)
    finally:
        for _, pack, _ in packs:
            pack.close()
        release()
    for row in rows:
        if row.reason == NO_MEMORY and packs:
            _time_alone(job, row, timing, tell)
    return rows


def allocate(
    seconds: float, costs: Sequence[float], intervals: int, repeats: int
) -> list[tuple[int, int]]:
    """Repeats, and intervals of each, for packs whose interval costs so many seconds.

    Everyone has an equal share; what a quick one leaves over goes to the slower. Who cannot
    have all has shorter repeats first (the cost of a step does not depend on how many follow),
    then fewer.
    """
    given, left = [(0, 0)] * len(costs), max(0.0, seconds)
    for place, i in enumerate(sorted(range(len(costs)), key=costs.__getitem__)):
        affordable = int(left / (len(costs) - place) / costs[i])
        if affordable >= repeats:
            given[i] = repeats, min(intervals, affordable // repeats)
        else:
            given[i] = min(repeats, max(LEAST_REPEATS, affordable)), 1
        left = max(0.0, left - given[i][0] * given[i][1] * costs[i])
    return given


def _begin(job: Job, row: Row, timing: Timing, tell: Tell) -> tuple[Pack, float] | None:
    """Open a pack and warm it up; with it come the seconds that an interval takes."""
    tell(f"{row}: starting")
    began, pack = timing.clock(), None
    try:
        pack = row.way.open(job, row.slots)
        row.start_seconds = timing.clock() - began
        row.first_seconds = pack.run(1)
        row.peak_bytes, row.begin_seconds = pack.peak_bytes(), pack.begin_seconds
        row.precision = pack.precision
        return pack, pack.run(1)
    except Exception as error:  # whatever a way raises is its result
        row.reason = in_words(error)
    if pack is not None:
        pack.close()
    release()  # only now: in the handler, the error still held what failed
    return None


def _time_alone(job: Job, row: Row, timing: Timing, tell: Tell) -> None:
    """Once more for who had no room, with all of the device to itself."""
    row.reason, row.alone = None, True
    if begun := _begin(job, row, timing, tell):
        try:
            _time_in_turn([(row, *begun)], job.task.eval_interval, timing, tell)
        finally:
            begun[0].close()
            release()


def _time_in_turn(
    packs: Sequence[tuple[Row, Pack, float]], interval: int, timing: Timing, tell: Tell
) -> None:
    began = timing.clock()
    seconds = timing.share * max(0.0, timing.last_call - began)
    costs = [cost for *_, cost in packs]
    plans = allocate(seconds, costs, timing.steps // interval, timing.repeats)
    for turn in range(timing.repeats):
        late = timing.clock() > (began + seconds if turn >= LEAST_REPEATS else timing.last_call)
        if not packs or (turn and late):  # what was planned took longer than it had
            break
        tell(f"timing {len(packs)} ways in turn, round {turn + 1} of {timing.repeats}")
        for (row, pack, _), (repeats, intervals) in zip(packs, plans, strict=True):
            if turn < repeats and row.reason is None:
                _repeat(row, pack, intervals, interval)


def _repeat(row: Row, pack: Pack, intervals: int, interval: int) -> None:
    row.steps = intervals * interval
    try:
        seconds = pack.run(intervals)
    except Exception as error:
        row.reason, row.microseconds = in_words(error), []
    else:
        row.microseconds.append(1e6 * seconds / (row.steps * row.slots))
