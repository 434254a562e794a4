"""What a run is: every setting, its range, and how it is read from YAML.

A configuration is checked once, at the border, and trusted from there on. What it says about
*science* (task, model, genomes, evolution, arithmetic) is hashed into the run's id; where and
on what it runs is not, nor for how many generations. So a run can be moved to another machine
or extended, and starting the same file again continues the same run.

Errors are one sentence: which file, which key, what it says and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from os.path import exists, isfile  # unlike Path's, no name makes these raise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from cluster.config_sentences import hint, listed, sentence, shown
from cluster.parcel import sown
from cluster.yaml_text import YamlError, read_yaml
from speciation.evolution.fitness import LANDSCAPES, wilson
from speciation.evolution.generation import EvolutionParams
from speciation.evolution.racing import RacingParams
from speciation.evolution.search import EVOLUTION, LEARNING, METHODS
from speciation.evolution.selection import STRATEGIES
from speciation.genome.genome import KINDS, Genome, GenomeError, content_hash
from speciation.genome.library import load_genome
from speciation.trial.task import OPERATIONS, TRACKS, Task
from speciation.trial.trial import SEMANTICS, ModelShape, Trial

PRESETS = Path(__file__).parent / "presets"
PROJECT = Path(__file__).parents[1]
DEFAULT_TRACK = "add97-mb512"
HALL_OF_FAME = "hall_of_fame"
RUN_PREFIX = "run:"


class ConfigError(ValueError):
    """A configuration that cannot be used: one sentence for whoever wrote it."""


def _one_of(registry: Iterable[str]) -> BeforeValidator:
    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in registry:
            raise ValueError(f"must be one of {listed(registry)}{hint(value, registry)}")
        return value

    return BeforeValidator(check)


class _Settings(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


# -- Sections -----------------------------------------------------------------------------


class TaskSettings(_Settings):
    """A task of one's own, in place of a track."""

    operation: Annotated[str, _one_of(OPERATIONS)] = "add"
    modulus: int = Field(97, strict=True, ge=2, le=1000)
    train_fraction: float = Field(0.5, strict=True, ge=0.01, le=0.99)
    batch: int | None = Field(512, strict=True, ge=1, le=65536)
    symmetric: bool = Field(False, strict=True)
    eval_interval: int = Field(25, strict=True, ge=1, le=1000)

    @model_validator(mode="after")
    def _is_a_task(self) -> Self:
        Task(**self.model_dump())
        return self


class ModelSettings(_Settings):
    """Sizes of the transformer."""

    layers: int = Field(1, strict=True, ge=1, le=12)
    d_model: int = Field(32, strict=True, ge=1, le=1024)
    heads: int = Field(4, strict=True, ge=1, le=64)
    d_ff: int = Field(64, strict=True, ge=1, le=4096)

    @model_validator(mode="after")
    def _is_a_shape(self) -> Self:
        ModelShape(**self.model_dump())
        return self


class RadiationSettings(_Settings):
    """Mutation: how far a gene moves (unit scale) and how often."""

    dose: float = Field(0.1, strict=True, gt=0, le=1)
    rate: float = Field(0.2, strict=True, ge=0, le=1)


class RacingSettings(_Settings):
    """Successive halving over a generation's seeds; see ``speciation.evolution.racing``."""

    first: int = Field(2, strict=True, ge=1, le=10_000, description="seeds of the first rung")
    keep: float = Field(0.5, strict=True, gt=0, lt=1, description="share that goes on")
    least: int = Field(4, strict=True, ge=1, le=100_000, description="genomes that go on")
    cap: bool = Field(True, strict=True, description="drop genomes without any success")
    fill: bool = Field(False, strict=True, description="train next seeds in empty slots")

    def params(self) -> RacingParams:
        """What a race takes."""
        return RacingParams(**self.model_dump(exclude={"fill"}))


class SteadySettings(_Settings):
    """Steady state: a generation is a brood, bred while others are still being tried.

    Parents are the genomes of the last broods that were judged, ``population`` of them.
    """

    brood: int = Field(8, strict=True, ge=1, le=100_000, description="genomes bred at a time")
    ahead: int = Field(1, strict=True, ge=1, le=1000, description="broods bred in advance")


