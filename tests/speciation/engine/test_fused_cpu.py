"""The fused kernel computes what ``training.py`` says, and says so when it cannot.

Its gradients are held against the torch path in float64, which test_model.py holds against
``nn.Module``. What it writes is filled with NaN before.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from speciation.engine import fused_cpu, streams, training
from speciation.engine.fused_cpu import FusedCpu, missing
from speciation.engine.kernel_cache import UnavailableError
from speciation.engine.layout import layout
from speciation.engine.optimizer import Schedule
from speciation.engine.training import SEEN, Program, State
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape
from tests.speciation.engine.making import SMALL, loaded, random_trials, with_genes

FLOAT32 = 1e-5
COMPILER = next(filter(None, map(shutil.which, fused_cpu._COMPILERS)), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="this machine has no C++ compiler")

PLAIN = ModelShape(d_model=16, heads=2, d_ff=32)
# Neither batch is a whole number of tiles. Width 20 is no whole number of vectors, a head of 12
# is not a power of two, and 97 classes leave 15 columns of padding.
MODELS = {
    "16 wide": (SMALL, PLAIN),
    "32 wide": (Task(batch=100), ModelShape(d_model=32, heads=4, d_ff=64)),
    "20 wide, 5 heads": (SMALL, ModelShape(d_model=20, heads=5, d_ff=24)),
    "heads of 12": (SMALL, ModelShape(d_model=24, heads=2, d_ff=40)),
}


def started(trials) -> tuple[Program, State, FusedCpu]:
    run, state = loaded(trials, torch.float32)
    return run, state, FusedCpu(run, state)


def in_double(state: State) -> State:
    """A copy that holds the same numbers in float64."""

    def copy(tensor):
        return tensor.double() if tensor.is_floating_point() else tensor.clone()

    own = {name: copy(getattr(state, name)) for name in state._fields if name != "schedule"}
    return State(**own, schedule=Schedule(*map(copy, state.schedule)))


def gradients_of(own: FusedCpu, run: Program, slot: int) -> tuple[float, dict]:
    """Loss and gradients by name of a slot's coming step."""
    loss, flat = torch.full((1,), torch.nan), torch.full((run.plan.size,), torch.nan)
    own._library.gradients(
        ctypes.byref(own._slots),
        ctypes.c_int64(slot),
        ctypes.c_void_p(loss.data_ptr()),
        ctypes.c_void_p(flat.data_ptr()),
    )
    return loss.item(), run.plan.split(flat)


def assert_gradients_are_true(run: Program, state: State, own: FusedCpu) -> None:
    """Those of every slot's coming step, each weight's by the norm of its true one."""
    double = in_double(state)
    with torch.no_grad():
        losses, true = training.gradients(run, double, training.step_examples(run, double))
    for slot in range(len(losses)):
        loss, got = gradients_of(own, run, slot)
        assert loss == pytest.approx(losses[slot].item(), rel=FLOAT32)
        for weight in run.plan.weights:
            expected = true[weight.name][slot]
            assert torch.isfinite(got[weight.name]).all()
            assert (got[weight.name][..., weight.columns :] == 0).all(), "padding has none"
            error = (got[weight.name].double() - expected).norm() / expected.norm()
            assert error <= FLOAT32, (weight.name, error.item())


def bits(state: State, slot: int) -> list[bytes]:
    parts = [state.weight, state.mean, state.square, *state.schedule]
    return [part[slot].numpy().tobytes() for part in parts]


# -- Gradients --------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize(
    ("steps", "scale"),
    [
        pytest.param(0, 1.0, id="at initialisation"),
        pytest.param(40, 1.0, id="in the middle of training"),
        pytest.param(10, 100.0, id="at large logit gaps"),
    ],
)
@pytest.mark.parametrize("sizes", MODELS)
def test_gradients_are_the_true_ones(sizes, steps, scale):
    task, shape = MODELS[sizes]
    run, state, own = started(random_trials(3, task=task, model=shape))
    own.run(steps, range(3))
    run.plan.split(state.weight)["unembed"].mul_(scale)
    assert_gradients_are_true(run, state, own)


