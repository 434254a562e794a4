"""torch.func does the engine's job: the same gradients, the same evaluation, and it learns."""

from __future__ import annotations

import pytest
import torch

from speciation.engine.model import flatten
from speciation.engine.peers.torch_func import VmapPack
from tests.speciation.engine.peers.cases import FULL, JOB, SLOTS, assert_close, expected

ALGEBRAS = ("plain", "factored")


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("job", [JOB, FULL], ids=["minibatch", "full"])
def test_its_gradients_are_the_engines(algebra, job):
    wanted, pack = expected(job), VmapPack(job, SLOTS, algebra)
    lanes = (3,) if algebra == "plain" else ()
    keep = torch.ones(SLOTS, 2, job.task.batch_size, *lanes, job.model.d_model)
    gradient, loss = pack.gradients(*wanted.examples, keep)
    assert_close(loss, wanted.loss)
    assert_close(gradient, flatten(pack._plan, wanted.gradients))


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_its_evaluation_is_the_engines(algebra):
    assert_close(VmapPack(JOB, SLOTS, algebra)._evaluate(), expected().seen)


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_an_evaluation_in_pieces_is_the_same(algebra, monkeypatch):
    monkeypatch.setattr("speciation.engine.peers.torch_func.LEAST_AT_ONCE", 50)
    assert_close(VmapPack(JOB, SLOTS, algebra)._evaluate(), expected().seen)


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("job", [JOB, FULL], ids=["minibatch", "full"])
def test_it_learns(algebra, job):
    torch.manual_seed(0)
    pack = VmapPack(job, SLOTS, algebra)
    first = pack.interval()
    for _ in range(10):
        last = pack.interval()
    assert all(after[0] < before[0] for before, after in zip(first, last, strict=True))


def test_dropout_drops_each_trials_share_and_keeps_the_mean():
    torch.manual_seed(0)
    pack = VmapPack(JOB, SLOTS, "plain")
    pack.recipe["dropout_threshold"] = torch.tensor([0.0, 65536 * 0.25, 65536 * 0.5])
    factors = torch.stack([pack._keep() for _ in range(20)]).transpose(0, 1).flatten(1)
    shares = (factors == 0).float().mean(1)
    torch.testing.assert_close(shares, torch.tensor([0.0, 0.25, 0.5]), atol=0.01, rtol=0)
    torch.testing.assert_close(factors.mean(1), torch.ones(3), atol=0.03, rtol=0)


def test_minibatches_come_from_each_trials_train_set():
    pack = VmapPack(JOB, SLOTS, "factored")
    left, right, answer = pack._batch()
    assert left.shape == (SLOTS, JOB.task.batch)
    assert torch.equal((left + right) % 13, answer)
    for slot in range(SLOTS):
        pairs = set((pack._train[0] * 13 + pack._train[1])[slot].tolist())
        assert set((left * 13 + right)[slot].tolist()) <= pairs