class EvolutionSettings(_Settings):
    """The population, how it is judged, and how the next one is made."""

    population: int = Field(64, strict=True, ge=1, le=100_000)
    generations: int = Field(10, strict=True, ge=1, le=100_000)
    seeds: int = Field(4, strict=True, ge=1, le=10_000, description="trials of a genome")
    landscape: Annotated[str, _one_of(LANDSCAPES)] = "sprinter"
    selection: Annotated[str, _one_of(STRATEGIES)] = "tournament3"
    elites: int = Field(2, strict=True, ge=0, le=10_000)
    aliens: int = Field(0, strict=True, ge=0, le=10_000)
    crossover: float = Field(0.7, strict=True, ge=0, le=1, description="share with 2 parents")
    keep_groups: float = Field(0.5, strict=True, ge=0, le=1, description="share of those")
    clones: float = Field(0.0, strict=True, ge=0, le=1, description="share of exact copies")
    radiation: RadiationSettings = RadiationSettings()
    gate: float = Field(0.5, strict=True, gt=0, lt=1, description="Sniper's success bound")
    strictness: float = Field(0.5, strict=True, gt=0, lt=1, description="Hall of Fame's bound")
    racing: RacingSettings | None = None
    steady: SteadySettings | None = None
    senescence: bool = Field(True, strict=True, description="elites that fail die")
    search: Annotated[str, _one_of((EVOLUTION, *METHODS))] = EVOLUTION
    budget: int | None = Field(None, strict=True, ge=1, description="trial-steps to spend")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        self.params()
        best, _ = wilson(self.seeds, self.seeds)
        if self.landscape == "sniper" and best < self.gate:
            raise ValueError(
                f"gate is {self.gate:g}, but a genome that groks on all of {self.seeds} seeds "
                f"shows a success bound of {best:.2f}; use more seeds or a lower gate"
            )
        return self

    @model_validator(mode="after")
    def _can_be_searched_so(self) -> Self:
        if self.search != EVOLUTION and self.steady is not None:
            raise ValueError(f"steady is of evolution, but search is {self.search}; keep one")
        if self.search in LEARNING and self.racing is not None:
            raise ValueError(
                f"{self.search} learns from the order of all genomes, and in a race those that "
                "left it early have none; leave racing away"
            )
        if self.budget is not None and self.racing is not None and self.racing.fill:
            raise ValueError(
                "a budget counts trials, and which ones racing.fill trains depends on timing; "
                "keep one of them"
            )
        return self

    @model_validator(mode="after")
    def _is_steady(self) -> Self:
        if self.steady is None:
            return self
        if self.racing is not None:
            raise ValueError("racing and steady exclude each other; keep one of them")
        if self.population % self.steady.brood or self.steady.ahead >= self.broods:
            raise ValueError(
                f"the population is {self.population}, but must be a whole number of broods of "
                f"{self.steady.brood}, and more of them than the {self.steady.ahead} bred ahead"
            )
        for generation in range(self.broods):
            self.params_of(generation)
        return self

    @property
    def broods(self) -> int:
        """Broods that make up a population; 1 where a generation is one."""
        return 1 if self.steady is None else self.population // self.steady.brood

    @property
    def ahead(self) -> int:
        """Generations that are bred before the one at hand is judged."""
        return 0 if self.steady is None else self.steady.ahead

    @property
    def born(self) -> int:
        """Genomes in a generation."""
        return self.population // self.broods

    def params_of(self, generation: int) -> EvolutionParams:
        """What breeds a generation; broods share out the elites and aliens of a population."""
        place = generation % self.broods
        return replace(
            self.params(),
            population=self.born,
            elites=_share(self.elites, place, self.broods),
            aliens=_share(self.aliens, self.broods - 1 - place, self.broods),
        )

    def params(self) -> EvolutionParams:
        """What a step of evolution takes.

        Raises:
            ValueError: The numbers do not go together.
        """
        return EvolutionParams(
            population=self.population,
            elites=self.elites,
            aliens=self.aliens,
            crossover_share=self.crossover,
            keep_groups=self.keep_groups,
            clone_share=self.clones,
            senescence=self.senescence,
            radiation_dose=self.radiation.dose,
            radiation_rate=self.radiation.rate,
            strategy=self.selection,
            landscape=self.landscape,
            gate=self.gate,
        )


def _share(count: int, place: int, places: int) -> int:
    """How many of so many things one of some places gets, all of them evenly."""
    return (place + 1) * count // places - place * count // places


class ConfirmSettings(_Settings):
    """How many seeds that evolution never saw the champion is confirmed on."""

    seeds: int = Field(64, strict=True, ge=1, le=1_000_000)


class EngineSettings(_Settings):
    """How trials are computed; ``auto`` is decided where the device is.

    The precision is the fastest that was shown to be the same experiment (docs/fidelity.md).
    """

    backend: Literal["auto", "torch", "graph", "fused"] = "auto"
    precision: Literal["float32", "float64", "fp16"] = "fp16"
    slots: int | None = Field(None, strict=True, ge=1, le=1_000_000)
    device: Literal["auto", "cpu", "cuda"] = "auto"


