"""Hooks into a trial: train it again, slowly, and look inside.

A store keeps what came of a trial, not its weights; but a trial is a function of its genome and
its seed, so it can be trained again at any time. Here it is the slow twin of the engine that
trains (:mod:`speciation.engine.reference`), since it has names for everything inside. Its sums
have another order than those of the engine that trained it first, so it may grok some
evaluations sooner or later than the stored row says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speciation.analysis import circuits
from speciation.analysis.circuits import Anatomy
from speciation.engine.reference import Layer, MicroTransformer, ReferenceTrial
from speciation.engine.threads import threads
from speciation.seeds import Purpose, generator
from speciation.trial.trial import Trial

LOOKS = 40
"""How often a trial is looked into, evenly spaced, besides the start."""

TRIPLES = 2000  # of a, b, c, for the symmetry of gradients


class InterpretError(ValueError):
    """A trial that cannot be looked into: one sentence."""


def observe(
    trial: Trial,
    steps: int | None = None,
    looks: int = LOOKS,
    tell: Callable[[int, int], None] = lambda step, of: None,
) -> Anatomy:
    """Train a trial and look into it on the way.

    Args:
        trial: Of ``a + b mod p``.
        steps: How far; to its horizon by default. Grokking does not end it.
        looks: How often it is looked into after the start.
        tell: Is told the step and the last one, at every look.

    Raises:
        InterpretError: The task is another, a number is out of range, or weights ceased to be
            finite.
    """
    _check(trial, steps, looks)
    end = steps or trial.horizon
    model = ReferenceTrial(trial)
    times = np.unique(np.linspace(0, end, looks + 1).round().astype(np.int64))
    seen: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for time in times:
        with threads(1):  # where others want the cores too, a second one costs tenfold
            while model.step < time:
                model.train_step()
            seen.append(_look(model.model, trial.task.modulus))
        tell(int(time), end)
        if not np.isfinite(seen[-1][0]).all():
            raise InterpretError(
                f"trial {trial.id} diverged before step {time}: there is nothing to look into; "
                "name fewer steps"
            )
    return _anatomy(model, times, seen)


def forward(
    model: MicroTransformer, tokens: Tensor
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The model's own forward pass, with what is inside.

    Args:
        model: What to look into; dropout is off.
        tokens: Embeddings of the sequences ``a b =``, ``(B, 3, D)``.

    Returns:
        Logits ``(B, p)``; of each layer, attention from the last position ``(B, heads, 3)`` and
        the neurons there ``(B, F)``.
    """
    x = tokens * model.starvation + model.positions.weight
    attention, neurons = [], []
    for layer in model.layers:
        assert isinstance(layer, Layer)
        attention.append(_weights(layer, x))
        x = x + layer.layer_scale * layer.attention(layer.norm1(x))
        active = torch.relu(layer.up(layer.norm2(x)))
        neurons.append(active[:, -1])
        x = x + layer.layer_scale * layer.down(active)
    return model.unembed(model.norm(x)[:, -1]), attention, neurons


def gradient_symmetry(model: MicroTransformer, triples: NDArray[np.int64]) -> float:
    """Mean cosine of a logit's gradients by the embeddings of a and of b (Zhong 2023).

    Args:
        model: What to look into.
        triples: Of a, b and the logit's c, ``(N, 3)``.
    """
    modulus = model.tokens.num_embeddings - 1
    equals = np.full(len(triples), modulus)
    sequence = torch.from_numpy(np.column_stack([triples[:, :2], equals]))
    tokens = model.tokens(sequence).detach().requires_grad_()
    logits, _, _ = forward(model, tokens)
    chosen = logits.gather(1, torch.from_numpy(triples[:, 2:].copy())).sum()
    (slope,) = torch.autograd.grad(chosen, tokens)
    return float(torch.nn.functional.cosine_similarity(slope[:, 0], slope[:, 1]).mean())


# -- Inside ---------------------------------------------------------------------------------


