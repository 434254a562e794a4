"""`speciation bench`: every way of training side by side, on this machine's device.

Puts together what ``speciation.engine`` measures, adds the peer that needs Ray, and gives it
all back as plain values, which the command line shows and ``dashboards/bench.py`` draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from cluster.doctor import has_extra
from cluster.progress_text import duration_text
from cluster.provenance import provenance, version_of
from speciation.engine.bench import Row, Tell, Timing, measure
from speciation.engine.bench_refill import Refill, exponent, growth, refill
from speciation.engine.bench_ways import ACTORS, EAGER, JAX, PEERS_PRECISION, VMAP, Way, ways
from speciation.engine.devices import DeviceInfo, cpu, devices
from speciation.engine.peers.eager import EagerTrial
from speciation.engine.peers.jax_process import JaxProcess, in_words
from speciation.engine.peers.job import Job
from speciation.engine.peers.memory import gpu_bytes
from speciation.engine.roofline import Abilities, abilities, better, ceilings, step_work
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape

if TYPE_CHECKING:
    from cluster.crew import Crew

VERSION = 1
REPEATS = 5
SLOTS = {"cpu": (1, 12, 36), "cuda": (1, 256, 4096)}
STEPS = {"cpu": 100, "cuda": 500}
# Slots times examples of a step, where nobody says which slots.
MOST_EXAMPLES = {"cpu": 2**16, "cuda": 2**21}
CREW = (1, 4, 8, 16)
AFTERWARDS = 0.08  # share of the time that is kept for continuous batching
FIRST_COUNT = 1000  # trials from which growth is measured

Document = dict[str, Any]


class BenchError(ValueError):
    """What was asked for cannot be timed here: one sentence."""


@dataclass(frozen=True)
class Asked:
    """What shall be timed; None leaves it to the kind of device.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        slots: Trials in a pack.
        batches: Examples a step; None is every train pair.
        steps: Of a repeat.
        minutes: For all of it but growth.
        linear: Trials up to which growth is measured; None measures none.
        task: What is trained; its batch is replaced.
        model: The same for all.
    """

    device: str = "auto"
    slots: tuple[int, ...] | None = None
    batches: tuple[int | None, ...] = (512, None)
    steps: int | None = None
    minutes: float = 6.0
    linear: int | None = None
    task: Task = field(default_factory=Task)
    model: ModelShape = field(default_factory=ModelShape)


def bench(asked: Asked, tell: Tell, clock: Callable[[], float] = time.monotonic) -> Document:
    """Time everything; ``tell`` hears what is going on.

    Interrupted (Ctrl-C) after the first group, it gives what it has.

    Raises:
        BenchError: There is no such device.
    """
    device, began = _device(asked.device), clock()
    end = began + 60.0 * asked.minutes

    def say(sentence: str) -> None:
        tell(f"{duration_text(clock() - began)} of {asked.minutes:g} min · {sentence}")

    say("measuring what the device can do")
    before = abilities(device.torch_name)
    kept = AFTERWARDS * 60.0 * asked.minutes
    timing = Timing(asked.steps or STEPS[device.kind], REPEATS, end - kept, 1.0, clock)
    rows: list[Document] = []
    afterwards: Document = {"refill": None, "growth": None}
    try:
        for group in _side_by_side(asked, device, timing, say):
            rows = _in_order([*rows, *group], asked)
        if best := _best(rows):
            for part in _afterwards(asked, device, best, max(end - clock(), kept / 2), say):
                afterwards |= part
    except KeyboardInterrupt:
        if not rows:
            raise
        afterwards["reason"] = "it was stopped"
    able = better(before, abilities(device.torch_name))  # others may have been at work
    return {
        "version": VERSION,
        "device": asdict(device),
        **_origin(),
        "steps": timing.steps,
        "repeats": REPEATS,
        "minutes": asked.minutes,
        "rows": rows,
        "factors": [found for found in map(_factors, _groups_of(rows)) if found],
        "roofline": _roofline(asked, able, rows),
        **afterwards,
        "seconds": clock() - began,
    }


# -- The table --------------------------------------------------------------------------


def _side_by_side(
    asked: Asked, device: DeviceInfo, timing: Timing, tell: Tell
) -> Iterator[list[Document]]:
    """A row for each way of every group; those of a group are timed in turn."""
    groups = list(_groups(asked, device))
    with ExitStack() as stack:
        jax = stack.enter_context(closing(JaxProcess(device.kind)))
        actors = stack.enter_context(closing(_Actors(device)))
        first, *others = ways(jax)
        for i, (job, slots, is_first) in enumerate(groups):
            here = [first, *([actors.way()] if is_first else []), *others]
            own = timing._replace(share=1 / (len(groups) - i))
            yield _plain_rows(measure(job, here, slots, own, tell), slots, job)


def _in_order(rows: Sequence[Document], asked: Asked) -> list[Document]:
    """By batch as they were asked for, small packs first."""
    batches = [replace(asked.task, batch=batch).batch_size for batch in asked.batches]
    return sorted(rows, key=lambda row: (batches.index(row["batch"]), row["beside"]))


def _groups(asked: Asked, device: DeviceInfo) -> Iterator[tuple[Job, int, bool]]:
    """A job and slots for each group; and whether it is the first of its batch.

    Batches take turns, the largest packs first: they matter most, should there be little time.
    """
    waiting = []
    for batch in asked.batches:
        job = Job(replace(asked.task, batch=batch), asked.model, device.torch_name)
        most = MOST_EXAMPLES[device.kind] // job.task.batch_size
        fitting = [slots for slots in SLOTS[device.kind] if slots <= most]
        waiting.append((job, sorted(asked.slots or fitting, reverse=True)))
    for turn in range(max(len(sizes) for _, sizes in waiting)):
        for job, sizes in waiting:
            if turn < len(sizes):
                yield job, sizes[turn], turn == 0


def _plain_rows(rows: Sequence[Row], beside: int, job: Job) -> list[Document]:
    """What came of a group of packs, with its ratios to eager PyTorch and to JAX."""
    cost = {(row.way.name, row.way.algebra): row.cost for row in rows}
    eager, jax = cost.get((EAGER, "plain")), cost.get((JAX, "plain"))

    def ratio(other: float | None, own: float | None) -> float | None:
        return other / own if other and own else None

    return [
        {
            "batch": row.batch,
            "beside": beside,
            "way": row.way.name,
            "algebra": row.way.algebra,
            "backend": row.way.backend,
            "precision": row.precision,
            "slots": row.slots,
            "microseconds": row.cost,
            "low": min(row.microseconds, default=None),
            "high": max(row.microseconds, default=None),
            "repeats": len(row.microseconds),
            "steps": row.steps,
            "start_seconds": row.start_seconds,
            "first_seconds": row.first_seconds,
            "trials_per_second": row.trials_per_second(job.task.eval_interval),
            "peak_bytes": row.peak_bytes,
            "bytes_per_slot": None if row.peak_bytes is None else row.peak_bytes / row.slots,
            "ratio_to_eager": ratio(eager, row.cost),
            "ratio_to_jax": ratio(jax, row.cost),
            "alone": row.alone,
            "reason": row.reason,
        }
        for row in rows
    ]


def _groups_of(rows: Sequence[Document]) -> list[list[Document]]:
    """Rows that were timed beside each other."""
    keys = dict.fromkeys((row["batch"], row["beside"]) for row in rows)
    return [[row for row in rows if (row["batch"], row["beside"]) == key] for key in keys]


def _best(rows: Sequence[Document]) -> Document | None:
    """The engine's quickest row of the first batch."""
    own = [row for row in rows if row["backend"] and row["microseconds"]]
    own = [row for row in own if row["batch"] == own[0]["batch"]]
    return min(own, key=lambda row: row["microseconds"], default=None)


