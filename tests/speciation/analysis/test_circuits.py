"""Fourier measures against direct computation, and on networks known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speciation.analysis.circuits import (
    distance_irrelevance,
    embedding_spectrum,
    excluded,
    fourier_basis,
    gini,
    key_frequencies,
    key_waves,
    losses,
    neuron_frequencies,
    restricted,
    right,
    variance_explained,
    wave_power,
)

P = 23
A, B, C = np.meshgrid(np.arange(P), np.arange(P), np.arange(P), indexing="ij")


def wave(k: int, of: np.ndarray) -> np.ndarray:
    return np.cos(2 * np.pi * k * of / P)


def clock(heights: dict[int, float]) -> np.ndarray:
    """Logits of a network that adds with these frequencies, and does nothing else."""
    return sum(height * wave(k, A + B - C) for k, height in heights.items())


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((P, P, P))


def directly(logits: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """The key waves by least squares on written-out cosines and sines, pair by pair."""
    a, b = np.divmod(np.arange(P * P), P)
    columns = [f(2 * np.pi * k * (a + b) / P) for k in key for f in (np.cos, np.sin)]
    design = np.stack(columns, axis=1)
    flat = logits.reshape(P * P, P)
    return (design @ np.linalg.lstsq(design, flat, rcond=None)[0]).reshape(P, P, P)


# -- Against direct computation ---------------------------------------------------------------


@given(st.sets(st.integers(1, P // 2), min_size=1, max_size=5), st.integers(0, 99))
@settings(max_examples=8)
def test_key_waves_are_what_least_squares_finds(key, seed):
    logits = noise(seed) + 3 * clock({2: 1.0})
    chosen = tuple(sorted(key))
    found = directly(logits, chosen)
    assert key_waves(logits, chosen) == pytest.approx(found, abs=1e-9)
    away = logits - logits.mean(axis=(0, 1))
    share = (found**2).sum() / (away**2).sum()
    assert variance_explained(logits, chosen) == pytest.approx(share)


def test_restricted_and_excluded_losses_are_those_of_the_parts_found_directly():
    logits, key = noise() + clock({3: 4.0, 5: 2.0}), (3, 5)
    part = directly(logits, key)
    answer = (A + B)[..., 0] % P

    def mean_loss(z: np.ndarray) -> float:
        odds = np.exp(z) / np.exp(z).sum(axis=2, keepdims=True)
        return -np.log(np.take_along_axis(odds, answer[..., None], 2)).mean()

    constant = logits.mean(axis=(0, 1))
    assert losses(restricted(logits, key)).mean() == pytest.approx(mean_loss(constant + part))
    assert losses(excluded(logits, key)).mean() == pytest.approx(mean_loss(logits - part))


def test_the_power_of_all_frequencies_is_that_of_the_logits_as_a_function_of_the_sum():
    logits = noise()
    sums = np.zeros((P, P))
    np.add.at(sums, (A + B)[..., 0] % P, logits)
    by_sum = sums / P
    away = by_sum - by_sum.mean(axis=0)
    assert wave_power(logits).sum() == pytest.approx(P * (away**2).sum())


def test_the_basis_is_orthonormal():
    basis = fourier_basis(P)
    assert basis @ basis.T == pytest.approx(np.eye(P), abs=1e-12)


def test_the_spectrum_of_embeddings_is_that_of_numpys_transform():
    tokens = np.random.default_rng(0).standard_normal((P, 8))
    transform = np.abs(np.fft.rfft(tokens, axis=0)[1:]) * np.sqrt(2 / P)
    assert embedding_spectrum(tokens) == pytest.approx(np.sqrt((transform**2).sum(axis=1)))


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=12))
def test_gini_is_the_mean_difference_over_twice_the_mean(values):
    array = np.array(values)
    if array.sum() < 1e-6:
        return
    pairwise = np.abs(array[:, None] - array[None]).mean()
    assert gini(array) == pytest.approx(pairwise / (2 * array.mean()), abs=1e-9)


def test_gini_of_nothing_and_of_one_among_many():
    assert gini(np.zeros(5)) == 0
    assert gini(np.ones(5)) == pytest.approx(0)
    assert gini(np.eye(100)[0]) == pytest.approx(0.99)


# -- Networks known by construction -----------------------------------------------------------


def test_the_frequencies_of_a_clock_are_found_strongest_first():
    logits = clock({7: 5.0, 2: 9.0, 11: 4.0})
    assert key_frequencies(wave_power(logits)) == (2, 7, 11)
    assert key_frequencies(wave_power(logits), share=0.6) == (2,)
    assert key_frequencies(np.zeros(4)) == ()


def test_a_clock_is_all_restricted_and_nothing_without_its_waves():
    logits, key = clock({7: 20.0, 2: 20.0, 11: 20.0}), (2, 7, 11)
    assert right(logits).all()
    assert losses(restricted(logits, key)) == pytest.approx(losses(logits), abs=1e-9)
    assert losses(excluded(logits, key)).mean() == pytest.approx(np.log(P))
    assert variance_explained(logits, key) == pytest.approx(1)


def test_a_table_learned_by_heart_is_little_explained():
    assert variance_explained(noise(), key_frequencies(wave_power(noise()))) < 0.1


def test_a_clock_ignores_distance_and_a_pizza_does_not():
    """A pizza's logits carry a factor of cos of half the distance (Zhong 2023, section 3)."""
    rng = np.random.default_rng(0)
    ripple = rng.standard_normal((P, P))[..., None]
    assert distance_irrelevance(clock({2: 1.0}) + 0.1 * ripple) > 0.9
    pizza = np.abs(np.cos(np.pi * 2 * (A - B) / P)) * clock({2: 1.0})
    assert distance_irrelevance(pizza) < 0.01
    assert distance_irrelevance(np.zeros((P, P, P))) == 1


def test_neurons_of_one_frequency_are_known_by_it():
    a, b = A[..., 0], B[..., 0]
    active = np.stack(
        [
            wave(3, a) * wave(3, b),
            1 + wave(5, a + b),
            wave(2, a) + wave(7, b),
            np.full((P, P), 0.7),
        ],
        axis=2,
    )
    frequency, share = neuron_frequencies(active)
    assert frequency.tolist()[:2] == [3, 5]
    assert frequency[3] == 0
    assert share == pytest.approx([1, 1, 0.5, 0])
