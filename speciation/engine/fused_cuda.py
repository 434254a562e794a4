"""``fused`` on NVIDIA GPUs: trials begin in one launch of ``fused.cu``, an interval takes two.

Its kernels are compiled for one task and model by NVRTC, which comes with torch's CUDA builds,
so nobody needs a toolchain; what it compiled is kept between processes. Slots are independent
blocks of threads: only those with a trial in them are launched.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speciation.engine.admission import entries, orders, weights_table
from speciation.engine.kernel_cache import UnavailableError, kept
from speciation.engine.kernel_macros import Words, definitions, words
from speciation.engine.layout import TILE, Layout, layout, padded
from speciation.engine.training import GAP_QUANTILES, SEEN, Program, State
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape, Trial

SOURCE = files("speciation.engine").joinpath("fused.cu")
WARPS = 8  # of a trial: a constant, since it decides the order of sums
ROOM = 227 * 1024  # bytes of a block's shared memory: a constant, since it decides that, too
_SUMS = 8 * 40 * 32  # floats: sums over columns, of all warps, at most
_TENSORS = (
    *("weight", "mean", "square", "recipe"),
    *("step", "loss_mean", "loss_variance", "decaying", "decay"),
    *("key", "order", "pairs", "place"),
)


class StateStruct(ctypes.Structure):
    """``State`` of ``fused.cu``: addresses of a state's tensors."""

    _fields_ = [*((name, ctypes.c_void_p) for name in _TENSORS), ("slots", ctypes.c_int)]


def tiled(run: Program) -> Program:
    """The program with its widths padded, as this kernel wants weights and moments to lie."""
    return replace(run, plan=layout(run.task, run.model, tiles(run.model)))


def tiles(model: ModelShape) -> tuple[int, int]:
    """What the kernel pads d_model and d_ff to multiples of.

    A wide model makes its hidden activations in chunks of up to 64 that divide their number:
    it has 256 in place of 200 in 4 rounds, and 208 in 13.
    """
    few = model.d_ff % TILE == 0 or model.d_ff <= 96
    return TILE, TILE if few else 64


def macros(run: Program, warps: int = WARPS, room: int = ROOM) -> Words:
    """What makes ``fused.cu`` the kernel of a tiled program."""
    q10, q50, q90 = (round(q * (run.train_count - 1)) for q in GAP_QUANTILES)
    width, hidden = next(own.shape for own in run.plan.weights if own.name == "0.up")
    return definitions(run.plan, run.model) + words(
        BATCH=run.task.batch_size,
        MINIBATCH=int(run.task.batch is not None),
        TRAIN=run.train_count,
        PAIRS=run.task.pair_count,
        RANK_Q10=q10,
        RANK_Q50=q50,
        RANK_Q90=q90,
        STORED_WIDTH=width,
        STORED_HIDDEN=hidden,
        PLACE_BITS=8 * places(run).itemsize,
        TILE_WARPS=warps,
        SHARED_ROOM=room,
    )


def missing(run: Program, precision: str) -> str | None:
    """Why the kernel cannot be had for this, in a sentence; None if it can."""
    if (reason := _unfit(run, precision)) is not None:
        return reason
    try:
        kernels(macros(tiled(run)), run.answers.left.device)
    except UnavailableError as reason:
        return str(reason)
    except OSError as error:
        return f"the fused kernel could not be kept and loaded: {error}"
    return None


def _unfit(run: Program, precision: str) -> str | None:
    shape = run.model
    if precision != "fp16":
        return f"the fused kernel of a GPU multiplies in fp16, not {precision}"
    if shape.layers > 1:
        return f"the fused kernel trains one layer, not {shape.layers}"
    if shape.d_model == 2:  # all that a norm keeps of two numbers is which is greater
        return "the fused kernel of a GPU trains no model of 2 columns: fp16 hides its gradient"
    if shape.d_model > 128:
        return f"the fused kernel of a GPU takes d_model up to 128, not {shape.d_model}"
    if run.plan.elements > 255:
        return f"the fused kernel takes up to 255 elements, not {run.plan.elements}"
    return None


def pairs(run: Program) -> Tensor:
    """Every example in one number, ``(E,)`` int32: a, b and the answer, a byte each."""
    left, right, answer = (column.int() for column in run.answers)
    return left | right << 8 | answer << 16


