"""The one-layer MicroTransformer, forward and backward, for many trials at once.

Only the last position of ``a b =`` is read, and with one layer that makes the model an exact
algebra (no approximation, equal to the plain transformer to rounding):

* keys and values depend on a token and its position, so they are a *table* of ``2 n + 1`` rows
  (every ``a``, every ``b``, and ``=``), not a tensor over examples;
* the query is one vector for the whole batch, so scores are a column of that table;
* an example's attention is a softmax over three of its rows.

The gradient is written out rather than left to autograd: one pure function of tensors compiles
into one graph, and the sums over examples happen in one fixed order.

Axes: S slots, B examples, R table rows, D model width, H heads, F ffn width, V padded vocabulary.
A slot's numbers never depend on another slot's: axis S meets only batched products and
elementwise operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from speciation.engine.layout import PAD_LOGIT, Layout

NORM_EPSILON = 1e-5


class Examples(NamedTuple):
    """A batch for every slot, each ``(S, B)`` int64; or ``(1, B)`` where slots share it."""

    left: Tensor
    right: Tensor
    answer: Tensor


_Three = tuple[Tensor, Tensor, Tensor]


class Noise(NamedTuple):
    """Dropout of one step: what is kept of both residual branches ``(S, B, D)``, rescaled."""

    attention: Tensor
    ffn: Tensor


class _Normed(NamedTuple):
    out: Tensor
    unit: Tensor
    scale: Tensor


class _Attention(NamedTuple):
    normed: _Normed  # rows (S, R, D)
    key: Tensor  # (S, R, D)
    query: Tensor  # (S, 1, D)
    rows: _Three  # values met by each example, (S, B or 1, D)
    weights: _Three  # softmax over the three, (S, B, H)
    spread: _Three  # the same for every column, (S, B, D)
    mixed: Tensor  # (S, B, D)
    index: Tensor  # (S * 2 B,) flat table rows of a and b


class _Ffn(NamedTuple):
    normed: _Normed
    hidden: Tensor  # (S, B, F) after ReLU


class Forward(NamedTuple):
    """Logits, and what the backward pass needs again."""

    logits: Tensor  # (S, B, V)
    attention: _Attention
    ffn: _Ffn
    final: _Normed


def forward(
    weights: dict[str, Tensor],  # each (S, ...)
    examples: Examples,
    *,
    heads: int,
    layer_scale: Tensor,  # (S,)
    inverse_embed_ratio: Tensor,  # (S,)
    noise: Noise | None,
) -> Forward:
    """Logits of every example; without noise as in evaluation."""
    factor = layer_scale[:, None, None]
    residual, attention = _attend(weights, examples, heads, inverse_embed_ratio)
    branch = _linear(attention.mixed, weights, "0.out")
    x = torch.addcmul(residual, factor, branch if noise is None else branch * noise.attention)

    normed = _norm(x, weights, "0.norm2")
    hidden = _linear(normed.out, weights, "0.up").relu()
    branch = _linear(hidden, weights, "0.down")
    x = torch.addcmul(x, factor, branch if noise is None else branch * noise.ffn)

    final = _norm(x, weights, "norm")
    logits = _linear(final.out, weights, "unembed")
    return Forward(logits, attention, _Ffn(normed, hidden), final)


def backward(
    weights: dict[str, Tensor],
    passed: Forward,
    logit_gradient: Tensor,  # (S, B, V)
    *,
    layer_scale: Tensor,  # (S,)
    inverse_embed_ratio: Tensor,  # (S,)
    noise: Noise | None,
) -> dict[str, Tensor]:
    """Gradients by name, shapes as the weights."""
    factor = layer_scale[:, None, None]
    grads: dict[str, Tensor] = {}
    dx = _linear_back(logit_gradient, passed.final.out, weights, "unembed", grads)
    dx = _norm_back(dx, passed.final, weights, "norm", grads)

    branch = factor * dx if noise is None else factor * dx * noise.ffn
    branch = _linear_back(branch, passed.ffn.hidden, weights, "0.down", grads)
    branch = branch * (passed.ffn.hidden > 0)
    branch = _linear_back(branch, passed.ffn.normed.out, weights, "0.up", grads)
    dx = dx + _norm_back(branch, passed.ffn.normed, weights, "0.norm2", grads)

    branch = factor * dx if noise is None else factor * dx * noise.attention
    branch = _linear_back(branch, passed.attention.mixed, weights, "0.out", grads)
    _attend_back(branch, dx, passed.attention, weights, inverse_embed_ratio, grads)
    return grads


def flatten(plan: Layout, grads: dict[str, Tensor]) -> Tensor:
    """Gradients in the layout's order, ``(S, size)``."""
    return torch.cat([grads[weight.name].flatten(1) for weight in plan.weights], dim=1)