def _factors(rows: Sequence[Document]) -> Document | None:
    """How often one way goes into the next; their product is eager PyTorch over the engine.

    Stacking: one trial against a pack, the same algebra. Algebra: plain against factored, both
    ``torch.func.vmap``. Fusion: factored, as library calls against the engine's best backend.
    """
    cost = {(r["way"], r["algebra"]): r["microseconds"] for r in rows if r["microseconds"]}
    try:
        eager, plain, factored = (
            cost[EAGER, "plain"],
            cost[VMAP, "plain"],
            cost[VMAP, "factored"],
        )
    except KeyError:
        return None
    if (own := _best(rows)) is None:
        return None
    jax = [cost.get((JAX, algebra)) for algebra in ("plain", "factored")]
    return {
        "batch": own["batch"],
        "slots": own["slots"],
        "backend": own["backend"],
        "stacking": eager / plain,
        "algebra": plain / factored,
        "fusion": factored / own["microseconds"],
        "all": eager / own["microseconds"],
        "algebra_in_jax": jax[0] / jax[1] if jax[0] and jax[1] else None,
    }


# -- Beside the table ---------------------------------------------------------------------


def _roofline(asked: Asked, able: Abilities, rows: Sequence[Document]) -> Document:
    """What the device can do, and for each batch the ceilings and the share that is reached."""
    batches = []
    for batch in dict.fromkeys(row["batch"] for row in rows):
        here = [row for row in rows if row["batch"] == batch]
        task = next(
            task
            for task in (replace(asked.task, batch=one) for one in asked.batches)
            if task.batch_size == batch
        )
        work, best = step_work(task, asked.model), _best(here)
        limits = ceilings(work, able)
        formats = {name: max(limits[name], limits["memory"]) for name in limits}
        del formats["memory"]
        batches.append(
            {
                "batch": batch,
                "flops": work.flops,
                "bytes": work.bytes,
                "ceilings": limits,
                "backend": best and best["backend"],
                "slots": best and best["slots"],
                "shares": {n: limit / best["microseconds"] for n, limit in formats.items()}
                if best
                else {},
            }
        )
    return asdict(able) | {"batches": batches}


