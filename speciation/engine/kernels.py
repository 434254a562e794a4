"""Stages of the model as Triton kernels: what would go through memory stays on the chip.

One program trains one slot's share of a stage: its weights stay in registers while the examples
pass by in chunks of ``ROWS``, and sums over examples grow in one fixed order. Matrix products
run on tensor cores in three TF32 passes (``tf32x3``), which keeps float32's accuracy.

Each operator has a plain twin in ``stages.py``, which defines what it computes; shapes as
there. Axes: S slots, B examples, D model width, F ffn width, V padded vocabulary.
"""

# Triton's decorator reads these annotations itself: no ``from __future__ import annotations``.

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

SPAN = 512  # examples a program takes where every program only reads weights


class Tile(NamedTuple):
    """Examples a program takes at a time, and the warps and pipeline stages it gets for that.

    Constants, found by measurement: a choice at run time would decide the order of sums.
    """

    rows: int
    warps: int
    stages: int


FFN = Tile(64, 4, 2)
FFN_BACK = Tile(16, 2, 2)
CLASSIFY = Tile(16, 4, 2)
JUDGE = Tile(64, 4, 2)
ADD_ROWS = Tile(64, 4, 2)
PRECISION = tl.constexpr("tf32x3")
LOG2_E = tl.constexpr(1.4426950408889634)


def fits(width: int, hidden: int, vocabulary: int) -> bool:
    """Whether the kernels take these sizes.

    Tensor cores tile powers of two from 16 on; and a program holds its slot's weights whole,
    for which 64 × 64 numbers a layer, or 128 columns of logits, are about all the room.
    """
    tiles = all(size >= 16 and size & (size - 1) == 0 for size in (width, hidden))
    return tiles and width <= 64 and width * hidden <= 4096 and vocabulary <= 128


def sums_fit(rows: int, columns: int) -> bool:
    """Whether sums over so many rows and columns stay on the chip."""
    return rows <= 128 and columns <= 80


# -- Feed-forward ----------------------------------------------------------------------


@torch.library.custom_op("speciation::ffn", mutates_args=())
def ffn(
    unit: Tensor,  # (S, B, D)
    gain: Tensor,  # (S, D)
    shift: Tensor,  # (S, D)
    up: Tensor,  # (S, D, F)
    up_bias: Tensor,  # (S, F)
    down: Tensor,  # (S, F, D)
    down_bias: Tensor,  # (S, D)
) -> Tensor:  # (S, B, D)
    """The branch after the second norm."""
    slots, batch, width = unit.shape
    out = torch.empty_like(unit)
    _ffn[(slots, triton.cdiv(batch, SPAN))](
        unit.contiguous(),
        *_by_slot(gain, shift, up, up_bias, down, down_bias),
        out,
        BATCH=batch,
        WIDTH=width,
        HIDDEN=up.shape[2],
        SPAN=SPAN,
        ROWS=FFN.rows,
        num_warps=FFN.warps,
        num_stages=FFN.stages,
    )
    return out


@ffn.register_fake
def _(unit, gain, shift, up, up_bias, down, down_bias):
    return torch.empty_like(unit)


@torch.library.custom_op("speciation::ffn_back", mutates_args=())
def ffn_back(
    dout: Tensor,  # (S, B, D)
    unit: Tensor,
    gain: Tensor,
    shift: Tensor,
    up: Tensor,
    up_bias: Tensor,
    down: Tensor,
) -> list[Tensor]:
    """Gradients of unit and of the weights, in their order; the hidden layer is recomputed."""
    slots, batch, width = unit.shape
    grads = _ffn_grads(unit, gain, shift, up, up_bias, down)
    _ffn_back[(slots,)](
        *_flat(dout, unit),
        *_by_slot(gain, shift, up, up_bias, down),
        *grads,
        BATCH=batch,
        WIDTH=width,
        HIDDEN=up.shape[2],
        ROWS=FFN_BACK.rows,
        num_warps=FFN_BACK.warps,
        num_stages=FFN_BACK.stages,
    )
    return grads


@ffn_back.register_fake
def _(dout, unit, gain, shift, up, up_bias, down):
    return _ffn_grads(unit, gain, shift, up, up_bias, down)


def _ffn_grads(
    unit: Tensor, gain: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor
) -> list[Tensor]:
    """Empty gradients; the last, of the down bias, has the shape of the gain."""
    return [_empty(like) for like in (unit, gain, shift, up, up_bias, down, gain)]


