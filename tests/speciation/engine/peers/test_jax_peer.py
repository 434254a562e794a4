"""JAX does the engine's job: the same gradients, the same evaluation, and it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("jax", reason="the peer in JAX needs jax")

from speciation.engine import optimizer
from speciation.engine.bench_ways import given_to_jax
from speciation.engine.peers import jax_peer
from tests.speciation.engine.peers.cases import (
    FULL,
    JOB,
    SLOTS,
    assert_close,
    expected,
)

ALGEBRAS = ("plain", "factored")


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("job", [JOB, FULL], ids=["minibatch", "full"])
def test_its_gradients_are_the_engines(algebra, job):
    wanted = expected(job)
    examples = tuple(column.numpy() for column in wanted.examples)
    loss, gradients = jax_peer.gradients(given_to_jax(job, SLOTS, algebra), examples)
    assert_close(torch.from_numpy(np.array(loss)), wanted.loss)
    assert gradients.keys() == wanted.gradients.keys()
    for name, gradient in gradients.items():
        assert_close(torch.from_numpy(np.array(gradient)), wanted.gradients[name])


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("least", [50, 512])
def test_its_evaluation_is_the_engines(algebra, least, monkeypatch):
    monkeypatch.setattr(jax_peer, "LEAST_AT_ONCE", least)
    given = given_to_jax(JOB, SLOTS, algebra)
    data, weights = jax_peer._data(given), jax_peer._carry(given).weights
    seen = jax_peer._evaluate(given.sizes, data, weights)
    assert_close(torch.from_numpy(np.array(seen)), expected().seen)


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("job", [JOB, FULL], ids=["minibatch", "full"])
def test_it_learns(algebra, job):
    pack = jax_peer.JaxPack(given_to_jax(job, SLOTS, algebra))
    assert pack.run(1) > 0
    first = pack.seen
    pack.run(30)
    assert (pack.seen[:, 0] < first[:, 0]).all()
    assert pack.peak_bytes() > 0


def test_a_step_is_the_engines_adamw():
    given = given_to_jax(JOB, SLOTS, "factored")
    carry, recipe = jax_peer._carry(given), jax_peer._data(given).recipe
    _, grads = jax_peer.gradients(given, tuple(c.numpy() for c in expected().examples))
    moved = jax_peer._adamw(carry, jax_peer._clip(grads, recipe["grad_clip"]), recipe)

    def flat(parts) -> torch.Tensor:  # jax sorts the names of a dictionary
        arrays = [np.array(parts[name]).reshape(SLOTS, -1) for name in given.weights]
        return torch.from_numpy(np.concatenate(arrays, axis=1))

    own = {name: torch.from_numpy(values.copy()) for name, values in given.recipe.items()}
    weight, rate = (
        flat(given.weights),
        own["learning_rate"] / own["warmup_steps"].clamp(min=1.0),
    )
    optimizer.adamw(
        weight,
        optimizer.clip(flat(grads), own["grad_clip"]),
        torch.zeros_like(weight),
        torch.zeros_like(weight),
        torch.ones(SLOTS),
        rate,
        own,
    )
    assert_close(flat(moved.weights), weight)


def test_dropout_drops_each_trials_share_and_keeps_the_mean():
    given = given_to_jax(JOB, SLOTS, "plain")
    thresholds = np.array([0.0, 65536 * 0.25, 65536 * 0.5], dtype=np.float32)
    recipe = {"dropout_threshold": thresholds}
    factors = np.array(jax_peer._keep(given.sizes, recipe, jax_peer._key(0), (SLOTS, 400)))
    shares = (factors == 0).reshape(SLOTS, -1).mean(1)
    np.testing.assert_allclose(shares, [0.0, 0.25, 0.5], atol=0.02)
    np.testing.assert_allclose(factors.reshape(SLOTS, -1).mean(1), 1.0, atol=0.05)
