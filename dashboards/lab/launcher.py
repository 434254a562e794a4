"""How the Lab does things: it starts runs and validations, and stops them.

A page hands over an order and gets the name of what was started, or a :class:`LaunchRefused`,
whose text is one sentence to show:

    try:
        name = launcher.start(Validate(genomes=(genome_id,), seeds=200))
    except LaunchRefused as refused:
        return str(refused)

Whatever a browser sent may stand in an order as it came; it is checked here. While a dispatcher
works on the store's queue, runs are put into that queue. Else they are started on this machine,
as ``speciation evolve`` would be in a terminal, and so are validations always. Either way they
outlive the Lab, and what runs is found again from the store.

A launcher remembers nothing: a page makes its own, ``Launcher(sources)``. Few modules of the
Lab know ``cluster`` (``tests/test_architecture.py`` lists them), and none loads torch or Ray.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.config import ConfigError, RunConfig, load_config, presets
from cluster.doctor import has_extra, install_hint
from cluster.heartbeat import is_at_work
from cluster.job_queue import Job, JobQueue, QueueError, State
from cluster.manifest import config_of, settings_of
from cluster.pulse import read_pulse
from dashboards.lab.choosing import spoken
from dashboards.lab.refusals import refused_as
from dashboards.lab.sources import Sources
from dashboards.lab.works import FOLDER, Work, is_name, read_work, start_work, stop_work, works
from speciation.genome.collection import find
from speciation.genome.envelope import GenomeError
from speciation.genome.genome import Genome, content_hash
from speciation.tables.files import LocalFiles, StoreError, open_files
from speciation.tables.readers import genome_of
from speciation.tables.store import Store
from speciation.trial.task import TRACKS

FAULTS = (ConfigError, GenomeError, QueueError, StoreError)
MOST_AT_ONCE = 4
MOST_GENOMES = 64
MOST_SEEDS = 1_000_000
TAXONOMY = "taxonomy"
PROGRAM = (sys.executable, "-m", "cluster.cli")
SETTINGS = (
    "name",
    "seed",
    "track",
    "horizon",
    "executor",
    "evolution.population",
    "evolution.generations",
    "evolution.seeds",
    "evolution.landscape",
    "evolution.selection",
    "evolution.elites",
    "evolution.aliens",
    "evolution.crossover",
    "evolution.strictness",
    "confirm.seeds",
    "engine.device",
    "engine.slots",
    "engine.precision",
)
"""What an order may change of a preset."""


PRESETS = tuple(presets())
"""What a run can begin from."""


class LaunchRefused(ValueError):  # noqa: N818 - an answer, not a fault
    """Something cannot be started or stopped: one sentence."""


@dataclass(frozen=True, slots=True)
class Evolve:
    """A new run, or the same one again, which then goes on.

    Args:
        preset: Name of a preset, such as "quickstart".
        settings: What is other than there: one of :data:`SETTINGS` → its value.
        ancestors: Ids of genomes to begin with, or their beginnings; library first.
    """

    preset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    ancestors: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Resume:
    """A run of the store that shall go on; for how many generations in all, if that changes."""

    run: str
    generations: int | None = None


@dataclass(frozen=True, slots=True)
class Validate:
    """Genomes on seeds that evolution never used; what the store knows is not done again.

    Args:
        genomes: Ids or their beginnings, names of the library, ``hall_of_fame``, ``run:NAME``,
            ``species:NAME`` or ``group:NAME``.
        seeds: Of each.
        horizon: Steps, in place of the track's.
        track: The task, by name.
        by_group: Look at groups as one.
        fresh: Only seeds that no trial in the store has used.
        executor: "local" or "ray"; None is what ``speciation validate`` does by itself.
    """

    genomes: Sequence[str]
    seeds: int = 200
    horizon: int | None = None
    track: str | None = None
    by_group: bool = False
    fresh: bool = False
    executor: str | None = None


@dataclass(frozen=True, slots=True)
class Classify:
    """The store's genomes shall be classified, with the names that species have."""


Order = Evolve | Resume | Validate | Classify


