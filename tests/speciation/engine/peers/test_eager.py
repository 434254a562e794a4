"""One trial in eager PyTorch does the engine's job, and learns."""

from __future__ import annotations

import pytest
import torch

from speciation.engine.peers.eager import EagerTrial
from speciation.engine.peers.job import bench_trials
from speciation.engine.reference import ReferenceTrial
from tests.speciation.engine.peers.cases import FULL, JOB


def test_its_evaluation_is_the_references():
    (trial,) = bench_trials(JOB, 1)
    wanted = ReferenceTrial(trial).evaluate()
    seen = EagerTrial(JOB)._evaluate()
    assert seen == pytest.approx(
        [
            wanted.train_loss,
            wanted.validation_loss,
            wanted.train_accuracy,
            wanted.validation_accuracy,
        ],
        rel=1e-5,
    )


@pytest.mark.parametrize("job", [JOB, FULL], ids=["minibatch", "full"])
def test_it_learns(job):
    torch.manual_seed(0)
    pack = EagerTrial(job)
    first = pack.interval()
    for _ in range(10):
        last = pack.interval()
    assert last[0] < first[0]


def test_only_the_peer_computes_in_tf32():
    seen = []
    trial = EagerTrial(JOB)
    trial._evaluate = lambda: seen.append(torch.get_float32_matmul_precision())
    trial.interval()
    assert seen == ["high"]
    assert torch.get_float32_matmul_precision() == "highest"