@needs_compiler
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("batch", [None, 1, 23, 64, 129])
def test_any_batch_and_dropout_will_do(batch, dropout):
    task = dataclasses.replace(SMALL, batch=batch)
    trials = random_trials(2, task=task, model=PLAIN)
    run, state, own = started([with_genes(trial, dropout=dropout) for trial in trials])
    assert_gradients_are_true(run, state, own)


@needs_compiler
@pytest.mark.parametrize("left", ["all equal", "first and last"])
def test_examples_that_meet_in_one_row_add_up(left):
    """Every example shares its left token, or only the first and the last token occur."""
    run, state, own = started(random_trials(2))
    rows = [5] if left == "all equal" else [0, 12]
    pairs = torch.tensor([13 * row + right for row in rows for right in (0, 3, 12)])
    state.order.copy_(pairs.repeat(2, 1 + 169 // len(pairs))[:, :169])
    assert_gradients_are_true(run, state, own)


@needs_compiler
def test_a_confident_example_keeps_its_loss_and_gradient():
    """At a gap of 40 a softmax in float32 would say 0; at 95 the odds are subnormal."""
    run, state, own = started(random_trials(2))
    state.weight.zero_()
    state.order.fill_(5)  # 0 + 5 = 5
    bias = run.plan.split(state.weight)["unembed.bias"]
    bias[:, 5] = torch.tensor([40.0, 95.0])
    for slot, gap in ((0, 40), (1, 95)):
        loss, grads = gradients_of(own, run, slot)
        odds = 12 * np.exp(-float(gap))
        assert loss == pytest.approx(odds, rel=1e-5 if gap == 40 else 1e-3, abs=0)
        assert grads["unembed.bias"][5].item() == pytest.approx(-loss, rel=1e-4, abs=0)
    assert own.run(0, [0, 1])[:, SEEN.index("zero_gradient_share")].tolist() == [0.0, 0.0]


# -- Training and evaluation ------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("sizes", MODELS)
def test_one_step_is_the_true_one(sizes):
    """From the middle of training, where moments, clipping, warm-up and decay are at work."""
    task, shape = MODELS[sizes]
    trials = random_trials(4, task=task, model=shape)
    trials[0] = with_genes(trials[0], grad_clip=0.1, warmup_steps=100.0)
    trials[1] = with_genes(trials[1], warmup_steps=10.0, decay_trigger=1.0, decay_rate=0.01)
    run, state, own = started(trials)
    own.run(30, range(4))
    double = in_double(state)
    before = double.weight.clone()
    own.run(1, range(4))
    with torch.no_grad():
        training.train_step(run, double)
    moved, size = (double.weight - before).norm(dim=1), before.norm(dim=1)
    rounding = 1e-7 * size  # of the weights themselves
    error = (state.weight - double.weight).norm(dim=1)
    assert (error <= 1e-4 * moved + rounding).all(), error / moved
    torch.testing.assert_close(state.mean.double(), double.mean, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(state.square.double(), double.square, rtol=1e-4, atol=1e-9)
    for ours, true in zip(state.schedule, double.schedule, strict=True):
        torch.testing.assert_close(ours.double(), true.double(), rtol=1e-5, atol=1e-8)
    assert state.schedule.decaying[1]


@needs_compiler
def test_fifty_steps_are_those_of_torch():
    """Random genomes; the schedules begin to differ from each other, not from the true ones."""
    trials = random_trials(8)
    run, state, own = started(trials)
    _, double = loaded(trials, torch.float64)
    own.run(50, range(8))
    with torch.no_grad():
        for _ in range(50):
            training.train_step(run, double)
    error = (state.weight - double.weight).norm(dim=1) / double.weight.norm(dim=1)
    assert error.max() <= 1e-3, error
    assert error.median() <= 1e-5, error
    assert torch.equal(state.schedule.step, double.schedule.step)
    assert torch.equal(state.schedule.decaying, double.schedule.decaying)
    torch.testing.assert_close(
        state.schedule.loss_mean.double(), double.schedule.loss_mean, rtol=1e-4, atol=0
    )
    torch.testing.assert_close(
        state.schedule.decay.double(), double.schedule.decay, rtol=1e-5, atol=0
    )


@needs_compiler
@pytest.mark.parametrize("sizes", MODELS)
def test_an_evaluation_is_trainings(sizes):
    task, shape = MODELS[sizes]
    run, state, own = started(random_trials(3, task=task, model=shape))
    seen = own.run(30, range(3)).double()
    with torch.no_grad():
        expected = training.evaluate(run, in_double(state))
    torch.testing.assert_close(seen, expected, rtol=1e-5, atol=1e-5)
    accuracy = SEEN.index("train_accuracy")
    torch.testing.assert_close(seen[:, accuracy], expected[:, accuracy], rtol=0, atol=1e-7)


@needs_compiler
def test_padding_stays_zero_and_empty_slots_stay_as_they_are():
    run, state, own = started(random_trials(3))
    state.weight[1], state.order[1] = 7.0, 168
    seen = own.run(10, [0, 2])
    assert (run.plan.split(state.weight)["unembed"][[0, 2], :, 13:] == 0).all()
    assert (run.plan.split(state.weight)["unembed.bias"][[0, 2], 13:] == 0).all()
    assert (state.weight[1] == 7.0).all()
    assert state.schedule.step.tolist() == [10, 0, 10]
    assert (seen[1] == 0).all()
    assert (seen[[0, 2], 0] > 0).all()


# -- Bits -------------------------------------------------------------------------------


@needs_compiler
def test_a_trials_bits_are_its_own():
    """Alone, in another slot, and between neighbours that are NaN."""
    mine, *others = random_trials(5)
    _, alone, own = started([mine])
    first = own.run(25, [0])
    _, packed, pack = started([*others, mine])
    packed.weight[:4] = torch.nan
    seen = pack.run(25, range(5))
    assert seen[:4, 0].isnan().all()
    assert seen[4].numpy().tobytes() == first[0].numpy().tobytes()
    assert bits(packed, 4) == bits(alone, 0)


@needs_compiler
def test_how_often_one_looks_changes_nothing():
    trials = random_trials(3)
    (_, often, looks), (_, once, own) = started(trials), started(trials)
    for _ in range(25):
        last = looks.run(1, range(3))
    assert torch.equal(own.run(25, range(3)), last)
    assert [bits(often, slot) for slot in range(3)] == [bits(once, slot) for slot in range(3)]


@needs_compiler
@pytest.mark.parametrize("sizes", MODELS)
def test_random_numbers_are_those_of_the_streams(sizes):
    task, shape = MODELS[sizes]
    run, state, own = started(random_trials(3, task=task, model=shape))
    state.schedule.step.copy_(torch.tensor([0, 1, 123_456]))
    size = (2, task.batch_size, shape.d_model)
    chosen = streams.minibatch(
        state.key[:, :2],
        state.schedule.step,
        state.order[:, : run.train_count],
        task.batch_size,
        run.blocks,
    )
    noise = training._noise(run, state, size, lane=0)
    for slot in range(3):
        examples = torch.full((task.batch_size,), -1, dtype=torch.int32)
        kept = torch.full(size, torch.nan)
        own._library.drawn(
            ctypes.byref(own._slots),
            ctypes.c_int64(slot),
            ctypes.c_void_p(examples.data_ptr()),
            ctypes.c_void_p(kept.data_ptr()),
        )
        assert torch.equal(examples, chosen[slot])
        assert torch.equal(kept, noise[slot])


@needs_compiler
def test_the_exponential_and_the_logarithm_are_exact_to_two_units():
    own = started(random_trials(1))[2]
    fine = -np.concatenate(
        [np.linspace(0, 110, 200_000), np.logspace(-38, 0, 20_000), np.linspace(0, 2, 20_000)]
    )
    # The exponential's subnormals, what it says is zero, and no number at all.
    x = np.concatenate([fine, [0, -131, -133, -1e30, -np.inf, np.nan], np.zeros(10)])
    x = np.ascontiguousarray(x, dtype=np.float32)
    x = x[: len(x) // 16 * 16]
    exponential, logarithm = np.full((2, len(x)), np.nan, dtype=np.float32)
    pointers = [ctypes.c_void_p(part.ctypes.data) for part in (x, exponential, logarithm)]
    own._library.elementary(ctypes.c_int64(len(x)), *pointers)

    true = np.exp(x.astype(np.float64))
    unit = np.spacing(np.abs(true).astype(np.float32))
    finite = np.isfinite(x)
    assert (np.abs(exponential - true)[finite] <= 2 * unit[finite]).all()
    assert (exponential[x < -105] == 0).all()
    assert np.isnan(exponential[np.isnan(x)]).all()

    true = np.log1p(-x[finite].astype(np.float64))
    unit = np.spacing(np.abs(true).astype(np.float32))
    assert (np.abs(logarithm[finite] - true) <= 2 * unit).all()
    assert np.isnan(logarithm[np.isnan(x)]).all()


# -- Where there is no kernel -----------------------------------------------------------


def one_program(shape: ModelShape = PLAIN) -> Program:
    return training.program(SMALL, shape, torch.device("cpu"), chunk=64)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_two_layers_and_other_precisions_are_refused_in_a_sentence():
    deep = one_program(ModelShape(layers=2, d_model=16, heads=2, d_ff=32))
    assert missing(deep, torch.float32) == "the fused kernel trains one layer, not 2"
    sentence = "the fused kernel trains in float32, not float64"
    assert missing(one_program(), torch.float64) == sentence
    state = training.empty_state(one_program(), 1, torch.float64)
    with pytest.raises(UnavailableError, match=sentence):
        FusedCpu(one_program(), state)


def test_a_machine_without_compiler_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    sentence = "the fused kernel needs a C++ compiler: c++, g++, clang++ or $CXX"
    assert missing(one_program(), torch.float32) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "echo 'In file included from x:'; echo 'x.h:1: error: no such thing' >&2; exit 1",
            "compiling the fused kernel failed: x.h:1: error: no such thing",
        ),
        ("exit 3", "compiling the fused kernel failed: no message"),
    ],
)
def test_a_broken_compiler_is_quoted_and_leaves_nothing(monkeypatch, tmp_path, text, sentence):
    monkeypatch.setenv("CXX", str(script(tmp_path / "broken", text)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert missing(one_program(), torch.float32) == sentence
    assert not (tmp_path / "cache").exists()


# Writes something that is no library where the compiled file belongs.
FORGER = 'while [ $# -gt 1 ]; do [ "$1" = -o ] && echo forged > "$2"; shift; done; exit 0'


@pytest.mark.parametrize(
    ("compiler", "cache"),
    [
        pytest.param("nowhere", "cache", id="no such compiler"),
        pytest.param("forger", "cache", id="no library"),
        pytest.param("forger", "forger/below a file", id="no such folder"),
    ],
)
def test_what_cannot_be_run_kept_or_loaded_is_a_sentence(
    monkeypatch, tmp_path, compiler, cache
):
    script(tmp_path / "forger", FORGER)
    monkeypatch.setenv("CXX", str(tmp_path / compiler))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
    reason = missing(one_program(), torch.float32) or ""
    assert reason.startswith("the fused kernel could not be compiled and loaded: ")
    assert str(tmp_path) in reason


@pytest.mark.slow
@needs_compiler
def test_two_processes_may_compile_at_once_and_a_third_need_not(monkeypatch, tmp_path):
    calls = tmp_path / "calls"
    compiler = script(tmp_path / "counted", f'echo "$@" >> {calls}; exec {COMPILER} "$@"')
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = (
        "from speciation.engine import fused_cpu, layout\n"
        "from speciation.trial.task import Task\n"
        "from speciation.trial.trial import ModelShape\n"
        "shape = ModelShape(d_model=4, heads=1, d_ff=4)\n"
        "fused_cpu.library(layout.layout(Task(modulus=2), shape), shape)\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
        for _ in range(2)
    ]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    compiled = calls.read_text().count(" -o ")
    assert 1 <= compiled <= 2
    shape = ModelShape(d_model=4, heads=1, d_ff=4)
    fused_cpu.library(layout(Task(modulus=2), shape), shape)
    assert calls.read_text().count(" -o ") == compiled
    assert len(os.listdir(tmp_path / "speciation")) == 1
