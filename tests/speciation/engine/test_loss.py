"""The exact loss: torch's where torch is right, and right where torch says zero."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from speciation.engine.layout import PAD_LOGIT
from speciation.engine.loss import judge, mean_loss_and_gradient


def problem(scale: float, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 30, 13, generator=generator, dtype=dtype) * scale
    return logits, torch.randint(0, 13, (2, 30), generator=generator)


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1000.0])
def test_loss_and_gradient_are_those_of_cross_entropy_in_float64(scale):
    logits, answer = problem(scale)
    logits.requires_grad_()
    expected = functional.cross_entropy(
        logits.flatten(0, 1), answer.flatten(), reduction="none"
    )
    expected = expected.view(2, 30).mean(1)
    expected.sum().backward()
    loss, gradient = mean_loss_and_gradient(logits.detach(), answer)
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gradient, logits.grad, rtol=1e-11, atol=1e-15)


def test_a_confident_example_keeps_its_gradient_where_softmax_collapses():
    logits = torch.zeros(1, 1, 97)
    logits[0, 0, 5] = 40.0
    answer = torch.tensor([[5]])
    naive = functional.cross_entropy(logits[0], answer[0])
    loss, gradient = mean_loss_and_gradient(logits, answer)
    assert naive == 0
    assert loss.item() == pytest.approx(96 * torch.exp(torch.tensor(-40.0)).item(), rel=1e-5)
    assert gradient[0, 0, 5] < 0
    assert gradient.sum().abs() < 1e-6 * gradient.abs().sum()


def test_the_gap_says_what_is_right_and_ties_are_wrong():
    logits = torch.tensor([[[1.0, 3.0, 2.0], [3.0, 3.0, 0.0]]])
    judged = judge(logits, torch.tensor([[1, 0]]))
    assert judged.gap.tolist() == [[1.0, 0.0]]


def test_padded_logits_change_nothing():
    logits, answer = problem(3.0)
    padded = torch.cat([logits, torch.full((2, 30, 3), PAD_LOGIT, dtype=torch.float64)], dim=-1)
    loss, gradient = mean_loss_and_gradient(logits, answer)
    padded_loss, padded_gradient = mean_loss_and_gradient(padded, answer)
    assert torch.equal(loss, padded_loss)
    torch.testing.assert_close(padded_gradient[..., :13], gradient, rtol=1e-14, atol=0)
    assert (padded_gradient[..., 13:] == 0).all()
