"""Variance components come out as they were put in."""

from __future__ import annotations

import numpy as np
import pytest

from speciation.analysis.components import STREAMS, components, crossed

VARIANCES = {"split": 0.4, "init": 0.3, "order": 0.1, "dropout": 0.0}
BOTH = 0.2  # of split and order together


def blocks(rng, count):
    times = np.zeros((count, 16))
    for block in times:
        alone = [rng.normal(0, np.sqrt(own), 2) for own in VARIANCES.values()]
        both = rng.normal(0, np.sqrt(BOTH), (2, 2))
        for c in range(16):
            bits = [c >> i & 1 for i in range(4)]
            block[c] = sum(own[bit] for own, bit in zip(alone, bits, strict=True))
            block[c] += both[bits[0], bits[2]]
    return 800 + 100 * times


def test_components_are_those_that_were_put_in():
    found = components(blocks(np.random.default_rng(0), 3000))
    for name, share in VARIANCES.items():
        assert found.shares[name].value == pytest.approx(share, abs=0.03)
    assert found.together.value == pytest.approx(BOTH, abs=0.03)
    assert found.deviation == pytest.approx(100, rel=0.03)
    assert found.blocks == 3000


def test_shares_sum_to_one():
    found = components(blocks(np.random.default_rng(1), 10))
    total = sum(own.value for own in found.shares.values()) + found.together.value
    assert total == pytest.approx(1)


@pytest.mark.long
@pytest.mark.parametrize(("count", "least"), [(64, 0.92), (16, 0.89)])
def test_intervals_of_shares_cover_the_truth(count, least):
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(400):
        own = components(blocks(rng, count)).shares["split"]
        hits.append(own.low <= VARIANCES["split"] <= own.high)
    assert least <= np.mean(hits) <= 0.98


def test_a_block_crosses_two_seeds_of_each_stream():
    block = list(crossed((1, 3)))
    assert len(set(block)) == 16
    assert block[0] == (1, 1, 1, 1)
    assert block[1] == (3, 1, 1, 1)
    assert block[15] == (3, 3, 3, 3)
    assert STREAMS == ("split", "init", "order", "dropout")


def test_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(R, 16\)"):
        components(np.zeros((3, 8)))
