"""The one-layer MicroTransformer, forward and backward, for many trials at once.

Only the last position of ``a b =`` is read, and with one layer that makes the model an exact
algebra (no approximation, equal to the plain transformer to rounding):

* keys and values depend on a token and its position, so they are a *table* of ``2 n + 1`` rows
  (every ``a``, every ``b``, and ``=``), not a tensor over examples;
* the query is one vector for the whole batch, so scores are a column of that table;
* an example's attention is a softmax over three of its rows.

The gradient is written out rather than left to autograd: one pure function of tensors compiles
into one graph, and the sums over examples happen in one fixed order.

Axes: S slots, B examples, R table rows, D model width, H heads, V padded vocabulary. A slot's
numbers never depend on another slot's: axis S meets only batched products and elementwise
operations.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from speciation.engine import stages
from speciation.engine.layout import PAD_LOGIT, Layout
from speciation.engine.loss import Judged

NORM_EPSILON = 1e-5

Weights = dict[str, Tensor]
_Three = tuple[Tensor, Tensor, Tensor]


class Examples(NamedTuple):
    """A batch for every slot, each ``(S, B)`` int64."""

    left: Tensor
    right: Tensor
    answer: Tensor


class Noise(NamedTuple):
    """Dropout of one step: what is kept of both residual branches ``(S, B, D)``, rescaled."""

    attention: Tensor
    ffn: Tensor


class _Normed(NamedTuple):
    unit: Tensor  # mean 0 and variance 1 along D, before gain and shift
    scale: Tensor


class _Attention(NamedTuple):
    normed: _Normed  # of the table, (S, R, D)
    shifted: Tensor  # the same after gain and shift
    key: Tensor  # (S, R, D)
    query: Tensor  # (S, 1, D)
    rows: _Three  # values met by each example at a, b and "=", (S, B or 1, D)
    weights: _Three  # softmax over the three, (S, B, H)
    spread: _Three  # the same for every column, (S, B, D)
    mixed: Tensor  # (S, B, D)


class _Branches(NamedTuple):
    attention: _Attention
    middle: _Normed  # before the feed-forward branch, (S, B, D)
    hidden: Tensor | None  # (S, B, F) where a stage keeps it
    final: _Normed


class Model(NamedTuple):
    """What a forward pass needs beside the examples: weights and the genome's constants."""

    plan: Layout
    weights: Weights  # each (S, ...)
    heads: int
    layer_scale: Tensor  # (S,)
    inverse_embed_ratio: Tensor  # (S,)


def loss_and_gradients(
    model: Model, examples: Examples, noise: Noise
) -> tuple[Tensor, Weights]:
    """Mean loss of each slot ``(S,)`` and its gradients by name, shapes as the weights."""
    grads: Weights = {}
    weights, factor = model.weights, model.layer_scale[:, None, None]
    passed = _forward(model, examples, noise)
    loss, dx = stages.classify(
        passed.final.unit, weights, examples.answer, model.plan.elements, grads
    )
    dx = _norm_back(dx, passed.final)
    branch = stages.ffn_back(
        factor * dx * noise.ffn, passed.middle.unit, passed.hidden, weights, grads
    )
    dx = dx + _norm_back(branch, passed.middle)
    branch = factor * dx * noise.attention
    branch = stages.linear_back(branch, passed.attention.mixed, weights, "0.out", grads)
    _attend_back(branch, dx, passed.attention, examples, model, grads)
    return loss, grads


def judge(model: Model, examples: Examples) -> Judged:
    """How every example fares without noise, ``(S, B)`` each."""
    unit = _forward(model, examples, None).final.unit
    return stages.judge(unit, model.weights, examples.answer, model.plan.elements)


def flatten(plan: Layout, grads: Weights) -> Tensor:
    """Gradients in the layout's order, ``(S, size)``."""
    return torch.cat([grads[weight.name].flatten(1) for weight in plan.weights], dim=1)


def mask_padding(plan: Layout, weights: Weights) -> Weights:
    """The weights with the padded logits' bias at ``PAD_LOGIT``."""
    bias = weights["unembed.bias"]
    column = torch.arange(plan.vocabulary, device=bias.device)
    return weights | {"unembed.bias": bias.masked_fill(column >= plan.elements, PAD_LOGIT)}


def _forward(model: Model, examples: Examples, noise: Noise | None) -> _Branches:
    weights, factor = model.weights, model.layer_scale[:, None, None]
    residual, attention = _attend(model, examples)
    branch = stages.linear(attention.mixed, weights, "0.out")
    x = torch.addcmul(residual, factor, branch if noise is None else branch * noise.attention)
    middle = _norm(x)
    branch, hidden = stages.ffn(middle.unit, weights)
    x = torch.addcmul(x, factor, branch if noise is None else branch * noise.ffn)
    return _Branches(attention, middle, hidden, _norm(x))


# -- Attention over the table -----------------------------------------------------------


