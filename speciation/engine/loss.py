"""The exact cross-entropy: no false zeros.

``log softmax`` in float32 rounds a confident example's loss and gradient to exactly zero and
stops its learning ("softmax collapse", Prieto 2025). Written over the *other* classes, ``loss =
log1p(Σ_{c≠y} exp(z_c − z_y))``, and with the correct class's gradient as ``−Σ_{c≠y} p_c``,
nothing is lost until the exponentials themselves underflow. Where the sum is large it is
shifted by its greatest exponent.

Axes: S slots, B examples, V padded vocabulary.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LOG2_E = math.log2(math.e)


class Judged(NamedTuple):
    """How each example fares, ``(S, B)`` each."""

    loss: Tensor
    gap: Tensor  # correct logit minus the greatest other one; correct when positive
    wrong: Tensor  # probability of all other classes together, as the gradient sees it


class _Odds(NamedTuple):
    others: Tensor  # (S, B, V) exp(z_c - z_y - shift), zero at the correct class
    total: Tensor  # (S, B, 1) their sum
    own: Tensor  # (S, B, 1) exp(-shift), the correct class itself
    loss: Tensor  # (S, B, 1)
    gap: Tensor  # (S, B, 1)


def judge(logits: Tensor, answer: Tensor) -> Judged:
    """Loss, gap and share of wrong probability of every example; uses up the logits."""
    odds = _odds(logits, answer[..., None])
    wrong = odds.total / (odds.total + odds.own)
    return Judged(odds.loss[..., 0], odds.gap[..., 0], wrong[..., 0])


def mean_loss_and_gradient(logits: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss of each slot ``(S,)`` and its gradient by the logits ``(S, B, V)``.

    Uses up the logits.
    """
    odds = _odds(logits, answer[..., None])
    share = 1.0 / ((odds.total + odds.own) * logits.shape[1])
    gradient = odds.others.mul_(share).scatter_(-1, answer[..., None], -odds.total * share)
    return odds.loss[..., 0].mean(1), gradient


def _odds(logits: Tensor, answer: Tensor) -> _Odds:
    delta = logits.sub_(logits.gather(-1, answer)).scatter_(-1, answer, -torch.inf)
    greatest = delta.amax(-1, keepdim=True)
    shift = greatest.clamp(min=0.0)
    # In base 2: the exponential that CPU libraries do not slow down where it underflows.
    others = delta.sub_(shift).mul_(LOG2_E).exp2_()
    total = others.sum(-1, keepdim=True)
    loss = shift + torch.log1p(total + torch.expm1(-shift))
    return _Odds(others, total, torch.exp(-shift), loss, -greatest)
