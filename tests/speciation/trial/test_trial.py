"""A trial's identity: all that decides what happens, and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from speciation.genome.genome import HYPER17
from speciation.trial.task import Task
from speciation.trial.trial import PRECISIONS, ModelShape, Streams, Trial

GENOMES = HYPER17.random(2, np.random.default_rng(0))
TRIAL = Trial(GENOMES[0], Task(), ModelShape(), seed=2, horizon=2500)


@pytest.mark.parametrize(
    "change",
    [
        {"genome": GENOMES[1]},
        {"task": Task(modulus=11)},
        {"model": ModelShape(layers=2)},
        {"seed": 4},
        {"precision": "float64"},
        {"streams": Streams(2, 4, 2, 2)},
        {"streams": Streams(2, 2, 4, 2)},
        {"streams": Streams(2, 2, 2, 4)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_a_result_is_in_the_id(change):
    assert dataclasses.replace(TRIAL, **change).id != TRIAL.id


@pytest.mark.parametrize("change", [{"horizon": 5000}, {"to_horizon": True}])
def test_how_long_one_looks_is_not_in_the_id(change):
    assert dataclasses.replace(TRIAL, **change).id == TRIAL.id


def test_streams_of_one_seed_are_the_plain_trial():
    same = dataclasses.replace(TRIAL, streams=Streams(2, 2, 2, 2))
    assert same == TRIAL
    assert same.id == TRIAL.id
    assert TRIAL.drawn_from == (2, 2, 2, 2)


def test_a_plain_trial_keeps_the_id_that_stores_know():
    """Ids of stored rows are for ever: this one was written before streams could part."""
    assert TRIAL.id == "5d67fd423cc092f7ef3a0293ceea75a6"


def test_every_precision_has_an_id_of_its_own():
    ids = {dataclasses.replace(TRIAL, precision=name).id for name in PRECISIONS}
    assert len(ids) == len(PRECISIONS)
    assert TRIAL.precision in PRECISIONS


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"precision": "float8"}, "precision must be one of .*, got 'float8'"),
        ({"seed": -1}, "seed must be in"),
        ({"streams": Streams(2, 4, 4, -1)}, "seed must be in"),
        ({"streams": Streams(4, 2, 2, 2)}, "seed is that of its split, got 2 and 4"),
        ({"horizon": 1}, "horizon must be a multiple of the evaluation interval"),
    ],
)
def test_an_impossible_trial_is_refused_in_a_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(TRIAL, **change)