def places(run: Program) -> NDArray[np.int16] | NDArray[np.int32]:
    """Where fours of the flat weights go in the kernel's memory, ``(P / 4,)``; in 16 bits if
    those are enough, of which torch knows no unsigned ones.

    A quarter of an offset that counts numbers, float16s or not: first the factors, which are
    float16s, then the rest, which are float32s. A wide model leaves the last of these where the
    optimiser keeps them.
    """
    offsets = _offsets(run)
    if offsets.max() >> 16:
        return offsets.astype(np.int32)
    return offsets.astype(np.uint16).view(np.int16)


def _offsets(run: Program) -> NDArray[np.int64]:
    """The places as they are, in the order of the constants in ``fused.cu``."""
    factors = _factors(run.plan, run.model)
    last = ("tokens", "0.query", "0.key")
    by_name = {weight.name: weight for weight in run.plan.weights}
    rest = [name for name in by_name if name not in (*factors, *last)]
    where: dict[str, NDArray[np.int64]] = {}
    at = 0
    for name, (rows, stride) in factors.items():
        columns = by_name[name].shape[1]
        own = at + np.arange(rows)[:, None] * stride + np.arange(0, columns, 4)
        where[name] = own.ravel() // 4
        at += rows * stride
    for name in (*rest, *last):
        size = by_name[name].size
        where[name] = (at + np.arange(0, size, 4)) // 4
        at += size
    return np.concatenate([where[weight.name] for weight in run.plan.weights])


def _factors(plan: Layout, model: ModelShape) -> dict[str, tuple[int, int]]:
    """Rows of each factor, and how many numbers they are apart: scores stand beside values."""
    names = ("0.out", "0.up", "0.down", "unembed", "0.value")
    beside = {"0.value": padded(model.heads, TILE)}
    shapes = {weight.name: weight.shape for weight in plan.weights}
    return {
        name: (shapes[name][0], shapes[name][1] + 8 + beside.get(name, 0)) for name in names
    }


def outside_bytes(task: Task, model: ModelShape) -> int:
    """Bytes of global memory that a slot takes besides its state, at most.

    What ``fused.cu`` calls OUTSIDE, if shared memory had room for none of it: a wide model's
    gradient, factors, and table with its gradient. Later in a step, the table's room is that of
    a gradient with a row for each column of the model.
    """
    plan = layout(task, model, tiles(model))
    factors = _factors(plan, model)
    width, columns = factors["0.value"]
    halves = sum(rows * apart for rows, apart in factors.values())
    table_rows = 2 * plan.elements + 1
    return 2 * halves + 4 * (plan.size + (2 * table_rows + width) * columns + _SUMS)


def struct(state: State, extra: tuple[Tensor, Tensor]) -> StateStruct:
    """Addresses of a state's tensors, and of ``pairs`` and ``places``."""
    moments = (state.weight, state.mean, state.square)
    tensors = (*moments, state.recipe, *state.schedule, state.key, state.order, *extra)
    assert all(tensor.is_contiguous() for tensor in tensors)
    return StateStruct(*(tensor.data_ptr() for tensor in tensors), state.weight.shape[0])


