"""Where trials are trained, seen from the driver: hand some in, ask what happened.

An executor owns engines and their slots. It decides nothing: it may lose trials, and then says
which, but it never retries, blames or stores. ``tests/contracts/executor.py`` is what every
implementation must pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from speciation.genome.genome import HYPER17
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape, Trial, TrialResult

if TYPE_CHECKING:  # an actor, which comes by here, needs neither
    from cluster.campaign import Event
    from cluster.config import RunConfig


class ExecutorError(RuntimeError):
    """There is nowhere to train: one sentence that says why and what to do."""


class Executor(Protocol):
    """Slots on some devices, and a queue in front of them."""

    @property
    def capacity(self) -> int:
        """Slots that can be used at the moment; 0 while everything is starting."""
        ...

    @property
    def occupied(self) -> int:
        """Slots with a trial in them, as last heard."""
        ...

    @property
    def waiting(self) -> int:
        """Engines that no machine has room for yet. They wait as long as it takes."""
        ...

    @property
    def trial_steps(self) -> int:
        """Training steps done so far, over all slots, as last heard."""
        ...

    def submit(self, trials: Sequence[Trial], apart: bool = False) -> None:
        """Take trials into the queue. Returns at once.

        Args:
            trials: What to train; all of the task and model the executor was made for.
            apart: Train these together on one actor that holds nothing else meanwhile.
        """
        ...

    def wait(self, timeout_s: float) -> list[Event]:
        """What happened: ``Finished`` and ``ActorLost`` events.

        Returns as soon as something did, and after about ``timeout_s`` seconds if nothing
        has (somewhat later where training itself cannot be interrupted).

        Raises:
            ExecutorError: Nothing can be trained here, now or later.
        """
        ...

    def close(self) -> list[Event]:
        """Stop within seconds and give everything back; what had finished and was not yet told.

        Unfinished trials are dropped. A second call does nothing.
        """
        ...


class EngineLike(Protocol):
    """What an executor needs of an engine; see ``speciation.engine.engine.Engine``."""

    slots: int
    trial_steps: int

    @property
    def occupied(self) -> int:
        """Slots with a trial in them."""
        ...

    @property
    def free(self) -> int:
        """Slots without."""
        ...

    def admit(self, trials: Sequence[Trial]) -> None:
        """Put trials into free slots."""
        ...

    def advance(self) -> list[TrialResult]:
        """Train every occupied slot to its next evaluation; the trials that ended there."""
        ...


MAX_HALVINGS = 16  # of slots: even 2,048 are one by then


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """Which engine is wanted; ``auto`` and None are decided where the device is.

    Picklable, so that an actor can be told.
    """

    task: Task
    model: ModelShape
    backend: str = "auto"
    precision: str = "fp16"
    slots: int | None = None
    device: str = "auto"
    share: float = 1.0  # of a GPU, that an engine may use
    halvings: int = 0  # of the slots, after so many times without enough memory
    kind: str = HYPER17.name  # of the genomes that it will train


def engine_plan(config: RunConfig) -> EnginePlan:
    """The engine that a run wants."""
    engine = config.engine
    return EnginePlan(
        task=config.the_task(),
        model=config.the_model(),
        backend=engine.backend,
        precision=engine.precision,
        slots=engine.slots,
        device=engine.device,
        kind=config.kind,
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a GPU or a machine has too little memory, or came of one.

    Told by name: torch's, Ray's and Python's are different classes, and neither torch nor Ray
    need be installed here.
    """
    names = {base.__name__ for each in causes(error) for base in type(each).__mro__}
    return bool(names & {"OutOfMemoryError", "MemoryError"})


def causes(error: BaseException) -> list[BaseException]:
    """An error and those that it came of; ``cause`` is what Ray calls another process's."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            context = None if each.__suppress_context__ else each.__context__
            waiting += [getattr(each, "cause", None), each.__cause__, context]
    return found


# Builds an engine; called where it will run, and again after each loss.
MakeEngine = Callable[[EnginePlan], EngineLike]
