"""A trial begins the same wherever it is drawn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from speciation import seeds
from speciation.engine.admission import ENTRY, entries, weights_table
from speciation.engine.layout import layout
from speciation.engine.recipe import InitialScale, recipe_row
from speciation.trial.trial import ModelShape
from tests.speciation.engine.making import SMALL, loaded, random_trials


def test_a_trial_begins_at_step_0_with_its_own_weights_order_and_streams():
    trials = random_trials(3)
    run, state = loaded(trials)
    assert not any(own.any() for own in (state.schedule.step, state.mean, state.square))
    assert len({tuple(row.tolist()) for row in state.weight}) == 3
    assert (state.order.sort(dim=1).values == np.arange(run.task.pair_count)).all()
    assert np.array_equal(state.key[1, :2], seeds.key_words(trials[1].drawn_from.order))


def test_a_kernel_is_told_slot_keys_scales_and_recipe():
    trials = [dataclasses.replace(trial, seed=2**61 + 5) for trial in random_trials(2)]
    rows = entries([7, 3], trials)
    assert rows["slot"].tolist() == [7, 3]
    assert rows["init"].tolist() == [list(seeds.key_words(2**61 + 5))] * 2
    scales = dict(
        zip((f.name for f in dataclasses.fields(InitialScale)), rows["scale"][1], strict=True)
    )
    assert scales["embed"] == np.float32(trials[1].genome.gene("init_embed"))
    assert np.array_equal(rows["recipe"][1], recipe_row(trials[1].genome).astype(np.float32))
    assert ENTRY.itemsize == 4 * rows.view(np.int32).size / 2  # nothing lies between


@pytest.mark.parametrize("tiles", [(1, 1), (16, 64)])
def test_the_table_of_weights_covers_a_flat_vector_without_a_gap(tiles):
    plan = layout(SMALL, ModelShape(d_model=20, heads=2, d_ff=33), tiles)
    start = 0
    for row, weight in zip(weights_table(plan).tolist(), plan.weights, strict=True):
        assert row[:4] == [start, weight.rows, weight.shape[-1], weight.columns]
        start += weight.size
    assert start == plan.size
