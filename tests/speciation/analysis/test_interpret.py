"""Looking inside changes nothing, and what is seen is what the model computes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from speciation.analysis import circuits
from speciation.analysis.circuits import Anatomy
from speciation.analysis.interpret import (
    InterpretError,
    _pairs,
    forward,
    gradient_symmetry,
    observe,
)
from speciation.engine.reference import ReferenceTrial
from speciation.genome.genome import HYPER17
from speciation.genome.library import load_genome
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape, Trial

P = 11
REFERENCE = Path(__file__).parents[3] / "genomes" / "reference"


def trial(**changes) -> Trial:
    task = Task(modulus=P, train_fraction=0.8, batch=None, eval_interval=25)
    settings = {
        "genome": HYPER17.random(1, np.random.default_rng(4))[0],
        "task": task,
        "model": ModelShape(layers=1, d_model=16, heads=2, d_ff=24),
        "seed": 3,
        "horizon": 200,
    }
    return Trial(**settings | changes)


@cache
def observed() -> tuple[Anatomy, ReferenceTrial]:
    twin = ReferenceTrial(trial())
    for _ in range(100):
        twin.train_step()
    return observe(trial(), steps=100, looks=4), twin


def all_logits(twin: ReferenceTrial) -> np.ndarray:
    with torch.no_grad():
        return twin.model(_pairs(P), None).double().numpy().reshape(P, P, P)


def test_the_hooked_pass_is_the_models_own():
    for shape in (ModelShape(1, 16, 2, 24), ModelShape(2, 16, 4, 24)):
        twin = ReferenceTrial(trial(model=shape))
        with torch.no_grad():
            logits, attention, neurons = forward(twin.model, twin.model.tokens(_pairs(P)))
            assert torch.allclose(logits, twin.model(_pairs(P), None), atol=1e-5)
        assert [tuple(own.shape) for own in attention] == [(121, shape.heads, 3)] * shape.layers
        assert [tuple(own.shape) for own in neurons] == [(121, 24)] * shape.layers


def test_looking_does_not_change_the_training():
    found, twin = observed()
    seen = twin.evaluate()
    assert found.steps.tolist() == [0, 25, 50, 75, 100]
    assert found.train_loss[-1] == pytest.approx(seen.train_loss, rel=1e-4)
    assert found.validation_loss[-1] == pytest.approx(seen.validation_loss, rel=1e-4)
    assert found.validation_accuracy[-1] == pytest.approx(seen.validation_accuracy)


def test_final_measures_are_those_of_the_final_logits():
    found, twin = observed()
    logits = all_logits(twin)
    assert found.key == circuits.key_frequencies(circuits.wave_power(logits))
    alone = circuits.losses(circuits.restricted(logits, found.key))
    assert found.restricted_loss[-1] == pytest.approx(alone.mean(), rel=1e-5)
    tokens = twin.model.tokens.weight[:P].detach().double().numpy()
    assert found.spectrum[-1] == pytest.approx(circuits.embedding_spectrum(tokens), rel=1e-5)
    assert found.gini[-1] == pytest.approx(circuits.gini(circuits.embedding_spectrum(tokens)))


def test_attention_is_a_share_of_three_positions_for_every_pair_and_head():
    found, _ = observed()
    assert found.attention.shape == (1, 2, 3, P, P)
    assert found.attention.sum(axis=2) == pytest.approx(np.ones((1, 2, P, P)), abs=1e-5)
    assert found.attention.min() >= 0


def test_where_a_is_b_the_gradients_of_a_model_blind_to_order_agree():
    twin = ReferenceTrial(trial())
    same = np.array([[a, a, c] for a in range(P) for c in range(P)])
    before = gradient_symmetry(twin.model, same)
    with torch.no_grad():
        twin.model.positions.weight[1] = twin.model.positions.weight[0]
    assert gradient_symmetry(twin.model, same) == pytest.approx(1, abs=1e-5)
    assert before < 0.999


def test_the_gradients_by_embeddings_are_those_of_small_changes():
    twin = ReferenceTrial(trial(), torch.float64)
    triple, tiny = np.array([[2, 7, 4]]), 1e-6
    tokens = twin.model.tokens(torch.tensor([[2, 7, P]])).detach()

    def logit(place: int, by: torch.Tensor) -> float:
        moved = tokens.clone()
        moved[0, place] += by
        return forward(twin.model, moved)[0][0, 4].item()

    steps = torch.eye(16, dtype=torch.float64) * tiny
    slopes = [
        torch.tensor([(logit(place, by) - logit(place, -by)) / (2 * tiny) for by in steps])
        for place in (0, 1)
    ]
    cosine = torch.nn.functional.cosine_similarity(*slopes, dim=0)
    assert gradient_symmetry(twin.model, triple) == pytest.approx(float(cosine), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "steps", "sentence"),
    [
        ({"task": Task(operation="multiply", modulus=11)}, None, "learned 'multiply'"),
        ({"task": Task(modulus=3)}, None, "modulus of 3 is too small"),
        ({}, 0, "steps must be 1 to 1,000,000, got 0"),
    ],
)
def test_what_cannot_be_looked_into_is_one_sentence(changes, steps, sentence):
    with pytest.raises(InterpretError, match=sentence):
        observe(trial(**changes), steps)


@pytest.mark.long
def test_a_grokked_trial_adds_with_few_waves():
    """As Nanda 2023 report: the key waves answer, and without them nothing does."""
    tuned, _ = load_genome(REFERENCE / "tuned-adamw.json")
    own = Trial(tuned, Task(), ModelShape(), seed=1, horizon=2500)
    found = observe(own, steps=1500, looks=10)
    assert found.first_99 is not None
    assert len(found.key) <= 12
    assert found.restricted_loss[-1] < found.excluded_loss[-1]
    assert found.gini[-1] > found.gini[0]
    assert found.explained[-1] > 0.5
    assert found.resembles in ("clock", "pizza")
