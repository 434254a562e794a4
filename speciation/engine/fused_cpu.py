"""``fused.cpp`` on this machine: compiled when first used, kept, and called without the GIL.

No compiler is required to train: :func:`missing` says in a sentence why the kernel cannot be
had, and whoever asks trains through torch. What is compiled is specific to the sizes of a model
and to this processor; it lies in the user's cache folder under a hash of everything it depends
on, so the next process finds it there.

Axes: S slots, P parameters, E examples of the task.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from speciation.engine.admission import write
from speciation.engine.kernel_cache import UnavailableError, folder, kept
from speciation.engine.kernel_macros import Words, definitions
from speciation.engine.layout import Layout
from speciation.engine.training import SEEN, Program, State
from speciation.trial.trial import ModelShape, Trial

SOURCE = Path(__file__).with_name("fused.cpp")
_COMPILERS = ("c++", "g++", "clang++")
_SECONDS = 300  # for a compiler to answer
_FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-shared",
    "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native",
    # A product and a sum may round once. No sum is reordered, and no NaN assumed away.
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
)
_TENSORS = (
    *("weight", "mean", "square", "recipe"),
    *("step", "loss_mean", "loss_variance", "decaying", "decay"),
    *("key", "order", "left", "right", "answer"),
)
_COUNTS = ("slots", "pairs", "train_count", "batch", "drawn")


class Slots(ctypes.Structure):
    """Where the tensors of a state and of its task lie; the struct of the same name."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in _TENSORS),
        *((name, ctypes.c_int64) for name in _COUNTS),
    ]


class FusedCpu:
    """Trains the slots of one block on the thread that calls it.

    Args:
        program: What is trained; :func:`missing` has nothing to say about it.
        state: Trained in place. Its tensors must stay where they are.

    Raises:
        UnavailableError: The kernel cannot be had.
    """

    def __init__(self, program: Program, state: State) -> None:
        if (reason := _unfit(program, state.weight.dtype)) is not None:
            raise UnavailableError(reason)
        self._library = library(program.plan, program.model)
        self._program = program
        self._state = state  # keeps alive what the pointers point to
        self._columns = [column.to(torch.int32) for column in program.answers]
        self._slots = _slots(program, state, self._columns)

    def begin(self, slots: Sequence[int], trials: Sequence[Trial]) -> None:
        """Begin trials in these slots, with what NumPy draws."""
        write(self._program, self._state, slots, trials)

    def run(self, steps: int, occupied: Sequence[int]) -> Tensor:
        """Train these slots for some steps, then evaluate: ``(S, len(SEEN))``, others zero."""
        seen = torch.zeros(self._state.weight.shape[0], len(SEEN))
        slots = torch.tensor(occupied, dtype=torch.int64)
        self._library.train(
            ctypes.byref(self._slots),
            ctypes.c_int64(steps),
            _pointer(slots),
            ctypes.c_int64(len(slots)),
            _pointer(seen),
        )
        return seen


def missing(program: Program, dtype: torch.dtype) -> str | None:
    """Why this cannot be trained by the kernel here, in a sentence; None if it can."""
    if (reason := _unfit(program, dtype)) is not None:
        return reason
    try:
        library(program.plan, program.model)
    except UnavailableError as reason:
        return str(reason)
    return None


def library(plan: Layout, shape: ModelShape) -> ctypes.CDLL:
    """The compiled kernel of a model, loaded; compiled once a process and machine.

    Raises:
        UnavailableError: There is no compiler, it fails, or nothing can be kept.
    """
    found = _library(definitions(plan, shape), _compiler(), folder())
    if isinstance(found, str):
        raise UnavailableError(found)
    return found


def _unfit(program: Program, dtype: torch.dtype) -> str | None:
    if program.model.layers > 1:
        return f"the fused kernel trains one layer, not {program.model.layers}"
    if dtype != torch.float32:
        return f"the fused kernel trains in float32, not {str(dtype).removeprefix('torch.')}"
    if (kind := program.answers.left.device.type) != "cpu":
        return f"the fused kernel of the CPU cannot train on {kind}"
    return None


def _slots(program: Program, state: State, columns: list[Tensor]) -> Slots:
    moments = (state.weight, state.mean, state.square)
    tensors = [*moments, state.recipe, *state.schedule, state.key, state.order, *columns]
    task = program.task
    counts = (*state.order.shape, program.train_count, task.batch_size, task.batch is not None)
    return Slots(*(tensor.data_ptr() for tensor in tensors), *counts)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


# -- Compiling --------------------------------------------------------------------------


@cache
def _library(macros: Words, compiler: Words, cache_folder: Path) -> ctypes.CDLL | str:
    """The library, or why there is none: nobody waits for a broken compiler twice."""
    command = (*compiler, *_FLAGS, *macros)
    try:
        version = _called((*compiler, "--version")).stdout
        made_from = [SOURCE.read_text(encoding="utf-8"), *command, version, _processor()]
        path = kept("fused.so", map(str.encode, made_from), lambda: _compiled(command))
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError) as error:
        return f"the fused kernel could not be compiled and loaded: {error}"
    except UnavailableError as reason:
        return str(reason)


def _compiled(command: Words) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "fused.so"
        run = _called((*command, str(SOURCE), "-o", str(path)))
        if run.returncode != 0:
            raise UnavailableError(
                f"compiling the fused kernel failed: {_first_error(run.stderr)}"
            )
        return path.read_bytes()


def _compiler() -> Words:
    """The words that call the compiler: ``$CXX``, or the first of the usual ones."""
    if named := shlex.split(os.environ.get("CXX", "")):
        return tuple(named)
    found = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if found is None:
        raise UnavailableError(
            f"the fused kernel needs a C++ compiler: {', '.join(_COMPILERS)} or $CXX"
        )
    return (found,)


def _processor() -> str:
    """What "native" means here: the model and the instructions of the first processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    telling = ("model name", "flags", "Features", "CPU part")
    return "\n".join(line for line in lines if line.startswith(telling))


def _called(command: Words) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LC_ALL": "C"}  # errors that can be recognised
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        timeout=_SECONDS,
        check=False,
    )


def _first_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), (lines or ["no message"])[0])
