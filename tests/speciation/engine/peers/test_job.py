"""The job that everyone gets: tame trials, and the lengths that the log asks for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from speciation.engine.layout import PAD_LOGIT
from speciation.engine.peers.job import (
    HORIZON,
    bench_trials,
    lengths,
    lengths_left,
    longest_of,
    mean_length,
    stack,
)
from tests.speciation.engine.peers.cases import JOB


def test_a_fifth_never_groks_and_the_others_are_log_normal():
    steps = lengths(50_000, 25)
    assert set(steps % 25) == {0}
    assert steps.min() > 0
    assert steps.max() == HORIZON
    assert (steps == HORIZON).mean() == pytest.approx(0.2 + 0.8 * 0.008, abs=0.01)
    grokked = np.log(steps[steps < HORIZON])
    assert grokked.std() == pytest.approx(0.3, abs=0.02)
    assert mean_length(25) == pytest.approx(0.6 * HORIZON, rel=0.01)


def test_a_large_pack_lasts_to_the_horizon_and_a_single_trial_its_own_time():
    assert longest_of(512, 25) == HORIZON
    assert longest_of(1, 25) == mean_length(25)
    assert mean_length(25) < longest_of(3, 25) < HORIZON


def test_what_is_left_of_trials_is_what_renewal_theory_says():
    left, steps = lengths_left(50_000, 25), lengths(50_000, 25).astype(float)
    assert set(left % 25) == {0}
    # Of the trial that one meets, half is over on average; whole intervals add half of one.
    wanted = (steps**2).mean() / steps.mean() / 2 + 25 / 2
    assert left.mean() == pytest.approx(wanted, rel=0.02)


def test_trials_are_different_but_share_seeds_and_never_end():
    trials = bench_trials(JOB, 40)
    assert len({trial.id for trial in trials}) == 40
    assert len({trial.seed for trial in trials}) < 40
    assert all(trial.to_horizon and trial.horizon == 10_000_000 for trial in trials)
    assert bench_trials(JOB, 5, first=7) == trials[7:12]
    ended = bench_trials(JOB, 2, np.array([5, 10]))
    assert [trial.horizon for trial in ended] == [5, 10]


def test_a_stack_is_the_engines_beginning():
    made = stack(JOB, 3)
    bias = made.plan.split(torch.from_numpy(made.weight))["unembed.bias"]
    assert (bias[:, 13:] == PAD_LOGIT).all()
    assert np.isfinite(made.weight).all()
    assert made.order.shape == (3, 169)
    assert made.recipe["learning_rate"].shape == (3,)
    assert (made.recipe["learning_rate"] <= 1e-3).all()
