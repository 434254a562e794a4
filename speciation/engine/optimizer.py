"""AdamW, gradient clipping and the learning-rate schedule, each trial with its own numbers.

The semantics are torch's (``AdamW`` decoupled decay, ``clip_grad_norm_``), but every
hyperparameter and every step counter is a tensor over slots, so a slot can be refilled while
its neighbours are in the middle of their lives.

Axes: S slots, P parameters (flat).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Weight of the newest loss in its running mean and variance; decay may not start before the
# variance has seen 1 / LOSS_WEIGHT losses.
LOSS_WEIGHT = 0.04
LOSSES_NEEDED = 25
CLIP_EPSILON = 1e-6


class Schedule(NamedTuple):
    """Where each trial stands in its schedule, ``(S,)`` each; updated in place."""

    step: Tensor  # int64, steps done
    loss_mean: Tensor
    loss_variance: Tensor
    decaying: Tensor  # bool, never unset within a trial
    decay: Tensor  # product of (1 - decay_rate) so far


def adamw(
    weight: Tensor,  # (S, P) updated in place
    grad: Tensor,  # (S, P)
    mean: Tensor,  # (S, P) first moment, updated in place
    square: Tensor,  # (S, P) second moment, updated in place
    count: Tensor,  # (S,) number of this step, from 1
    learning_rate: Tensor,  # (S,)
    recipe: dict[str, Tensor],  # (S,) each
) -> None:
    """One AdamW step for every trial (Loshchilov 2019, algorithm 2)."""
    one_minus_beta1 = recipe["one_minus_beta1"][:, None]
    one_minus_beta2 = recipe["one_minus_beta2"][:, None]
    count = count.to(weight.dtype)
    correction1 = -torch.expm1(count * recipe["log_beta1"])
    correction2 = -torch.expm1(count * recipe["log_beta2"])
    mean.lerp_(grad, one_minus_beta1)
    square.lerp_(grad * grad, one_minus_beta2)
    root = (square * (1.0 / correction2)[:, None]).sqrt_().add_(recipe["epsilon"][:, None])
    weight.mul_((1.0 - learning_rate * recipe["weight_decay"])[:, None])
    weight.sub_((mean * (learning_rate / correction1)[:, None]).div_(root))


def clip(grad: Tensor, limit: Tensor) -> Tensor:
    """Gradients scaled down to each trial's global norm limit."""
    norm = (grad * grad).sum(1).sqrt()
    return grad * (limit / (norm + CLIP_EPSILON)).clamp(max=1.0)[:, None]


def learning_rate(schedule: Schedule, recipe: dict[str, Tensor]) -> Tensor:
    """Learning rate of the coming step: linear warm-up times the decay so far."""
    count = (schedule.step + 1).to(recipe["learning_rate"].dtype)
    warm = (count / recipe["warmup_steps"].clamp(min=1.0)).clamp(max=1.0)
    return recipe["learning_rate"] * warm * schedule.decay


def advance_schedule(schedule: Schedule, loss: Tensor, recipe: dict[str, Tensor]) -> None:
    """Take in this step's train loss: decay starts for good when its variance has settled.

    Mean and variance are exponentially weighted (West 1979); the first loss is the first mean.
    """
    surprise = torch.where(schedule.step == 0, 0.0, loss - schedule.loss_mean)
    first = schedule.step == 0
    mean = torch.where(first, loss, schedule.loss_mean + LOSS_WEIGHT * surprise)
    variance = (1 - LOSS_WEIGHT) * (schedule.loss_variance + LOSS_WEIGHT * surprise * surprise)
    schedule.loss_mean.copy_(mean)
    schedule.loss_variance.copy_(variance)
    schedule.step.add_(1)
    settled = (schedule.step >= recipe["warmup_steps"].clamp(min=LOSSES_NEEDED)) & (
        variance < recipe["decay_trigger"]
    )
    schedule.decaying.logical_or_(settled)
    schedule.decay.mul_(torch.where(schedule.decaying, 1.0 - recipe["decay_rate"], 1.0))
