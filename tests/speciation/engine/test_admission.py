"""A trial begins the same wherever it is drawn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from speciation import seeds
from speciation.engine import admission
from speciation.engine.layout import initial_parameters, layout
from speciation.engine.recipe import initial_scale
from speciation.seeds import Purpose
from speciation.trial.trial import ModelShape
from tests.speciation.engine.making import SMALL, random_trials

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def keys(trials, device):
    words = np.array([seeds.key_words(trial.seed) for trial in trials], dtype=np.int64)
    return torch.from_numpy(words).to(device)


@pytest.mark.parametrize("device", DEVICES)
def test_weights_drawn_together_are_those_drawn_one_by_one(device):
    """Up to the last bit of a float32, where logarithm or cosine straddle a rounding."""
    trials = [
        dataclasses.replace(trial, seed=2**61 + 7 * i)
        for i, trial in enumerate(random_trials(5))
    ]
    plan = layout(SMALL, trials[0].model)
    scale = np.array(
        [dataclasses.astuple(initial_scale(trial.genome)) for trial in trials], np.float32
    )
    draws = admission._draws(plan, torch.device(device))
    found = admission.initial_weights(
        draws, keys(trials, device), torch.from_numpy(scale)
    ).cpu()
    for mine, trial in zip(found, trials, strict=True):
        expected = torch.from_numpy(
            initial_parameters(plan, initial_scale(trial.genome), trial.seed)
        )
        assert torch.allclose(mine, expected, rtol=3e-7, atol=0)
        assert (mine == expected).double().mean() > 0.999


@pytest.mark.parametrize("device", DEVICES)
def test_orders_drawn_together_are_those_drawn_one_by_one(device):
    trials = random_trials(4)
    found = admission.order(keys(trials, device), SMALL.pair_count).cpu().numpy()
    for mine, trial in zip(found, trials, strict=True):
        assert np.array_equal(
            mine, seeds.permutation(trial.seed, Purpose.SPLIT, 0, SMALL.pair_count)
        )


@pytest.mark.gpu
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_gpu_begins_trials_as_a_cpu_does(symmetric):
    from speciation.engine.training import program

    task = dataclasses.replace(SMALL, symmetric=symmetric)
    trials = random_trials(3, task=task, model=ModelShape(d_model=16, heads=2, d_ff=32))
    here = program(task, trials[0].model, torch.device("cpu"), 64)
    there = program(task, trials[0].model, torch.device("cuda"), 64)
    mine = admission.begin(there, trials, torch.device("cuda"))
    theirs = admission.begin(here, trials, torch.device("cpu"))
    assert torch.allclose(mine.weight.cpu(), theirs.weight, rtol=3e-7, atol=0)
    assert torch.equal(mine.order.cpu(), theirs.order)
