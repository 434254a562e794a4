"""The transformer of any depth, stacked over trials, with gradients by autograd.

The exact algebra of ``model.py`` ends at one layer: with two, every position of every example
has a value of its own. This is the plain computation, three positions an example, causal
attention; it trains the *reference model* on which published figures are reproduced, and at one
layer it is the independent witness that the algebra is exact.

Axes: S slots, B examples, T = 3 positions, D model width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from speciation.engine.loss import mean_loss_and_gradient
from speciation.engine.model import NORM_EPSILON, Examples

POSITIONS = 3


def logits(
    weights: dict[str, Tensor],  # each (S, ...)
    examples: Examples,
    *,
    layers: int,
    heads: int,
    layer_scale: Tensor,  # (S,)
    inverse_embed_ratio: Tensor,  # (S,)
    noise: list[tuple[Tensor, Tensor]] | None,  # a pair a layer, each (S, B, T, D)
) -> Tensor:  # (S, B, V)
    """Logits at ``=`` of every example; without noise as in evaluation."""
    factor = layer_scale[:, None, None, None]
    x = _embed(weights, examples, inverse_embed_ratio)
    for i in range(layers):
        branch = _attention(_norm(x, weights, f"{i}.norm1"), weights, str(i), heads)
        x = x + factor * (branch if noise is None else branch * noise[i][0])
        hidden = _linear(_norm(x, weights, f"{i}.norm2"), weights, f"{i}.up").relu()
        branch = _linear(hidden, weights, f"{i}.down")
        x = x + factor * (branch if noise is None else branch * noise[i][1])
    last = _norm(x[:, :, -1:], weights, "norm")
    return _linear(last, weights, "unembed")[:, :, 0]


def loss_and_gradients(
    weights: dict[str, Tensor],
    examples: Examples,
    *,
    layers: int,
    heads: int,
    layer_scale: Tensor,
    inverse_embed_ratio: Tensor,
    noise: list[tuple[Tensor, Tensor]] | None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean loss of each slot ``(S,)`` and its gradients by name."""
    leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
    with torch.enable_grad():
        out = logits(
            leaves,
            examples,
            layers=layers,
            heads=heads,
            layer_scale=layer_scale,
            inverse_embed_ratio=inverse_embed_ratio,
            noise=noise,
        )
    loss, gradient = mean_loss_and_gradient(out.detach().clone(), examples.answer)
    grads = torch.autograd.grad(out, list(leaves.values()), gradient)
    return loss, dict(zip(leaves, grads, strict=True))


def _embed(weights: dict[str, Tensor], examples: Examples, inverse_ratio: Tensor) -> Tensor:
    """``(S, B, T, D)``. A one-hot product, so that its gradient needs no scatter."""
    tokens = weights["tokens"] * inverse_ratio[:, None, None]
    slots, count, width = tokens.shape
    numbers = torch.stack([examples.left, examples.right], dim=-1)
    seen = functional.one_hot(numbers, count).to(tokens.dtype).expand(slots, -1, -1, -1)
    embedded = torch.bmm(seen.reshape(slots, -1, count), tokens)
    embedded = embedded.view(slots, -1, POSITIONS - 1, width)
    equals = tokens[:, None, -1:].expand(-1, embedded.shape[1], -1, -1)
    return torch.cat([embedded, equals], dim=2) + weights["positions"][:, None]


def _attention(x: Tensor, weights: dict[str, Tensor], layer: str, heads: int) -> Tensor:
    slots, batch, positions, width = x.shape

    def split(y: Tensor) -> Tensor:  # (S, B, H, T, D / H)
        return y.view(slots, batch, positions, heads, width // heads).transpose(2, 3)

    query = split(_linear(x, weights, f"{layer}.query"))
    key = split(_product(x, weights[f"{layer}.key"]))
    value = split(_linear(x, weights, f"{layer}.value"))
    score = query @ key.transpose(-1, -2) * (width // heads) ** -0.5
    future = torch.ones(positions, positions, dtype=torch.bool, device=x.device).triu(1)
    mixed = score.masked_fill(future, -torch.inf).softmax(-1) @ value
    return _linear(mixed.transpose(2, 3).reshape(x.shape), weights, f"{layer}.out")


def _linear(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    return _product(x, weights[name]) + weights[f"{name}.bias"][:, None, None]


def _product(x: Tensor, weight: Tensor) -> Tensor:
    slots, batch, positions, width = x.shape
    out = torch.bmm(x.reshape(slots, batch * positions, width), weight)
    return out.view(slots, batch, positions, -1)


def _norm(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    unit = functional.layer_norm(x, x.shape[-1:], eps=NORM_EPSILON)
    return (
        unit * weights[f"{name}.gain"][:, None, None] + weights[f"{name}.shift"][:, None, None]
    )