def _afterwards(
    asked: Asked, device: DeviceInfo, best: Document, seconds: float, tell: Tell
) -> Iterator[Document]:
    """Continuous batching and growth, with the engine's quickest backend and size."""
    job = next(job for job, *_ in _groups(asked, device))
    slots, backend = best["slots"], best["backend"]
    taken: list[tuple[int, float]] = []
    try:
        tell(f"continuous batching, {slots:,} slots of {backend}")
        moved = refill(job, slots, backend, seconds=seconds, rounds=REPEATS)
        yield {"refill": _plain_refill(moved, best["batch"])}
        for point in growth(job, slots, backend, _counts(asked.linear), tell):
            taken.append(point)
            yield {"growth": _plain_growth(job, slots, backend, taken)}
    except Exception as error:  # what was measured before shall not be lost
        yield {"reason": in_words(error)}


def _plain_growth(
    job: Job, slots: int, backend: str, taken: Sequence[tuple[int, float]]
) -> Document:
    return {
        "backend": backend,
        "slots": slots,
        "steps": job.task.eval_interval,
        "trials": [{"count": count, "seconds": time} for count, time in taken],
        "exponent": exponent(taken),
    }


def _counts(most: int | None) -> list[int]:
    """1,000, 10,000 … up to a number; none for None."""
    if most is None:
        return []
    counts = [FIRST_COUNT]
    while 10 * counts[-1] <= most:
        counts.append(10 * counts[-1])
    return counts


def _plain_refill(moved: Refill, batch: int) -> Document:
    return asdict(moved) | {
        "batch": batch,
        "share": median(moved.shares),
        "shares": moved.shares,
        "idle_bound": moved.idle_bound,
        "trials_per_second": moved.trials_per_second,
        "packed_trials_per_second": moved.packed_trials_per_second,
    }


def _device(wanted: str) -> DeviceInfo:
    """The device that is asked for.

    Raises:
        BenchError: It is not there.
    """
    found = cpu() if wanted == "cpu" else devices()[0]
    if wanted == "cuda" and found.kind != "cuda":
        raise BenchError("--device is cuda, but torch sees no GPU here; leave it away")
    return found


def _origin() -> Document:
    origin = provenance()
    for name in ("jax", "triton"):
        if found := version_of(name):
            origin["versions"][name] = found
    return origin


# -- The peer that needs Ray --------------------------------------------------------------


class EagerActor:
    """One trial in eager PyTorch, in a process of its own."""

    def begin(self, job: Job) -> int:
        """Make the trial; bytes of the GPU that are in use now, by whomever."""
        self._interval = EagerTrial(job).interval
        self._interval()
        return gpu_bytes()

    def run(self, intervals: int) -> None:
        """Train it."""
        for _ in range(intervals):
            self._interval()


class _Actors:
    """Ray actors on the device, started when they are first needed."""

    def __init__(self, device: DeviceInfo) -> None:
        self._device = device
        self._crew: Crew | None = None
        self._bytes_each = 0

    def way(self) -> Way:
        missing = None
        if self._device.kind != "cuda":
            missing = "needs a GPU to share"
        elif not has_extra("ray"):
            missing = "ray is not installed"
        return Way(ACTORS, "plain", self._open, sizes=CREW, refills=True, missing=missing)

    def close(self) -> None:
        if self._crew is not None:
            self._crew.close()

    def _open(self, job: Job, count: int) -> _ActorPack:
        if self._crew is None:
            from cluster.crew import Crew

            before = gpu_bytes()
            self._crew = Crew(EagerActor, max(CREW))
            self._bytes_each = self._crew.ask(1, "begin", job)[0] - before
        self._crew.ask(count, "begin", job)
        return _ActorPack(self._crew, count, count * self._bytes_each)


class _ActorPack:
    """Trials of so many actors; their memory is that of the first, context included."""

    begin_seconds = 0.0
    precision = PEERS_PRECISION["cuda"]

    def __init__(self, crew: Crew, count: int, held: int) -> None:
        self._crew, self._count, self._held = crew, count, held

    def run(self, intervals: int) -> float:
        began = time.perf_counter()
        self._crew.ask(self._count, "run", intervals)
        return time.perf_counter() - began

    def peak_bytes(self) -> int | None:
        return self._held

    def close(self) -> None:
        """The actors stay, for the next job."""
