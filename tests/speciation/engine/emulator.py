"""``fused.cu`` on a CPU: the GPU's kernel, compiled as C++, with a fiber for every thread."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from speciation.engine import fused_cuda
from speciation.engine.admission import entries, orders, weights_table
from speciation.engine.kernel_macros import Words
from speciation.engine.training import SEEN, Program, State
from speciation.trial.trial import Trial

WARPS = 2  # enough to see warps divide the work; the real kernel has more
COMPILER = shutil.which("g++")


class Emulated:
    """As ``FusedCuda``, without a GPU."""

    def __init__(
        self,
        run: Program,
        state: State,
        folder: Path,
        warps: int = WARPS,
        room: int = fused_cuda.ROOM,
    ) -> None:
        if COMPILER is None:
            pytest.skip("emulating a GPU needs g++")
        self._library = _library(fused_cuda.macros(run, warps, room), folder)
        places = torch.from_numpy(fused_cuda.places(run))
        self._extra = (fused_cuda.pairs(run), places)
        self._program = run
        self._state, self._struct = state, fused_cuda.struct(state, self._extra)

    @property
    def shared_bytes(self) -> dict[str, int]:
        """What each kernel asks of a multiprocessor's shared memory."""
        names = ("begin", "train", "judge")
        own = {name: ctypes.c_int.in_dll(self._library, f"{name}_bytes") for name in names}
        return {name: there.value for name, there in own.items()}

    def begin(self, slots: Sequence[int], trials: Sequence[Trial]) -> None:
        rows, weights = entries(slots, trials), weights_table(self._program.plan)
        given = self._program.task.symmetric
        order = orders(self._program, trials) if given else None
        self._library.launch_begin(
            ctypes.byref(self._struct),
            ctypes.c_void_p(rows.ctypes.data),
            len(trials),
            ctypes.c_void_p(None if order is None else order.ctypes.data),
            ctypes.c_void_p(weights.ctypes.data),
            len(weights),
        )

    def run(self, steps: int, occupied: Sequence[int]) -> Tensor:
        seen = torch.full((self._state.weight.shape[0], len(SEEN)), torch.nan)
        self._train(steps, occupied, None)
        self._library.launch_judge(*self._slots(occupied), ctypes.c_void_p(seen.data_ptr()))
        return seen

    def gradients(self, occupied: Sequence[int]) -> Tensor:
        slots, size = self._state.weight.shape
        out = torch.full((slots, size + 1), torch.nan)
        self._train(1, occupied, out)
        return out

    def _train(self, steps: int, occupied: Sequence[int], gradient: Tensor | None) -> None:
        there = None if gradient is None else gradient.data_ptr()
        self._library.launch_train(*self._slots(occupied), steps, ctypes.c_void_p(there))

    def _slots(self, occupied: Sequence[int]) -> tuple[Any, ...]:
        self._listed = np.array(occupied, dtype=np.int32)
        address = ctypes.c_void_p(self._listed.ctypes.data)
        return ctypes.byref(self._struct), address, len(self._listed)


@cache
def _library(macros: Words, folder: Path) -> ctypes.CDLL:
    out = folder / f"{hashlib.sha256(repr(macros).encode()).hexdigest()[:12]}.so"
    command = [str(COMPILER), "-x", "c++", "-std=c++17", "-O1", "-w", "-shared", "-fPIC"]
    command += ["-DON_CPU", f"-I{Path(__file__).parent}", "-U_FORTIFY_SOURCE"]
    subprocess.run([*command, *macros, str(fused_cuda.SOURCE), "-o", str(out)], check=True)
    return ctypes.CDLL(str(out))
