"""The stacked optimiser is torch's, trial by trial."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from speciation.engine import optimizer
from speciation.engine.optimizer import Schedule

STEPS = 50


def recipes(count: int) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(5)
    beta1, beta2 = rng.uniform(0.5, 0.99, count), rng.uniform(0.8, 0.9999, count)
    columns = {
        "learning_rate": 10 ** rng.uniform(-4, -1.5, count),
        "weight_decay": 10 ** rng.uniform(-2, 0.5, count),
        "one_minus_beta1": 1 - beta1,
        "one_minus_beta2": 1 - beta2,
        "log_beta1": np.log(beta1),
        "log_beta2": np.log(beta2),
        "epsilon": 10 ** rng.uniform(-12, -4, count),
    }
    return {name: torch.from_numpy(column) for name, column in columns.items()}


def test_adamw_is_torchs_with_own_numbers_staggered_starts_idle_slots_and_a_refill():
    """Slot i starts at step 3 i; slot 2 idles in between; slot 0 is refilled half way."""
    slots, size = 4, 30
    settings = recipes(slots)
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(slots, size, generator=generator, dtype=torch.float64)
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    count = torch.zeros(slots, dtype=torch.int64)

    def twin(slot: int):
        parameter = torch.nn.Parameter(weight[slot].clone())
        rule = torch.optim.AdamW(
            [parameter],
            lr=settings["learning_rate"][slot].item(),
            betas=(
                1 - settings["one_minus_beta1"][slot].item(),
                1 - settings["one_minus_beta2"][slot].item(),
            ),
            eps=settings["epsilon"][slot].item(),
            weight_decay=settings["weight_decay"][slot].item(),
        )
        return parameter, rule

    twins = [twin(slot) for slot in range(slots)]
    for step in range(STEPS):
        if step == STEPS // 2:
            weight[0], mean[0], square[0], count[0] = 1.0, 0.0, 0.0, 0
            twins[0] = twin(0)
        grad = torch.randn(slots, size, generator=generator, dtype=torch.float64)
        before = [tensor.clone() for tensor in (weight, mean, square)]
        optimizer.adamw(
            weight, grad, mean, square, count + 1, settings["learning_rate"], settings
        )
        trains = [
            step >= 3 * slot and not (slot == 2 and 20 <= step < 30) for slot in range(slots)
        ]
        for slot, does in enumerate(trains):
            if does:
                count[slot] += 1
                parameter, rule = twins[slot]
                parameter.grad = grad[slot].clone()
                rule.step()
            else:
                weight[slot], mean[slot], square[slot] = (tensor[slot] for tensor in before)
    for slot, (parameter, _) in enumerate(twins):
        torch.testing.assert_close(weight[slot], parameter.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("norm", [0.1, 1.0, 50.0])
def test_clipping_is_torchs_for_each_trial_apart(norm):
    grad = torch.randn(3, 40, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    grad *= torch.tensor([norm, 1.0, 0.0])[:, None]
    limit = torch.tensor([0.7, 2.0, 1.0], dtype=torch.float64)
    clipped = optimizer.clip(grad, limit)
    for slot in range(3):
        parameter = torch.nn.Parameter(torch.zeros(40, dtype=torch.float64))
        parameter.grad = grad[slot].clone()
        torch.nn.utils.clip_grad_norm_([parameter], limit[slot].item())
        torch.testing.assert_close(clipped[slot], parameter.grad, rtol=1e-12, atol=0)


def schedule(slots: int) -> Schedule:
    zeros = torch.zeros(slots, dtype=torch.float64)
    return Schedule(
        torch.zeros(slots, dtype=torch.int64),
        zeros.clone(),
        zeros.clone(),
        torch.zeros(slots, dtype=torch.bool),
        zeros + 1,
    )


def test_warm_up_is_linear_and_no_warm_up_starts_in_full():
    state = schedule(2)
    settings = {
        "learning_rate": torch.tensor([0.1, 0.1], dtype=torch.float64),
        "warmup_steps": torch.tensor([4.0, 0.0], dtype=torch.float64),
    }
    rates = []
    for _ in range(5):
        rates.append(optimizer.learning_rate(state, settings))
        state.step.add_(1)
    torch.testing.assert_close(
        torch.stack(rates)[:, 0], torch.tensor([0.025, 0.05, 0.075, 0.1, 0.1]).double()
    )
    assert (torch.stack(rates)[:, 1] == 0.1).all()


def test_decay_waits_for_warm_up_and_for_the_losses_it_needs_then_never_stops():
    state = schedule(2)
    settings = {
        "learning_rate": torch.ones(2, dtype=torch.float64),
        "warmup_steps": torch.tensor([0.0, 40.0], dtype=torch.float64),
        "decay_trigger": torch.full((2,), 1e-3, dtype=torch.float64),
        "decay_rate": torch.full((2,), 0.01, dtype=torch.float64),
    }
    started = [None, None]
    for step in range(1, 61):
        loss = 5.0 if step < 50 else 50.0  # the jump would stop a decay that could stop
        optimizer.advance_schedule(state, torch.full((2,), loss, dtype=torch.float64), settings)
        for slot in range(2):
            if state.decaying[slot] and started[slot] is None:
                started[slot] = step
    assert started == [optimizer.LOSSES_NEEDED, 40]
    expected = [(1 - 0.01) ** (60 - start + 1) for start in started]
    assert state.decay.tolist() == pytest.approx(expected, rel=1e-12)


def test_the_variance_of_the_loss_is_exponentially_weighted():
    state = schedule(1)
    settings = {
        "warmup_steps": torch.zeros(1),
        "decay_trigger": torch.zeros(1),
        "decay_rate": torch.zeros(1),
    }
    losses = np.random.default_rng(1).normal(2.0, 0.3, 400)
    for loss in losses:
        optimizer.advance_schedule(state, torch.tensor([loss], dtype=torch.float64), settings)
    age = np.arange(400)[::-1]
    weight = 0.04 * 0.96**age
    weight[0] = 0.96**399
    mean = (weight * losses).sum()
    variance = (weight * (losses - mean) ** 2).sum()
    assert state.loss_mean.item() == pytest.approx(mean, rel=1e-10)
    assert state.loss_variance.item() == pytest.approx(variance, rel=1e-10)
