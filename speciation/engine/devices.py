"""What there is to train on, and how much of it a slot needs."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch

from speciation.engine.layout import layout
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One device that trials can run on."""

    name: str
    kind: Literal["cuda", "cpu"]
    index: int
    memory_bytes: int

    @property
    def torch_name(self) -> str:
        """What torch calls it."""
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"


def devices() -> list[DeviceInfo]:
    """Every CUDA device, or the CPU where there is none."""
    found = [
        DeviceInfo(
            name=torch.cuda.get_device_name(i),
            kind="cuda",
            index=i,
            memory_bytes=torch.cuda.get_device_properties(i).total_memory,
        )
        for i in range(torch.cuda.device_count())
    ]
    return found or [cpu()]


def cpu() -> DeviceInfo:
    """This machine's processor."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return DeviceInfo(name=_processor_name(), kind="cpu", index=0, memory_bytes=memory)


def slot_bytes(task: Task, model: ModelShape) -> int:
    """Bytes that one slot keeps between steps: weights, two moments, its order of examples."""
    return 3 * 4 * layout(task, model).size + 4 * task.pair_count


def block_bytes(task: Task, model: ModelShape, slots: int) -> int:
    """Bytes that a block of slots uses while it works, beyond :func:`slot_bytes` (an estimate).

    Counts the widest activations of a step and of an evaluation, a few copies of each.
    """
    plan = layout(task, model)
    positions = 1 if model.layers == 1 else 3
    widths = plan.vocabulary + (model.d_ff + 4 * model.d_model) * positions * model.layers
    examples = max(task.batch_size, min(task.pair_count, 2048))
    return 4 * 6 * slots * examples * widths


@cache
def keep_freed_memory() -> None:
    """Tell glibc to keep what large tensors free, instead of returning it page by page.

    Every step allocates the same activations again; a third of a step on a CPU went into page
    faults. Does nothing where the C library is another one.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    libc.mallopt(_M_MMAP_THRESHOLD, 32 * 1024 * 1024)  # the most that glibc accepts
    libc.mallopt(_M_TRIM_THRESHOLD, 1024 * 1024 * 1024)


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else "CPU"
