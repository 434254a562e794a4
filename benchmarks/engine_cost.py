"""What a trial-step costs: one trial in eager PyTorch, and stacked in our engine.

    python benchmarks/engine_cost.py [--device cpu] [--slots 32] [--backend torch] [--repeats 5]

Prints milliseconds per trial-step, evaluation included in every row, and the ratio to the
first. All ways are timed in turn within one run, so a machine that drifts drifts for all of
them alike.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from speciation.engine.engine import EngineSpec, make_engine
from speciation.engine.reference import ReferenceTrial, exact_cross_entropy
from speciation.genome.genome import KINDS
from speciation.seeds import Purpose, generator
from speciation.trial.task import TRACKS, Task
from speciation.trial.trial import ModelShape, Trial

EVALUATIONS_TIMED = 2


def trials(task: Task, count: int, horizon: int = 10_000_000) -> list[Trial]:
    """Random genomes that never leave the engine within a benchmark."""
    genomes = KINDS["hyper17"].random(count, generator(0, Purpose.FOUNDERS))
    return [
        Trial(genomes[i], task, ModelShape(), seed=2 * i, horizon=horizon, to_horizon=True)
        for i in range(count)
    ]


def eager_one_trial(task: Task, device: str) -> Callable[[], int]:
    """The textbook loop: ``nn.Module``, ``torch.optim.AdamW``, library random numbers."""
    trial = trials(task, 1)[0]
    twin = ReferenceTrial(trial, device=device)
    model, count = twin.model, task.train_count
    sequence, answer = twin._sequences(twin.order)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1.0)
    shape = (task.batch_size, 3, trial.model.d_model)

    def drop() -> torch.Tensor:
        return functional.dropout(torch.ones(shape, device=device), 0.1)

    def interval() -> int:
        for _ in range(task.eval_interval):
            if task.batch is None:
                chosen = torch.arange(count, device=device)
            else:
                chosen = torch.randint(0, count, (task.batch,), device=device)
            optimizer.zero_grad()
            logits = model(sequence[chosen], [(drop(), drop())])
            exact_cross_entropy(logits, answer[chosen]).mean().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        with torch.no_grad():
            logits = model(sequence, None)
            float(functional.cross_entropy(logits, answer))
            float((logits.argmax(-1) == answer).float().mean())
        return task.eval_interval

    return interval


def stacked(task: Task, device: str, slots: int, backend: str) -> Callable[[], int]:
    """Our engine, every slot taken."""
    spec = EngineSpec(task, ModelShape(), slots=slots, backend=backend, device=device)
    engine = make_engine(spec)
    engine.admit(trials(task, slots))

    def interval() -> int:
        before = engine.trial_steps
        returned = engine.advance()
        engine.admit([dataclasses.replace(result.trial) for result in returned])
        return engine.trial_steps - before

    return interval


def main() -> None:
    """Time every way in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--slots", type=int, nargs="+", default=[32])
    parser.add_argument("--backend", nargs="+", default=["torch"])
    parser.add_argument("--track", default="add97-mb512", choices=TRACKS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    task = TRACKS[arguments.track].task
    ways = {"eager, one trial": eager_one_trial(task, arguments.device)}
    for backend in arguments.backend:
        for slots in arguments.slots:
            ways[f"{backend}, {slots} slots"] = stacked(task, arguments.device, slots, backend)
    for name, way in ways.items():
        began = time.perf_counter()
        way()
        print(f"first interval of {name}: {time.perf_counter() - began:.1f} s")

    cost: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            steps = sum(way() for _ in range(EVALUATIONS_TIMED))
            cost[name].append(1e3 * (time.perf_counter() - began) / steps)
    median = {name: statistics.median(values) for name, values in cost.items()}
    first = next(iter(median.values()))
    for name, value in median.items():
        spread = f"{np.min(cost[name]):.4f} … {np.max(cost[name]):.4f}"
        print(f"{name:24s} {value:9.4f} ms per trial-step ({spread})   {first / value:8.1f} x")
    if arguments.json:
        print(json.dumps(median))


if __name__ == "__main__":
    main()
