"""Three witnesses of one gradient: the algebra, the plain stack, and ``nn.Module``.

The reference computes whole sequences with autograd in float64. The stacked engine must give
its gradients at initialisation, in the middle of training and far out, for any batch.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from speciation.engine import model, plain, training
from speciation.engine.recipe import RECIPE_COLUMNS
from speciation.engine.reference import ReferenceTrial, module_name
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape
from tests.speciation.engine.making import SMALL, loaded, random_trials, with_genes

FLOAT64, FLOAT32 = 1e-12, 1e-5


def relative_errors(trials, dtype, *, steps=0, scale=1.0, device="cpu") -> dict[str, float]:
    """Worst error over trials of each gradient, relative to the norm of the true one."""
    run, state = loaded(trials, dtype, device)
    twins = [ReferenceTrial(trial, torch.float64) for trial in trials]
    for _ in range(steps):
        for twin in twins:
            twin.train_step()
    for slot, twin in enumerate(twins):
        with torch.no_grad():
            twin.model.unembed.weight.mul_(scale)
            for weight in twin.model.parameters():  # both begin from what the engine can hold
                weight.copy_(weight.to(dtype))
        state.weight[slot] = flat(run, twin, dtype)
        state.schedule.step[slot] = twin.step
    with torch.no_grad():
        _, grads = training.gradients(run, state, training.step_examples(run, state))
    errors: dict[str, float] = {}
    for slot, twin in enumerate(twins):
        _, true = twin.loss_and_gradients()
        for weight in run.plan.weights:
            name, transposed = module_name(weight.name)
            expected = true[name].T if transposed else true[name]
            got = grads[weight.name][slot][..., : weight.columns].double().cpu()
            assert torch.isfinite(got).all()
            error = ((got - expected).norm() / expected.norm().clamp(min=1e-300)).item()
            errors[weight.name] = max(errors.get(weight.name, 0.0), error)
    return errors


def flat(run, twin, dtype) -> torch.Tensor:
    """The reference's weights in the layout, padding zero."""
    own = dict(twin.model.named_parameters())
    parts = []
    for weight in run.plan.weights:
        name, transposed = module_name(weight.name)
        stored = torch.zeros(weight.shape, dtype=dtype)
        stored[..., : weight.columns] = (own[name].T if transposed else own[name]).detach()
        parts.append(stored.flatten())
    return torch.cat(parts)


CASES = {
    "at initialisation": {},
    "in the middle of training": {"steps": 20},
    "at large logit gaps": {"steps": 10, "scale": 100.0},
}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_gradients_are_the_references_in_float64(case, layers):
    shape = ModelShape(layers=layers, d_model=16, heads=2, d_ff=24)
    errors = relative_errors(random_trials(3, model=shape), torch.float64, **CASES[case])
    assert max(errors.values()) <= FLOAT64, errors


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("width", [16, 24])
@pytest.mark.parametrize("case", CASES)
def test_gradients_are_the_references_in_float32(case, width, device):
    """On a GPU, width 16 goes through the kernels and width 24 does not."""
    shape = ModelShape(d_model=width, heads=2, d_ff=32)
    trials = random_trials(3, model=shape)
    errors = relative_errors(trials, torch.float32, device=device, **CASES[case])
    assert max(errors.values()) <= FLOAT32, errors


MEMORISES = {
    "learning_rate": 0.01,
    "weight_decay": 0.3,
    "beta1": 0.9,
    "beta2": 0.98,
    "grad_clip": 10.0,
    "adam_epsilon": 1e-8,
    "warmup_steps": 10.0,
    "decay_trigger": 1e-8,
    "decay_rate": 1e-5,
    "dropout": 0.0,
    "layer_scale": 1.0,
    "init_attn_qk": 0.2,
    "init_attn_v": 0.2,
    "init_ffn": 0.2,
    "bias_scale": 0.01,
    "init_embed": 0.5,
    "embed_ratio": 1.0,
}


@pytest.mark.slow
def test_gradients_of_a_model_that_has_learned_are_the_references():
    """Every train example is right and its gradient nearly gone."""
    task = Task(modulus=13, train_fraction=0.8, batch=None, eval_interval=5)
    trial = with_genes(random_trials(1, task=task)[0], **MEMORISES)
    twin = ReferenceTrial(trial, torch.float64)
    for _ in range(400):
        twin.train_step()
    assert twin.evaluate().train_accuracy == 1.0
    assert max(relative_errors([trial], torch.float64, steps=400).values()) <= FLOAT64
    # The mean over examples all but cancels here, so float32 itself cannot do better than this.
    single = relative_errors([trial], torch.float32, steps=400)
    assert max(single.values()) <= max(FLOAT32, 2 * torchs_own_error(twin))