class Launcher:
    """Starts and stops what works on a store.

    Args:
        sources: The store and the library.
        program: What is called; the tests call something cheaper.
    """

    def __init__(self, sources: Sources, program: Sequence[str] = PROGRAM) -> None:
        self._sources, self._program = sources, tuple(program)

    def hindrance(self, order: type[Order] = Evolve) -> str:
        """Why nothing of a kind can be started: one sentence; nothing if it can."""
        if (
            order is Classify
            or has_extra("torch")
            or (order is not Validate and self._is_dispatched())
        ):
            return ""
        return f"Nothing can be trained here: torch is missing; {install_hint('torch')}."

    def start(self, order: Order) -> str:
        """Start something, and return its name: a run's id, or ``validation-…``.

        Raises:
            LaunchRefused: It runs already, or the order cannot be carried out.
        """
        if hindrance := self.hindrance(type(order)):
            raise LaunchRefused(hindrance)
        with refused_as(LaunchRefused, *FAULTS):
            if isinstance(order, Validate):
                return self._validate(order)
            if isinstance(order, Classify):
                self._launch(TAXONOMY, TAXONOMY, "taxonomy of the store", [TAXONOMY])
                return TAXONOMY
            if isinstance(order, Resume) and self._reopen(order):
                return order.run
            config = self._config(order)
            return self._enqueue(config) if self._is_dispatched() else self._evolve(config)

    def place(self) -> str:
        """Where runs are trained that are started now, in words."""
        return "in the queue of the cluster" if self._is_dispatched() else "on this machine"

    def stop(self, name: str) -> str:
        """Ask a run or a validation to stop; what it has finished is kept.

        Returns:
            What happens now: one sentence.

        Raises:
            LaunchRefused: It does not run, or it was not started by a Lab on this machine.
        """
        if not is_name(name):
            raise LaunchRefused("It does not run, so there is nothing to stop.")
        work = read_work(self._sources.store, name)
        with refused_as(LaunchRefused, *FAULTS):
            if work is not None and work.running:
                stop_work(self._sources.store, work)
                return f"{name} stops when its last results are stored."
            job = self._job(name)
            if job is not None and job.state in (State.QUEUED, State.RUNNING):
                self._queue().cancel(job)
                return f"Job {job.id} is cancelled; every finished trial is kept."
        if self._is_heard(name):
            raise LaunchRefused(
                f"{name} was started elsewhere; stop it there, with Ctrl-C in its terminal."
            )
        raise LaunchRefused("It does not run, so there is nothing to stop.")

    def works(self) -> tuple[Work, ...]:
        """All that a Lab ever started on this store, the latest first."""
        return works(self._sources.store)

    # -- Inside -------------------------------------------------------------------------

    def _config(self, order: Evolve | Resume) -> RunConfig:
        """What an order means."""
        place = {"store": self._place()}
        if isinstance(order, Resume):
            store, changes = Store(self._place()), {"evolution.generations": order.generations}
            if isinstance(order.run, str) and order.run in store.runs():
                return config_of(store, order.run, changes)
            if is_name(order.run) and (job := self._job(order.run)) is not None:
                return self._queue().config_of(job, changes)  # it was never begun
            raise LaunchRefused("There is no such run in this store.")
        _check_settings(order.settings)
        if order.preset not in PRESETS:
            raise LaunchRefused(f"The presets are {', '.join(PRESETS)}; choose one of them.")
        overrides: dict[str, Any] = {**order.settings, **place}
        if order.ancestors:
            genomes = [self._genome(word) for word in _words(order.ancestors)]
            overrides["ancestors"] = [
                {"kind": genome.kind, "genes": dict(genome.genes)} for genome in genomes
            ]
        return load_config(order.preset, overrides)

    def _evolve(self, config: RunConfig) -> str:
        """Start a run on this machine."""
        run = config.run_id()
        if self._is_heard(run):
            raise LaunchRefused(f"{run} runs already.")
        settings = settings_of(config)
        if not has_extra("ray"):
            settings["executor"] = "local"
        path = self._sources.store / FOLDER / f"{run}.yaml"
        LocalFiles(path.parent).replace(path.name, json.dumps(settings, indent=1).encode())
        about = f"run {run}, {config.evolution.generations} generations"
        self._launch(run, "run", about, ["evolve", str(path.absolute())])
        return run

    def _validate(self, order: Validate) -> str:
        """Start a validation on this machine."""
        words = [self._word(word) for word in _words(order.genomes)]
        options = _options(order)
        name = f"validation-{content_hash([*options, *words])[:8]}"
        about = f"validation of {', '.join(order.genomes)} on {order.seeds:,} seeds"
        out = self._sources.store.absolute() / "validation" / name
        told = ["validate", *options, "--out", str(out), "--", *words]
        self._launch(name, "validation", about, told)
        return name

    def _launch(self, name: str, kind: str, about: str, arguments: Sequence[str]) -> None:
        if sum(work.running for work in self.works()) >= MOST_AT_ONCE:
            raise LaunchRefused(f"{MOST_AT_ONCE} things run already; stop one of them first.")
        head, *rest = arguments
        command = [*self._program, head, "--store", self._place(), *rest]
        env = os.environ | {"PYTHONUNBUFFERED": "1"}
        if not start_work(self._sources.store, name, kind, about, command, env):
            raise LaunchRefused(f"{name} runs already.")

    def _genome(self, word: str) -> Genome:
        """A genome of the library or, by its id, of the store."""
        try:
            return find(self._sources.collection(), word).genome
        except GenomeError as refused:
            if not _is_id(word):
                raise
            try:
                return genome_of(Store(self._sources.store), word)
            except StoreError:
                raise refused from None

    def _word(self, word: str) -> str:
        """What ``validate`` is told of a genome: never a path that a browser chose."""
        if word == "hall_of_fame" or word.startswith(("run:", "species:", "group:")):
            return word
        said = spoken(self._sources, word)
        return said if said != word else self._genome(word).id

    # The queue.

    def _enqueue(self, config: RunConfig) -> str:
        """Ask for a run; one that failed or was cancelled is opened again."""
        queue = self._queue()
        job, _ = queue.submit(config)
        if job.state in (State.FAILED, State.CANCELLED):
            queue.retry(job)
        return job.run

    def _reopen(self, order: Resume) -> bool:
        """Whether a run is gone on with as a job that failed or was cancelled."""
        if order.generations is not None or not is_name(order.run) or not self._is_dispatched():
            return False
        job = self._job(order.run)
        if job is None or job.state not in (State.FAILED, State.CANCELLED):
            return False
        self._queue().retry(job)
        return True

    def _queue(self) -> JobQueue:
        return JobQueue(Store(self._place()), time.time)

    def _job(self, name: str) -> Job | None:
        """The latest job of this id or run."""
        jobs = [job for job in self._queue().jobs() if name in (job.id, job.run)]
        return max(
            jobs, key=lambda job: (job.state is State.RUNNING, job.submitted), default=None
        )

    def _is_dispatched(self) -> bool:
        """Whether a cluster works on the queue of this store."""
        return is_at_work(open_files(self._place()), time.time())

    def _is_heard(self, run: str) -> bool:
        """Whether somebody drives a run, a moment ago at least."""
        pulse = read_pulse(open_files(self._place()), run)
        return pulse is not None and pulse.is_alive(time.time())

    def _place(self) -> str:
        return str(self._sources.store.absolute())


