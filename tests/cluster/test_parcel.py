"""Trials on their way to an actor."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.parcel import parcel, sown, unpacked
from speciation.trial.trial import Streams, Trial, seeded
from tests.cluster.synthetic import genome, trial

GENOMES = [genome(number) for number in range(3)]

some_trials = st.builds(
    lambda number, seed, horizon, to_horizon, streams: replace(
        trial(seed, horizon, GENOMES[number]),
        to_horizon=to_horizon,
        streams=streams and Streams(seed, *streams),
    ),
    st.integers(0, 2),
    st.integers(0, 2**63 - 1),
    st.sampled_from([25, 100]),
    st.booleans(),
    st.none() | st.tuples(*[st.integers(0, 9)] * 3),
)


@given(st.lists(some_trials, min_size=1, max_size=30))
def test_what_is_unpacked_is_what_was_packed(trials):
    arrived = unpacked(pickle.loads(pickle.dumps(parcel(trials))))
    assert arrived == trials
    assert [t.id for t in arrived] == [replace(t).id for t in trials]


def test_a_genome_travels_once():
    sent = parcel([trial(seed, of=own) for seed in range(50) for own in GENOMES])
    assert len(sent.heads) == 3
    assert sent.seeds.tolist() == [seed for seed in range(50) for _ in GENOMES]


def test_nothing_is_an_empty_parcel():
    assert unpacked(parcel([])) == []


@given(some_trials, st.lists(st.integers(0, 2**63 - 1), max_size=9))
def test_sown_trials_are_seeded_ones(head, seeds):
    assert sown(head, seeds) == seeded(head, seeds)
    assert [t.id for t in sown(head, seeds)] == [t.id for t in seeded(head, seeds)]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_no_trial_is_sown_from_a_seed_that_it_may_not_have(seed):
    with pytest.raises(ValueError, match="seed must be in"):
        sown(trial(0), [3, seed])


def test_sown_trials_are_frozen_like_all():
    (own,) = sown(trial(0), [7])
    with pytest.raises(AttributeError):
        own.seed = 8
    assert isinstance(own, Trial)
    assert hash(own) == hash(trial(7))
