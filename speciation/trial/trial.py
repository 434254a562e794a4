"""A trial: one genome, one seed, one task, one model, one precision; and what came of it.

A trial's id is a hash of everything that its result depends on, so a result that is stored
once answers every later question about it. The horizon is not in the id: how long one is
willing to look does not change what happens. Nor is the backend: all backends of a precision
compute the same thing, and a result says which of them did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speciation.genome.canonical import canonical_json, hash_of_text
from speciation.genome.genome import Genome
from speciation.trial.task import Task

# The meaning of a trial. Raise it whenever any trial's result changes on purpose.
SEMANTICS = 1

PRECISIONS = ("float32", "float64", "fp16")
"""What weights and moments are kept in. ``fp16`` keeps them in float32 and asks less of
products: at least 11 bits of each factor, as a float16 keeps them (and TF32 does)."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of the transformer.

    Raises:
        ValueError: A size is out of range, or heads do not divide d_model.
    """

    layers: int = 1
    d_model: int = 32
    heads: int = 4
    d_ff: int = 64

    def __post_init__(self) -> None:
        for name, value, high in (
            ("layers", self.layers, 12),
            ("d_model", self.d_model, 1024),
            ("heads", self.heads, 64),
            ("d_ff", self.d_ff, 4096),
        ):
            if not 1 <= value <= high:
                raise ValueError(f"model {name} must be in [1, {high}], got {value}")
        if self.d_model % self.heads:
            raise ValueError(
                f"model heads must divide d_model, got {self.heads} heads for {self.d_model}"
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as hashed into every trial id."""
        return asdict(self)


class Streams(NamedTuple):
    """A seed for each of the four streams that a trial draws from."""

    split: int
    init: int
    order: int
    dropout: int


@dataclass(frozen=True)
class Trial:
    """One genome trained from one seed.

    Args:
        genome: The genes.
        task: What has to be learned.
        model: The transformer's sizes.
        seed: In [0, 2**63); feeds the split, initialisation, order and dropout streams.
        horizon: Steps after which a trial that has not grokked is censored.
        to_horizon: Keep training after grokking was confirmed, up to the horizon.
        precision: One of ``PRECISIONS``.
        streams: A seed for each stream, in a design that crosses them; that of the split is
            ``seed``. Four times the same seed is the plain trial of that seed, and is kept so.

    Raises:
        ValueError: A seed or the horizon is out of range, the precision is unknown, or the
            split has another seed than the trial.
    """

    genome: Genome
    task: Task
    model: ModelShape
    seed: int
    horizon: int
    to_horizon: bool = False
    precision: str = "float32"
    streams: Streams | None = None

    def __post_init__(self) -> None:
        for seed in (self.seed, *(self.streams or ())):
            if not 0 <= seed < 2**63:
                raise ValueError(f"a trial's seed must be in [0, 2**63), got {seed}")
        if self.streams is not None and self.streams.split != self.seed:
            raise ValueError(
                f"a trial's seed is that of its split, got {self.seed} and {self.streams.split}"
            )
        if self.streams is not None and len(set(self.streams)) == 1:
            object.__setattr__(self, "streams", None)
        interval = self.task.eval_interval
        if not interval <= self.horizon <= 10_000_000 or self.horizon % interval:
            raise ValueError(
                f"a trial's horizon must be a multiple of the evaluation interval ({interval} "
                f"steps), up to 10,000,000 steps, got {self.horizon}"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"a trial's precision must be one of {PRECISIONS}, got {self.precision!r}"
            )

    @cached_property
    def id(self) -> str:
        """blake2b-128 of all that decides what happens; not of horizon and backend."""
        return hash_of_text(self.text())

    def text(self) -> str:
        """The canonical JSON that the id is a hash of.

        Put together from parts that are made once: a large run asks for the ids of millions of
        trials.
        """
        task, model = _canonical(self.task), _canonical(self.model)
        apart = self.streams and f'"streams":{canonical_json(self.streams._asdict())},'
        return (
            f'{{"genome":"{self.genome.id}","model":{model},"precision":"{self.precision}",'
            f'"seed":{int(self.seed)},"semantics":{SEMANTICS},{apart or ""}"task":{task}}}'
        )

    @property
    def drawn_from(self) -> Streams:
        """The seed of each stream."""
        return self.streams or Streams(*(self.seed,) * 4)


@cache
def _canonical(value: Task | ModelShape) -> str:
    return canonical_json(value.as_dict())