def _attend(model: Model, examples: Examples) -> tuple[Tensor, _Attention]:
    """The residual stream at ``=`` ``(S, 1, D)`` and the attention of each example."""
    weights = model.weights
    tokens = weights["tokens"] * model.inverse_embed_ratio[:, None, None]
    positions = weights["positions"]
    numbers, equals = tokens[:, :-1], tokens[:, -1:]
    table = torch.cat(
        [numbers + positions[:, 0:1], numbers + positions[:, 1:2], equals + positions[:, 2:3]],
        dim=1,
    )
    slots, rows, width = table.shape
    normed = _norm(table)
    gain, shift = weights["0.norm1.gain"][:, None], weights["0.norm1.shift"][:, None]
    shifted = torch.addcmul(shift, normed.unit, gain)
    key = torch.bmm(shifted, weights["0.key"])
    value = stages.linear(shifted, weights, "0.value")
    query = stages.linear(shifted[:, -1:], weights, "0.query")
    score = (key * query).view(slots, rows, model.heads, -1).sum(-1)
    score = score * (width // model.heads) ** -0.5

    both = torch.cat([value, score], dim=-1)
    left = _look_up(both, examples.left)
    right = _look_up(both, examples.right + (rows - 1) // 2)
    values = (left[..., :width], right[..., :width], value[:, -1:])
    mix = _softmax3(left[..., width:], right[..., width:], score[:, -1:])
    spread = (_spread(mix[0], width), _spread(mix[1], width), _spread(mix[2], width))
    mixed = _sum_of_products(spread, values)
    return table[:, -1:], _Attention(normed, shifted, key, query, values, mix, spread, mixed)


def _attend_back(
    dmixed: Tensor,  # (S, B, D)
    dresidual: Tensor,  # (S, B, D) gradient of the residual stream at "="
    passed: _Attention,
    examples: Examples,
    model: Model,
    grads: Weights,
) -> None:
    weights, width = model.weights, passed.key.shape[-1]
    head = width // model.heads
    # The softmax's gradient by pairs, w_i Σ_j w_j (dw_i − dw_j): where attention is nearly
    # certain, the usual w_i (dw_i − Σ_j w_j dw_j) loses it in the difference of two equals.
    a, b, c = passed.weights
    value_a, value_b, value_c = passed.rows
    over_b, over_c = (
        (dmixed * difference).unflatten(-1, (model.heads, head)).sum(-1)
        for difference in (value_a - value_b, value_a - value_c)
    )
    ab, ac, bc = a * b * over_b, a * c * over_c, b * c * (over_c - over_b)
    dscores = [ab + ac, bc - ab, -ac - bc]
    dvalues = [w * dmixed for w in passed.spread]

    dboth = [torch.cat(met, dim=-1) for met in zip(dvalues, dscores, strict=True)]
    dtable = _into_table(examples, dboth, model.plan.elements)
    dvalue, dscore = dtable[..., :width], _spread(dtable[..., width:], width) * head**-0.5
    dkey = dscore * passed.query
    dquery = (dscore * passed.key).sum(1, keepdim=True)
    shifted = passed.shifted
    drows = stages.linear_back(dvalue, shifted, weights, "0.value", grads)
    grads["0.key"] = torch.bmm(shifted.transpose(1, 2), dkey)
    drows = drows + torch.bmm(dkey, weights["0.key"].transpose(1, 2))
    dequals = stages.linear_back(dquery, shifted[:, -1:], weights, "0.query", grads)
    drows = torch.cat([drows[:, :-1], drows[:, -1:] + dequals], dim=1)

    grads["0.norm1.gain"] = (drows * passed.normed.unit).sum(1)
    grads["0.norm1.shift"] = drows.sum(1)
    drows = _norm_back(drows * weights["0.norm1.gain"][:, None], passed.normed)
    n = model.plan.elements
    left, right = drows[:, :n], drows[:, n : 2 * n]
    equals = drows[:, -1:] + dresidual.sum(1, keepdim=True)
    ratio = model.inverse_embed_ratio[:, None, None]
    grads["tokens"] = ratio * torch.cat([left + right, equals], dim=1)
    grads["positions"] = torch.cat(
        [left.sum(1, keepdim=True), right.sum(1, keepdim=True), equals], dim=1
    )


def _look_up(table: Tensor, index: Tensor) -> Tensor:
    """Rows of each slot's table ``(S, R, C)`` by index ``(S, B)``: ``(S, B, C)``."""
    slots, rows, columns = table.shape
    offset = torch.arange(slots, device=table.device)[:, None] * rows
    flat = (offset + index).view(-1)
    return table.view(slots * rows, columns).index_select(0, flat).view(slots, -1, columns)


def _into_table(examples: Examples, met: list[Tensor], elements: int) -> Tensor:
    """Gradients of what examples met, ``(S, B, C)`` at a, b and ``=``, as ``(S, R, C)``."""
    left, right, equals = met
    numbers = stages.add_rows(examples.left, examples.right, left, right, elements)
    return torch.cat([numbers, equals.sum(1, keepdim=True)], dim=1)


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


def _norm(x: Tensor) -> _Normed:
    centred = x - x.mean(-1, keepdim=True)
    scale = torch.rsqrt((centred * centred).mean(-1, keepdim=True) + NORM_EPSILON)
    return _Normed(centred * scale, scale)


def _norm_back(dunit: Tensor, normed: _Normed) -> Tensor:
    along = (dunit * normed.unit).mean(-1, keepdim=True)
    return (dunit - dunit.mean(-1, keepdim=True) - normed.unit * along) * normed.scale
