"""Published settings: do they take here the steps that others report?

    python benchmarks/anchors.py [xavier default full] [--norm post] [--seeds 4] [--device cpu]
                                 [--learning-rate 0.001]

The reference model has two layers, width 128 and four heads (about 4e5 parameters). The
published figures belong to a transformer that normalises *after* each branch and uses GELU
(``--norm post``); ours normalises before and uses ReLU (``--norm pre``). All else is this
project's own: seeds, splits, batches, loss, AdamW, schedule, evaluations and what counts as
grokked.

Printed are the steps to 99 % validation accuracy of every seed (first touch, as papers count,
and sustained, as this project counts) with median, mean ± sd and n, beside the published
figure.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from speciation.engine.reference import MicroTransformer, ReferenceTrial
from speciation.genome.genome import KINDS, Genome
from speciation.seeds import pool_b
from speciation.trial.grokking import GROKKED, HOLD, first_sustained, first_touch
from speciation.trial.task import TRACKS, Task
from speciation.trial.trial import ModelShape, Trial

SHAPE = ModelShape(layers=2, d_model=128, heads=4, d_ff=512)
# AdamW as everybody uses it for modular arithmetic (Power 2022), and nothing else.
ADAMW = {
    "learning_rate": 1e-3,
    "weight_decay": 0.5,
    "beta1": 0.9,
    "beta2": 0.98,
    "grad_clip": 10.0,
    "adam_epsilon": 1e-8,
    "warmup_steps": 50,
    "decay_trigger": 1e-8,
    "decay_rate": 1e-5,
    "dropout": 0.0,
    "layer_scale": 1.0,
    "embed_ratio": 1.0,
}
# Glorot 2010: sqrt(2 / (inputs + outputs)); biases would be zero.
XAVIER = {
    "init_attn_qk": (2 / 256) ** 0.5,
    "init_attn_v": (2 / 256) ** 0.5,
    "init_ffn": (2 / 640) ** 0.5,
    "bias_scale": 1e-3,
    "init_embed": (2 / 226) ** 0.5,
}
# PyTorch's own: normal embeddings, linear layers uniform within 1 / sqrt(inputs).
DEFAULT = {
    "init_attn_qk": (1 / 384) ** 0.5,
    "init_attn_v": (1 / 384) ** 0.5,
    "init_ffn": (1 / 768) ** 0.5,
    "bias_scale": (1 / 768) ** 0.5,
    "init_embed": 1.0,
}


@dataclass(frozen=True)
class Anchor:
    """A setting, and what others report of it."""

    genes: dict[str, float]
    task: Task
    horizon: int
    published: str


ANCHORS = {
    "xavier": Anchor(ADAMW | XAVIER, TRACKS["add97-mb512"].task, 2500, "863"),
    "default": Anchor(ADAMW | DEFAULT, TRACKS["add97-mb512"].task, 5000, "2,363"),
    "full": Anchor(
        # The published figure comes without a learning rate; this one lands there.
        ADAMW | XAVIER | {"weight_decay": 1.0, "learning_rate": 2e-3},
        TRACKS["add97-full"].task,
        2500,
        "500 to 600",
    ),
}


class PostNormLayer(nn.Module):
    """Attention and feed-forward, each added and *then* normalised (Vaswani 2017)."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(shape.d_model, shape.heads, batch_first=True)
        self.norm1, self.norm2 = nn.LayerNorm(shape.d_model), nn.LayerNorm(shape.d_model)
        self.up = nn.Linear(shape.d_model, shape.d_ff)
        self.down = nn.Linear(shape.d_ff, shape.d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``(B, 3, D)`` to ``(B, 3, D)``."""
        mixed, _ = self.attention(x, x, x, attn_mask=mask, need_weights=False)
        x = self.norm1(x + mixed)
        return self.norm2(x + self.down(nn.functional.gelu(self.up(x))))


class PostNormTransformer(nn.Module):
    """The published model, called as ``ReferenceTrial`` calls its own."""

    def __init__(self, shape: ModelShape, elements: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(elements + 1, shape.d_model)
        self.positions = nn.Embedding(3, shape.d_model)
        self.layers = nn.ModuleList(PostNormLayer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.d_model)
        self.unembed = nn.Linear(shape.d_model, elements, bias=False)

    def forward(self, sequence: Tensor, keep: None) -> Tensor:
        """Logits ``(B, elements)`` for sequences ``(B, 3)``."""
        x = self.tokens(sequence) + self.positions.weight
        mask = torch.full((3, 3), -torch.inf, device=x.device).triu(1)
        for layer in self.layers:
            x = layer(x, mask)
        return self.unembed(self.norm(x[:, -1]))


def pre_norm(trial: Trial, device: str) -> ReferenceTrial:
    """This project's own reference model."""
    return ReferenceTrial(trial, device=device)


def post_norm(trial: Trial, device: str) -> ReferenceTrial:
    """The same trial with the published model in place of ours, drawn from the trial's seed."""
    twin = ReferenceTrial(trial, device=device)
    model = PostNormTransformer(trial.model, trial.task.element_count)
    spread = {"tokens": "init_embed", "positions": "init_embed", "unembed": "init_embed"}
    spread |= {"in_proj": "init_attn_qk", "out_proj": "init_attn_v"}
    spread |= {"up": "init_ffn", "down": "init_ffn"}
    draw = torch.Generator().manual_seed(trial.seed)
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            gene = next(gene for part, gene in spread.items() if part in name)
            nn.init.normal_(weight, std=trial.genome.gene(gene), generator=draw)
        elif name.endswith("bias") and "norm" not in name:
            nn.init.normal_(weight, std=trial.genome.gene("bias_scale"), generator=draw)
    twin.model = cast(MicroTransformer, model.to(device))  # all that is asked of it, it has
    twin.optimizer.param_groups[0]["params"] = list(model.parameters())
    return twin


NORMS: dict[str, Callable[[Trial, str], ReferenceTrial]] = {"post": post_norm, "pre": pre_norm}


def accuracies(twin: ReferenceTrial) -> np.ndarray:
    """Validation accuracy at each evaluation, until it is known when the trial grokked."""
    trial, seen = twin.trial, []
    while twin.step < trial.horizon:
        for _ in range(trial.task.eval_interval):
            twin.train_step()
        seen.append(twin.evaluate().validation_accuracy)
        if len(seen) > HOLD and min(seen[-HOLD - 1 :]) >= GROKKED:
            break
    return np.array(seen, dtype=np.float32)


def line(name: str, steps: list[int | None]) -> str:
    """Each seed's steps, and what they come to together."""
    reached = [step for step in steps if step is not None]
    shown = " ".join("–" if step is None else str(step) for step in steps)
    if len(reached) < 2:
        return f"  {name:<12} {shown}"
    mean, sd = statistics.mean(reached), statistics.stdev(reached)
    return (
        f"  {name:<12} median {statistics.median(reached):,.0f}, mean {mean:,.0f} ± {sd:,.0f} "
        f"(sd), {len(reached)} of {len(steps)} seeds: {shown}"
    )


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("anchors", nargs="*", default=list(ANCHORS), choices=list(ANCHORS))
    parser.add_argument("--norm", default="post", choices=NORMS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--learning-rate", type=float, help="in place of the anchor's")
    arguments = parser.parse_args()
    kind = KINDS["hyper17"]
    for name in arguments.anchors:
        anchor, began = ANCHORS[name], time.perf_counter()
        genes = dict(anchor.genes)
        if arguments.learning_rate is not None:
            genes["learning_rate"] = arguments.learning_rate
        genome = Genome(kind.name, tuple((gene, genes[gene]) for gene in kind.columns))
        kind.validate(genome)
        interval = anchor.task.eval_interval
        touched: list[int | None] = []
        held: list[int | None] = []
        for seed in pool_b(arguments.seeds):
            trial = Trial(genome, anchor.task, SHAPE, seed, anchor.horizon)
            seen = accuracies(NORMS[arguments.norm](trial, arguments.device))
            for steps, find in ((touched, first_touch), (held, first_sustained)):
                index = find(seen, GROKKED)
                steps.append(None if index is None else (index + 1) * interval)
        seconds = time.perf_counter() - began
        print(
            f"{name}, {arguments.norm}-norm, learning rate {genes['learning_rate']:g}, "
            f"{seconds:.0f} s; published: {anchor.published}"
        )
        print(line("first touch", touched))
        print(line("sustained", held), flush=True)


if __name__ == "__main__":
    main()
