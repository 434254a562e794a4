"""Sums by index: right, whole, and the same at every call."""

from __future__ import annotations

import pytest
import torch

from speciation.engine.stages import add_rows

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def expected(index: torch.Tensor, source: torch.Tensor, rows: int) -> torch.Tensor:
    one_hot = torch.nn.functional.one_hot(index, rows).double()
    return one_hot.transpose(1, 2) @ source.double()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("batch", "rows", "columns"), [(512, 97, 32), (100, 13, 4), (1, 5, 3), (300, 120, 1)]
)
def test_rows_that_share_an_index_are_summed(device, batch, rows, columns):
    draw = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 3, batch, columns, generator=draw).to(device)
    index = torch.randint(0, rows, (2, 3, batch), generator=draw).to(device)
    index[0, 0] = rows - 1  # every example of one slot in one row
    got = add_rows(index[0], index[1], left, right, rows)
    again = add_rows(index[0], index[1], left, right, rows)
    for part, start, source in ((0, 0, left), (1, rows, right)):
        true = expected(index[part], source, rows)
        error = (got[:, start : start + rows].double() - true).norm() / true.norm()
        assert error < 1e-6
    assert torch.equal(got, again)
    assert got.shape == (3, 2 * rows, columns)


@pytest.mark.parametrize("device", DEVICES)
def test_rows_that_nobody_meets_are_zero(device):
    source = torch.ones(1, 4, 2, device=device)
    index = torch.zeros(1, 4, dtype=torch.int64, device=device)
    got = add_rows(index, index, source, source, 3)
    assert got[0].tolist() == [[4.0, 4.0], [0, 0], [0, 0], [4.0, 4.0], [0, 0], [0, 0]]
