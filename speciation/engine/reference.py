"""What a trial is, written so that it can be read: one transformer, one optimiser, one loop.

This is the slow twin of the engine. It uses ``nn.Module``, autograd, ``torch.optim.AdamW`` and
``clip_grad_norm_``, sees whole sequences ``a b =``, and draws its random numbers with NumPy.
The engine must agree with it, gradient by gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from speciation import seeds
from speciation.engine.layout import Layout, initial_parameters, layout
from speciation.engine.optimizer import LOSS_WEIGHT, LOSSES_NEEDED
from speciation.engine.recipe import DROPOUT_LEVELS, Recipe, initial_scale, recipe
from speciation.seeds import Purpose
from speciation.trial.task import split, table
from speciation.trial.trial import ModelShape, Trial


class Layer(nn.Module):
    """A pre-norm transformer layer; both branches are dropped out, scaled, and added."""

    def __init__(self, shape: ModelShape, layer_scale: float) -> None:
        super().__init__()
        width = shape.d_model
        self.heads, self.layer_scale = shape.heads, layer_scale
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, shape.d_ff), nn.Linear(shape.d_ff, width)

    def forward(self, x: Tensor, keep: tuple[Tensor, Tensor] | None) -> Tensor:
        """``(B, 3, D)`` to ``(B, 3, D)``; ``keep`` are the dropout factors of both branches."""
        branch = self.attention(self.norm1(x))
        x = x + self.layer_scale * (branch if keep is None else branch * keep[0])
        branch = self.down(functional.relu(self.up(self.norm2(x))))
        return x + self.layer_scale * (branch if keep is None else branch * keep[1])

    def attention(self, x: Tensor) -> Tensor:
        """Causal self-attention."""
        query, key, value = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))


class MicroTransformer(nn.Module):
    """Reads ``a b =`` and predicts ``a ∘ b`` at the last position."""

    def __init__(self, shape: ModelShape, elements: int, settings: Recipe) -> None:
        super().__init__()
        self.starvation = settings.inverse_embed_ratio
        self.tokens = nn.Embedding(elements + 1, shape.d_model)
        self.positions = nn.Embedding(3, shape.d_model)
        self.layers = nn.ModuleList(
            Layer(shape, settings.layer_scale) for _ in range(shape.layers)
        )
        self.norm = nn.LayerNorm(shape.d_model)
        self.unembed = nn.Linear(shape.d_model, elements)

    def forward(self, sequence: Tensor, keep: list[tuple[Tensor, Tensor]] | None) -> Tensor:
        """Logits ``(B, elements)`` for sequences ``(B, 3)``."""
        x = self.tokens(sequence) * self.starvation + self.positions.weight
        for i, layer in enumerate(self.layers):
            x = layer(x, None if keep is None else keep[i])
        return self.unembed(self.norm(x)[:, -1])


@dataclass(frozen=True)
class Evaluation:
    """Losses and accuracies on the whole train and validation sets."""

    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float


class ReferenceTrial:
    """One trial that can be stepped.

    Args:
        trial: What to train.
        dtype: float32, or float64 to know what float32 should have given.
        device: Where it trains.
    """

    def __init__(
        self, trial: Trial, dtype: torch.dtype = torch.float32, device: str = "cpu"
    ) -> None:
        self.trial, self.dtype, self.device = trial, dtype, device
        self.settings = recipe(trial.genome)
        self.plan = layout(trial.task, trial.model)
        self.model = MicroTransformer(trial.model, trial.task.element_count, self.settings)
        self.model.to(device, dtype)
        _load(self.model, self.plan, initial_weights(trial))
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.settings.learning_rate,
            betas=(
                1.0 - self.settings.one_minus_beta1,
                1.0 - self.settings.one_minus_beta2,
            ),
            eps=self.settings.epsilon,
            weight_decay=self.settings.weight_decay,
        )
        self.order = split(trial.task, trial.drawn_from.split)
        self.step = 0
        self.decay = 1.0
        self.decaying = False
        self.loss_mean = self.loss_variance = 0.0

    def examples(self) -> np.ndarray:
        """Indices of the coming step's examples."""
        train = self.order[: self.trial.task.train_count]
        if self.trial.task.batch is None:
            return train
        seed = self.trial.drawn_from.order
        words = seeds.bits(seed, Purpose.ORDER, self.step, self.trial.task.batch)
        return train[(words * np.uint64(len(train))) >> np.uint64(32)]

    def loss_and_gradients(self) -> tuple[float, dict[str, Tensor]]:
        """Loss and gradients of the coming step, clipped as the optimiser will see them not."""
        chosen = self.examples()
        sequence, answer = self._sequences(chosen)
        self.optimizer.zero_grad()
        logits = self.model(sequence, self._keep(len(chosen)))
        loss = exact_cross_entropy(logits, answer).mean()
        loss.backward()
        grads = {
            name: weight.grad.clone()
            for name, weight in self.model.named_parameters()
            if weight.grad is not None
        }
        return float(loss.detach()), grads

    def train_step(self) -> float:
        """One step; the loss it saw."""
        loss, _ = self.loss_and_gradients()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.grad_clip)
        warm = min(1.0, (self.step + 1) / max(self.settings.warmup_steps, 1.0))
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * warm * self.decay
        self.optimizer.step()
        self._advance_schedule(loss)
        return loss

    @torch.no_grad()
    def evaluate(self) -> Evaluation:
        """On every example, without dropout."""
        sequence, answer = self._sequences(self.order)
        logits = self.model(sequence, None)
        loss = exact_cross_entropy(logits, answer)
        correct = (logits.argmax(-1) == answer).double()
        count = self.trial.task.train_count
        return Evaluation(
            float(loss[:count].mean()),
            float(correct[:count].mean()),
            float(loss[count:].mean()),
            float(correct[count:].mean()),
        )

    def _advance_schedule(self, loss: float) -> None:
        """Decay starts once the weighted variance of the loss has settled, and never stops."""
        surprise = 0.0 if self.step == 0 else loss - self.loss_mean
        self.loss_mean = loss if self.step == 0 else self.loss_mean + LOSS_WEIGHT * surprise
        self.loss_variance = (1 - LOSS_WEIGHT) * (
            self.loss_variance + LOSS_WEIGHT * surprise**2
        )
        self.step += 1
        if self.step >= max(self.settings.warmup_steps, LOSSES_NEEDED):
            self.decaying |= self.loss_variance < self.settings.decay_trigger
        if self.decaying:
            self.decay *= 1.0 - self.settings.decay_rate

    def _sequences(self, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
        left, right, answer = table(self.trial.task.operation, self.trial.task.modulus)
        equals = np.full(len(chosen), self.trial.task.element_count)
        sequence = np.stack([left[chosen], right[chosen], equals], axis=1)
        return (
            torch.from_numpy(sequence).to(self.device),
            torch.from_numpy(answer[chosen]).to(self.device),
        )

    def _keep(self, batch: int) -> list[tuple[Tensor, Tensor]] | None:
        """Dropout factors, two ``(B, 3, D)`` a layer; positions a, b, = are lanes 1, 2, 0."""
        shape = (2 * self.trial.model.layers, batch, self.trial.model.d_model)
        threshold = self.settings.dropout_threshold
        if not threshold:
            return None
        lanes = []
        for lane in (1, 2, 0):
            seed = self.trial.drawn_from.dropout
            words = _dropout_words(seed, self.step, int(np.prod(shape)), lane)
            lanes.append((words >= threshold - DROPOUT_LEVELS // 2).reshape(shape))
        keep = np.stack(lanes, axis=2) * (DROPOUT_LEVELS / (DROPOUT_LEVELS - threshold))
        factors = torch.from_numpy(keep).to(self.device, self.dtype)
        return [(factors[2 * i], factors[2 * i + 1]) for i in range(self.trial.model.layers)]


def exact_cross_entropy(logits: Tensor, answer: Tensor) -> Tensor:
    """``log1p`` of the odds against the correct class, ``(B,)``; see ``loss.py``."""
    own = logits.gather(1, answer[:, None])
    others = (logits - own).scatter(1, answer[:, None], -torch.inf)
    shift = others.detach().amax(1).clamp(min=0.0)
    total = (others - shift[:, None]).exp().sum(1)
    return shift + torch.log1p(total + torch.expm1(-shift))


def initial_weights(trial: Trial) -> dict[str, np.ndarray]:
    """Every weight before the first step, float32, by the layout's names."""
    plan = layout(trial.task, trial.model)
    flat = initial_parameters(plan, initial_scale(trial.genome), trial.drawn_from.init)
    ends = np.cumsum([weight.size for weight in plan.weights])
    parts = np.split(flat, ends[:-1])
    return {
        weight.name: part.reshape(weight.shape)[..., : weight.columns]
        for weight, part in zip(plan.weights, parts, strict=True)
    }


def module_name(name: str) -> tuple[str, bool]:
    """A layout name as this module's parameter name, and whether it is transposed there."""
    if name in ("tokens", "positions"):
        return f"{name}.weight", False
    path = f"layers.{name}" if name[0].isdigit() else name
    for ours, theirs in ((".gain", ".weight"), (".shift", ".bias")):
        if path.endswith(ours):
            return path.removesuffix(ours) + theirs, False
    return (path, False) if path.endswith(".bias") else (f"{path}.weight", True)


def _load(model: nn.Module, plan: Layout, weights: dict[str, np.ndarray]) -> None:
    state = model.state_dict()
    for weight in plan.weights:
        name, transposed = module_name(weight.name)
        values = torch.from_numpy(weights[weight.name].copy())
        state[name].copy_(values.T if transposed else values)


def _dropout_words(seed: int, step: int, count: int, lane: int) -> np.ndarray:
    """16-bit signed numbers: the low and high half of each word of the dropout stream."""
    words = seeds.bits(seed, Purpose.DROPOUT, step, (count + 1) // 2, lane=lane)
    return words.astype("<u4").view("<i2").astype(np.int64)[:count]
