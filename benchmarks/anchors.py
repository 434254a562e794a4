"""Published settings on the reference model: do they take here the steps that others report?

    python benchmarks/anchors.py [xavier default full] [--seeds 8] [--device cpu]

The reference model has two layers, width 128 and four heads (about 4e5 parameters). Printed for
each setting are the steps to 99 % validation accuracy of every seed (first touch, as papers
count, and sustained, as this project counts) with median, mean ± sd and n, beside the published
figure.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass

from speciation.engine.engine import EngineSpec, make_engine
from speciation.genome.genome import KINDS, Genome
from speciation.seeds import pool_b
from speciation.trial.task import TRACKS, Task
from speciation.trial.trial import ModelShape, Trial, TrialResult

REFERENCE = ModelShape(layers=2, d_model=128, heads=4, d_ff=512)
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
    "init_attn_qk": (1 / (3 * 128)) ** 0.5,
    "init_attn_v": (1 / (3 * 128)) ** 0.5,
    "init_ffn": (1 / (3 * 256)) ** 0.5,
    "bias_scale": (1 / (3 * 256)) ** 0.5,
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
    "xavier": Anchor(
        ADAMW | XAVIER, TRACKS["add97-mb512"].task, 2500, "863 (790 to 990 accepted)"
    ),
    "default": Anchor(ADAMW | DEFAULT, TRACKS["add97-mb512"].task, 5000, "2,363"),
    "full": Anchor(
        ADAMW | XAVIER | {"weight_decay": 1.0}, TRACKS["add97-full"].task, 2500, "500 to 600"
    ),
}


def trained(anchor: Anchor, seeds: int, device: str, backend: str) -> list[TrialResult]:
    """Every seed to its end, together."""
    kind = KINDS["hyper17"]
    genome = Genome(kind.name, tuple((gene, anchor.genes[gene]) for gene in kind.columns))
    kind.validate(genome)
    spec = EngineSpec(anchor.task, REFERENCE, slots=seeds, backend=backend, device=device)
    engine = make_engine(spec)
    engine.admit(
        [Trial(genome, anchor.task, REFERENCE, s, anchor.horizon) for s in pool_b(seeds)]
    )
    results: list[TrialResult] = []
    while engine.occupied:
        results += engine.advance()
    return sorted(results, key=lambda result: result.trial.seed)


def line(name: str, steps: list[int | None]) -> str:
    """Each seed's steps, and what they come to together."""
    reached = [step for step in steps if step is not None]
    shown = " ".join("–" if step is None else str(step) for step in steps)
    if len(reached) < 2:
        return f"  {name:<16} {shown}"
    mean, sd = statistics.mean(reached), statistics.stdev(reached)
    return (
        f"  {name:<16} median {statistics.median(reached):,.0f}, mean {mean:,.0f} ± {sd:,.0f} "
        f"(sd), {len(reached)} of {len(steps)} seeds: {shown}"
    )


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("anchors", nargs="*", default=list(ANCHORS), choices=list(ANCHORS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backend", default="torch")
    arguments = parser.parse_args()
    for name in arguments.anchors:
        anchor = ANCHORS[name]
        began = time.perf_counter()
        results = trained(anchor, arguments.seeds, arguments.device, arguments.backend)
        seconds = time.perf_counter() - began
        where = f"in {seconds:.0f} s on {results[0].device}"
        print(f"{name}: published {anchor.published}; here, {where}")
        print(line("first touch", [r.milestones.first_99 for r in results]))
        print(line("sustained", [r.milestones.steps_to_grok for r in results]), flush=True)


if __name__ == "__main__":
    main()
