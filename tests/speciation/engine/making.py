"""Trials to train: random genomes, small tasks, and engines in states of interest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

from speciation.engine.admission import write
from speciation.engine.training import Program, State, empty_state, program
from speciation.genome.genome import KINDS
from speciation.seeds import Purpose, generator
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape, Trial

SMALL = Task(modulus=13, batch=24, eval_interval=5)


def random_trials(
    count: int, *, task: Task = SMALL, model: ModelShape | None = None, seed: int = 0, **rest
) -> list[Trial]:
    """Trials of random genomes, each with a seed of its own."""
    genomes = KINDS["hyper17"].random(count, generator(seed, Purpose.FOUNDERS))
    settings = {"horizon": 10_000, **rest}
    shape = ModelShape(d_model=16, heads=2, d_ff=32) if model is None else model
    return [
        Trial(genomes[i], task, shape, seed=1000 * seed + i, **settings) for i in range(count)
    ]


def loaded(
    trials: list[Trial],
    dtype: torch.dtype = torch.float64,
    device: str = "cpu",
    own_program: Callable[[Program], Program] = lambda run: run,
) -> tuple[Program, State]:
    """A program and a state with these trials at their first step."""
    run = own_program(program(trials[0].task, trials[0].model, torch.device(device), chunk=64))
    state = empty_state(run, len(trials), dtype)
    write(run, state, list(range(len(trials))), trials)
    return run, state


def with_genes(trial: Trial, **genes: float) -> Trial:
    """The trial with some genes set."""
    values = dict(trial.genome.genes) | genes
    genome = dataclasses.replace(trial.genome, genes=tuple(values.items()))
    return dataclasses.replace(trial, genome=genome)
