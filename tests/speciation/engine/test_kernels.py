"""Every kernel computes what its plain stage computes.

On a GPU, or through Triton's interpreter: ``TRITON_INTERPRET=1 pytest test_kernels.py``.
"""

from __future__ import annotations

import os

import pytest
import torch

pytest.importorskip("triton")
from speciation.engine import kernels, stages
from speciation.engine.layout import PAD_LOGIT

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("needs a GPU or TRITON_INTERPRET=1", allow_module_level=True)

SLOTS, WIDTH, HIDDEN, ELEMENTS, VOCABULARY = 2, 16, 32, 19, 32
FLOAT32 = 1e-5


def draw(*shape: int, seed: int, scale: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SLOTS, *shape, generator=generator, dtype=torch.float64) * scale


def ffn_weights() -> dict[str, torch.Tensor]:
    return {
        "0.norm2.gain": 1 + draw(WIDTH, seed=1),
        "0.norm2.shift": draw(WIDTH, seed=2),
        "0.up": draw(WIDTH, HIDDEN, seed=3),
        "0.up.bias": draw(HIDDEN, seed=4),
        "0.down": draw(HIDDEN, WIDTH, seed=5),
        "0.down.bias": draw(WIDTH, seed=6),
    }


def unembed_weights(scale: float) -> dict[str, torch.Tensor]:
    weights = {
        "norm.gain": 1 + draw(WIDTH, seed=7),
        "norm.shift": draw(WIDTH, seed=8),
        "unembed": draw(WIDTH, VOCABULARY, seed=9, scale=scale),
        "unembed.bias": draw(VOCABULARY, seed=10),
    }
    weights["unembed"][..., ELEMENTS:] = 0.0
    weights["unembed.bias"][..., ELEMENTS:] = PAD_LOGIT
    return weights


def single(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(DEVICE, torch.float32)


def assert_close(got: torch.Tensor, expected: torch.Tensor, bound: float = FLOAT32) -> None:
    assert got.shape == expected.shape
    assert torch.isfinite(got).all()
    error = (got.double().cpu() - expected).norm() / expected.norm()
    assert error <= bound, error


@pytest.mark.parametrize("batch", [64, 100])
def test_the_ffn_branch_and_its_gradients(batch):
    weights, unit, dout = (
        ffn_weights(),
        draw(batch, WIDTH, seed=11),
        draw(batch, WIDTH, seed=12),
    )
    branch, hidden = stages.ffn(unit, weights)
    inputs = [single(unit), *(single(weights[name]) for name in stages._FFN)]
    assert_close(kernels.ffn(*inputs), branch)

    expected: dict[str, torch.Tensor] = {}
    dunit = stages.ffn_back(dout, unit, hidden, weights, expected)
    got = kernels.ffn_back(single(dout), *inputs[:-1])
    assert_close(got[0], dunit)
    for name, grad in zip(stages._FFN, got[1:], strict=True):
        assert_close(grad, expected[name])


@pytest.mark.parametrize("batch", [64, 100])
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_the_exact_loss_and_its_gradients(batch, scale):
    weights = {
        name: single(part).double().cpu() for name, part in unembed_weights(scale).items()
    }
    unit = single(draw(batch, WIDTH, seed=13)).double().cpu()
    answer = torch.randint(
        0, ELEMENTS, (SLOTS, batch), generator=torch.Generator().manual_seed(1)
    )
    inputs = [single(unit), *(single(weights[name]) for name in stages._UNEMBED)]

    expected: dict[str, torch.Tensor] = {}
    loss, dunit = stages.classify(unit, weights, answer, ELEMENTS, expected)
    got = kernels.classify(*inputs, answer.to(DEVICE), ELEMENTS)
    assert_close(got[0], loss)
    assert_close(got[1], dunit)
    for name, grad in zip(stages._UNEMBED, got[2:], strict=True):
        assert_close(grad, expected[name])

    judged = stages.judge(unit, weights, answer, ELEMENTS)
    for part, true in zip(
        kernels.judge(*inputs, answer.to(DEVICE), ELEMENTS), judged, strict=True
    ):
        assert_close(part, true, 10 * FLOAT32)


def test_a_confident_example_keeps_its_loss_and_gradient():
    weights = {name: torch.zeros_like(part) for name, part in unembed_weights(1.0).items()}
    weights["unembed.bias"][:, 5] = 40.0
    weights["unembed.bias"][:, ELEMENTS:] = PAD_LOGIT
    answer = torch.full((SLOTS, 64), 5)
    inputs = [single(weights[name]) for name in stages._UNEMBED]
    unit = single(draw(64, WIDTH, seed=14))
    loss, *_, dbias = kernels.classify(unit, *inputs, answer.to(DEVICE), ELEMENTS)
    expected = (ELEMENTS - 1) * torch.exp(torch.tensor(-40.0, dtype=torch.float64))
    assert_close(loss, expected.expand(SLOTS))
    assert_close(dbias[:, 5], -expected.expand(SLOTS))
    assert (dbias[:, ELEMENTS:] == 0).all()


@pytest.mark.parametrize(
    ("batch", "rows", "columns"),
    [(512, 97, 36), (512, 97, 32), (100, 13, 4), (1, 5, 3), (9, 7, 50)],
)
def test_rows_that_share_an_index_are_summed(batch, rows, columns):
    left, right = draw(batch, columns, seed=15), draw(batch, columns, seed=16)
    generator = torch.Generator().manual_seed(2)
    index = torch.randint(0, rows, (2, SLOTS, batch), generator=generator)
    index[0, 0] = rows - 1  # every example of one slot in one row
    expected = stages.add_rows(index[0], index[1], left, right, rows)
    parts = (index[0].to(DEVICE), index[1].to(DEVICE), single(left), single(right))
    got = kernels.add_rows(*parts, rows)
    assert_close(got, expected, 1e-6)
    assert torch.equal(got, kernels.add_rows(*parts, rows))


def test_weights_are_read_where_they_lie_among_others():
    """As views of flat parameters: contiguous within a slot, far apart between slots."""
    weights, unit = ffn_weights(), single(draw(64, WIDTH, seed=11))
    alone = [single(weights[name]) for name in stages._FFN]
    flat = torch.cat([part.flatten(1) for part in alone], dim=1)
    views, start = [], 0
    for part in alone:
        size = part[0].numel()
        views.append(flat[:, start : start + size].view(part.shape))
        start += size
    assert not views[0].is_contiguous()
    assert torch.equal(kernels.ffn(unit, *views), kernels.ffn(unit, *alone))
    dout = single(draw(64, WIDTH, seed=12))
    for got, expected in zip(
        kernels.ffn_back(dout, unit, *views[:-1]),
        kernels.ffn_back(dout, unit, *alone[:-1]),
        strict=True,
    ):
        assert torch.equal(got, expected)


@pytest.mark.parametrize(
    ("sizes", "fit"),
    [
        ((32, 64, 112), True),
        ((64, 64, 128), True),
        ((24, 64, 112), False),  # tensor cores cannot tile it
        ((128, 512, 112), False),  # the reference model's weights are too many
        ((32, 64, 1008), False),
    ],
)
def test_what_does_not_fit_on_the_chip_is_left_to_the_plain_lines(sizes, fit):
    assert kernels.fits(*sizes) == fit