@triton.jit
def _ffn(
    unit, gain, shift, up, up_bias, down, down_bias,
    gain_step, shift_step, up_step, up_bias_step, down_step, down_bias_step, out,
    BATCH: tl.constexpr, WIDTH: tl.constexpr, HIDDEN: tl.constexpr,
    SPAN: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    slot = tl.program_id(0).to(tl.int64)
    first = tl.program_id(1) * SPAN
    d, f = tl.arange(0, WIDTH), tl.arange(0, HIDDEN)
    g, s = tl.load(gain + slot * gain_step + d), tl.load(shift + slot * shift_step + d)
    w1 = tl.load(up + slot * up_step + d[:, None] * HIDDEN + f[None, :])
    w2 = tl.load(down + slot * down_step + f[:, None] * WIDTH + d[None, :])
    b1 = tl.load(up_bias + slot * up_bias_step + f)
    b2 = tl.load(down_bias + slot * down_bias_step + d)
    for start in range(0, SPAN, ROWS):
        row = first + start + tl.arange(0, ROWS)
        there = (row < BATCH)[:, None]
        place = (slot * BATCH + row)[:, None] * WIDTH + d[None, :]
        x = tl.load(unit + place, mask=there, other=0.0) * g[None, :] + s[None, :]
        hidden = tl.maximum(tl.dot(x, w1, input_precision=PRECISION) + b1[None, :], 0.0)
        y = tl.dot(hidden, w2, input_precision=PRECISION) + b2[None, :]
        tl.store(out + place, y, mask=there)


@triton.jit
def _ffn_back(
    dout, unit, gain, shift, up, up_bias, down,
    gain_step, shift_step, up_step, up_bias_step, down_step,
    dunit, dgain, dshift, dup, dup_bias, ddown, ddown_bias,
    BATCH: tl.constexpr, WIDTH: tl.constexpr, HIDDEN: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    slot = tl.program_id(0).to(tl.int64)
    d, f = tl.arange(0, WIDTH), tl.arange(0, HIDDEN)
    g, s = tl.load(gain + slot * gain_step + d), tl.load(shift + slot * shift_step + d)
    wide, tall = d[:, None] * HIDDEN + f[None, :], f[:, None] * WIDTH + d[None, :]
    w1, w2 = tl.load(up + slot * up_step + wide), tl.load(down + slot * down_step + tall)
    b1 = tl.load(up_bias + slot * up_bias_step + f)
    sum_w1 = tl.zeros((WIDTH, HIDDEN), tl.float32)
    sum_w2 = tl.zeros((HIDDEN, WIDTH), tl.float32)
    sum_b1 = tl.zeros((HIDDEN,), tl.float32)
    sum_b2 = tl.zeros((WIDTH,), tl.float32)
    sum_g = tl.zeros((WIDTH,), tl.float32)
    sum_s = tl.zeros((WIDTH,), tl.float32)
    for start in range(0, BATCH, ROWS):
        row = start + tl.arange(0, ROWS)
        there = (row < BATCH)[:, None]
        place = (slot * BATCH + row)[:, None] * WIDTH + d[None, :]
        u = tl.load(unit + place, mask=there, other=0.0)
        dy = tl.load(dout + place, mask=there, other=0.0)
        x = u * g[None, :] + s[None, :]
        hidden = tl.maximum(tl.dot(x, w1, input_precision=PRECISION) + b1[None, :], 0.0)
        sum_w2 += tl.dot(tl.trans(hidden), dy, input_precision=PRECISION)
        sum_b2 += tl.sum(dy, 0)
        dh = tl.dot(dy, tl.trans(w2), input_precision=PRECISION)
        dh = tl.where(hidden > 0, dh, 0.0)
        sum_w1 += tl.dot(tl.trans(x), dh, input_precision=PRECISION)
        sum_b1 += tl.sum(dh, 0)
        dx = tl.dot(dh, tl.trans(w1), input_precision=PRECISION)
        sum_g += tl.sum(dx * u, 0)
        sum_s += tl.sum(dx, 0)
        tl.store(dunit + place, dx * g[None, :], mask=there)
    tl.store(dup + slot * WIDTH * HIDDEN + wide, sum_w1)
    tl.store(ddown + slot * WIDTH * HIDDEN + tall, sum_w2)
    tl.store(dup_bias + slot * HIDDEN + f, sum_b1)
    tl.store(ddown_bias + slot * WIDTH + d, sum_b2)
    tl.store(dgain + slot * WIDTH + d, sum_g)
    tl.store(dshift + slot * WIDTH + d, sum_s)


# -- Unembedding and the exact loss ---------------------------------------------------


@torch.library.custom_op("speciation::classify", mutates_args=())
def classify(
    unit: Tensor,  # (S, B, D)
    gain: Tensor,  # (S, D)
    shift: Tensor,  # (S, D)
    unembed: Tensor,  # (S, D, V)
    bias: Tensor,  # (S, V)
    answer: Tensor,  # (S, B)
    elements: int,
) -> list[Tensor]:
    """Mean loss ``(S,)`` and gradients of unit, gain, shift, unembed, bias."""
    slots, batch, width = unit.shape
    out = _classified(unit, gain, shift, unembed, bias)
    _classify[(slots,)](
        *_flat(unit, answer),
        *_by_slot(gain, shift, unembed, bias),
        *out,
        ELEMENTS=elements,
        BATCH=batch,
        WIDTH=width,
        VOCABULARY=unembed.shape[2],
        COLUMNS=triton.next_power_of_2(unembed.shape[2]),
        ROWS=CLASSIFY.rows,
        num_warps=CLASSIFY.warps,
        num_stages=CLASSIFY.stages,
    )
    return out


@classify.register_fake
def _(unit, gain, shift, unembed, bias, answer, elements):
    return _classified(unit, gain, shift, unembed, bias)


def _classified(
    unit: Tensor, gain: Tensor, shift: Tensor, unembed: Tensor, bias: Tensor
) -> list[Tensor]:
    return [unit.new_empty(unit.shape[0]), *map(_empty, (unit, gain, shift, unembed, bias))]


@torch.library.custom_op("speciation::judge", mutates_args=())
def judge(
    unit: Tensor,
    gain: Tensor,
    shift: Tensor,
    unembed: Tensor,
    bias: Tensor,
    answer: Tensor,
    elements: int,
) -> list[Tensor]:
    """Loss, gap and wrong probability of every example, ``(S, B)`` each."""
    slots, batch, width = unit.shape
    out = [unit.new_empty(slots, batch) for _ in range(3)]
    _judge[(slots, triton.cdiv(batch, SPAN))](
        *_flat(unit, answer),
        *_by_slot(gain, shift, unembed, bias),
        *out,
        ELEMENTS=elements,
        BATCH=batch,
        WIDTH=width,
        VOCABULARY=unembed.shape[2],
        COLUMNS=triton.next_power_of_2(unembed.shape[2]),
        SPAN=SPAN,
        ROWS=JUDGE.rows,
        num_warps=JUDGE.warps,
        num_stages=JUDGE.stages,
    )
    return out


@judge.register_fake
def _(unit, gain, shift, unembed, bias, answer, elements):
    return [unit.new_empty(unit.shape[0], unit.shape[1]) for _ in range(3)]


@triton.jit
def _odds(x, w, b, y, column, ELEMENTS: tl.constexpr):
    """Logits, then the odds against the correct class, as in ``loss.py``."""
    z = tl.dot(x, w, input_precision=PRECISION) + b[None, :]
    correct = column[None, :] == y[:, None]
    other = (column < ELEMENTS)[None, :] & (column[None, :] != y[:, None])
    own = tl.sum(tl.where(correct, z, 0.0), 1)
    delta = tl.where(other, z - own[:, None], -float("inf"))
    greatest = tl.max(delta, 1)
    top = tl.maximum(greatest, 0.0)
    others = tl.where(other, tl.exp2((delta - top[:, None]) * LOG2_E), 0.0)
    total = tl.sum(others, 1)
    itself = tl.exp2(-top * LOG2_E)
    # log1p without a library: exact for the small sums that matter (Goldberg 1991, theorem 4).
    one_more = 1.0 + total
    step = one_more - 1.0
    small = tl.where(
        step == 0.0, total, tl.log(one_more) * (total / tl.where(step == 0, 1, step))
    )
    loss = tl.where(top > 0.0, top + tl.log(total + itself), small)
    return correct, others, total, itself, loss, -greatest


@triton.jit
def _classify(
    unit, answer, gain, shift, unembed, bias,
    gain_step, shift_step, unembed_step, bias_step,
    loss, dunit, dgain, dshift, dunembed, dbias,
    ELEMENTS: tl.constexpr, BATCH: tl.constexpr, WIDTH: tl.constexpr,
    VOCABULARY: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    slot = tl.program_id(0).to(tl.int64)
    d, v = tl.arange(0, WIDTH), tl.arange(0, COLUMNS)
    stored = v < VOCABULARY
    g, s = tl.load(gain + slot * gain_step + d), tl.load(shift + slot * shift_step + d)
    block = d[:, None] * VOCABULARY + v[None, :]
    w = tl.load(unembed + slot * unembed_step + block, mask=stored[None, :], other=0.0)
    b = tl.load(bias + slot * bias_step + v, mask=stored, other=0.0)
    sum_w = tl.zeros((WIDTH, COLUMNS), tl.float32)
    sum_b = tl.zeros((COLUMNS,), tl.float32)
    sum_g = tl.zeros((WIDTH,), tl.float32)
    sum_s = tl.zeros((WIDTH,), tl.float32)
    sum_loss = tl.zeros((ROWS,), tl.float32)
    for start in range(0, BATCH, ROWS):
        row = start + tl.arange(0, ROWS)
        there = row < BATCH
        place = (slot * BATCH + row)[:, None] * WIDTH + d[None, :]
        u = tl.load(unit + place, mask=there[:, None], other=0.0)
        y = tl.load(answer + slot * BATCH + row, mask=there, other=0)
        x = u * g[None, :] + s[None, :]
        correct, others, total, itself, each, _gap = _odds(x, w, b, y, v, ELEMENTS)
        sum_loss += tl.where(there, each, 0.0)
        share = tl.where(there, 1.0 / ((total + itself) * BATCH), 0.0)
        dz = tl.where(correct, -total[:, None], others) * share[:, None]
        sum_w += tl.dot(tl.trans(x), dz, input_precision=PRECISION)
        sum_b += tl.sum(dz, 0)
        dx = tl.dot(dz, tl.trans(w), input_precision=PRECISION)
        sum_g += tl.sum(dx * u, 0)
        sum_s += tl.sum(dx, 0)
        tl.store(dunit + place, dx * g[None, :], mask=there[:, None])
    tl.store(loss + slot, tl.sum(sum_loss, 0) / BATCH)
    tl.store(dunembed + slot * WIDTH * VOCABULARY + block, sum_w, mask=stored[None, :])
    tl.store(dbias + slot * VOCABULARY + v, sum_b, mask=stored)
    tl.store(dgain + slot * WIDTH + d, sum_g)
    tl.store(dshift + slot * WIDTH + d, sum_s)


@triton.jit
def _judge(
    unit, answer, gain, shift, unembed, bias,
    gain_step, shift_step, unembed_step, bias_step, loss, gap, wrong,
    ELEMENTS: tl.constexpr, BATCH: tl.constexpr, WIDTH: tl.constexpr,
    VOCABULARY: tl.constexpr, COLUMNS: tl.constexpr, SPAN: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    slot = tl.program_id(0).to(tl.int64)
    first = tl.program_id(1) * SPAN
    d, v = tl.arange(0, WIDTH), tl.arange(0, COLUMNS)
    stored = v < VOCABULARY
    g, s = tl.load(gain + slot * gain_step + d), tl.load(shift + slot * shift_step + d)
    block = d[:, None] * VOCABULARY + v[None, :]
    w = tl.load(unembed + slot * unembed_step + block, mask=stored[None, :], other=0.0)
    b = tl.load(bias + slot * bias_step + v, mask=stored, other=0.0)
    for start in range(0, SPAN, ROWS):
        row = first + start + tl.arange(0, ROWS)
        there = row < BATCH
        place = (slot * BATCH + row)[:, None] * WIDTH + d[None, :]
        u = tl.load(unit + place, mask=there[:, None], other=0.0)
        y = tl.load(answer + slot * BATCH + row, mask=there, other=0)
        x = u * g[None, :] + s[None, :]
        _correct, _others, total, itself, each, distance = _odds(x, w, b, y, v, ELEMENTS)
        tl.store(loss + slot * BATCH + row, each, mask=there)
        tl.store(gap + slot * BATCH + row, distance, mask=there)
        tl.store(wrong + slot * BATCH + row, total / (total + itself), mask=there)


# -- Sums by index ----------------------------------------------------------------------


@torch.library.custom_op("speciation::add_rows_on_gpu", mutates_args=())
def add_rows(
    left_index: Tensor,  # (S, B) int64 below N
    right_index: Tensor,  # (S, B)
    left: Tensor,  # (S, B, C)
    right: Tensor,  # (S, B, C)
    rows: int,
) -> Tensor:  # (S, 2 N, C)
    """See ``stages.add_rows``: the one-hot matrix times the source.

    Ones and zeros are exact on tensor cores, and a float32 number is exactly the sum of three
    that fit their 11-bit mantissas: every product is exact, the sums are float32.
    """
    slots, batch, columns = left.shape
    out = left.new_empty(slots, 2 * rows, columns)
    main = max(16, 1 << (columns.bit_length() - 1))
    _add_rows[(slots, 2)](
        *_flat(left_index, right_index, left, right),
        out,
        N=rows,
        BATCH=batch,
        C=columns,
        ROWS=triton.next_power_of_2(rows),
        MAIN=main,
        MORE=max(16, triton.next_power_of_2(columns - main)) if columns > main else 0,
        CHUNK=ADD_ROWS.rows,
        num_warps=ADD_ROWS.warps,
        num_stages=ADD_ROWS.stages,
    )
    return out


@add_rows.register_fake
def _(left_index, right_index, left, right, rows):
    return left.new_empty(left.shape[0], 2 * rows, left.shape[2])


@triton.jit
def _add_rows(
    left_index, right_index, left, right, out,
    N: tl.constexpr, BATCH: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr,
    MAIN: tl.constexpr, MORE: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """Columns come in two tiles, so that 36 of them do not cost as much as 64."""
    slot = tl.program_id(0).to(tl.int64)
    side = tl.program_id(1)
    index = left_index if side == 0 else right_index
    source = left if side == 0 else right
    row, column = tl.arange(0, ROWS), tl.arange(0, MAIN)
    total = tl.zeros((ROWS, MAIN), tl.float32)
    if MORE:
        other_column = MAIN + tl.arange(0, MORE)
        other_total = tl.zeros((ROWS, MORE), tl.float32)
    for start in range(0, BATCH, CHUNK):
        example = start + tl.arange(0, CHUNK)
        there = example < BATCH
        met = tl.load(index + slot * BATCH + example, mask=there, other=-1).to(tl.int32)
        one_hot = (row[:, None] == met[None, :]).to(tl.float32)
        place = source + (slot * BATCH + example)[:, None] * C
        total = _add_picked(total, one_hot, place, column, there, C)
        if MORE:
            other_total = _add_picked(other_total, one_hot, place, other_column, there, C)
    place = out + (slot * 2 * N + side * N + row)[:, None] * C
    inside = (row < N)[:, None]
    tl.store(place + column[None, :], total, mask=inside & (column < C)[None, :])
    if MORE:
        inside = inside & (other_column < C)[None, :]
        tl.store(place + other_column[None, :], other_total, mask=inside)


@triton.jit
def _add_picked(total, one_hot, place, column, there, C: tl.constexpr):
    inside = there[:, None] & (column < C)[None, :]
    value = tl.load(place + column[None, :], mask=inside, other=0.0)
    # 11 + 11 + 2 bits of mantissa.
    high = (value.to(tl.int32, bitcast=True) & -8192).to(tl.float32, bitcast=True)
    rest = value - high
    middle = (rest.to(tl.int32, bitcast=True) & -8192).to(tl.float32, bitcast=True)
    total = tl.dot(one_hot, rest - middle, total, input_precision="tf32")
    total = tl.dot(one_hot, middle, total, input_precision="tf32")
    return tl.dot(one_hot, high, total, input_precision="tf32")


def _flat(*tensors: Tensor) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def _by_slot(*weights: Tensor) -> list[Tensor | int]:
    """Weights, then the distance of one slot's from the next's: views of the flat parameters
    are read where they lie.
    """
    whole = [w if w[0].is_contiguous() else w.contiguous() for w in weights]
    return [*whole, *(w.stride(0) for w in whole)]


def _empty(like: Tensor) -> Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device=like.device)
