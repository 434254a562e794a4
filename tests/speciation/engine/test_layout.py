"""Where weights lie: every number has one place, and a beginning that its seed decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speciation.engine.layout import initial_parameters, layout, scale_vectors, unit_parameters
from speciation.engine.recipe import InitialScale, recipe
from speciation.engine.reference import MicroTransformer, module_name
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape
from tests.speciation.engine.making import random_trials

TASK = Task(modulus=13, batch=24)
SCALE = InitialScale(query_key=0.1, value=0.2, ffn=0.3, bias=0.4, embed=0.5)
shapes = st.builds(
    lambda layers, head, heads, d_ff: ModelShape(layers, head * heads, heads, d_ff),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 40),
)


@given(shapes, st.sampled_from([2, 5, 13, 17, 97]))
def test_named_views_are_the_flat_vector_cut_in_order(shape, modulus):
    plan = layout(Task(modulus=modulus), shape)
    flat = torch.arange(2 * plan.size, dtype=torch.float64).view(2, plan.size)
    views = plan.split(flat)
    assert list(views) == [weight.name for weight in plan.weights]
    assert torch.equal(torch.cat([view.flatten(1) for view in views.values()], dim=1), flat)


@given(shapes)
def test_a_padded_model_begins_with_the_same_numbers_and_zeros_between_them(shape):
    plain, padded = layout(TASK, shape), layout(TASK, shape, (16, 64))
    assert padded.parameter_count == plain.parameter_count
    assert all(weight.shape[-1] % 16 == 0 for weight in padded.weights)
    numbers, spread = (
        plan.split(torch.from_numpy(initial_parameters(plan, SCALE, 3)))
        for plan in (plain, padded)
    )
    for name, number in numbers.items():
        assert torch.equal(spread[name][tuple(map(slice, number.shape))], number)
        assert spread[name].count_nonzero() == number.count_nonzero()


@given(shapes)
def test_every_weight_of_the_reference_has_one_place(shape):
    plan = layout(TASK, shape)
    module = MicroTransformer(shape, TASK.element_count, recipe(random_trials(1)[0].genome))
    assert {module_name(weight.name)[0] for weight in plan.weights} == {
        name for name, _ in module.named_parameters()
    }
    assert plan.parameter_count == sum(weight.numel() for weight in module.parameters())


def test_the_default_model_has_about_fifteen_thousand_parameters():
    assert layout(Task(), ModelShape()).parameter_count == 15_009


def test_padding_is_zero_and_stays_so():
    plan = layout(TASK, ModelShape(d_model=16, heads=2, d_ff=32))
    assert plan.vocabulary == 16
    unembed = plan.split(torch.from_numpy(initial_parameters(plan, SCALE, 3)))["unembed"]
    assert (unembed[:, 13:] == 0).all()
    assert (unembed[:, :13] != 0).all()


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("tokens", 0.5),
        ("positions", 0.5),
        ("unembed", 0.5),
        ("0.query", 0.1),
        ("0.key", 0.1),
        ("0.value", 0.2),
        ("0.out", 0.2),
        ("0.up", 0.3),
        ("0.down", 0.3),
        ("0.up.bias", 0.4),
        ("unembed.bias", 0.4),
    ],
)
def test_each_gene_spreads_the_weights_that_it_is_for(name, spread):
    """Standard deviations over many seeds, within five of their own standard errors."""
    plan = layout(Task(), ModelShape())
    columns = next(weight.columns for weight in plan.weights if weight.name == name)
    drawn = np.concatenate(
        [
            plan.split(torch.from_numpy(initial_parameters(plan, SCALE, seed)))[name]
            .numpy()[..., :columns]
            .ravel()
            for seed in range(20)
        ]
    )
    error = spread / np.sqrt(2 * len(drawn))
    assert abs(drawn.std() - spread) < 5 * error
    assert abs(drawn.mean()) < 5 * spread / np.sqrt(len(drawn))


def test_norms_begin_as_the_identity():
    plan = layout(TASK, ModelShape(layers=2))
    views = plan.split(torch.from_numpy(initial_parameters(plan, SCALE, 1)))
    for name in ("0.norm1", "1.norm2", "norm"):
        assert (views[f"{name}.gain"] == 1).all()
        assert (views[f"{name}.shift"] == 0).all()


def test_genomes_that_meet_a_seed_start_from_the_same_draws():
    plan = layout(TASK, ModelShape())
    other = InitialScale(query_key=1.0, value=1.0, ffn=1.0, bias=1.0, embed=1.0)
    deviation, offset = scale_vectors(plan, SCALE)
    expected = initial_parameters(plan, other, 7) - offset
    assert np.array_equal(initial_parameters(plan, SCALE, 7), expected * deviation + offset)
    assert not np.array_equal(unit_parameters(plan, 7), unit_parameters(plan, 8))


def test_shared_draws_cannot_be_changed_by_accident():
    draws = unit_parameters(layout(TASK, ModelShape()), 1)
    with pytest.raises(ValueError, match="read-only"):
        draws[0] = 1.0
