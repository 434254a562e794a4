"""One step and one evaluation of many trials: the only training mathematics there is.

Every backend runs these two functions; backends differ in how the functions are executed, never
in what they say. All that changes between trials or steps is a tensor of :class:`State`.

Axes: S slots, P parameters, E examples of the task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from speciation.engine import model as factored
from speciation.engine import optimizer, plain, streams
from speciation.engine.layout import Layout, layout
from speciation.engine.loss import Judged, judge
from speciation.engine.model import Examples
from speciation.engine.optimizer import Schedule
from speciation.engine.recipe import RECIPE_COLUMNS
from speciation.trial.task import Task, table
from speciation.trial.trial import ModelShape

# Columns of what :func:`evaluate` returns; the names of ``Curves``.
SEEN = (
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "zero_gradient_share",
    "gap_q10",
    "gap_q50",
    "gap_q90",
    "learning_rate",
)
GAP_QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True, eq=False)
class Program:
    """What is the same for all slots: the task, the model, where weights lie.

    ``answers`` is the whole table of the task, three ``(E,)`` int64 tensors on the device;
    ``blocks`` counts blocks of random words, as many as a step needs;
    ``chunk`` is how many of its examples an evaluation takes at a time (a constant of the
    device type, since it decides the order of sums).
    """

    task: Task
    model: ModelShape
    plan: Layout
    answers: Examples
    blocks: Tensor
    train_count: int
    chunk: int


class State(NamedTuple):
    """Everything that a slot is; all tensors are updated in place."""

    weight: Tensor  # (S, P)
    mean: Tensor  # (S, P)
    square: Tensor  # (S, P)
    recipe: Tensor  # (columns, S)
    schedule: Schedule  # (S,) each
    key: Tensor  # (S, 4) int64, words of the seeds of order and dropout
    order: Tensor  # (S, E) int32, train examples first


@cache
def program(task: Task, model: ModelShape, device: torch.device, chunk: int) -> Program:
    """Bring a task and a model onto a device; engines of one process share it."""
    columns = table(task.operation, task.modulus)
    answers = Examples(*(torch.from_numpy(column.copy()).to(device) for column in columns))
    blocks = max(
        streams.block_count(task.batch_size),
        streams.dropout_blocks((2 * model.layers, task.batch_size, model.d_model)),
    )
    return Program(
        task=task,
        model=model,
        plan=layout(task, model),
        answers=answers,
        blocks=torch.arange(blocks, device=device),
        train_count=task.train_count,
        chunk=chunk,
    )


def empty_state(run: Program, slots: int, dtype: torch.dtype) -> State:
    """Slots with nothing in them: zeros, which train harmlessly to zeros."""
    device = run.answers.left.device

    def zeros(*shape: int, of: torch.dtype = dtype) -> Tensor:
        return torch.zeros(shape, dtype=of, device=device)

    schedule = Schedule(
        step=zeros(slots, of=torch.int64),
        loss_mean=zeros(slots),
        loss_variance=zeros(slots),
        decaying=zeros(slots, of=torch.bool),
        decay=zeros(slots),
    )
    examples = run.answers.left.shape[0]
    return State(
        weight=zeros(slots, run.plan.size),
        mean=zeros(slots, run.plan.size),
        square=zeros(slots, run.plan.size),
        recipe=zeros(len(RECIPE_COLUMNS), slots),
        schedule=schedule,
        key=zeros(slots, 4, of=torch.int64),
        order=torch.arange(examples, dtype=torch.int32, device=device).repeat(slots, 1),
    )


def train_step(
    run: Program, state: State, update: Callable[..., None] = optimizer.adamw
) -> None:
    """One optimiser step of every slot, in place; ``update`` is that of the weights."""
    recipe = _recipe(state)
    loss, grads = gradients(run, state, step_examples(run, state))
    flat = optimizer.clip(factored.flatten(run.plan, grads), recipe["grad_clip"])
    update(
        state.weight,
        flat,
        state.mean,
        state.square,
        state.schedule.step + 1,
        optimizer.learning_rate(state.schedule, recipe),
        recipe,
    )
    optimizer.advance_schedule(state.schedule, loss, recipe)


def step_examples(run: Program, state: State) -> Examples:
    """The examples of each slot's coming step, ``(S, B)`` each."""
    train = state.order[:, : run.train_count]
    if run.task.batch is not None:
        train = streams.minibatch(
            state.key[:, :2], state.schedule.step, train, run.task.batch, run.blocks
        )
    index = train.long()
    return Examples(*(column[index] for column in run.answers))


