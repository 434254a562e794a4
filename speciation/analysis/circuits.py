"""What a trained transformer computes for a + b mod p, in numbers that need no torch.

Networks that grokked addition work with waves: the logit of c is large where
``cos(w_k (a + b - c))`` is, for a few *key frequencies* k, with ``w_k = 2 pi k / p`` (Nanda
2023, "Progress measures for grokking via mechanistic interpretability"). So logits, embeddings
and neurons are looked at in the Fourier basis, and two measures follow training: the loss
*restricted* to the key waves, and the loss with just them *excluded*. Whether a network is more
of a clock or a pizza is asked as Zhong 2023 do ("The clock and the pizza").

Axes: p elements, K = (p - 1) / 2 frequencies, counted from 1; logits are ``(p, p, p)``: a, b
and c.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KEY_SHARE = 0.95
"""Key frequencies are the fewest that hold this share of the power of waves in a + b."""

CLOCK, PIZZA = (0.3336, 0.85), (0.9937, 0.17)
"""Gradient symmetry and distance irrelevance of the two models of Zhong 2023, table 1."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One trial, looked into while it trained (T times) and at its end.

    Args:
        trial_id: Which trial.
        genome_id: Of which genome.
        seed: From which seed.
        modulus: p.
        steps: When it was looked at, ``(T,)``.
        train_loss: Mean over train pairs, ``(T,)``; so the next three.
        validation_loss: Over all other pairs.
        train_accuracy: Share of train pairs.
        validation_accuracy: Share of all other pairs.
        restricted_loss: Of the constant and the final key waves alone, over all pairs.
        excluded_loss: Of everything but the final key waves, over train pairs.
        explained: Share of the logits' variance in the final key waves.
        spectrum: Norm of the token embeddings along each frequency, ``(T, K)``.
        gini: Of that spectrum, ``(T,)``: 0 if all are equal, near 1 if few hold it all.
        power: Final power of the logits in waves of a + b, ``(K,)``.
        key: Key frequencies of the end, the strongest first.
        attention: Final weights from ``=`` to a, b and ``=``: ``(layers, heads, 3, p, p)``.
        neuron_frequency: Frequency that explains most of each neuron of the last layer,
            ``(F,)``; 0 of a neuron that is constant.
        neuron_share: Share of its variance that it explains, ``(F,)``.
        gradient_symmetry: Mean cosine of the gradients of a logit by both embeddings.
        distance_irrelevance: How little the correct logit depends on a - b.
    """

    trial_id: str
    genome_id: str
    seed: int
    modulus: int
    steps: NDArray[np.int64]
    train_loss: Array
    validation_loss: Array
    train_accuracy: Array
    validation_accuracy: Array
    restricted_loss: Array
    excluded_loss: Array
    explained: Array
    spectrum: Array
    gini: Array
    power: Array
    key: tuple[int, ...]
    attention: NDArray[np.float32]
    neuron_frequency: NDArray[np.int64]
    neuron_share: Array
    gradient_symmetry: float
    distance_irrelevance: float

    @property
    def first_99(self) -> int | None:
        """The first look at which 99 % of the validation pairs were right, in steps."""
        there = np.flatnonzero(self.validation_accuracy >= 0.99)
        return int(self.steps[there[0]]) if len(there) else None

    @property
    def resembles(self) -> str | None:
        """Which published model is nearer in symmetry and irrelevance: clock or pizza.

        None of a network that has not grokked: it computes no sums yet.
        """
        if self.first_99 is None:
            return None
        own = np.array([self.gradient_symmetry, self.distance_irrelevance])
        away = [float(np.linalg.norm(own - np.array(model))) for model in (CLOCK, PIZZA)]
        return "clock" if away[0] < away[1] else "pizza"


# -- The Fourier basis ----------------------------------------------------------------------


def fourier_basis(modulus: int) -> Array:
    """Orthonormal rows ``(p, p)``: the constant, then cosine and sine of each frequency."""
    angle = 2 * np.pi * np.arange(1, modulus // 2 + 1)[:, None] * np.arange(modulus) / modulus
    waves = np.stack([np.cos(angle), np.sin(angle)], axis=1).reshape(-1, modulus)
    return np.concatenate(
        [np.full((1, modulus), modulus**-0.5), waves * np.sqrt(2.0 / modulus)]
    )


def embedding_spectrum(tokens: Array) -> Array:
    """Norm of the embeddings ``(p, D)`` along each frequency, ``(K,)``."""
    along = (fourier_basis(len(tokens)) @ tokens)[1:]
    return np.sqrt((along**2).sum(axis=1).reshape(-1, 2).sum(axis=1))


def gini(values: Array) -> float:
    """Gini's coefficient of values that are not negative; 0 where all are zero."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    total = ordered.sum()
    if total <= 0:
        return 0.0
    place = np.arange(1, len(ordered) + 1)
    return float(((2 * place - len(ordered) - 1) * ordered).sum() / (len(ordered) * total))


# -- Logits ---------------------------------------------------------------------------------


