"""The ways of training a job that `speciation bench` sets side by side.

A *way* opens a *pack* of trials; a pack trains all of its trials an evaluation interval at a
time. Every peer does the job of ``peers/job.py``; where it simplifies, it simplifies in its own
favour (each peer's module says how). Beginning a trial costs a peer nothing; the engine pays.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle, islice
from typing import NamedTuple, Protocol

import torch

from speciation.engine.engine import BACKENDS, Engine, EngineSpec, make_engine
from speciation.engine.peers.eager import EagerTrial
from speciation.engine.peers.given import Given, Sizes
from speciation.engine.peers.jax_process import JaxProcess, PeerError
from speciation.engine.peers.job import Job, bench_trials, stack
from speciation.engine.peers.memory import Watermark
from speciation.engine.peers.torch_func import VmapPack
from speciation.engine.threads import quickest, threads
from speciation.trial.task import table
from speciation.trial.trial import PRECISIONS, Trial

EAGER, VMAP, JAX = "eager, one trial", "torch.func vmap", "jax vmap + scan"
ACTORS = "one Ray actor a trial"
OURS = "engine, "  # and the backend
ALGEBRAS = ("plain", "factored")

PEERS_PRECISION = {"cpu": "float32", "cuda": "tf32"}

_ADMITTED = 256  # trials whose admission is timed


class Pack(Protocol):
    """Trials that are being trained."""

    begin_seconds: float
    """What it takes to begin one trial where another ended."""

    precision: str
    """What its matrix products are computed in."""

    def run(self, intervals: int) -> float:
        """Train all of them for so many intervals, evaluation included; seconds."""
        ...

    def peak_bytes(self) -> int | None:
        """The most memory that it held so far; None where nobody knows."""
        ...

    def close(self) -> None:
        """Let go of what it holds; :func:`release` makes it free."""
        ...


@dataclass(frozen=True)
class Way:
    """One way of training a job.

    Args:
        name: In the table.
        algebra: One of ``ALGEBRAS``.
        open: Begins a pack of so many trials.
        sizes: The packs that it can be; None means as many as are asked for.
        refills: Whether a trial that ends makes room for another at once.
        missing: Why it cannot be had here.
    """

    name: str
    algebra: str
    open: Callable[[Job, int], Pack]
    sizes: tuple[int, ...] | None = None
    refills: bool = False
    missing: str | None = None

    @property
    def backend(self) -> str | None:
        """The engine's backend; None for a peer."""
        return self.name.removeprefix(OURS) if self.name.startswith(OURS) else None


def ways(jax: JaxProcess) -> list[Way]:
    """Every way but those that need Ray; first the one that all are compared with."""
    return [
        Way(EAGER, "plain", _open_eager, sizes=(1,), refills=True),
        *(Way(VMAP, algebra, _open_vmap(algebra)) for algebra in ALGEBRAS),
        *(Way(JAX, algebra, _open_jax(jax, algebra)) for algebra in ALGEBRAS),
        *(
            Way(f"{OURS}{backend}", "factored", _open_engine(backend), refills=True)
            for backend in BACKENDS
        ),
    ]


def release() -> None:
    """Give back the memory of packs that are closed, those that hold each other included."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


@cache
def suited(job: Job, backend: str) -> Job:
    """The job in the first precision that a backend of the engine can be had in here.

    Raises:
        PeerError: There is none.
    """
    reason = None
    for precision in PRECISIONS:
        if precision == "float64":  # to check the others by
            continue
        own = replace(job, precision=precision)
        reason = _engine(own, 1, backend).without_fused
        release()
        if reason is None:
            return own
    raise PeerError(reason)


def filled(job: Job, slots: int, backend: str) -> Engine:
    """An engine with a trial in every slot, none of which ends; the job is suited to it."""
    engine = _engine(job, slots, backend)
    engine.admit(bench_trials(job, slots))
    return engine


def settle() -> None:
    """Wait until a GPU has done what it was asked to: begun its trials, for example."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


class Trained(NamedTuple):
    """What came of keeping an engine full for a while."""

    seconds: float
    trial_steps: int
    ended: int  # trials


def train(engine: Engine, intervals: int, following: Iterator[Trial]) -> Trained:
    """Keep a full engine full for so many intervals, then empty it.

    An engine may be ahead of what it has told: emptying it waits for all that was begun, so
    seconds and trial-steps belong together.
    """
    interval = engine.spec.task.eval_interval
    began, before, ended = time.perf_counter(), engine.trial_steps, 0
    while engine.trial_steps - before < intervals * interval * engine.slots:
        results = engine.advance()
        engine.admit(list(islice(following, len(results))))
        ended += len(results)
    engine.evict()
    return Trained(time.perf_counter() - began, engine.trial_steps - before, ended)


