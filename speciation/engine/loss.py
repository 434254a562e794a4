"""The exact cross-entropy: no false zeros.

``log softmax`` in float32 rounds a confident example's loss and gradient to exactly zero and stops
its learning ("softmax collapse", Prieto 2025). Written over the *other* classes,
``loss = log1p(Σ_{c≠y} exp(z_c − z_y))``, and with the correct class's gradient as ``−Σ_{c≠y} p_c``,
nothing is lost until the exponentials themselves underflow. Where the sum is large it is shifted by its
greatest exponent.

Axes: S slots, B examples, V padded vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Judged(NamedTuple):
    """How each example fares, ``(S, B)`` each."""

    loss: Tensor
    gap: Tensor  # correct logit minus the greatest other one; correct when positive
    wrong: Tensor  # probability of all other classes together, as the gradient sees it


class _Odds(NamedTuple):
    others: Tensor  # (S, B, V) exp(z_c - z_y - shift), zero at the correct class
    total: Tensor  # (S, B, 1) their sum
    shift: Tensor  # (S, B, 1)
    gap: Tensor  # (S, B, 1)


def judge(logits: Tensor, answer: Tensor) -> Judged:
    """Loss, gap and share of wrong probability of every example."""
    odds = _odds(logits, answer)
    loss = odds.shift + torch.log1p(odds.total + torch.expm1(-odds.shift))
    wrong = odds.total / (odds.total + torch.exp(-odds.shift))
    return Judged(loss[..., 0], odds.gap[..., 0], wrong[..., 0])


def mean_loss_and_gradient(logits: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss of each slot ``(S,)`` and its gradient by the logits ``(S, B, V)``."""
    odds = _odds(logits, answer)
    loss = odds.shift + torch.log1p(odds.total + torch.expm1(-odds.shift))
    share = 1.0 / ((odds.total + torch.exp(-odds.shift)) * logits.shape[1])
    column = torch.arange(logits.shape[-1], device=logits.device)
    correct = column == answer[..., None]
    gradient = torch.where(correct, -odds.total * share, odds.others * share)
    return loss[..., 0].mean(1), gradient


def _odds(logits: Tensor, answer: Tensor) -> _Odds:
    own = logits.gather(-1, answer[..., None])
    column = torch.arange(logits.shape[-1], device=logits.device)
    delta = (logits - own).masked_fill(column == answer[..., None], -torch.inf)
    greatest = delta.amax(-1, keepdim=True)
    shift = greatest.clamp(min=0.0)
    others = (delta - shift).exp()
    return _Odds(others, others.sum(-1, keepdim=True), shift, -greatest)
