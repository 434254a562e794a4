"""``fused``: an interval of a trial in one kernel, on a GPU or on a CPU."""

from __future__ import annotations

import torch

from speciation.engine import fused_cpu, fused_cuda
from speciation.engine.backends import Backend
from speciation.engine.training import Program, State


def missing(run: Program, precision: str) -> str | None:
    """Why the fused kernel cannot train this in this precision here, in a sentence, or None."""
    if run.answers.left.device.type == "cuda":
        return fused_cuda.missing(run, precision)
    dtype = torch.float64 if precision == "float64" else torch.float32
    return fused_cpu.missing(run, dtype)


def own_program(run: Program) -> Program:
    """The program whose states the kernel trains: its weights may lie otherwise."""
    return fused_cuda.tiled(run) if run.answers.left.device.type == "cuda" else run


def backend(run: Program, state: State) -> Backend:
    """What trains a block's slots, a state of :func:`own_program`'s.

    :func:`missing` has nothing to say about it.
    """
    if state.weight.device.type == "cuda":
        return fused_cuda.FusedCuda(run, state)
    return fused_cpu.FusedCpu(run, state)