def _check(trial: Trial, steps: int | None, looks: int) -> None:
    if trial.task.operation != "add":
        raise InterpretError(
            f"looking inside is done in waves of a + b, and this trial learned "
            f"{trial.task.operation!r}"
        )
    if trial.task.modulus < 5:
        raise InterpretError(f"a modulus of {trial.task.modulus} is too small for waves")
    if steps is not None and not 1 <= steps <= 1_000_000:
        raise InterpretError(f"steps must be 1 to 1,000,000, got {steps}")
    if not 1 <= looks <= 1000:
        raise InterpretError(f"looks must be 1 to 1,000, got {looks}")


def _pairs(modulus: int) -> Tensor:
    """All sequences ``a b =`` in row order, ``(p * p, 3)``."""
    a, b = np.divmod(np.arange(modulus**2), modulus)
    return torch.from_numpy(np.stack([a, b, np.full(modulus**2, modulus)], axis=1))


@torch.no_grad()
def _look(
    model: MicroTransformer, modulus: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of all pairs ``(p, p, p)``, and the token embeddings ``(p, D)``."""
    logits = model(_pairs(modulus), None).double().numpy().reshape((modulus,) * 3)
    return logits, model.tokens.weight[:modulus].double().numpy().copy()


def _anatomy(
    trained: ReferenceTrial,
    times: NDArray[np.int64],
    seen: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> Anatomy:
    trial, modulus = trained.trial, trained.trial.task.modulus
    power = circuits.wave_power(seen[-1][0])
    key = circuits.key_frequencies(power)
    train = np.zeros(modulus**2, dtype=bool)
    train[trained.order[: trial.task.train_count]] = True
    rows = [_measures(logits, key, train.reshape(modulus, modulus)) for logits, _ in seen]
    spectra = np.stack([circuits.embedding_spectrum(tokens) for _, tokens in seen])
    attention, frequency, share = _inside(trained.model, modulus)
    triples = generator(trial.seed, Purpose.BOOTSTRAP).integers(modulus, size=(TRIPLES, 3))
    return Anatomy(
        trial_id=trial.id,
        genome_id=trial.genome.id,
        seed=trial.seed,
        modulus=modulus,
        steps=times,
        **{name: np.array([row[name] for row in rows]) for name in rows[0]},
        spectrum=spectra,
        gini=np.array([circuits.gini(own) for own in spectra]),
        power=power,
        key=key,
        attention=attention,
        neuron_frequency=frequency,
        neuron_share=share,
        gradient_symmetry=gradient_symmetry(trained.model, triples),
        distance_irrelevance=circuits.distance_irrelevance(seen[-1][0]),
    )


def _measures(
    logits: NDArray[np.float64], key: tuple[int, ...], train: NDArray[np.bool_]
) -> dict[str, Any]:
    loss, right = circuits.losses(logits), circuits.right(logits)
    return {
        "train_loss": loss[train].mean(),
        "validation_loss": loss[~train].mean(),
        "train_accuracy": right[train].mean(),
        "validation_accuracy": right[~train].mean(),
        "restricted_loss": circuits.losses(circuits.restricted(logits, key)).mean(),
        "excluded_loss": circuits.losses(circuits.excluded(logits, key))[train].mean(),
        "explained": circuits.variance_explained(logits, key),
    }


@torch.no_grad()
def _inside(
    model: MicroTransformer, modulus: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    _, attention, neurons = forward(model, model.tokens(_pairs(modulus)))
    maps = torch.stack(attention).permute(0, 2, 3, 1).unflatten(-1, (modulus, modulus))
    active = neurons[-1].double().numpy().reshape(modulus, modulus, -1)
    return (maps.float().numpy().copy(), *circuits.neuron_frequencies(active))


def _weights(layer: Layer, x: Tensor) -> Tensor:
    """Attention from the last position, ``(B, heads, 3)``."""
    normed = layer.norm1(x)
    query = layer.query(normed[:, -1]).unflatten(-1, (layer.heads, -1))
    key = layer.key(normed).unflatten(-1, (layer.heads, -1))
    scores = torch.einsum("bhd,bshd->bhs", query, key) / query.shape[-1] ** 0.5
    return scores.softmax(-1)
