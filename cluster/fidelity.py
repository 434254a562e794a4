"""Is a fast engine still the same experiment? The same trials by two engines, and the verdict.

Both arms train the same genomes from the same seeds, of pool B. Beside them stand controls:
engines that are wrong on purpose, and must be found different, or the comparison proves
nothing. How arms are judged is ``speciation.analysis.fidelity``; here they are trained.

Each arm is kept in a file, so that a comparison that was stopped goes on, and more seeds cost
only the new ones. A file holds for the code that wrote it and no other: once an engine was
changed, its trials are trained again.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cluster.config import DEFAULT_TRACK, PROJECT
from cluster.engine_host import EngineHost, planned_spec
from cluster.executor import EngineLike, EnginePlan, is_out_of_memory
from cluster.provenance import provenance, version_of
from cluster.summary import plain
from speciation.analysis.fidelity import Arms, Fidelity, GenomeVerdict, Planted, verdict
from speciation.analysis.survival import Floats
from speciation.analysis.wording import signed
from speciation.genome.library import StoredGenome, load_folder
from speciation.seeds import pool_b
from speciation.tables.files import LocalFiles, Vanished
from speciation.trial.task import TRACKS, Track
from speciation.trial.trial import ModelShape, Trial, TrialResult

if TYPE_CHECKING:
    from speciation.engine.engine import EngineSpec

GENOMES = PROJECT / "genomes" / "fidelity"
PLANTED = {"l2-decay": "cooled", "stale-step": "long-warm-up", "fixed-beta2": "slow"}
"""Control → name of the genome file on which its fault has to show."""

REFERENCE, TESTED = "reference", "tested"
TURNS = 4  # trials that a slot trains one after another: refilling is part of what is judged
WORK_SECONDS, SAVE_SECONDS = 0.5, 30.0
MOST_BYTES = 2**28  # of an arm's file
FORMAT, VERSION = "speciation-fidelity", 1
# What decides how a trial ends, within the package.
SOURCES = ("seeds.py", "genome/**/*", "trial/**/*", "engine/**/*")
SUFFIXES = (".py", ".cpp", ".cu", ".h")

Steps = dict[str, dict[str, int | None]]
"""Genome id → seed → steps to grok; None where it did not within the horizon."""


class FidelityError(ValueError):
    """A comparison that cannot be made: one sentence."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared with what.

    Args:
        genomes: What both arms train, in the order of the report.
        track: The task.
        horizon: In steps; that of the track is only a proposal.
        seeds: How many, of pool B.
        backend: Of the arm that is judged; ``auto`` is the usual one of the device.
        precision: Of the arm that is judged.
        reference: Backend of the other arm, which trains in float32.
        device: ``auto``, ``cpu`` or ``cuda``, of both.
        slots: Trials at once; None is as many as usual, but so few that slots are refilled.
        model: The transformer.
        planted: Control → path stem of the genome that it is tried on.

    Raises:
        FidelityError: There are fewer than two seeds, the horizon is no whole number of
            evaluations, or a control has no genome.
    """

    genomes: tuple[StoredGenome, ...]
    track: Track
    horizon: int
    seeds: int
    backend: str = "auto"
    precision: str = "fp16"
    reference: str = "torch"
    device: str = "auto"
    slots: int | None = None
    model: ModelShape = field(default_factory=ModelShape)
    planted: Mapping[str, str] = field(default_factory=lambda: PLANTED)

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise FidelityError(f"--seeds must be at least 2, got {self.seeds}")
        interval = self.track.task.eval_interval
        if self.horizon < interval or self.horizon % interval:
            raise FidelityError(
                f"--horizon must be a multiple of the evaluation interval ({interval} steps), "
                f"got {self.horizon}"
            )
        for control, name in self.planted.items():
            if name not in self.names:
                raise FidelityError(
                    f"the control {control} is tried on the genome {name!r}, which is not "
                    f"there; there are {', '.join(self.names)}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Stems of the genome files."""
        return tuple(genome.path.stem for genome in self.genomes)

    def only(self, name: str) -> tuple[StoredGenome, ...]:
        """The genome of a file, alone."""
        return tuple(genome for genome in self.genomes if genome.path.stem == name)


