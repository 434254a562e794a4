"""What there is to train on, and how much of it a slot needs."""

from __future__ import annotations

import ctypes
import gc
import os
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import torch

from speciation.engine.layout import layout
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


class BlockShape(NamedTuple):
    """How much is computed at a time."""

    slots: int  # that train as one program
    chunk: int  # examples an evaluation takes at a time


_USUAL = {"cpu": BlockShape(12, 512), "cuda": BlockShape(512, 9409)}
_BLOCK_BYTES = {"cpu": 2**30, "cuda": 16 * 2**30}
KINDS = tuple(_USUAL)


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


def slot_bytes(task: Task, model: ModelShape, tiles: tuple[int, int] = (1, 1)) -> int:
    """Bytes that one slot keeps between steps: weights, two moments, its order of examples.

    ``tiles``: those of the layout.
    """
    return 3 * 4 * layout(task, model, tiles).size + 4 * task.pair_count


def block_shape(kind: str, task: Task, model: ModelShape) -> BlockShape:
    """The shape of every block on a kind of device: the usual one, halved until it is small.

    It decides the order of sums and so bits: it is a function of what is trained, never of how
    many slots there are, how much memory a device has, or what was measured.
    """
    shape = _USUAL[kind]
    slots = shape.slots
    while slots > 1 and block_bytes(task, model, slots, shape.chunk) > _BLOCK_BYTES[kind]:
        slots //= 2
    return BlockShape(slots, shape.chunk)


def block_bytes(task: Task, model: ModelShape, slots: int, chunk: int) -> int:
    """Bytes that a block of slots uses while it works, beyond :func:`slot_bytes` (an estimate).

    The widest activations of a step, a few copies of each with their gradients, or those of an
    evaluation's chunk.
    """
    plan = layout(task, model)
    positions = 1 if model.layers == 1 else 3
    widths = plan.vocabulary + (model.d_ff + 4 * model.d_model) * positions * model.layers
    examples = max(6 * task.batch_size, 2 * min(task.pair_count, chunk))
    return 4 * slots * examples * widths


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


def give_back_memory() -> None:
    """Give a GPU the memory back that nothing here uses any more, such as an earlier engine's.

    Engines are parts of reference cycles, and torch keeps what they had for itself.
    """
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else "CPU"