def same_but_seed(trial: Trial, seeds: Sequence[int]) -> list[str]:
    """Ids of the plain trials that differ from this one in their seed: ``trial.id``, but fast.

    The text that is hashed is the same on both sides of the seed, so it is made once.
    """
    text = replace(trial, seed=0, streams=None).text()
    before, mark, after = text.partition('"seed":0')
    hashed = hashlib.blake2b(f"{before}{mark[:-1]}".encode(), digest_size=16)
    ids = []
    for end in _ends(tuple(seeds), after):
        own = hashed.copy()
        own.update(end)
        ids.append(own.hexdigest())
    return ids


@lru_cache(maxsize=1)
def _ends(seeds: tuple[int, ...], after: str) -> tuple[bytes, ...]:
    """What is hashed of each seed and all after it: the same for every genome of a plan."""
    return tuple(f"{seed}{after}".encode() for seed in seeds)


def seeded(trial: Trial, seeds: Sequence[int]) -> list[Trial]:
    """The plain trials that differ from this one in their seed."""
    return [replace(trial, seed=seed, streams=None) for seed in seeds]


class Outcome(StrEnum):
    """How a trial ended."""

    GROKKED = "grokked"
    CENSORED = "censored"
    DIVERGED = "diverged"
    FAILED = "failed"  # the machine's fault: never counts against a genome


class LearningClass(StrEnum):
    """How a trial learned; see ``speciation.trial.grokking``."""

    DIVERGED = "Diverged"
    COLLAPSER = "Collapser"
    UNDERFITTER = "Underfitter"
    SMOOTH_LEARNER = "Smooth Learner"
    GROKKER = "Grokker"
    DELAYED = "Delayed"
    MEMORISER = "Memoriser"


@dataclass(frozen=True, slots=True)
class Curves:
    """What was seen at each evaluation; every array has shape ``(evaluations,)``.

    ``zero_gradient_share`` is the share of train examples whose correct-class gradient is
    exactly zero in float32; ``gap_q10 … gap_q90`` are quantiles over train examples of the
    correct logit minus the greatest other one.
    """

    step: NDArray[np.int32]
    train_loss: NDArray[np.float32]
    train_accuracy: NDArray[np.float32]
    validation_loss: NDArray[np.float32]
    validation_accuracy: NDArray[np.float32]
    zero_gradient_share: NDArray[np.float32]
    gap_q10: NDArray[np.float32]
    gap_q50: NDArray[np.float32]
    gap_q90: NDArray[np.float32]
    learning_rate: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Milestones:
    """When a trial reached what, in steps; None if it did not within its horizon."""

    steps_to_grok: int | None = None
    first_95: int | None = None
    first_99: int | None = None
    sustained_95: int | None = None
    steps_to_memorise: int | None = None
    validation_at_memorise: float | None = None
    least_validation_after_grok: float | None = None


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Everything that is stored of a finished trial."""

    trial: Trial
    outcome: Outcome
    learning_class: LearningClass | None = None
    milestones: Milestones = Milestones()
    final_train_accuracy: float | None = None
    final_validation_accuracy: float | None = None
    final_train_loss: float | None = None
    final_validation_loss: float | None = None
    best_validation_accuracy: float | None = None
    steps_run: int = 0
    wall_seconds: float = 0.0
    backend: str = ""
    device: str = ""
    versions: str = ""
    reason: str | None = None
    curves: Curves | None = None

    @property
    def examples_seen(self) -> int:
        """Steps times batch."""
        return self.steps_run * self.trial.task.batch_size


def failed(trial: Trial, reason: str) -> TrialResult:
    """The machine could not finish a trial: recorded, shown, and held against nobody."""
    return TrialResult(trial=trial, outcome=Outcome.FAILED, reason=reason)


def answers(outcome: str, steps_to_grok: int | None, steps_run: int, horizon: int) -> bool:
    """Whether a stored row says what happens up to ``horizon``.

    It does when it grokked by then, or ran that far, or diverged; a failure never does.
    """
    if outcome == Outcome.FAILED:
        return False
    grokked_by_then = steps_to_grok is not None and steps_to_grok <= horizon
    return grokked_by_then or outcome == Outcome.DIVERGED or steps_run >= horizon


def restrict(steps_to_grok: int | None, horizon: int) -> int | None:
    """Steps to grok as a trial of this horizon would have said: None if later than it."""
    return steps_to_grok if steps_to_grok is not None and steps_to_grok <= horizon else None