def shipped(
    horizon: int | None,
    track: str = DEFAULT_TRACK,
    d_model: int = 32,
    **settings: Any,
) -> Comparison:
    """A comparison on the genomes that come with the project.

    Args:
        horizon: In steps; None is that of the track.
        track: By name.
        d_model: Width of the model; its ``d_ff`` is twice that.
        settings: Of :class:`Comparison`.

    Raises:
        FidelityError: There is no such track or model; or see :class:`Comparison`.
        GenomeError: The genomes are not there.
    """
    if track not in TRACKS:
        raise FidelityError(f"--track must be one of {', '.join(TRACKS)}, got {track!r}")
    try:
        model = ModelShape(d_model=d_model, d_ff=2 * d_model)
    except ValueError as reason:
        raise FidelityError(f"--d-model {d_model}: {reason}") from reason
    own = TRACKS[track]
    genomes = load_folder(GENOMES)
    return Comparison(genomes, own, horizon or own.horizon, model=model, **settings)


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a comparison.

    Args:
        fidelity: The arms and the verdict.
        document: The same for programs, without the times of single trials.
    """

    fidelity: Fidelity
    document: dict[str, Any]


def compare(
    plan: Comparison,
    out: Path,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Found | None:
    """Train what is not trained yet, and judge; None if ``stop`` asked to stop.

    Args:
        plan: What is compared.
        out: The folder of ``fidelity.json`` and of the arms' files.
        progress: Told the name of an arm, how many of its trials have ended, and of how many.
        stop: Asked twice a second; what has ended by then is kept.

    Raises:
        FidelityError: An engine cannot be built as asked for.
        StoreError: The folder cannot be written to.
    """
    files, times = LocalFiles(out), dict[str, Floats]()
    arms = _arms(plan)
    for arm in arms:
        steps = _train(arm, plan, files, progress, stop)
        if steps is None:
            return None
        times[arm.name] = steps
    found = _found(plan, arms, times)
    body = json.dumps(found.document, indent=2, ensure_ascii=False) + "\n"
    files.replace("fidelity.json", body.encode("utf-8"))
    return found


# -- Arms -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Arm:
    """Some genomes, and the engine that trains them; ``fault`` is what is wrong with it."""

    name: str
    genomes: tuple[StoredGenome, ...]
    spec: EngineSpec
    build: Callable[[EngineSpec], EngineLike]
    fault: str = ""

    @property
    def words(self) -> str:
        """The engine."""
        return f"{self.spec.backend} in {self.spec.precision}"


def _arms(plan: Comparison) -> list[_Arm]:
    """What is judged comes first: whatever is wrong with it is then said before long work."""
    from speciation.engine.controls import CONTROLS

    every = plan.genomes
    tested = _spec(plan, plan.backend, plan.precision, len(every))
    reference = _spec(plan, plan.reference, "float32", len(every))
    faulty = _spec(plan, "torch", "float32", 1)
    return [
        _Arm(TESTED, every, tested, _honest),
        _Arm(REFERENCE, every, reference, _honest),
        *(
            _Arm(name, plan.only(own), faulty, CONTROLS[name].build, CONTROLS[name].fault)
            for name, own in plan.planted.items()
        ),
    ]


def _honest(spec: EngineSpec) -> EngineLike:
    """The engine itself, and never another in its place."""
    from speciation.engine.engine import make_engine

    engine = make_engine(spec)
    if engine.without_fused:
        raise FidelityError(f"fused cannot be judged here: {engine.without_fused}")
    return engine


def _spec(plan: Comparison, backend: str, precision: str, genomes: int) -> EngineSpec:
    task, slots = plan.track.task, plan.slots
    try:
        spec = planned_spec(
            EnginePlan(task, plan.model, backend, precision, slots, plan.device)
        )
    except ValueError as error:
        raise FidelityError(str(error)) from None
    few = max(genomes * plan.seeds // TURNS, 1)
    return spec if slots else replace(spec, slots=min(spec.slots, few))


def _train(
    arm: _Arm,
    plan: Comparison,
    files: LocalFiles,
    progress: Callable[[str, int, int], None],
    stop: Callable[[], bool],
) -> Floats | None:
    """Steps to grok ``(G, n)``, infinite where a trial did not; None if asked to stop."""
    record = _Record(arm, plan, files)
    trials = list(_trials(arm, plan))
    missing = [trial for trial in trials if not record.knows(trial)]
    saved_at, done = -math.inf, len(trials) - len(missing)
    progress(arm.name, done, len(trials))
    for results in _work(arm, missing):
        record.add(results)
        done += len(results)
        progress(arm.name, done, len(trials))
        if stop():
            record.save()
            return None
        if time.monotonic() - saved_at >= SAVE_SECONDS:
            record.save()
            saved_at = time.monotonic()
    record.save()
    return record.steps(trials).reshape(len(arm.genomes), plan.seeds)


def _trials(arm: _Arm, plan: Comparison) -> Iterator[Trial]:
    """Genome by genome, seed by seed."""
    spec = arm.spec
    for own, seed in product(arm.genomes, pool_b(plan.seeds)):
        yield Trial(
            own.genome, spec.task, spec.model, seed, plan.horizon, precision=spec.precision
        )


def _work(arm: _Arm, trials: list[Trial]) -> Iterator[list[TrialResult]]:
    """What ended, about twice a second, until all trials have; first nothing.

    So a folder that cannot be written to is found out before the work, and nothing is written
    where there is no engine.
    """
    from speciation.engine.devices import give_back_memory

    if not trials:
        return
    give_back_memory()  # of the arm before
    try:
        host = _built(arm)
        yield []
        yield host.work(trials, WORK_SECONDS)
        while host.occupied:
            yield host.work((), WORK_SECONDS)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise FidelityError(
            f"{arm.words} has no memory for {arm.spec.slots:,} slots; "
            "ask for fewer with --slots"
        ) from error


def _built(arm: _Arm) -> EngineHost:
    try:
        return EngineHost(arm.build(arm.spec))
    except ValueError as error:
        raise FidelityError(str(error)) from None


class _Record:
    """The file of an arm: steps to grok of every trial that has ended."""

    def __init__(self, arm: _Arm, plan: Comparison, files: LocalFiles) -> None:
        self._files, self._path = files, f"arms/{arm.name}.json"
        self._of = _decisive(arm, plan)
        self._steps = self._load()

    def knows(self, trial: Trial) -> bool:
        """Whether the trial has ended."""
        return str(trial.seed) in self._steps.get(trial.genome.id, {})

    def add(self, results: list[TrialResult]) -> None:
        """Take trials in."""
        for result in results:
            own = self._steps.setdefault(result.trial.genome.id, {})
            own[str(result.trial.seed)] = result.milestones.steps_to_grok

    def steps(self, trials: list[Trial]) -> Floats:
        """Of trials that are known; infinite where one did not grok."""
        found = (self._steps[trial.genome.id][str(trial.seed)] for trial in trials)
        return np.array([math.inf if steps is None else steps for steps in found])

    def save(self) -> None:
        """Write the file, whole or not at all."""
        body = json.dumps({"of": self._of, "steps": self._steps}, separators=(",", ":"))
        self._files.replace(self._path, body.encode("utf-8"))

    def _load(self) -> Steps:
        try:
            document = json.loads(self._files.read(self._path, MOST_BYTES))
        except (Vanished, ValueError):
            return {}
        same = isinstance(document, dict) and document.get("of") == self._of
        return document["steps"] if same else {}


def _decisive(arm: _Arm, plan: Comparison) -> dict[str, Any]:
    """All that the result of a trial depends on, besides its genome and seed."""
    spec = arm.spec
    return {
        "arm": arm.name,
        "task": spec.task.as_dict(),
        "model": spec.model.as_dict(),
        "horizon": plan.horizon,
        "backend": spec.backend,
        "precision": spec.precision,
        "device": _device(spec),
        "torch": version_of("torch"),
        "sources": _sources(),
    }


def _device(spec: EngineSpec) -> str:
    from speciation.engine.devices import cpu, devices

    kind = spec.device.partition(":")[0]
    return next((found.name for found in devices() if found.kind == kind), cpu().name)


@cache
def _sources() -> str:
    """Hash of the code that trains, as it is when this process begins to."""
    root = PROJECT / "speciation"
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(p for pattern in SOURCES for p in root.glob(pattern)):
        if path.suffix in SUFFIXES:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


# -- What was found ---------------------------------------------------------------------------


def _found(plan: Comparison, arms: list[_Arm], times: Mapping[str, Floats]) -> Found:
    tested, reference, *faulty = arms
    both = Arms(plan.names, times[REFERENCE], times[TESTED], plan.horizon)
    fidelity = Fidelity(
        reference=reference.words,
        tested=tested.words,
        arms=both,
        verdict=verdict(both),
        controls=tuple(_planted(arm, both, times[arm.name]) for arm in faulty),
    )
    document = {
        "format": FORMAT,
        "version": VERSION,
        "passed": fidelity.passed,
        "tested": {"backend": tested.spec.backend, "precision": tested.spec.precision},
        "reference": {"backend": reference.spec.backend, "precision": reference.spec.precision},
        "device": _device(tested.spec),
        "task": tested.spec.task.as_dict(),
        "model": tested.spec.model.as_dict(),
        "horizon": plan.horizon,
        "seeds": plan.seeds,
        "slots": tested.spec.slots,
        "sources": _sources(),
        **provenance(),
        "genomes": {g.path.stem: plain(g.genome) for g in plan.genomes},
        "verdict": plain(fidelity.verdict),
        "controls": [
            {"name": c.name, "fault": c.fault, "caught": c.caught, "verdict": plain(c.verdict)}
            for c in fidelity.controls
        ],
    }
    return Found(fidelity, document)


def _planted(arm: _Arm, both: Arms, times: Floats) -> Planted:
    honest = both.of(arm.genomes[0].path.stem)
    arms = Arms(honest.names, honest.reference, times, honest.horizon)
    return Planted(arm.name, arm.fault, arms, verdict(arms).genomes[0])


HEADER = ["genome", "reference", "tested", "Δ steps, 90 %", "ratio", "grokked", "p", "answer"]


def rows(fidelity: Fidelity) -> list[list[str]]:
    """The verdict on every genome in words, under :data:`HEADER`."""
    return [_row(genome) for genome in fidelity.verdict.genomes]


def _row(genome: GenomeVerdict) -> list[str]:
    steps, reference, tested = genome.steps, genome.reference, genome.tested
    return [
        genome.name,
        f"{reference.rmst:,.0f}",
        f"{tested.rmst:,.0f}",
        f"{signed(steps.low, 1)} to {signed(steps.high, 1)}, of ±{steps.margin:.0f}",
        f"{math.exp(genome.ratio.estimate):.3f}" if genome.ratio.pairs else "–",
        f"{reference.successes:,} and {tested.successes:,} of {genome.seeds:,}",
        f"{genome.log_rank_p:.3f}",
        genome.answer.value,
    ]
