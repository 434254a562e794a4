"""A peer's threads, and that they are put back."""

from __future__ import annotations

import time

import pytest
import torch

from speciation.engine.threads import quickest, threads


@pytest.fixture(autouse=True)
def two():
    with threads(2):
        yield


@pytest.mark.parametrize("best", [1, 2])
def test_the_quicker_number_is_found_and_the_old_one_put_back(best):
    def work() -> None:
        time.sleep(0.001 if torch.get_num_threads() == best else 0.2)

    assert quickest(work) == best
    assert torch.get_num_threads() == 2


def test_an_error_puts_them_back():
    with pytest.raises(ValueError, match="no"), threads(1):
        raise ValueError("no")
    assert torch.get_num_threads() == 2