class FusedCuda:
    """Trains the slots of one block, each as one block of threads; a :func:`tiled` program.

    Training goes through a stream of its own. All else, what goes before an interval and what
    comes after it, goes through the caller's stream: give that a higher priority, or it waits
    until other blocks have been trained.

    Args:
        run: What is trained, tiled.
        state: Its slots, on a GPU.

    Raises:
        UnavailableError: The kernel does not take this program, or there is no NVRTC.
    """

    def __init__(self, run: Program, state: State) -> None:
        device = state.weight.device
        self._extra = (pairs(run), torch.from_numpy(places(run)).to(device))
        self._program, self._state = run, state
        self._struct = struct(state, self._extra)
        self._weights = torch.from_numpy(weights_table(run.plan)).to(device)
        self._seen = state.weight.new_zeros(state.weight.shape[0], len(SEEN))
        self._training = torch.cuda.Stream(device)
        self._kernels = kernels(macros(run), device)
        room = (state.weight.shape[0], self._kernels.outside_bytes)  # as many blocks at most
        self._outside = torch.empty(room, dtype=torch.uint8, device=device)

    def begin(self, slots: Sequence[int], trials: Sequence[Trial]) -> None:
        """Begin trials in these slots, with what the GPU draws."""
        entering = self._sent(entries(slots, trials).view(np.int32))
        given = self._program.task.symmetric
        order = self._sent(orders(self._program, trials)) if given else None
        arguments = [_address(entering), _address(order), _address(self._weights)]
        count = ctypes.c_int(len(self._weights))
        self._launch("begin", len(trials), *arguments, count)

    def run(self, steps: int, occupied: Sequence[int]) -> Tensor:
        """Train the occupied slots for some steps, then evaluate: ``(S, len(SEEN))``.

        What is returned is written again by the next call.
        """
        listed = self._listed(occupied)
        blocks, slots, outside = len(occupied), _address(listed), _address(self._outside)
        there = torch.cuda.current_stream()
        self._training.wait_stream(there)
        with torch.cuda.stream(self._training):
            self._launch("train", blocks, slots, ctypes.c_int(steps), _address(None), outside)
        there.wait_stream(self._training)
        self._launch("judge", blocks, slots, _address(self._seen), outside)
        return self._seen

    def gradients(self, occupied: Sequence[int]) -> Tensor:
        """Gradient and loss of the coming step, not clipped: ``(S, P + 1)``."""
        slots, size = self._state.weight.shape
        out = self._state.weight.new_full((slots, size + 1), torch.nan)
        listed = self._listed(occupied)
        arguments = (_address(listed), ctypes.c_int(1), _address(out), _address(self._outside))
        self._launch("train", len(occupied), *arguments)
        return out

    def _listed(self, slots: Sequence[int]) -> Tensor:
        return self._sent(np.array(slots, dtype=np.int32))

    def _sent(self, rows: NDArray[np.int32]) -> Tensor:
        """Copied to the GPU, from memory that nothing has to be waited for with."""
        pinned = torch.from_numpy(rows).pin_memory()
        return pinned.to(self._state.weight.device, non_blocking=True)

    def _launch(self, name: str, blocks: int, *arguments: Any) -> None:
        stream = torch.cuda.current_stream(self._state.weight.device).cuda_stream
        self._kernels.launch(name, blocks, 32 * WARPS, stream, self._struct, *arguments)


def _address(of: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if of is None else of.data_ptr())


class Kernels:
    """One compiled program on one device.

    Args:
        code: What NVRTC compiled for this device.

    Raises:
        UnavailableError: The device lacks the shared memory that the kernels ask for.
    """

    def __init__(self, code: bytes) -> None:
        self._driver = ctypes.CDLL("libcuda.so.1")
        module = ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), code)
        self._made = {name: self._make(module, name) for name in ("begin", "train", "judge")}
        self.outside_bytes = self._constant(module, "outside_bytes")  # of global memory a block

    def launch(
        self, name: str, blocks: int, threads: int, stream: int, *arguments: Any
    ) -> None:
        """Queue one of them on a stream."""
        addresses = (ctypes.c_void_p * len(arguments))(
            *(ctypes.addressof(argument) for argument in arguments)
        )
        function, shared = self._made[name]
        size = (blocks, 1, 1, threads, 1, 1, shared)
        self._call("cuLaunchKernel", function, *size, ctypes.c_void_p(stream), addresses, None)

    def _make(self, module: ctypes.c_void_p, name: str) -> tuple[ctypes.c_void_p, int]:
        """A function, and the bytes of shared memory that it needs."""
        function, device, there = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
        self._call("cuModuleGetFunction", ctypes.byref(function), module, name.encode())
        wanted = self._constant(module, f"{name}_bytes")
        self._call("cuCtxGetDevice", ctypes.byref(device))
        self._call("cuDeviceGetAttribute", ctypes.byref(there), _SHARED_THERE, device)
        if wanted > there.value:
            raise UnavailableError(
                f"a trial of this size needs {wanted:,} bytes of a GPU's shared memory; "
                f"this one has {there.value:,}"
            )
        self._call("cuFuncSetAttribute", function, _MAX_DYNAMIC_SHARED_SIZE, wanted)
        return function, wanted

    def _constant(self, module: ctypes.c_void_p, name: str) -> int:
        address, size, value = ctypes.c_uint64(), ctypes.c_size_t(), ctypes.c_int()
        where = (ctypes.byref(address), ctypes.byref(size))
        self._call("cuModuleGetGlobal_v2", *where, module, name.encode())
        self._call("cuMemcpyDtoH_v2", ctypes.byref(value), address, size)
        return value.value

    def _call(self, name: str, *arguments: object) -> None:
        if code := getattr(self._driver, name)(*arguments):
            text = ctypes.c_char_p()
            self._driver.cuGetErrorString(code, ctypes.byref(text))
            kind = torch.OutOfMemoryError if code == _OUT_OF_MEMORY else RuntimeError
            raise kind(f"{name}: {(text.value or b'?').decode()}")


_OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY: a launch takes memory for its stacks
_MAX_DYNAMIC_SHARED_SIZE = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_LEAST_CAPABILITY = (9, 0)  # that stores matrices from registers
_SHARED_THERE = 97  # CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN


@cache
def kernels(macros: Words, device: torch.device) -> Kernels:
    """The kernels of these macros, loaded on a device.

    Raises:
        UnavailableError: The GPU cannot run them, or there is no NVRTC.
        OSError: What was compiled cannot be kept, or there is no driver.
    """
    with torch.cuda.device(device):
        torch.cuda.synchronize()  # the driver's functions want torch's context
        major, minor = torch.cuda.get_device_capability()
        if (major, minor) < _LEAST_CAPABILITY:
            raise UnavailableError(
                f"the fused kernel needs a GPU of compute capability 9.0, not {major}.{minor}"
            )
        return Kernels(cubin(macros, f"sm_{major}{minor}"))


def cubin(macros: Words, architecture: str) -> bytes:
    """Machine code of ``fused.cu``, from the cache or from NVRTC.

    Raises:
        UnavailableError: There is no NVRTC, or it fails.
    """
    source = SOURCE.read_bytes()
    options = [f"--gpu-architecture={architecture}", "--std=c++17", "-default-device"]
    # Divisions and roots to 2 units in the last place; no numbers below 1e-38.
    options += ["--prec-div=false", "--prec-sqrt=false", "--ftz=true", *macros]
    compiler = _nvrtc()
    major, minor = ctypes.c_int(), ctypes.c_int()
    compiler.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    version = f"NVRTC {major.value}.{minor.value}"
    return kept(
        "fused.cubin",
        [source, *(option.encode() for option in options), version.encode()],
        lambda: _compile(compiler, source, options),
    ).read_bytes()


def _compile(compiler: ctypes.CDLL, source: bytes, options: list[str]) -> bytes:
    program = ctypes.c_void_p()
    compiler.nvrtcCreateProgram(ctypes.byref(program), source, b"fused.cu", 0, None, None)
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = compiler.nvrtcCompileProgram(program, len(options), given)
    size = ctypes.c_size_t()
    get = "ProgramLog" if failed else "CUBIN"
    getattr(compiler, f"nvrtcGet{get}Size")(program, ctypes.byref(size))
    out = ctypes.create_string_buffer(size.value)
    getattr(compiler, f"nvrtcGet{get}")(program, out)
    compiler.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        said = out.value.decode(errors="replace").strip().splitlines() or ["no message"]
        raise UnavailableError(f"NVRTC cannot compile the fused kernel: {said[0]}")
    return out.raw


@cache
def _nvrtc() -> ctypes.CDLL:
    for path in _nvrtc_paths():
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise UnavailableError("there is no NVRTC here, which CUDA builds of torch bring along")


def _nvrtc_paths() -> Iterator[str]:
    """The one of torch's own version first: it is there wherever torch has CUDA."""
    major = (torch.version.cuda or "").split(".")[0]
    spec = find_spec("nvidia")
    for root in spec.submodule_search_locations or () if spec else ():
        yield from map(str, sorted(Path(root).glob(f"*/lib/libnvrtc.so.{major}")))
    yield f"libnvrtc.so.{major}"
    yield from map(str, sorted(Path("/usr/local").glob("cuda*/lib64/libnvrtc.so*")))
