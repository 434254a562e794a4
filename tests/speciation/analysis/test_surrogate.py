"""A surrogate predicts what it could know, and says how far to trust it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from speciation.analysis.surrogate import (
    LEAST_GENOMES,
    MOST_GENOMES,
    Surrogate,
    SurrogateError,
    fit,
    left_out,
)
from speciation.genome.genome import HYPER17, Genomes

H = 2500


def truth(genomes: Genomes) -> np.ndarray:
    """Steps as a smooth function of two genes, and of nothing else."""
    units = HYPER17.encode(genomes)
    return 300 * np.exp(1.5 * units[:, 0] + (units[:, 1] - 0.4) ** 2)


def tables(genomes: Genomes, noise: float = 0.1, seeds: int = 4):
    rng = np.random.default_rng(1)
    steps = truth(genomes)[:, None] * np.exp(noise * rng.standard_normal((len(genomes), seeds)))
    steps = np.minimum(steps, H).round()
    trials = pd.DataFrame(
        {
            "trial_id": [f"{i:032x}" for i in range(len(genomes) * seeds)],
            "genome_id": np.repeat(genomes.ids, seeds),
            "outcome": np.where(steps < H, "grokked", "censored").reshape(-1),
            "steps_to_grok": np.where(steps < H, steps, np.nan).reshape(-1),
            "steps_run": steps.reshape(-1).astype(int),
            "best_validation_accuracy": 1.0,
        }
    )
    rows = pd.DataFrame(genomes.values, columns=list(HYPER17.columns))
    rows = rows.assign(genome_id=genomes.ids, kind="hyper17")
    return trials, rows


@cache
def fitted(noise: float = 0.1) -> Surrogate:
    return fit(*tables(HYPER17.random(150, np.random.default_rng(2)), noise), H)


def test_unseen_genomes_are_predicted_within_their_intervals():
    unseen = HYPER17.random(60, np.random.default_rng(3))
    predicted = fitted().predict(unseen)
    found = truth(unseen)
    inside = [p.low <= t <= p.high for p, t in zip(predicted, found, strict=True)]
    assert np.mean(inside) >= 0.75
    ranks = np.corrcoef([p.median for p in predicted], found)[0, 1]
    assert ranks > 0.8


def test_no_prediction_is_beyond_the_horizon():
    corner = Genomes("hyper17", np.array([[gene.high for gene in HYPER17.genes]]))
    (predicted,) = fitted().predict(corner)
    assert predicted.low <= predicted.median <= predicted.high <= H
    assert predicted.nearest > 0.3


def test_a_genome_that_was_learned_is_near_itself():
    (predicted,) = fitted().predict(HYPER17.random(150, np.random.default_rng(2))[:1])
    assert predicted.nearest == pytest.approx(0.0, abs=1e-9)


def test_leaving_one_out_is_what_a_second_fit_without_it_gives():
    process = fitted().process
    mean, deviation = left_out(process)
    for out in (0, 17, 80):
        keep = np.arange(len(mean)) != out
        other = clone(process).set_params(
            kernel=process.kernel_, alpha=process.alpha[keep], optimizer=None
        )
        other.fit(process.X_train_[keep], process.y_train_[keep])
        again, spread = other.predict(process.X_train_[[out]], return_std=True)
        assert mean[out] == pytest.approx(again[0], abs=1e-8)
        assert deviation[out] ** 2 == pytest.approx(spread[0] ** 2 + process.alpha[out])


def test_trust_tells_signal_from_noise():
    assert fitted().trust.rank_correlation > 0.8
    assert 0.8 <= fitted().trust.within <= 1.0
    assert 1.0 <= fitted().trust.typical_factor < 1.2
    trials, rows = tables(HYPER17.random(60, np.random.default_rng(4)))
    shuffled = np.random.default_rng(5).permutation(len(trials))
    trials["steps_to_grok"] = trials["steps_to_grok"].to_numpy()[shuffled]
    trials["outcome"] = trials["outcome"].to_numpy()[shuffled]
    trials["steps_run"] = trials["steps_run"].to_numpy()[shuffled]
    assert fit(trials, rows, H).trust.rank_correlation < 0.5


def test_too_few_genomes_are_refused_with_their_number():
    trials, rows = tables(HYPER17.random(LEAST_GENOMES - 1, np.random.default_rng(6)))
    with pytest.raises(SurrogateError, match=r"at least 12 genomes .* the store has 11"):
        fit(trials, rows, H)


def test_nothing_at_all_is_refused():
    trials, rows = tables(HYPER17.random(1, np.random.default_rng(6)))
    with pytest.raises(SurrogateError, match="the store has 0"):
        fit(trials.iloc[:0], rows.iloc[:0], H)


def test_of_many_genomes_the_best_are_learned():
    genomes = HYPER17.random(MOST_GENOMES + 50, np.random.default_rng(7))
    found = fit(*tables(genomes, seeds=1), H)
    assert found.trust.genomes == MOST_GENOMES
    best = HYPER17.encode(genomes[[int(truth(genomes).argmin())]])
    assert (np.abs(found.units - best).max(axis=1) < 1e-12).any()
