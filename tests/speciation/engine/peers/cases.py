"""What peers are held against: the engine's own figures for the same weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from speciation.engine import training
from speciation.engine.model import Examples
from speciation.engine.peers.job import Job, bench_trials
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape
from tests.speciation.engine.making import loaded, with_genes

SLOTS = 3
JOB = Job(Task(modulus=13, batch=24, eval_interval=5), ModelShape(1, 16, 2, 32), "cpu")
FULL = Job(Task(modulus=13, batch=None, eval_interval=5), ModelShape(1, 16, 2, 32), "cpu")


class Expected(NamedTuple):
    """For the first trials of a job, without dropout."""

    examples: Examples  # (S, B) each
    loss: Tensor  # (S,)
    gradients: dict[str, Tensor]  # by name, padding included
    seen: Tensor  # (S, 4): losses and accuracies, train first, as peers order them


def expected(job: Job = JOB) -> Expected:
    """From the engine in float64."""
    trials = [with_genes(trial, dropout=0.0) for trial in bench_trials(job, SLOTS)]
    run, state = loaded(trials)
    examples = training.step_examples(run, state)
    loss, gradients = training.gradients(run, state, examples)
    seen = training.evaluate(run, state)[:, [0, 2, 1, 3]]
    return Expected(
        examples, loss.float(), {k: v.float() for k, v in gradients.items()}, seen.float()
    )


def assert_close(actual: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(actual, wanted, rtol=1e-4, atol=1e-6)
