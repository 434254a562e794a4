"""The slow twin: torch's own parts put together, readable and right."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from speciation.engine.reference import ReferenceTrial, exact_cross_entropy
from speciation.seeds import Purpose, bits
from speciation.trial.task import Task, split
from tests.speciation.engine.making import SMALL, random_trials, with_genes


def test_its_loss_is_torchs_where_torch_is_right():
    logits = 5 * torch.randn(50, 13, generator=torch.Generator().manual_seed(0)).double()
    answer = torch.arange(50) % 13
    expected = functional.cross_entropy(logits, answer, reduction="none")
    torch.testing.assert_close(exact_cross_entropy(logits, answer), expected)


def test_a_step_is_torchs_adamw_on_clipped_gradients():
    """Written out once more by hand: clip, warm up, decay the weights, move."""
    trial = with_genes(
        random_trials(1)[0], grad_clip=0.05, warmup_steps=10.0, weight_decay=1.0, dropout=0.0
    )
    twin = ReferenceTrial(trial, torch.float64)
    before = twin.model.unembed.weight.detach().clone()
    _, grads = twin.loss_and_gradients()
    norm = torch.sqrt(sum((grad**2).sum() for grad in grads.values()))
    assert norm > 0.05
    grad = grads["unembed.weight"] * 0.05 / (norm + 1e-6)
    twin.train_step()
    rate = twin.settings.learning_rate / 10
    moved = before * (1 - rate) - rate * grad / (grad.abs() + twin.settings.epsilon)
    torch.testing.assert_close(twin.model.unembed.weight.detach(), moved)


def test_its_examples_are_drawn_from_the_train_set_by_the_seed():
    twin = ReferenceTrial(random_trials(1)[0])
    train = set(split(SMALL, twin.trial.seed)[: SMALL.train_count].tolist())
    first = twin.examples()
    twin.step = 1
    second = twin.examples()
    assert set(first.tolist()) <= train
    assert len(first) == SMALL.batch
    assert not np.array_equal(first, second)
    words = bits(twin.trial.seed, Purpose.ORDER, 1, SMALL.batch)
    place = (words * np.uint64(SMALL.train_count)) >> np.uint64(32)
    assert np.array_equal(second, split(SMALL, twin.trial.seed)[place])


def test_full_batch_means_every_train_example():
    task = dataclasses.replace(SMALL, batch=None)
    twin = ReferenceTrial(random_trials(1, task=task)[0])
    assert np.array_equal(twin.examples(), split(task, twin.trial.seed)[: task.train_count])


def test_without_dropout_nothing_is_dropped():
    assert ReferenceTrial(with_genes(random_trials(1)[0], dropout=0.0))._keep(512) is None


@pytest.mark.parametrize("dropout", [0.1, 0.3])
def test_dropout_keeps_the_mean_and_its_share(dropout):
    task = Task(modulus=97, batch=512)
    twin = ReferenceTrial(with_genes(random_trials(1, task=task)[0], dropout=dropout))
    factors = torch.stack([part for pair in twin._keep(512) or [] for part in pair])
    count = factors.numel()
    assert abs((factors == 0).double().mean() - dropout) < 5 * 0.5 / count**0.5
    assert abs(factors.double().mean() - 1) < 5 / count**0.5


def test_decay_starts_when_the_loss_has_settled_and_never_stops():
    trial = with_genes(
        random_trials(1)[0], decay_trigger=1e-1, decay_rate=1e-2, warmup_steps=0.0
    )
    twin = ReferenceTrial(trial, torch.float64)
    for _ in range(60):
        twin._advance_schedule(1.0)
    assert twin.decay == pytest.approx(0.99 ** (60 - 24))
    for loss in (100.0, 0.0, 100.0):  # unsettled again
        twin._advance_schedule(loss)
    assert twin.decaying
    assert twin.decay == pytest.approx(0.99 ** (63 - 24))


@pytest.mark.slow
def test_it_groks():
    """Addition modulo 23 from 70 % of the pairs: pairs it never saw are right in the end."""
    genes = {
        "learning_rate": 0.01, "weight_decay": 1.0, "beta1": 0.9, "beta2": 0.98,
        "grad_clip": 10.0, "adam_epsilon": 1e-8, "warmup_steps": 10.0, "decay_trigger": 1e-8,
        "decay_rate": 1e-5, "dropout": 0.0, "layer_scale": 1.0, "init_attn_qk": 0.2,
        "init_attn_v": 0.2, "init_ffn": 0.2, "bias_scale": 0.01, "init_embed": 0.3,
        "embed_ratio": 1.0,
    }  # fmt: skip
    task = Task(modulus=23, train_fraction=0.7, batch=None)
    twin = ReferenceTrial(with_genes(random_trials(1, task=task)[0], **genes))
    seen = []
    for step in range(3000):
        twin.train_step()
        if step % 25 == 24:
            seen.append(twin.evaluate())
            if seen[-1].validation_accuracy >= 0.99:
                break
    assert seen[0].validation_accuracy < 0.2
    assert seen[-1].validation_accuracy >= 0.99
