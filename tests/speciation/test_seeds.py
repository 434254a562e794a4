"""Random numbers are functions of their place: known answers, independence, separation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation import seeds
from speciation.seeds import Purpose

# Random123, kat_vectors, philox4x32 with 10 rounds: (counter, key) -> words.
KNOWN_ANSWERS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def as_words(values):
    return tuple(np.array([value], dtype=np.uint64) for value in values)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_published_known_answers(counter, key, expected):
    words = seeds.philox(as_words(counter), as_words(key))
    assert tuple(int(word[0]) for word in words) == expected


@given(st.integers(0, 2**63 - 1), st.integers(0, 3), st.integers(0, 2**31), st.integers(1, 40))
def test_a_longer_draw_begins_with_the_shorter_one(seed, purpose, step, count):
    longer = seeds.bits(seed, purpose, step, count + 7)
    assert np.array_equal(seeds.bits(seed, purpose, step, count), longer[:count])


def test_streams_steps_and_seeds_differ():
    draws = [
        seeds.bits(seed, purpose, step, 64)
        for seed in (0, 1, 2**32)
        for purpose in (Purpose.SPLIT, Purpose.INIT)
        for step in (0, 1)
    ]
    assert len({draw.tobytes() for draw in draws}) == len(draws)


def test_normals_have_the_moments_of_a_normal():
    draw = seeds.normals(7, Purpose.INIT, 0, 100_001)
    assert draw.shape == (100_001,)
    assert abs(draw.mean()) < 0.015
    assert abs(draw.std() - 1) < 0.01
    assert abs(np.mean(np.abs(draw) < 1.96) - 0.95) < 0.005


@given(st.integers(0, 2**63 - 1), st.integers(1, 300))
def test_a_permutation_holds_every_index_once(seed, count):
    order = seeds.permutation(seed, Purpose.SPLIT, 0, count)
    assert sorted(order) == list(range(count))


def test_generators_of_two_places_differ_and_of_one_place_agree():
    def draw(*place):
        return tuple(seeds.generator(*place).random(3))

    places = [(1, Purpose.FOUNDERS), (2, Purpose.FOUNDERS), (1, Purpose.OFFSPRING)]
    places += [(1, Purpose.OFFSPRING, 1), (1, Purpose.OFFSPRING, 0, 1)]
    assert len({draw(*place) for place in places}) == len(places)
    assert draw(1, Purpose.OFFSPRING, 3, 4) == draw(1, Purpose.OFFSPRING, 3, 4)


@given(st.integers(0, 2**63 - 1), st.integers(0, 5000), st.integers(1, 64))
def test_evolution_and_validation_never_share_a_seed(run_seed, generation, count):
    drawn = seeds.pool_a(run_seed, generation, count)
    assert all(seed % 2 == 0 and 0 <= seed < 2**62 for seed in drawn)
    assert len(set(drawn)) == count
    assert all(seed % 2 == 1 for seed in seeds.pool_b(count, start=generation))


def test_validation_seeds_extend_upwards():
    assert seeds.pool_b(5) == seeds.pool_b(3) + seeds.pool_b(2, start=3)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_outside_64_bits_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be in"):
        seeds.key_words(seed)