class Ancestor(_Settings):
    """A genome to begin with, written out."""

    kind: Annotated[str, _one_of(KINDS)] = "hyper17"
    genes: dict[str, float]

    @model_validator(mode="after")
    def _is_a_genome(self) -> Self:
        KINDS[self.kind].validate(self.genome())
        return self

    def genome(self) -> Genome:
        """The genome itself."""
        return Genome(self.kind, tuple(self.genes.items()))


def _ancestor(value: Any) -> Ancestor | str:
    if isinstance(value, str | Ancestor):
        return value
    if isinstance(value, Mapping):
        return Ancestor.model_validate(dict(value))
    raise ValueError(
        f"must be a path to a genome JSON, {HALL_OF_FAME!r}, '{RUN_PREFIX}<run>', "
        "or a mapping with kind and genes"
    )


def _listing(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list")
    return tuple(value)


def _slug(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", value):
        raise ValueError("must be up to 40 of a-z, 0-9 and -, not beginning with -")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of printable text")
    return value


class RunConfig(_Settings):
    """Everything that a run is told. Frozen, and complete: see :func:`load_config`."""

    name: Annotated[str, AfterValidator(_slug)] = "run"
    seed: int = Field(1, strict=True, ge=0, le=2**63 - 1)
    kind: Annotated[str, _one_of(KINDS)] = "hyper17"
    track: Annotated[str, _one_of(TRACKS)] | None = None
    task: TaskSettings | None = None
    horizon: int | None = Field(None, strict=True, ge=1, le=10_000_000)
    model: ModelSettings = ModelSettings()
    evolution: EvolutionSettings = EvolutionSettings()
    ancestors: Annotated[
        tuple[Annotated[Ancestor | str, BeforeValidator(_ancestor)], ...],
        BeforeValidator(_listing),
    ] = ()
    confirm: ConfirmSettings = ConfirmSettings()
    engine: EngineSettings = EngineSettings()
    executor: Literal["local", "ray"] = "ray"
    address: str | None = None
    store: Annotated[str, AfterValidator(_one_line)] = Field(
        "results", min_length=1, max_length=1000
    )

    @model_validator(mode="after")
    def _has_one_task(self) -> Self:
        if self.track is not None and self.task is not None:
            raise ValueError("track and task exclude each other; keep one of them")
        if self.task is not None and self.horizon is None:
            raise ValueError("a task of your own needs a horizon (in steps) beside it")
        interval = self.the_task().eval_interval
        if self.the_horizon() % interval:
            raise ValueError(
                f"horizon is {self.the_horizon()}, but must be a multiple of the evaluation "
                f"interval ({interval} steps)"
            )
        if self.executor == "local" and self.address is not None:
            raise ValueError("address is of a Ray cluster, but executor is local; keep one")
        for ancestor in self.ancestors:
            if isinstance(ancestor, Ancestor) and ancestor.kind != self.kind:
                raise ValueError(f"an ancestor is {ancestor.kind}, but kind is {self.kind}")
        return self

    def the_task(self) -> Task:
        """The task, whether a track's or one's own."""
        if self.task is not None:
            return Task(**self.task.model_dump())
        return TRACKS[self.track or DEFAULT_TRACK].task

    def the_horizon(self) -> int:
        """Steps after which a trial is censored."""
        return self.horizon or TRACKS[self.track or DEFAULT_TRACK].horizon

    def the_model(self) -> ModelShape:
        """The transformer's sizes."""
        return ModelShape(**self.model.model_dump())

    def trials(self, genomes: Sequence[Genome], seeds: Sequence[int]) -> tuple[Trial, ...]:
        """Every genome from every seed, as this run trains it; seed by seed."""
        task, model, horizon = self.the_task(), self.the_model(), self.the_horizon()
        if not seeds:
            return ()
        precision = self.engine.precision
        heads = (Trial(g, task, model, seeds[0], horizon, precision=precision) for g in genomes)
        return tuple(chain.from_iterable(zip(*(sown(h, seeds) for h in heads), strict=True)))

    def science(self) -> dict[str, Any]:
        """All that rows of this run depend on, as plain values."""
        evolution = self.evolution.model_dump()
        del evolution["generations"]
        del evolution["budget"]  # as generations: how far, not what
        defaults = EvolutionSettings()
        for option in ("racing", "steady", "senescence", "search"):
            # Runs of the time before these keep their ids.
            if evolution[option] == getattr(defaults, option):
                del evolution[option]
        if "racing" in evolution:  # decides what is known early, and nothing else
            del evolution["racing"]["fill"]
        return {
            "seed": self.seed,
            "kind": self.kind,
            "task": self.the_task().as_dict(),
            "model": self.the_model().as_dict(),
            "horizon": self.the_horizon(),
            "evolution": evolution,
            "ancestors": [a if isinstance(a, str) else a.genome().id for a in self.ancestors],
            "backend": self.engine.backend,
            "precision": self.engine.precision,
            "semantics": SEMANTICS,
        }

    def config_hash(self) -> str:
        """Content hash of :meth:`science`."""
        return content_hash(self.science())

    def run_id(self) -> str:
        """The run's name in the store: readable, and equal for equal science."""
        return f"{self.name}-{self.config_hash()[:8]}"


# -- Reading ------------------------------------------------------------------------------


def presets() -> list[str]:
    """Names of the configurations that come with the project."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_config(source: str, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """A configuration from a YAML file or a preset.

    Args:
        source: Path of a file, or the name of a preset.
        overrides: Values by dotted key (``evolution.generations``) that go before the file's.

    Raises:
        ConfigError: The file or a value in it cannot be used.
    """
    path = _find(source)
    try:
        raw = read_yaml(path)
    except YamlError as error:
        raise ConfigError(str(error)) from error
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values (name: ..., seed: ...) at the top")
    stem = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40]
    return make_config({"name": stem or "run"} | raw, str(path), overrides, path.parent)


def make_config(
    raw: Mapping[str, Any],
    where: str,
    overrides: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> RunConfig:
    """A configuration from plain values.

    Args:
        raw: What a YAML file or a manifest says.
        where: Names the source in errors.
        overrides: Values by dotted key that go before the source's; None changes nothing.
        folder: Where paths of ancestors begin, before the working folder and the project's.

    Raises:
        ConfigError: A value cannot be used.
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    merged = _merge(raw, given)
    try:
        config = RunConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(sentence(RunConfig, where, error, set(given))) from None
    ancestors = tuple(
        _load_ancestor(where, i, ancestor, folder)
        for i, ancestor in enumerate(config.ancestors)
    )
    return config.model_copy(update={"ancestors": ancestors})


def sizes(text: str | None) -> dict[str, int]:
    """``heads=16,d_ff=128`` as settings by dotted key; nothing where nothing is said.

    Raises:
        ConfigError: A part is no ``SIZE=N`` of whole numbers.
    """
    found: dict[str, int] = {}
    for part in filter(None, (text or "").split(",")):
        name, _, value = part.partition("=")
        if not name or not value.isdecimal():
            raise ConfigError(f"--model has {part!r}, but must be SIZE=N, such as heads=16")
        found[f"model.{name}"] = int(value)
    return found


def _find(source: str) -> Path:
    path = Path(source)
    if source in presets() and not isfile(path):  # a folder of that name is somebody's results
        return PRESETS / f"{source}.yaml"
    if path.suffix in (".yaml", ".yml") or exists(path):
        return path
    raise ConfigError(
        f"there is no file {shown(source)}, nor a preset of that name "
        f"({listed(presets())}){hint(source, presets())}"
    )


def _merge(raw: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(raw)
    for key, value in overrides.items():
        section, _, rest = key.partition(".")
        if not rest:
            merged[section] = value
        elif isinstance(inner := merged.get(section, {}), Mapping):
            merged[section] = _merge(inner, {rest: value})
    return merged


def _load_ancestor(
    where: str, index: int, ancestor: Ancestor | str, folder: Path | None
) -> Ancestor | str:
    """Genomes are read when the configuration is, so that it says all that the run needs."""
    if not isinstance(ancestor, str):
        return ancestor
    if ancestor == HALL_OF_FAME or ancestor.startswith(RUN_PREFIX):
        return ancestor
    places = [p / ancestor for p in (folder, Path.cwd(), PROJECT) if p is not None]
    path = next((p for p in places if isfile(p)), None)
    if path is None:
        raise ConfigError(
            f"{where}: ancestors.{index} is {shown(ancestor)}, but there is no such genome "
            f"file; give a path, {HALL_OF_FAME!r} or '{RUN_PREFIX}<run>'"
        )
    try:
        genome, _ = load_genome(path)
    except (GenomeError, OSError) as error:
        raise ConfigError(f"{where}: ancestors.{index}: {error}") from error
    return Ancestor(kind=genome.kind, genes=dict(genome.genes))
