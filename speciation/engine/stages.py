"""The stages of the model behind its attention: each as plain torch, or as one kernel on a GPU.

The plain lines say what a stage computes. On CUDA, in float32 and for widths that tile, the
kernels of ``kernels.py`` take their place: the same function, other rounding (a backend's own).

Axes: S slots, B examples, D model width, F ffn width, V padded vocabulary.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from speciation.engine import loss as exact
from speciation.engine.loss import Judged

if TYPE_CHECKING or find_spec("triton") is not None:  # CPU builds of torch come without
    from speciation.engine import kernels
else:
    kernels = None

Weights = dict[str, Tensor]
_FFN = ("0.norm2.gain", "0.norm2.shift", "0.up", "0.up.bias", "0.down", "0.down.bias")
_UNEMBED = ("norm.gain", "norm.shift", "unembed", "unembed.bias")


def ffn(unit: Tensor, weights: Weights) -> tuple[Tensor, Tensor | None]:
    """The feed-forward branch ``(S, B, D)``, and its hidden layer where that is kept."""
    if _fused(unit, weights):
        return kernels.ffn(unit, *(weights[name] for name in _FFN)), None
    hidden = linear(_normed(unit, weights, "0.norm2"), weights, "0.up").relu()
    return linear(hidden, weights, "0.down"), hidden


def ffn_back(
    dout: Tensor, unit: Tensor, hidden: Tensor | None, weights: Weights, grads: Weights
) -> Tensor:
    """Gradient of the unit stream; those of the weights go into ``grads``."""
    if hidden is None:
        inputs = (weights[name] for name in _FFN[:-1])
        dunit, *rest = kernels.ffn_back(dout, unit, *inputs)
        grads.update(zip(_FFN, rest, strict=True))
        return dunit
    dhidden = linear_back(dout, hidden, weights, "0.down", grads) * (hidden > 0)
    dx = linear_back(dhidden, _normed(unit, weights, "0.norm2"), weights, "0.up", grads)
    return _normed_back(dx, unit, weights, "0.norm2", grads)


def classify(
    unit: Tensor, weights: Weights, answer: Tensor, elements: int, grads: Weights
) -> tuple[Tensor, Tensor]:
    """Mean loss of each slot ``(S,)`` and the gradient of the unit stream ``(S, B, D)``."""
    if _fused(unit, weights):
        inputs = (weights[name] for name in _UNEMBED)
        mean, dunit, *rest = kernels.classify(unit, *inputs, answer, elements)
        grads.update(zip(_UNEMBED, rest, strict=True))
        return mean, dunit
    normed = _normed(unit, weights, "norm")
    mean, dlogits = exact.mean_loss_and_gradient(linear(normed, weights, "unembed"), answer)
    dx = linear_back(dlogits, normed, weights, "unembed", grads)
    return mean, _normed_back(dx, unit, weights, "norm", grads)


def judge(unit: Tensor, weights: Weights, answer: Tensor, elements: int) -> Judged:
    """How every example fares, ``(S, B)`` each."""
    if _fused(unit, weights):
        inputs = (weights[name] for name in _UNEMBED)
        return Judged(*kernels.judge(unit, *inputs, answer, elements))
    return exact.judge(linear(_normed(unit, weights, "norm"), weights, "unembed"), answer)


def add_rows(
    left_index: Tensor,  # (S, B) int64 below N
    right_index: Tensor,  # (S, B)
    left: Tensor,  # (S, B, C)
    right: Tensor,  # (S, B, C)
    rows: int,
) -> Tensor:  # (S, 2 N, C), the sums of left, then those of right
    """Sums the rows of ``left`` by ``left_index`` and those of ``right`` by ``right_index``.

    The backward pass of a table look-up, always in the same order: with atomic additions it
    would be the order of the day.
    """
    on_gpu = kernels is not None and left.is_cuda and left.dtype == torch.float32
    if on_gpu and kernels.sums_fit(rows, left.shape[2]):
        return kernels.add_rows(left_index, right_index, left, right, rows)
    return _add_rows_in_order(left_index, right_index, left, right, rows)


def linear(x: Tensor, weights: Weights, name: str) -> Tensor:
    """``x W + b``."""
    return torch.bmm(x, weights[name]).add_(weights[f"{name}.bias"][:, None])


def linear_back(dy: Tensor, x: Tensor, weights: Weights, name: str, grads: Weights) -> Tensor:
    """Gradient of ``x``; those of weight and bias go into ``grads``."""
    grads[name] = torch.bmm(x.transpose(1, 2), dy)
    grads[f"{name}.bias"] = dy.sum(1)
    return torch.bmm(dy, weights[name].transpose(1, 2))


@torch.library.custom_op("speciation::add_rows", mutates_args=())
def _add_rows_in_order(
    left_index: Tensor, right_index: Tensor, left: Tensor, right: Tensor, rows: int
) -> Tensor:
    """An operator of its own, because a compiler would turn it into atomic additions."""
    slots, _, columns = left.shape
    offset = torch.arange(slots, device=left.device)[:, None] * (2 * rows)
    out = left.new_zeros(slots * 2 * rows, columns)
    out.index_put_(
        ((offset + left_index).view(-1),), left.reshape(-1, columns), accumulate=True
    )
    index = (offset + rows + right_index).view(-1)
    out.index_put_((index,), right.reshape(-1, columns), accumulate=True)
    return out.view(slots, 2 * rows, columns)


@_add_rows_in_order.register_fake
def _(
    left_index: Tensor, right_index: Tensor, left: Tensor, right: Tensor, rows: int
) -> Tensor:
    return left.new_empty(left.shape[0], 2 * rows, left.shape[2])


def _fused(unit: Tensor, weights: Weights) -> bool:
    if kernels is None or not unit.is_cuda or unit.dtype != torch.float32:
        return False
    shape = weights["0.up"].shape
    return kernels.fits(shape[1], shape[2], weights["unembed"].shape[2])


def _normed(unit: Tensor, weights: Weights, name: str) -> Tensor:
    return torch.addcmul(
        weights[f"{name}.shift"][:, None], unit, weights[f"{name}.gain"][:, None]
    )


def _normed_back(
    dy: Tensor, unit: Tensor, weights: Weights, name: str, grads: Weights
) -> Tensor:
    grads[f"{name}.gain"] = (dy * unit).sum(1)
    grads[f"{name}.shift"] = dy.sum(1)
    return dy * weights[f"{name}.gain"][:, None]