def goes_on(launcher: Launcher, run: str) -> str:
    """What to say of a run that was just gone on with: where, since that may surprise."""
    return f"{run} goes on {launcher.place()}."


def preset_values(preset: str) -> dict[str, Any]:
    """What a preset says of each of :data:`SETTINGS` that it says anything of.

    Args:
        preset: One of :data:`PRESETS`.
    """
    plain = settings_of(load_config(preset))
    flat = {key: at for key, at in plain.items() if not isinstance(at, dict)}
    for section in ("evolution", "confirm", "engine"):
        flat |= {f"{section}.{key}": value for key, value in plain[section].items()}
    return {key: flat[key] for key in SETTINGS if flat.get(key) is not None}


def _check_settings(settings: Any) -> None:
    """Settings that a browser sent: known names, plain values. Ranges are checked later."""
    if not isinstance(settings, Mapping):
        raise LaunchRefused("The settings are not names with values.")
    for key, value in settings.items():
        if key not in SETTINGS or not isinstance(value, str | int | float | None):
            raise LaunchRefused(f"{str(key)[:60]!r} is no setting that can be changed here.")


def _options(order: Validate) -> list[str]:
    """What ``validate`` is told besides the genomes."""
    _check_number("seeds", order.seeds, 1, MOST_SEEDS)
    options = ["--seeds", str(order.seeds)]
    if order.horizon is not None:
        _check_number("horizon", order.horizon, 1, 10_000_000)
        options += ["--horizon", str(order.horizon)]
    if order.track is not None:
        _check_one_of("track", order.track, TRACKS)
        options += ["--track", order.track]
    executor = order.executor if has_extra("ray") else "local"
    if executor is not None:
        _check_one_of("executor", executor, ("local", "ray"))
        options += ["--executor", executor]
    options += ["--by", "group"] if order.by_group is True else []
    options += ["--fresh"] if order.fresh is True else []
    return options


def _check_one_of(name: str, value: Any, known: Iterable[str]) -> None:
    if not isinstance(value, str) or value not in known:
        raise LaunchRefused(f"The {name} must be one of {', '.join(known)}.")


def _check_number(name: str, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise LaunchRefused(f"The {name} must be a whole number from {low:,} to {high:,}.")


def _words(words: Any) -> list[str]:
    """Genomes that a browser named."""
    if not isinstance(words, list | tuple) or not 1 <= len(words) <= MOST_GENOMES:
        raise LaunchRefused(f"Choose between 1 and {MOST_GENOMES} genomes.")
    if not all(isinstance(w, str) and 0 < len(w) <= 200 and w.isprintable() for w in words):
        raise LaunchRefused("A genome is named by its id or by a name.")
    return list(words)


def _is_id(word: str) -> bool:
    return 4 <= len(word) <= 32 and not set(word) - set("0123456789abcdef")