def torchs_own_error(twin: ReferenceTrial) -> float:
    """Worst relative error of a gradient when ``nn.Module`` itself computes in float32."""
    single = ReferenceTrial(twin.trial, torch.float32)
    with torch.no_grad():
        for own, true in zip(single.model.parameters(), twin.model.parameters(), strict=True):
            own.copy_(true)
            true.copy_(own)
    single.step = twin.step
    (_, got), (_, true) = single.loss_and_gradients(), twin.loss_and_gradients()
    return max(((got[name] - true[name]).norm() / true[name].norm()).item() for name in true)


@pytest.mark.parametrize("batch", [None, 1, 23, 64])
def test_any_batch_size_will_do(batch):
    task = dataclasses.replace(SMALL, batch=batch)
    errors = relative_errors(random_trials(2, task=task), torch.float64)
    assert max(errors.values()) <= FLOAT64, errors


@pytest.mark.parametrize("left", ["all equal", "first and last"])
def test_examples_that_meet_in_one_row_add_up(left):
    """Every example shares its left token, or only the first and the last token occur."""
    trials = random_trials(2)
    run, state = loaded(trials)
    tokens = torch.full((2, 24), 5) if left == "all equal" else torch.tensor([[0, 12] * 12] * 2)
    right = torch.arange(24).remainder(13).expand(2, -1)
    examples = model.Examples(tokens, right, (tokens + right) % 13)
    with torch.no_grad():
        loss, grads = training.gradients(run, state, examples)
    recipe = dict(zip(RECIPE_COLUMNS, state.recipe, strict=True))
    kept = training._noise(run, state, (2, 24, 16), lane=0)
    noise = torch.stack([torch.ones_like(kept), torch.ones_like(kept), kept], dim=3)
    plain_loss, plain_grads = plain.loss_and_gradients(
        model.mask_padding(run.plan, run.plan.split(state.weight)),
        examples,
        layers=1,
        heads=2,
        layer_scale=recipe["layer_scale"],
        inverse_embed_ratio=recipe["inverse_embed_ratio"],
        noise=[(noise[:, 0], noise[:, 1])],
    )
    torch.testing.assert_close(loss, plain_loss, rtol=1e-13, atol=0)
    for name, grad in grads.items():
        torch.testing.assert_close(grad, plain_grads[name], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("layers", [1, 2])
def test_evaluation_is_the_references(layers):
    shape = ModelShape(layers=layers, d_model=16, heads=2, d_ff=24)
    trials = random_trials(3, model=shape)
    run, state = loaded(trials)
    with torch.no_grad():
        seen = dict(zip(training.SEEN, training.evaluate(run, state).T, strict=True))
    for slot, trial in enumerate(trials):
        expected = ReferenceTrial(trial, torch.float64).evaluate()
        for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
            assert seen[name][slot].item() == pytest.approx(getattr(expected, name), rel=1e-10)
        gaps = _gaps(run, state, trial, slot)
        assert seen["gap_q50"][slot].item() == pytest.approx(
            np.sort(gaps)[round(0.5 * (len(gaps) - 1))], rel=1e-10
        )


def _gaps(run, state, trial, slot):
    twin = ReferenceTrial(trial, torch.float64)
    sequence, answer = twin._sequences(twin.order[: trial.task.train_count])
    with torch.no_grad():
        logits = twin.model(sequence, None)
    own = logits.gather(1, answer[:, None])[:, 0]
    others = logits.scatter(1, answer[:, None], -torch.inf).amax(1)
    return (own - others).numpy()


@pytest.mark.parametrize("layers", [1, 2])
def test_training_follows_the_reference_step_by_step(layers):
    shape = ModelShape(layers=layers, d_model=16, heads=2, d_ff=24)
    trials = random_trials(3, model=shape)
    run, state = loaded(trials)
    twins = [ReferenceTrial(trial, torch.float64) for trial in trials]
    with torch.no_grad():
        for _ in range(30):
            training.train_step(run, state)
    for slot, twin in enumerate(twins):
        for _ in range(30):
            twin.train_step()
        torch.testing.assert_close(
            state.weight[slot], flat(run, twin, torch.float64), rtol=1e-6, atol=1e-9
        )
        assert state.schedule.loss_variance[slot].item() == pytest.approx(
            twin.loss_variance, rel=1e-6
        )