def mask_padding(plan: Layout, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with the padded logits' bias at ``PAD_LOGIT``."""
    bias = weights["unembed.bias"]
    column = torch.arange(plan.vocabulary, device=bias.device)
    return weights | {"unembed.bias": bias.masked_fill(column >= plan.elements, PAD_LOGIT)}


# -- Attention over the table -----------------------------------------------------------


def _attend(
    weights: dict[str, Tensor], examples: Examples, heads: int, inverse_ratio: Tensor
) -> tuple[Tensor, _Attention]:
    """The residual stream at ``=`` ``(S, 1, D)`` and the attention output of each example."""
    tokens = weights["tokens"] * inverse_ratio[:, None, None]
    positions = weights["positions"]
    numbers, equals = tokens[:, :-1], tokens[:, -1:]
    table = torch.cat(
        [numbers + positions[:, 0:1], numbers + positions[:, 1:2], equals + positions[:, 2:3]],
        dim=1,
    )
    slots, rows, width = table.shape
    normed = _norm(table, weights, "0.norm1")
    key = torch.bmm(normed.out, weights["0.key"])
    value = _linear(normed.out, weights, "0.value")
    query = _linear(normed.out[:, -1:], weights, "0.query")
    score = (key * query).view(slots, rows, heads, -1).sum(-1) * (width // heads) ** -0.5

    both = torch.cat([value, score], dim=-1)
    index = _table_rows(examples, slots, rows)
    batch = index.shape[0] // (2 * slots)
    met = both.view(slots * rows, -1).index_select(0, index).view(slots, 2, batch, -1)
    values = (met[:, 0, :, :width], met[:, 1, :, :width], value[:, -1:])
    mix = _softmax3(met[:, 0, :, width:], met[:, 1, :, width:], score[:, -1:])
    spread = (_spread(mix[0], width), _spread(mix[1], width), _spread(mix[2], width))
    mixed = _sum_of_products(spread, values)
    return table[:, -1:], _Attention(normed, key, query, values, mix, spread, mixed, index)


def _attend_back(
    dmixed: Tensor,  # (S, B, D)
    dresidual: Tensor,  # (S, B, D) gradient of the residual stream at "="
    passed: _Attention,
    weights: dict[str, Tensor],
    inverse_ratio: Tensor,
    grads: dict[str, Tensor],
) -> None:
    slots, rows, width = passed.key.shape
    heads = passed.weights[0].shape[-1]
    head = width // heads
    a, b, c = ((dmixed * v).unflatten(-1, (heads, head)).sum(-1) for v in passed.rows)
    mean = _sum_of_products(passed.weights, (a, b, c))
    dscores = [w * (dw - mean) for w, dw in zip(passed.weights, (a, b, c), strict=True)]
    dvalues = [w * dmixed for w in passed.spread]

    dvalue = _into_table(passed.index, dvalues, rows)
    dscore = _spread(_into_table(passed.index, dscores, rows), width) * head**-0.5
    dkey = dscore * passed.query
    dquery = (dscore * passed.key).sum(1, keepdim=True)
    drows = _linear_back(dvalue, passed.normed.out, weights, "0.value", grads)
    grads["0.key"] = torch.bmm(passed.normed.out.transpose(1, 2), dkey)
    drows = drows + torch.bmm(dkey, weights["0.key"].transpose(1, 2))
    dequals = _linear_back(dquery, passed.normed.out[:, -1:], weights, "0.query", grads)
    drows = torch.cat([drows[:, :-1], drows[:, -1:] + dequals], dim=1)
    drows = _norm_back(drows, passed.normed, weights, "0.norm1", grads)

    n = (rows - 1) // 2
    left, right = drows[:, :n], drows[:, n : 2 * n]
    equals = drows[:, -1:] + dresidual.sum(1, keepdim=True)
    grads["tokens"] = inverse_ratio[:, None, None] * torch.cat([left + right, equals], dim=1)
    grads["positions"] = torch.cat(
        [left.sum(1, keepdim=True), right.sum(1, keepdim=True), equals], dim=1
    )


def _into_table(index: Tensor, met: Sequence[Tensor], rows: int) -> Tensor:
    """Gradients of what examples met, ``(S, B, C)`` at a, b and ``=``, as ``(S, R, C)``."""
    left, right, equals = met
    both = torch.stack([left, right], dim=1)
    table = add_rows(index, both.view(-1, both.shape[-1]), both.shape[0] * rows)
    table = table.view(both.shape[0], rows, -1)
    return torch.cat([table[:, :-1], equals.sum(1, keepdim=True)], dim=1)


def _table_rows(examples: Examples, slots: int, rows: int) -> Tensor:
    """Flat rows met by each example: all of a slot's ``a``, then all of its ``b``."""
    offset = torch.arange(slots, device=examples.left.device)[:, None] * rows
    left = offset + examples.left
    right = offset + ((rows - 1) // 2) + examples.right
    return torch.stack([left, right], dim=1).view(-1)


@torch.library.custom_op("speciation::add_rows", mutates_args=())
def add_rows(index: Tensor, source: Tensor, rows: int) -> Tensor:
    """Sums the rows of ``source`` that share an index, ``(N, C)`` → ``(rows, C)``.

    In the order of ``source``: torch sorts on CUDA and goes one by one on a single CPU thread. An
    operator of its own, because a compiler would turn it into atomic additions, whose order is
    that of the day.
    """
    return source.new_zeros(rows, source.shape[1]).index_put_((index,), source, accumulate=True)


@add_rows.register_fake
def _(index: Tensor, source: Tensor, rows: int) -> Tensor:
    return source.new_empty(rows, source.shape[1])


def _sum_of_products(left: _Three, right: _Three) -> Tensor:
    total = torch.addcmul(left[0] * right[0], left[1], right[1])
    return torch.addcmul(total, left[2], right[2])


def _softmax3(a: Tensor, b: Tensor, c: Tensor) -> _Three:
    top = torch.maximum(torch.maximum(a, b), c)
    a, b, c = (a - top).exp(), (b - top).exp(), (c - top).exp()
    inverse = 1.0 / (a + b + c)
    return a * inverse, b * inverse, c * inverse


def _spread(per_head: Tensor, width: int) -> Tensor:
    """``(..., H)`` to ``(..., D)``: each head's number for each of its columns."""
    heads = per_head.shape[-1]
    wide = per_head[..., None].expand(*per_head.shape, width // heads)
    return wide.reshape(*per_head.shape[:-1], width)


# -- Linear maps and layer norms -------------------------------------------------------


def _linear(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    return torch.bmm(x, weights[name]).add_(weights[f"{name}.bias"][:, None])


def _linear_back(
    dy: Tensor, x: Tensor, weights: dict[str, Tensor], name: str, grads: dict[str, Tensor]
) -> Tensor:
    grads[name] = torch.bmm(x.transpose(1, 2), dy)
    grads[f"{name}.bias"] = dy.sum(1)
    return torch.bmm(dy, weights[name].transpose(1, 2))


def _norm(x: Tensor, weights: dict[str, Tensor], name: str) -> _Normed:
    centred = x - x.mean(-1, keepdim=True)
    scale = torch.rsqrt((centred * centred).mean(-1, keepdim=True) + NORM_EPSILON)
    unit = centred * scale
    gain, shift = weights[f"{name}.gain"][:, None], weights[f"{name}.shift"][:, None]
    return _Normed(torch.addcmul(shift, unit, gain), unit, scale)


def _norm_back(
    dy: Tensor, normed: _Normed, weights: dict[str, Tensor], name: str, grads: dict[str, Tensor]
) -> Tensor:
    grads[f"{name}.gain"] = (dy * normed.unit).sum(1)
    grads[f"{name}.shift"] = dy.sum(1)
    dunit = dy * weights[f"{name}.gain"][:, None]
    along = (dunit * normed.unit).mean(-1, keepdim=True)
    return (dunit - dunit.mean(-1, keepdim=True) - normed.unit * along) * normed.scale
