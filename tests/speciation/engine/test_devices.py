"""What a slot costs, and how large a block is."""

from __future__ import annotations

import pytest
import torch

from speciation.engine import devices
from speciation.engine.devices import KINDS, block_bytes, block_shape, slot_bytes
from speciation.engine.training import empty_state, program
from speciation.trial.task import TRACKS, Task
from speciation.trial.trial import ModelShape

REFERENCE = ModelShape(layers=2, d_model=128, heads=4, d_ff=512)
MODELS = [ModelShape(), REFERENCE, ModelShape(layers=12, d_model=1024, heads=16, d_ff=4096)]


def test_a_slot_keeps_what_it_is_said_to_keep():
    run = program(Task(), ModelShape(), torch.device("cpu"), chunk=512)
    state = empty_state(run, 3, torch.float32)
    kept = (state.weight, state.mean, state.square, state.order)
    assert slot_bytes(Task(), ModelShape()) == sum(part.nbytes for part in kept) / 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("track", TRACKS)
def test_a_block_of_any_model_stays_small(kind, model, track):
    task = TRACKS[track].task
    slots, chunk = block_shape(kind, task, model)
    usual = block_shape(kind, Task(), ModelShape()).slots
    assert 1 <= slots <= usual
    if slots > 1:
        assert block_bytes(task, model, slots, chunk) <= devices._BLOCK_BYTES[kind]
    if slots < usual:
        assert block_bytes(task, model, 2 * slots, chunk) > devices._BLOCK_BYTES[kind]


def test_the_default_model_trains_in_the_blocks_its_results_were_made_with():
    """Another shape would change the last bits of every stored row."""
    assert block_shape("cpu", Task(), ModelShape()) == (12, 512)
    assert block_shape("cuda", Task(), ModelShape()) == (512, 9409)


def test_a_machine_has_at_least_its_processor():
    found = devices.devices()
    assert found
    assert found[0].kind == ("cuda" if torch.cuda.is_available() else "cpu")
    assert devices.cpu().memory_bytes > 2**28
    assert devices.cpu().torch_name == "cpu"