def given_to_jax(job: Job, slots: int, algebra: str) -> Given:
    """The first trials of a job as JAX is given them."""
    task, made = job.task, stack(job, slots)
    views = made.plan.split(torch.from_numpy(made.weight))
    return Given(
        sizes=Sizes(
            algebra=algebra,
            train_count=task.train_count,
            batch=task.batch,
            interval=task.eval_interval,
            width=job.model.d_model,
            heads=job.model.heads,
        ),
        weights={name: view.numpy() for name, view in views.items()},
        recipe=made.recipe,
        order=made.order,
        table=table(task.operation, task.modulus),
    )


# -- Packs ------------------------------------------------------------------------------


class Here:
    """A peer's pack in this process, on a CPU with the number of threads that suits it.

    Args:
        kind: Of its device.
        begin: Makes it; what comes back trains it to its next evaluation, and waits for that.
    """

    begin_seconds = 0.0

    def __init__(self, kind: str, begin: Callable[[], Callable[[], object]]) -> None:
        self._mark = Watermark(kind)
        self._interval = begin()
        self._threads = quickest(self._interval) if kind == "cpu" else torch.get_num_threads()
        self.precision = PEERS_PRECISION[kind]

    def run(self, intervals: int) -> float:
        """See :class:`Pack`."""
        with threads(self._threads):
            began = time.perf_counter()
            for _ in range(intervals):
                self._interval()
            return time.perf_counter() - began

    def peak_bytes(self) -> int | None:
        """See :class:`Pack`."""
        return self._mark.bytes()

    def close(self) -> None:
        """See :class:`Pack`."""
        del self._interval


class Slots:
    """An engine with a trial in every slot, as a pack."""

    def __init__(self, job: Job, slots: int, backend: str) -> None:
        self._mark = Watermark(job.kind)
        self._trials = bench_trials(job, slots)
        self._engine = filled(job, slots, backend)
        self.precision = job.precision
        self.begin_seconds = self._admission_seconds()

    def run(self, intervals: int) -> float:
        """See :class:`Pack`; the trials begin anew, and that is not counted."""
        self._engine.admit(self._trials)
        settle()
        done = train(self._engine, intervals, cycle(self._trials))
        wanted = intervals * self._engine.spec.task.eval_interval * self._engine.slots
        return done.seconds * wanted / done.trial_steps

    def peak_bytes(self) -> int | None:
        """See :class:`Pack`."""
        return self._mark.bytes()

    def close(self) -> None:
        """See :class:`Pack`."""
        del self._engine

    def _admission_seconds(self) -> float:
        """Seconds a trial, some being put into the emptied engine."""
        some = self._trials[:_ADMITTED]
        self._engine.evict()
        began = time.perf_counter()
        self._engine.admit(some)
        settle()
        seconds = time.perf_counter() - began
        self._engine.evict()
        return seconds / len(some)


class There:
    """A pack in the process of JAX, which counts the seconds itself."""

    begin_seconds = 0.0

    def __init__(self, jax: JaxProcess, given: Given, kind: str) -> None:
        self._jax, self.precision = jax, PEERS_PRECISION[kind]
        self._number: int
        self._bytes: int | None
        self._number, self._bytes = jax.ask("open", given)

    def run(self, intervals: int) -> float:
        """See :class:`Pack`."""
        return float(self._jax.ask("run", self._number, intervals))

    def peak_bytes(self) -> int | None:
        """See :class:`Pack`."""
        return self._bytes

    def close(self) -> None:
        """See :class:`Pack`."""
        with suppress(PeerError):  # the process may be gone
            self._jax.ask("drop", self._number)


def _open_eager(job: Job, slots: int) -> Pack:
    return Here(job.kind, lambda: EagerTrial(job).interval)


def _open_vmap(algebra: str) -> Callable[[Job, int], Pack]:
    return lambda job, slots: Here(job.kind, lambda: VmapPack(job, slots, algebra).interval)


def _open_jax(jax: JaxProcess, algebra: str) -> Callable[[Job, int], Pack]:
    def open_pack(job: Job, slots: int) -> Pack:
        jax.ask("hello")  # before anything is made for it
        return There(jax, given_to_jax(job, slots, algebra), job.kind)

    return open_pack


def _open_engine(backend: str) -> Callable[[Job, int], Pack]:
    return lambda job, slots: Slots(suited(job, backend), slots, backend)


def _engine(job: Job, slots: int, backend: str) -> Engine:
    spec = EngineSpec(
        task=job.task,
        model=job.model,
        slots=slots,
        backend=backend,
        device=job.device,
        precision=job.precision,
    )
    return make_engine(spec)
