"""``torch.func.vmap`` over one trial's loss; on CUDA, an interval is recorded as one graph.

The loss of one trial is written down and mapped over a pack, gradients by ``torch.func.grad``.
Once as everyone writes a transformer (:func:`plain`), once with this project's exact algebra
(:func:`factored`; see ``model.py``).

In the peer's favour: library random numbers, the library's cross-entropy, TF32 products, the
padded vocabulary, this project's AdamW (stacked, in place), no schedule but the warm-up, and
four figures an evaluation in place of nine.

Axes: S slots, B examples, D model width, H heads; a trial's own functions have no S.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap
from torch.nn import functional

from speciation.engine import optimizer
from speciation.engine.peers.job import Job, Stack, stack
from speciation.engine.peers.precision import tf32
from speciation.engine.recipe import DROPOUT_LEVELS
from speciation.trial.task import table

EVALUATED_AT_ONCE = 2**21  # slots times examples: as much memory as a step at 4,096 slots
LEAST_AT_ONCE = 512  # examples, and on a CPU the most: they stay in its cache

Weights = dict[str, Tensor]
# Logits (B, V) of one trial: weights, layer scale, inverse embed ratio, one-hot rows of left
# and right (B, n + 1), heads, dropout factors of both branches or None.
Forward = Callable[[Weights, Tensor, Tensor, Tensor, Tensor, int, Tensor | None], Tensor]


class VmapPack:
    """Trials that train in step with each other.

    Args:
        job: What is trained.
        slots: S, trials in the pack.
        algebra: ``plain`` or ``factored``.
    """

    def __init__(self, job: Job, slots: int, algebra: str) -> None:
        given = stack(job, slots)
        self._job, self._slots, self._plan = job, slots, given.plan
        self._forward = {"plain": plain, "factored": factored}[algebra]
        lanes = (3,) if algebra == "plain" else ()
        self._noise = (slots, 2, job.task.batch_size, *lanes, job.model.d_model)
        self.weight = torch.from_numpy(given.weight).to(job.device, copy=True)
        self._mean, self._square = torch.zeros_like(self.weight), torch.zeros_like(self.weight)
        self._count = torch.zeros(slots, device=job.device)
        self.recipe = {
            name: torch.from_numpy(values.copy()).to(job.device)
            for name, values in given.recipe.items()
        }
        self._one_hot = torch.eye(job.task.element_count + 1, device=job.device)
        self._load_examples(given)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._seen = torch.zeros(slots, 4, device=job.device)

    @tf32()
    def interval(self) -> list[list[float]]:
        """Train to the next evaluation; loss and accuracy on both sets, train first, (S, 4)."""
        if self._job.kind != "cuda":
            return self._interval().tolist()
        if self._graph is None:
            self._record()
        else:
            self._graph.replay()
        return self._seen.tolist()

    def gradients(
        self, left: Tensor, right: Tensor, answer: Tensor, keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients ``(S, P)`` and mean losses ``(S,)`` for examples ``(S, B)``."""
        scale, inverse = self.recipe["layer_scale"], self.recipe["inverse_embed_ratio"]
        given = (self.weight, scale, inverse, left, right, answer, keep)
        return vmap(grad_and_value(self._loss))(*given)

    @torch.no_grad()
    def _interval(self) -> Tensor:
        for _ in range(self._job.task.eval_interval):
            self._train_step()
        return self._evaluate()

    def _record(self) -> None:
        """Train one interval to warm up, and capture the next, which does not run yet."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._seen.copy_(self._interval())
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._seen.copy_(self._interval())

    def _train_step(self) -> None:
        recipe, (left, right, answer) = self.recipe, self._batch()
        grad, _ = self.gradients(left, right, answer, self._keep())
        self._count += 1
        warm = (self._count / recipe["warmup_steps"].clamp(min=1.0)).clamp(max=1.0)
        optimizer.adamw(
            self.weight,
            optimizer.clip(grad, recipe["grad_clip"]),
            self._mean,
            self._square,
            self._count,
            recipe["learning_rate"] * warm,
            recipe,
        )

    def _loss(
        self,
        flat: Tensor,
        scale: Tensor,
        inverse: Tensor,
        left: Tensor,
        right: Tensor,
        answer: Tensor,
        keep: Tensor,
    ) -> Tensor:
        return functional.cross_entropy(
            self._logits(flat, scale, inverse, self._one_hot[left], self._one_hot[right], keep),
            answer,
        )

    def _logits(
        self,
        flat: Tensor,
        scale: Tensor,
        inverse: Tensor,
        left: Tensor,
        right: Tensor,
        keep: Tensor | None,
    ) -> Tensor:
        parts = flat.split([weight.size for weight in self._plan.weights])
        named = {
            weight.name: part.view(weight.shape)
            for weight, part in zip(self._plan.weights, parts, strict=True)
        }
        heads = self._job.model.heads
        return self._forward(named, scale, inverse, left, right, heads, keep)

    def _load_examples(self, given: Stack) -> None:
        task, device = self._job.task, self._job.device
        columns = table(task.operation, task.modulus)
        self._table = [torch.from_numpy(column.copy()).to(device) for column in columns]
        train = torch.from_numpy(given.order[:, : task.train_count]).to(device).long()
        self._train = [column[train] for column in self._table]
        shares = torch.full((2, self._slots, task.pair_count), 0.0, device=device)
        shares[0].scatter_(1, train, 1 / task.train_count)
        shares[1] = (shares[0] == 0) / (task.pair_count - task.train_count)
        self._shares = shares  # what an example adds to the means over train and validation

    def _batch(self) -> list[Tensor]:
        task = self._job.task
        if task.batch is None:
            return self._train
        shape = (self._slots, task.batch)
        chosen = torch.randint(task.train_count, shape, device=self._job.device)
        return [column.gather(1, chosen) for column in self._train]

    def _keep(self) -> Tensor:
        """Dropout factors, ``(S, 2, B, D)`` or, of every position, ``(S, 2, B, 3, D)``."""
        share = self.recipe["dropout_threshold"] / DROPOUT_LEVELS
        share = share.view(-1, *(1 for _ in self._noise[1:]))
        return (torch.rand(self._noise, device=self._job.device) >= share) / (1 - share)

    def _evaluate(self) -> Tensor:
        examples = self._job.task.pair_count
        at_once = LEAST_AT_ONCE if self._job.kind == "cpu" else EVALUATED_AT_ONCE // self._slots
        chunk = max(LEAST_AT_ONCE, min(examples, at_once))
        parts = zip(*(column.split(chunk) for column in self._table), strict=True)
        loss, correct = (
            torch.cat(judged, 1) for judged in zip(*map(self._judge, parts), strict=True)
        )
        seen = [(share * each).sum(1) for each in (loss, correct) for share in self._shares]
        return torch.stack(seen, dim=1)

    def _judge(self, part: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        left, right, answer = part
        scale, inverse = self.recipe["layer_scale"], self.recipe["inverse_embed_ratio"]
        given = (self.weight, scale, inverse, self._one_hot[left], self._one_hot[right], None)
        logits = vmap(self._logits, in_dims=(0, 0, 0, None, None, None))(*given)
        answers = answer.expand(self._slots, -1)
        loss = functional.cross_entropy(logits.transpose(1, 2), answers, reduction="none")
        return loss, (logits.argmax(-1) == answers).float()


# -- One trial --------------------------------------------------------------------------


def plain(
    weights: Weights,
    scale: Tensor,
    inverse: Tensor,
    left: Tensor,  # (B, n + 1) one-hot
    right: Tensor,
    heads: int,
    keep: Tensor | None,  # (2, B, 3, D)
) -> Tensor:  # (B, V)
    """Three positions an example, causal attention, logits at the last."""
    tokens = weights["tokens"] * inverse
    equals = tokens[-1].expand(left.shape[0], -1)
    x = torch.stack([left @ tokens, right @ tokens, equals], dim=1) + weights["positions"]
    branch = _attention(_norm(x, weights, "0.norm1"), weights, heads)
    x = x + scale * (branch if keep is None else branch * keep[0])
    branch = _ffn(x, weights)
    x = x + scale * (branch if keep is None else branch * keep[1])
    return _linear(_norm(x[:, -1], weights, "norm"), weights, "unembed")


def factored(
    weights: Weights,
    scale: Tensor,
    inverse: Tensor,
    left: Tensor,  # (B, n + 1) one-hot
    right: Tensor,
    heads: int,
    keep: Tensor | None,  # (2, B, D)
) -> Tensor:  # (B, V)
    """The exact algebra: keys and values are tables over tokens, the query is one vector."""
    tokens, positions = weights["tokens"] * inverse, weights["positions"]
    count = tokens.shape[0]
    # A row for "=" at the places of a and b too, which nobody asks for: equal widths.
    rows = torch.cat(
        [tokens + positions[0], tokens + positions[1], tokens[-1:] + positions[2:]]
    )
    normed = _norm(rows, weights, "0.norm1")
    value = _linear(normed, weights, "0.value")
    query = _linear(normed[-1], weights, "0.query")
    key = normed @ weights["0.key"]
    head = key.shape[1] // heads
    score = (key * query).unflatten(1, (heads, head)).sum(2) * head**-0.5
    both = torch.cat([value, score], dim=1)
    met = torch.stack(
        [left @ both[:count], right @ both[count:-1], both[-1].expand(left.shape[0], -1)]
    )
    values, mix = met[..., :-heads].unflatten(2, (heads, head)), met[..., -heads:].softmax(0)
    branch = _linear((mix[..., None] * values).sum(0).flatten(1), weights, "0.out")
    x = rows[-1] + scale * (branch if keep is None else branch * keep[0])
    branch = _ffn(x, weights)
    x = x + scale * (branch if keep is None else branch * keep[1])
    return _linear(_norm(x, weights, "norm"), weights, "unembed")


def _attention(x: Tensor, weights: Weights, heads: int) -> Tensor:
    """Of three positions only: as sums of products; libraries are slow at so small matrices."""
    batch, positions, width = x.shape
    query, key, value = (
        part.view(batch, positions, heads, width // heads)
        for part in (
            _linear(x, weights, "0.query"),
            x @ weights["0.key"],
            _linear(x, weights, "0.value"),
        )
    )
    score = (query[:, :, None] * key[:, None]).sum(-1) * (width // heads) ** -0.5
    future = torch.ones(positions, positions, dtype=torch.bool, device=x.device).triu(1)
    mix = score.masked_fill(future[..., None], -torch.inf).softmax(2)
    mixed = (mix[..., None] * value[:, None]).sum(2)
    return _linear(mixed.reshape(x.shape), weights, "0.out")


def _ffn(x: Tensor, weights: Weights) -> Tensor:
    hidden = _linear(_norm(x, weights, "0.norm2"), weights, "0.up").relu()
    return _linear(hidden, weights, "0.down")


def _linear(x: Tensor, weights: Weights, name: str) -> Tensor:
    return x @ weights[name] + weights[f"{name}.bias"]


def _norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    gain, shift = weights[f"{name}.gain"], weights[f"{name}.shift"]
    return functional.layer_norm(x, x.shape[-1:], gain, shift)