def gradients(
    run: Program, state: State, examples: Examples
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean loss ``(S,)`` and gradients by name of the coming step, dropout included."""
    shape = (2 * run.model.layers, examples.left.shape[1], run.model.d_model)
    if run.model.layers > 1:
        recipe = _recipe(state)
        kept = torch.stack([_noise(run, state, shape, lane) for lane in (1, 2, 0)], dim=3)
        return plain.loss_and_gradients(
            factored.mask_padding(run.plan, run.plan.split(state.weight)),
            examples,
            layers=run.model.layers,
            heads=run.model.heads,
            layer_scale=recipe["layer_scale"],
            inverse_embed_ratio=recipe["inverse_embed_ratio"],
            noise=[(kept[:, 2 * i], kept[:, 2 * i + 1]) for i in range(run.model.layers)],
        )
    kept = _noise(run, state, shape, lane=0)
    noise = factored.Noise(kept[:, 0], kept[:, 1])
    return factored.loss_and_gradients(_model(run, state), examples, noise)


def evaluate(run: Program, state: State) -> Tensor:
    """What is seen of each slot on the whole train and validation sets, ``(S, len(SEEN))``."""
    slots = state.weight.shape[0]
    judged = [_judge(run, state, chunk) for chunk in _chunks(run, slots)]
    order = state.order.long()
    train_count = run.train_count
    loss = torch.cat([part.loss for part in judged], dim=1).gather(1, order)
    gap = torch.cat([part.gap for part in judged], dim=1).gather(1, order)
    wrong = torch.cat([part.wrong for part in judged], dim=1).gather(1, order)
    correct = (gap > 0).to(loss.dtype)
    gaps = gap[:, :train_count].sort(dim=1).values
    places = [round(q * (train_count - 1)) for q in GAP_QUANTILES]
    return torch.stack(
        [
            loss[:, :train_count].mean(1),
            correct[:, :train_count].mean(1),
            loss[:, train_count:].mean(1),
            correct[:, train_count:].mean(1),
            (wrong[:, :train_count] == 0).to(loss.dtype).mean(1),
            *(gaps[:, place] for place in places),
            optimizer.learning_rate(state.schedule, _recipe(state)),
        ],
        dim=1,
    )


def _judge(run: Program, state: State, examples: Examples) -> Judged:
    if run.model.layers == 1:
        return factored.judge(_model(run, state), examples)
    recipe = _recipe(state)
    logits = plain.logits(
        factored.mask_padding(run.plan, run.plan.split(state.weight)),
        examples,
        layers=run.model.layers,
        heads=run.model.heads,
        layer_scale=recipe["layer_scale"],
        inverse_embed_ratio=recipe["inverse_embed_ratio"],
        noise=None,
    )
    return judge(logits, examples.answer)


def _model(run: Program, state: State) -> factored.Model:
    recipe = _recipe(state)
    return factored.Model(
        plan=run.plan,
        weights=factored.mask_padding(run.plan, run.plan.split(state.weight)),
        heads=run.model.heads,
        layer_scale=recipe["layer_scale"],
        inverse_embed_ratio=recipe["inverse_embed_ratio"],
    )


def _chunks(run: Program, slots: int) -> list[Examples]:
    """The whole table in pieces, each ``(S, chunk)``."""
    pieces = zip(*(column.split(run.chunk) for column in run.answers), strict=True)
    return [Examples(*(part.expand(slots, -1) for part in piece)) for piece in pieces]


def _noise(run: Program, state: State, shape: tuple[int, ...], lane: int) -> Tensor:
    """Dropout factors of the coming step, ``(S, *shape)``: 0 or what keeps the mean."""
    threshold = _recipe(state)["dropout_threshold"]
    key = state.key[:, 2:]
    kept = streams.kept(key, state.schedule.step, threshold, shape, run.blocks, lane)
    scale = streams.keep_scale(threshold).view(-1, *(1 for _ in shape))
    return kept.to(state.weight.dtype) * scale


def _recipe(state: State) -> dict[str, Tensor]:
    return dict(zip(RECIPE_COLUMNS, state.recipe.unbind(0), strict=True))
