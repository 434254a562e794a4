"""The work of a trial-step against an independent count, and ceilings by hand."""

from __future__ import annotations

import dataclasses

import pytest
from torch.utils.flop_counter import FlopCounterMode

from speciation.engine import training
from speciation.engine.roofline import Abilities, abilities, better, ceilings, step_work
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape
from tests.speciation.engine.making import loaded, random_trials

FULL = Task(batch=None)


def test_the_log_of_the_prototype_knew_350_million():
    assert step_work(FULL, ModelShape(d_ff=128)).train_flops == pytest.approx(350e6, rel=0.02)


def test_torch_counts_the_same_products():
    task, model = Task(modulus=97, batch=256), ModelShape()
    run, state = loaded(random_trials(2, task=task, model=model))
    with FlopCounterMode(display=False) as counter:
        training.gradients(run, state, training.step_examples(run, state))
    counted = counter.get_total_flops() / 2
    # The engine's logits are 112 wide; sums of three rows and AdamW are no matrix products.
    wider = 3 * 256 * 2 * 32 * (run.plan.vocabulary - 97)
    assert counted - wider == pytest.approx(step_work(task, model).train_flops, rel=0.04)


def test_work_grows_with_examples_and_with_looking_often():
    little, much = step_work(Task(batch=512), ModelShape()), step_work(FULL, ModelShape())
    assert much.train_flops > 8 * little.train_flops
    assert much.evaluation_flops == little.evaluation_flops
    assert much.bytes == little.bytes == 24 * 15009
    often = step_work(Task(batch=512, eval_interval=5), ModelShape())
    assert often.evaluation_flops == pytest.approx(5 * little.evaluation_flops)


def test_the_algebra_ends_at_one_layer():
    with pytest.raises(ValueError, match="one layer, got 2"):
        step_work(FULL, ModelShape(layers=2))


def test_ceilings_by_hand():
    work = dataclasses.replace(
        step_work(FULL, ModelShape()), train_flops=3e6, evaluation_flops=1e6, bytes=1e3
    )
    able = Abilities(fp32_flops=4e12, tf32_flops=8e12, bytes=1e9, threads=1)
    assert ceilings(work, able) == pytest.approx({"fp32": 1.0, "tf32": 0.5, "memory": 1.0})
    assert "tf32" not in ceilings(work, dataclasses.replace(able, tf32_flops=None))


def test_of_two_measurements_the_better_counts():
    one, other = Abilities(1.0, 5.0, 3.0, 2), Abilities(2.0, 4.0, 1.0, 2)
    assert better(one, other) == Abilities(2.0, 5.0, 3.0, 2)
    one, other = (dataclasses.replace(each, tf32_flops=None) for each in (one, other))
    assert better(one, other) == Abilities(2.0, None, 3.0, 2)


def test_a_processor_can_do_something():
    able = abilities("cpu")
    assert able.fp32_flops > 1e8
    assert able.bytes > 1e7
    assert able.tf32_flops is None
