"""How the two functions of ``training.py`` are executed: eagerly, or as compiled graphs.

A backend trains a *block*: a fixed number of slots, the same for every engine of a device type.
An engine with more slots has more blocks. Since every operation sees the same shapes however
many slots there are, a trial's bits cannot depend on it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

import torch
from torch import Tensor

from speciation.engine.admission import write
from speciation.engine.training import SEEN, Program, State, evaluate, train_step
from speciation.trial.trial import Trial


class Backend(Protocol):
    """Trains the slots of one block."""

    def begin(self, slots: Sequence[int], trials: Sequence[Trial]) -> None:
        """Begin trials in these slots: their first weights and orders, at step 0."""
        ...

    def run(self, steps: int, occupied: Sequence[int]) -> Tensor:
        """Train the occupied slots for some steps, then evaluate.

        Returns:
            ``(S, len(SEEN))`` on the device; rows of other slots mean nothing.
        """
        ...


class EagerBackend:
    """``torch``: every operation as it is written.

    Args:
        step: Trains every slot once, in place.
    """

    def __init__(
        self,
        program: Program,
        state: State,
        step: Callable[[Program, State], None] = train_step,
    ) -> None:
        self._program, self._state, self._step = program, state, step

    def begin(self, slots: Sequence[int], trials: Sequence[Trial]) -> None:
        """See :class:`Backend`."""
        write(self._program, self._state, slots, trials)

    @torch.no_grad()
    def run(self, steps: int, occupied: Sequence[int]) -> Tensor:
        """See :class:`Backend`; an empty slot costs what an occupied one does."""
        for _ in range(steps):
            self._step(self._program, self._state)
        return evaluate(self._program, self._state)


@dataclass
class GraphMemory:
    """Where the CUDA graphs of an engine work, all in the same place; None before the first.

    That is safe for two reasons. Replays follow one another: an engine's blocks are started
    from one thread, on one stream. And nothing that lies there is read after its replay: states
    were made before any graph, and what an evaluation finds is copied out by the graph itself.
    So the order of replays need not be that of recording, and results may be read whenever the
    caller likes. The first graph, which owns the place, has to live as long as the others: an
    engine's blocks do.
    """

    pool: Any = None  # as torch.cuda.graph takes it


class GraphBackend:
    """``graph``: compiled by torch.compile and, on CUDA, replayed as one graph an interval.

    Args:
        compiled: The compiled pair of :func:`compile_pair`, shared by all blocks of an engine.
        memory: Of its graphs, shared likewise.
    """

    def __init__(
        self, program: Program, state: State, compiled: CompiledPair, memory: GraphMemory
    ) -> None:
        self._program, self._state = program, state
        self._compiled, self._memory = compiled, memory
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def begin(self, slots: Sequence[int], trials: Sequence[Trial]) -> None:
        """See :class:`Backend`."""
        write(self._program, self._state, slots, trials)

    @torch.no_grad()
    def run(self, steps: int, occupied: Sequence[int]) -> Tensor:
        """See :class:`Backend`; an empty slot costs what an occupied one does."""
        if self._state.weight.device.type != "cuda":
            return self._plainly(steps)
        if steps not in self._graphs:
            self._graphs[steps] = self._record(steps)
        graph, seen = self._graphs[steps]
        graph.replay()
        return seen

    def _plainly(self, steps: int) -> Tensor:
        train, look = self._compiled
        for _ in range(steps):
            train(self._state)
        return look(self._state)

    def _record(self, steps: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Capture an interval."""
        if self._memory.pool is None:
            self._warm_up()
        seen = self._state.weight.new_empty(self._state.weight.shape[0], len(SEEN))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory.pool):
            seen.copy_(self._plainly(steps))
        self._memory.pool = graph.pool()
        return graph, seen

    def _warm_up(self) -> None:
        """Compile, for all blocks of the engine: nothing can be while a graph is captured.

        It trains, so the state is put back as it was.
        """
        saved = [tensor.clone() for tensor in tensors(self._state)]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), warnings.catch_warnings():
            # float32 is the named precision here: TF32 is not something to recommend in
            # passing.
            warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
            self._plainly(1)
        torch.cuda.current_stream().wait_stream(stream)
        for tensor, before in zip(tensors(self._state), saved, strict=True):
            tensor.copy_(before)


# Deterministic: no choice of a kernel's shape by timing it, since that decides the order of
# sums.
_COMPILE: dict[str, Any] = {
    "fullgraph": True,
    "dynamic": False,
    "options": {"deterministic": True},
}
CompiledPair = tuple[Callable[[State], None], Callable[[State], Tensor]]


@cache
def compile_pair(program: Program) -> CompiledPair:
    """Both functions, compiled for one program; static shapes, one graph each."""
    if program.model.layers > 1:  # autograd inside: left to the CUDA graph alone
        return partial(train_step, program), partial(evaluate, program)
    step, look = (bound(function, program) for function in (train_step, evaluate))
    return torch.compile(step, **_COMPILE), torch.compile(look, **_COMPILE)


def bound(function: Callable[..., Any], program: Program) -> Callable[[State], Any]:
    """A function of a state, with a code object of its own.

    What is compiled is counted by code object, and the ninth version of one is an error; a
    process that trains for a sweep comes to dozens of programs.
    """

    def of_state(state: State) -> Any:
        return function(program, state)

    of_state.__code__ = of_state.__code__.replace()
    return of_state


def block_map(kind: str, backend: str) -> Callable[..., Iterable[Any]]:
    """How the blocks of an engine are started: ``map``, with a core for each block on a CPU.

    A block never uses two cores at once: how many threads share a sum decides its last bits,
    and a row must not depend on the cores of the machine. Compiled code is compiled by whoever
    calls it first, so there it is one thread for all blocks.
    """
    if kind != "cpu":
        return map
    cores = 1 if backend == "graph" else torch.get_num_threads()
    pool = ThreadPoolExecutor(cores, "block", initializer=torch.set_num_threads, initargs=(1,))
    return pool.map


def tensors(state: State) -> list[Tensor]:
    """Every tensor of a state."""
    own = [getattr(state, name) for name in state._fields if name != "schedule"]
    return [*own, *state.schedule]
