"""Engines that are wrong on purpose are wrong in the way that they say, and in no other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from speciation.engine import model as factored
from speciation.engine.controls import CONTROLS, WRONG_BETA2, l2_step
from speciation.engine.engine import Engine, EngineSpec, make_engine
from speciation.engine.optimizer import clip, learning_rate
from speciation.engine.recipe import RECIPE_COLUMNS
from speciation.engine.training import gradients, step_examples, train_step
from speciation.trial.trial import ModelShape, Trial, TrialResult
from tests.speciation.engine.making import SMALL, loaded, random_trials, with_genes

SHAPE = ModelShape(d_model=16, heads=2, d_ff=32)
HORIZON = 20
PLAIN = {"learning_rate": 1e-3, "weight_decay": 1.0, "beta2": 0.98, "warmup_steps": 10}


def trials(count: int, **genes: float) -> list[Trial]:
    return [with_genes(t, **PLAIN | genes) for t in random_trials(count, horizon=HORIZON)]


def spec(slots: int = 1) -> EngineSpec:
    return EngineSpec(SMALL, SHAPE, slots=slots)


def run_all(waiting: list[Trial], engine: Engine) -> list[TrialResult]:
    """In the order of the trials; slots are refilled as they become free."""
    wanted, done = list(waiting), {}
    while waiting or engine.occupied:
        count = engine.free
        engine.admit(waiting[:count])
        waiting = waiting[count:]
        done |= {result.trial.id: result for result in engine.advance()}
    return [done[trial.id] for trial in wanted]


def seen(result: TrialResult) -> np.ndarray:
    """All curves, ``(columns, evaluations)``."""
    assert result.curves is not None
    return np.stack([getattr(result.curves, f.name) for f in dataclasses.fields(result.curves)])


def same(one: TrialResult, other: TrialResult) -> bool:
    return np.array_equal(seen(one), seen(other), equal_nan=True)


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_changes_what_happens_but_not_which_trial_it_is(name):
    own = trials(3)
    honest, faulty = (
        run_all(own, make_engine(spec())),
        run_all(own, CONTROLS[name].build(spec())),
    )
    assert [result.trial for result in faulty] == own
    assert not same(honest[-1], faulty[-1])


def test_l2_decay_is_that_of_torchs_adam():
    own = [with_genes(trial, **PLAIN) for trial in random_trials(2)]
    run, state = loaded(own)
    recipe = dict(zip(RECIPE_COLUMNS, state.recipe.unbind(0), strict=True))
    weights = [torch.nn.Parameter(weight.clone()) for weight in state.weight]
    rules = [
        torch.optim.Adam(
            [weight],
            betas=(trial.genome.gene("beta1"), trial.genome.gene("beta2")),
            eps=trial.genome.gene("adam_epsilon"),
            weight_decay=trial.genome.gene("weight_decay"),
        )
        for weight, trial in zip(weights, own, strict=True)
    ]
    for _ in range(5):
        _, grads = gradients(run, state, step_examples(run, state))
        flat = clip(factored.flatten(run.plan, grads), recipe["grad_clip"])
        rates = learning_rate(state.schedule, recipe)
        l2_step(run, state)
        for slot, (weight, rule) in enumerate(zip(weights, rules, strict=True)):
            weight.grad = flat[slot].clone()
            rule.param_groups[0]["lr"] = rates[slot].item()
            rule.step()
            torch.testing.assert_close(state.weight[slot], weight.data, rtol=1e-9, atol=1e-12)


def test_without_decay_the_l2_step_is_the_step_itself():
    own = random_trials(3)
    (run, faulty), (_, honest) = loaded(own, torch.float32), loaded(own, torch.float32)
    for state in (faulty, honest):
        state.recipe[RECIPE_COLUMNS.index("weight_decay")] = 0.0
    for _ in range(3):
        l2_step(run, faulty)
        train_step(run, honest)
    assert torch.equal(faulty.weight, honest.weight)


def test_a_stale_step_shows_in_refilled_slots_alone():
    own = trials(2, warmup_steps=500)
    honest, faulty = (
        run_all(own, make_engine(spec())),
        run_all(own, CONTROLS["stale-step"].build(spec())),
    )
    assert same(honest[0], faulty[0])
    assert honest[1].curves is not None
    assert faulty[1].curves is not None
    # The second trial goes on with the warm-up of the first.
    warm = np.arange(SMALL.eval_interval, HORIZON + 1, SMALL.eval_interval) / 500
    rate = PLAIN["learning_rate"]
    np.testing.assert_allclose(honest[1].curves.learning_rate, rate * (warm + 1 / 500), 1e-5)
    late = (HORIZON + 1) / 500
    np.testing.assert_allclose(faulty[1].curves.learning_rate, rate * (warm + late), 1e-5)


def test_a_fixed_beta2_is_another_genomes():
    asked, meant = trials(2, beta2=0.98), trials(2, beta2=WRONG_BETA2)
    faulty = run_all(asked, CONTROLS["fixed-beta2"].build(spec(2)))
    honest = run_all(meant, make_engine(spec(2)))
    assert all(same(one, other) for one, other in zip(faulty, honest, strict=True))