def wave_parts(logits: Array) -> Array:
    """Coefficients of logits along orthonormal cos and sin of w_k (a + b): ``(K, 2, p)``."""
    modulus = len(logits)
    total = np.stack([_along_sum(logits[..., c]) for c in range(modulus)], axis=1)
    # Of p pairs with one sum, each takes 1/p of the wave's norm twice over: sqrt(p) in all.
    along = fourier_basis(modulus)[1:] @ total / np.sqrt(modulus)
    return along.reshape(-1, 2, modulus)


def wave_power(logits: Array) -> Array:
    """Power of the logits in waves of a + b, by frequency, ``(K,)``."""
    return (wave_parts(logits) ** 2).sum(axis=(1, 2))


def key_frequencies(power: Array, share: float = KEY_SHARE) -> tuple[int, ...]:
    """The fewest frequencies that hold a share of the power, the strongest first."""
    total = power.sum()
    if total <= 0:
        return ()
    order = np.argsort(-power, kind="stable")
    count = int(np.searchsorted(np.cumsum(power[order]), share * total)) + 1
    return tuple(int(k) + 1 for k in order[:count])


def key_waves(logits: Array, key: tuple[int, ...]) -> Array:
    """The part of the logits along cos and sin of w_k (a + b), k among the key frequencies."""
    modulus = len(logits)
    rows = [row for k in key for row in (2 * k - 1, 2 * k)]
    waves = fourier_basis(modulus)[rows]
    parts = wave_parts(logits).reshape(-1, modulus)[[row - 1 for row in rows]]
    by_sum = waves.T @ parts / np.sqrt(modulus)  # (p sums, p)
    left, right = np.divmod(np.arange(modulus**2), modulus)
    return by_sum[(left + right) % modulus].reshape(logits.shape)


def restricted(logits: Array, key: tuple[int, ...]) -> Array:
    """The constant and the key waves of the logits, nothing else."""
    return logits.mean(axis=(0, 1)) + key_waves(logits, key)


def excluded(logits: Array, key: tuple[int, ...]) -> Array:
    """The logits without their key waves."""
    return logits - key_waves(logits, key)


def variance_explained(logits: Array, key: tuple[int, ...]) -> float:
    """Share of the logits' variance over pairs that lies in the key waves."""
    away = logits - logits.mean(axis=(0, 1))
    total = (away**2).sum()
    return float((key_waves(logits, key) ** 2).sum() / total) if total > 0 else 0.0


def losses(logits: Array) -> Array:
    """Cross-entropy of each pair, ``(p, p)``; the right answer is a + b."""
    modulus = len(logits)
    shifted = logits - logits.max(axis=2, keepdims=True)
    own = np.take_along_axis(shifted, _sums(modulus)[..., None], axis=2)[..., 0]
    return np.asarray(np.log(np.exp(shifted).sum(axis=2)) - own)


def right(logits: Array) -> NDArray[np.bool_]:
    """Which pairs are answered correctly, ``(p, p)``."""
    return np.asarray(logits.argmax(axis=2) == _sums(len(logits)))


def distance_irrelevance(logits: Array) -> float:
    """How little the correct logit depends on b - a; 1 is not at all (Zhong 2023)."""
    modulus = len(logits)
    correct = np.take_along_axis(logits, _sums(modulus)[..., None], axis=2)[..., 0]
    spread = correct.std()
    if spread == 0:
        return 1.0
    first = np.arange(modulus)
    apart = [correct[first, (first + d) % modulus].std() for d in range(modulus)]
    return float(np.mean(apart) / spread)


# -- Neurons --------------------------------------------------------------------------------


def neuron_frequencies(active: Array) -> tuple[NDArray[np.int64], Array]:
    """The frequency that explains most of each neuron, and how much of its variance.

    A frequency explains what lies in the products of 1, cos and sin of w_k a with 1, cos and
    sin of w_k b, but for the constant.

    Args:
        active: Activations ``(p, p, F)`` over all pairs.

    Returns:
        Frequencies ``(F,)``, 0 of a constant neuron, and shares ``(F,)``.
    """
    modulus = len(active)
    basis = fourier_basis(modulus)
    power = np.einsum("ia,abf,jb->ijf", basis, active, basis, optimize=True) ** 2
    power[0, 0] = 0.0
    total = power.sum(axis=(0, 1))
    own = np.stack([_nine(power, k) for k in range(1, modulus // 2 + 1)])
    # What rounding leaves of a constant neuron is no variance.
    alive = total > 1e-12 * np.maximum((active**2).sum(axis=(0, 1)), 1e-300)
    share = np.divide(own, total, out=np.zeros_like(own), where=alive)
    return np.where(alive, share.argmax(axis=0) + 1, 0), share.max(axis=0)


def _nine(power: Array, frequency: int) -> Array:
    rows = [0, 2 * frequency - 1, 2 * frequency]
    return np.asarray(power[np.ix_(rows, rows)].sum(axis=(0, 1)))


def _along_sum(values: Array) -> Array:
    """Sums of ``(p, p)`` values over all pairs with the same a + b, ``(p,)``."""
    sums = np.bincount(_sums(len(values)).reshape(-1), values.reshape(-1), len(values))
    return np.asarray(sums, dtype=np.float64)


def _sums(modulus: int) -> NDArray[np.int64]:
    return np.add.outer(np.arange(modulus), np.arange(modulus)) % modulus
