"""The GPU's kernel computes what the model says: proofs 1 to 3 without a GPU, and on one."""

from __future__ import annotations

import dataclasses
import subprocess
from contextlib import nullcontext
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from speciation.engine import fused_cuda, optimizer, training
from speciation.engine.admission import write
from speciation.engine.backends import tensors
from speciation.engine.layout import layout
from speciation.engine.recipe import RECIPE_COLUMNS
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape, Streams
from tests.speciation.engine.emulator import COMPILER, Emulated
from tests.speciation.engine.making import SMALL, loaded, random_trials, with_genes

# What a float16 keeps of a factor is 2**-11; sums that cancel, as in attention, lose more.
CLOSE, CANCELLING = 5e-3, 1e-2
ATTENTION = (
    "0.query",
    "0.query.bias",
    "0.key",
    "0.norm1.gain",
    "0.norm1.shift",
    "tokens",
    "positions",
)
# A hidden activation within rounding of zero counts or does not: a wide model always has some.
AT_ZERO = 1.5e-2
FEEDING = ("0.up", "0.up.bias", "0.norm2.gain", "0.norm2.shift")
SHAPE = ModelShape(d_model=16, heads=2, d_ff=32)
# No width of it is a whole number of tiles, nor of fours; its heads end within tiles.
ODD = ModelShape(d_model=15, heads=3, d_ff=19)


def shaped(width, heads, hidden, *marks):
    """A shape as a parameter."""
    shape = ModelShape(d_model=width, heads=heads, d_ff=hidden)
    return pytest.param(shape, id=f"{width}-{heads}-{hidden}", marks=marks)


SHAPES = [
    pytest.param(SHAPE, id="16-2-32"),
    pytest.param(ODD, id="15-3-19"),
    shaped(32, 4, 64),
    shaped(48, 16, 16, pytest.mark.slow),
    shaped(3, 3, 5, pytest.mark.slow),
    shaped(27, 3, 33, pytest.mark.slow),
    shaped(34, 17, 16, pytest.mark.slow),  # heads in two tiles, of two columns each
    shaped(40, 5, 33, pytest.mark.slow),
]
both_kinds = pytest.mark.parametrize(
    "shape", [pytest.param(SHAPE, id="whole"), pytest.param(ODD, id="odd")]
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("emulated")


@pytest.fixture(
    params=[
        "roomy",
        pytest.param("crowded", marks=pytest.mark.slow),
        pytest.param("cuda", marks=pytest.mark.gpu),
    ]
)
def machine(request):
    """A real GPU, or one with much shared memory or so little that all else lies outside."""
    return request.param


@pytest.fixture
def device(machine):
    return "cuda" if machine == "cuda" else "cpu"


@pytest.fixture
def fused(machine, folder):
    """Makes the kernel of a program and a state, emulated or real."""
    if machine == "cuda":
        return fused_cuda.FusedCuda
    room = fused_cuda.ROOM if machine == "roomy" else 0
    return lambda run, state: Emulated(run, state, folder, room=room)


def both(trials, device):
    """A program and a state for the kernel, and the same in float64 for plain torch."""
    return loaded(trials, torch.float32, device, fused_cuda.tiled), loaded(trials)


def places(run):
    """Where numbers that plain torch has are in the kernel's flat vector, ``(P,)``."""
    there = run.plan.split(torch.arange(run.plan.size))
    plain = layout(run.task, run.model).weights
    return torch.cat([there[own.name][tuple(map(slice, own.shape))].flatten() for own in plain])


def untiled(run, flat):
    """The kernel's numbers as plain torch has them, in float64; what is left is zero."""
    here = places(run)
    padding = torch.ones(run.plan.size, dtype=torch.bool).index_fill(0, here, False)
    assert (flat.cpu()[..., padding] == 0).all()
    return flat.cpu().double()[..., here]


def give(run, state, exact):
    """The kernel's state becomes the exact one, and the exact one what float32 keeps of it."""
    here = places(run)
    for mine, theirs in zip(tensors(state), tensors(exact), strict=True):
        if mine.shape[-1] == run.plan.size:
            theirs.copy_(theirs.float())
            mine[:, here] = theirs.float().to(mine.device)
        else:
            mine.copy_(theirs)
            theirs.copy_(mine)


def initial(run, state):
    """As trials begin."""


def trained(run, state):
    for _ in range(60):
        training.train_step(run, state)


def certain(run, state):
    """Logits a hundred times as large."""
    weights = run.plan.split(state.weight)
    weights["unembed"].mul_(100)
    weights["unembed.bias"].mul_(100)


def first_token_only(run, state):
    """Every train example begins with token 0; the last token stands on the right."""
    left, right = run.answers.left, run.answers.right
    strange = (left == 0) | (right == run.plan.elements - 1)
    chosen = torch.argsort(~strange, stable=True).int()
    state.order.copy_(chosen.repeat(len(state.order), 1))


def agree(run, found, state64, run64, feeding=CLOSE):
    loss, expected = training.gradients(run64, state64, training.step_examples(run64, state64))
    size = run.plan.size
    assert torch.allclose(found[:, size].cpu().double(), loss, rtol=1e-3)
    for name, mine in run64.plan.split(untiled(run, found[:, :size])).items():
        theirs = expected[name]
        error = (mine - theirs).flatten(1).norm(dim=1) / theirs.flatten(1).norm(dim=1)
        limit = CANCELLING if name in ATTENTION else feeding if name in FEEDING else CLOSE
        assert error.max() < limit, f"{name}: {error.max():.1e}"


@pytest.mark.parametrize(
    ("task", "shape"),
    [
        pytest.param(SMALL, SHAPE, id="small"),
        pytest.param(SMALL, ODD, id="odd"),
        pytest.param(dataclasses.replace(SMALL, symmetric=True), SHAPE, id="symmetric"),
        pytest.param(Task(), ModelShape(), id="usual", marks=pytest.mark.slow),
    ],
)
def test_a_trial_begins_as_numpy_writes_it(fused, device, task, shape):
    """Up to the last bit of a weight, where logarithm or cosine straddle a rounding."""
    trials = [
        dataclasses.replace(trial, seed=2**61 + i, streams=Streams(2**61 + i, 2**40, 3 + i, 4))
        for i, trial in enumerate(random_trials(4, task=task, model=shape))
    ]
    (run, expected), _ = both(trials, device)
    (_, state), _ = both(trials[::-1], device)
    kernel = fused(run, state)
    kernel.run(1, range(4))
    idle = [tensor.clone() for tensor in tensors(state)]
    kernel.begin([2, 0, 3], [trials[i] for i in (2, 0, 3)])
    for found, before, written in zip(tensors(state), idle, tensors(expected), strict=True):
        if found is state.recipe:
            found, before, written = found.T, before.T, written.T
        assert torch.equal(found[1], before[1])
        found, written = found[[0, 2, 3]], written[[0, 2, 3]]
        if found.dtype == torch.float32:
            assert torch.allclose(found, written, rtol=3e-7, atol=0)
            assert (found == written).double().mean() > 0.999
        else:
            assert torch.equal(found, written)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [24, pytest.param(None, marks=pytest.mark.slow)])
def test_gradients_are_those_of_the_model(fused, device, shape, batch):
    """Batches that fill no tile, and tiles that fill no batch; dropout in random genomes."""
    task = dataclasses.replace(SMALL, batch=batch)
    (run, state), (run64, exact) = both(random_trials(3, task=task, model=shape), device)
    agree(run, fused(run, state).gradients(range(3)), exact, run64)


def test_what_has_no_room_in_shared_memory_may_lie_outside(folder):
    (run, state), (run64, exact) = both(random_trials(2), "cpu")
    kernel = Emulated(run, state, folder, room=0)
    agree(run, kernel.gradients(range(2)), exact, run64)


@pytest.mark.slow
def test_places_of_more_bits_are_the_same_places(folder, monkeypatch):
    """As a large model has them."""
    trials, found = random_trials(2), []
    few = fused_cuda.places
    for own in (few, lambda run: few(run).astype(np.int32)):
        monkeypatch.setattr(fused_cuda, "places", own)
        (run, state), _ = both(trials, "cpu")
        Emulated(run, state, folder, room=0).run(2, range(2))
        found.append(state.weight)
    assert torch.equal(*found)


@pytest.mark.parametrize(
    "shape",
    [
        shaped(24, 3, 48),
        shaped(32, 2, 640),
        shaped(40, 4, 72),
        shaped(48, 4, 96),
        shaped(64, 16, 128),
        shaped(64, 64, 64, pytest.mark.long),
        shaped(75, 15, 70, pytest.mark.long),
        shaped(80, 2, 80, pytest.mark.long),
        shaped(96, 6, 384, pytest.mark.long),
        shaped(100, 4, 200),
        shaped(127, 1, 300, pytest.mark.long),
        shaped(128, 4, 256),
        shaped(128, 16, 512, pytest.mark.long),
        shaped(128, 64, 128, pytest.mark.long),
        shaped(128, 4, 1000, pytest.mark.long),
    ],
)
@pytest.mark.slow
def test_a_wide_model_is_trained_as_the_usual_one(folder, shape):
    """In as many warps and as much memory as on a GPU."""
    trains_as_plain_torch(
        31, shape, "cpu", lambda *own: Emulated(*own, folder, warps=fused_cuda.WARPS)
    )


@pytest.mark.parametrize(
    "shape",
    [
        shaped(24, 3, 48),
        shaped(40, 4, 72),
        shaped(48, 4, 96),
        shaped(64, 16, 128),
        shaped(64, 64, 64),
        shaped(80, 2, 80),
        shaped(96, 6, 384),
        shaped(100, 4, 200),
        shaped(128, 4, 256),
        shaped(128, 16, 512),
        shaped(128, 4, 1000),
    ],
)
@pytest.mark.gpu
def test_a_wide_model_is_trained_so_on_a_gpu(shape):
    trains_as_plain_torch(97, shape, "cuda", fused_cuda.FusedCuda)


def trains_as_plain_torch(modulus, shape, device, made):
    """Gradient, step and evaluation of a trial; in two tiles, of which one is not full."""
    task = Task(modulus=modulus, batch=150)
    (run, state), (run64, exact) = both(random_trials(1, task=task, model=shape), device)
    kernel = made(run, state)
    agree(run, kernel.gradients([0]), exact, run64, AT_ZERO)
    seen = kernel.run(1, [0]).cpu().double()
    training.train_step(run64, exact)
    for name in ("weight", "mean"):
        assert apart(run, state, exact, name, 0) < 1e-2
    assert torch.allclose(seen, training.evaluate(run64, exact), rtol=2e-3, atol=2e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("width", [24, 32, 48, 64, 96, 100, 128])
def test_copies_of_a_trial_stay_equal_to_the_last_bit(width):
    """Whatever runs beside it and when: a race between threads would part them."""
    shape = ModelShape(d_model=width, d_ff=2 * width)
    trial = with_genes(*random_trials(1, task=Task(), model=shape), dropout=0.2)
    run, state = loaded([trial] * 300, torch.float32, "cuda", fused_cuda.tiled)
    kernel = fused_cuda.FusedCuda(run, state)
    for _ in range(2):
        seen = kernel.run(25, range(300))
    for of_copies in (state.weight, state.mean, state.square, seen):
        assert of_copies.isfinite().all()
        assert (of_copies == of_copies[:1]).all()


@pytest.mark.slow
def test_every_shape_has_room_on_a_gpu(tmp_path):
    """By the constants of the source, compiled alone; compute capability 9.0.

    And in global memory no more than is said before there is a kernel.
    """
    if COMPILER is None:
        pytest.skip("constants are compiled with g++")
    constants, _ = fused_cuda.SOURCE.read_text().split("struct State {")
    ends = "static_assert(TRAIN_BYTES <= ROOM && JUDGE_BYTES <= ROOM && 4 * OUTSIDE <= SAID);"
    (source := tmp_path / "constants.cpp").write_text(constants + ends)
    command = [COMPILER, "-std=c++17", "-fsyntax-only", source]
    widths = (16, 32, 48, 64, 80, 96, 112, 128)
    sizes = [
        *(
            (width, heads, factor * width)
            for width, heads, factor in product(widths, (1, 16), (1, 2, 4))
        ),
        *((width, width // 2, 4096) for width in widths),
        (64, 64, 4096),
    ]
    for (width, heads, hidden), modulus in product(sizes, (2, 97, 113)):
        shape = ModelShape(d_model=width, heads=heads, d_ff=hidden)
        run = fused_cuda.tiled(
            training.program(Task(modulus=modulus), shape, torch.device("cpu"), 64)
        )
        said = fused_cuda.outside_bytes(run.task, run.model)
        subprocess.run([*command, f"-DSAID={said}", *fused_cuda.macros(run)], check=True)


@pytest.mark.slow
def test_the_usual_model_fits_for_every_prime_to_113(folder):
    """Where there is little room, AdamW's queue is short; it is the same step."""
    task = Task(modulus=113, batch=24)
    trials = random_trials(1, task=task, model=ModelShape())
    (run, state), (run64, exact) = both(trials, "cpu")
    kernel = Emulated(run, state, folder, warps=fused_cuda.WARPS)
    assert max(kernel.shared_bytes.values()) <= 227 * 1024  # compute capability 9.0
    kernel.run(1, [0])
    training.train_step(run64, exact)
    for name in ("weight", "mean"):
        assert apart(run, state, exact, name, 0) < 1e-2


@pytest.mark.slow
def test_warps_may_share_an_odd_number_of_tiles(folder):
    """Eight warps and a narrow model: two of them share the three tiles of a table."""
    task = dataclasses.replace(SMALL, modulus=17)
    (run, state), (run64, exact) = both(random_trials(2, task=task, model=SHAPE), "cpu")
    agree(run, Emulated(run, state, folder, warps=8).gradients(range(2)), exact, run64)


@both_kinds
@pytest.mark.parametrize("situation", [initial, trained, certain, first_token_only])
def test_gradients_are_those_of_the_model_in_every_situation(fused, device, shape, situation):
    (run, state), (run64, exact) = both(random_trials(3, model=shape), device)
    situation(run64, exact)
    give(run, state, exact)
    agree(run, fused(run, state).gradients(range(3)), exact, run64)


def test_order_and_dropout_may_have_seeds_of_their_own(fused, device):
    trials = [
        dataclasses.replace(with_genes(trial, dropout=0.3), seed=0, streams=Streams(0, 0, i, 9))
        for i, trial in enumerate(random_trials(3), start=1)
    ]
    (run, state), (run64, exact) = both(trials, device)
    agree(run, fused(run, state).gradients(range(3)), exact, run64)


@pytest.fixture(
    params=[
        pytest.param(SHAPE, id="whole"),
        pytest.param(ODD, id="odd", marks=pytest.mark.slow),
    ]
)
def optimised(device, request):
    """Several genomes, each at a step of its own: for the kernel, and for plain torch."""
    trials = [
        with_genes(trial, decay_trigger=0.1, warmup_steps=10.0, decay_rate=1e-2, dropout=0.2)
        for trial in random_trials(4, model=request.param)
    ]
    (run, state), (run64, exact) = both(trials, device)
    training.train_step(run64, exact)
    write(run64, exact, [1], [trials[1]])  # slot 1 begins anew
    give(run, state, exact)
    return run, state, run64, exact


def apart(run, state, exact, name, slot):
    mine, theirs = untiled(run, getattr(state, name)[slot]), getattr(exact, name)[slot]
    return ((mine - theirs).norm() / theirs.norm()).item()


def test_steps_and_schedule_are_those_of_the_optimiser(fused, optimised):
    """Thirty steps of the optimiser in float64, along the kernel's gradients; one slot idle."""
    run, state, _, exact = optimised
    kernel, slots, size = fused(run, state), [0, 1, 3], run.plan.size
    idle, flat = exact.weight[2].clone(), torch.full_like(exact.weight, torch.nan)
    recipe = dict(zip(RECIPE_COLUMNS, exact.recipe, strict=True))
    for _ in range(30):
        found = kernel.gradients(slots).cpu().double()
        flat[slots] = untiled(run, found[slots, :size])
        kernel.run(1, slots)
        optimizer.adamw(
            exact.weight,
            optimizer.clip(flat, recipe["grad_clip"]),
            exact.mean,
            exact.square,
            exact.schedule.step + 1,
            optimizer.learning_rate(exact.schedule, recipe),
            recipe,
        )
        optimizer.advance_schedule(exact.schedule, found[:, size], recipe)
    for slot in slots:
        for name in ("weight", "mean", "square"):
            assert apart(run, state, exact, name, slot) < 1e-5, (slot, name)
    assert torch.equal(untiled(run, state.weight[2]), idle)
    assert state.schedule.step.tolist() == [31, 30, 1, 31]
    assert exact.schedule.decaying[slots].any()
    assert torch.equal(state.schedule.decaying.cpu()[slots], exact.schedule.decaying[slots])
    decay = state.schedule.decay.cpu().double()[slots]
    assert torch.allclose(decay, exact.schedule.decay[slots], rtol=1e-5)


def test_many_steps_in_one_launch_follow_those_of_plain_torch(fused, optimised):
    """As long as what is rounded has not grown."""
    run, state, run64, exact = optimised
    fused(run, state).run(10, [0, 1, 3])
    for _ in range(10):
        training.train_step(run64, exact)
    for slot in (0, 1, 3):
        for name in ("weight", "mean"):
            assert apart(run, state, exact, name, slot) < 1e-2, (slot, name)


@both_kinds
@pytest.mark.parametrize("situation", [initial, trained])
def test_an_evaluation_sees_what_plain_torch_sees(fused, device, shape, situation):
    (run, state), (run64, exact) = both(random_trials(3, model=shape), device)
    situation(run64, exact)
    give(run, state, exact)
    seen = fused(run, state).run(0, range(3)).cpu().double()
    assert torch.allclose(seen, training.evaluate(run64, exact), rtol=2e-3, atol=2e-3)


def test_a_weight_that_is_not_a_number_is_never_correct(fused, device):
    (run, state), _ = both(random_trials(2), device)
    state.weight[0, -1] = torch.nan
    run.plan.split(state.weight)["unembed.bias"][0, 0] = torch.nan
    seen = fused(run, state).run(0, range(2)).cpu()
    assert seen[0, 0].isnan()
    assert seen[0, 1] == seen[0, 3] == 0
    assert seen[1].isfinite().all()


@both_kinds
def test_bits_depend_on_the_trial_alone(fused, device, shape):
    """In any slot, beside anybody, in steps of any number."""
    trial, *others = random_trials(3, model=shape)
    (run, state), _ = both([trial, *others], device)
    alone = fused(run, state)
    alone.run(6, [0])
    (_, pack), _ = both([others[0], others[1], trial], device)
    pack.weight[0] = torch.nan
    packed = fused(run, pack)
    for _ in range(3):
        packed.run(2, [2, 0])
    for one, other in zip(tensors(state), tensors(pack), strict=True):
        slots = (one[:, 0], other[:, 2]) if one is state.recipe else (one[0], other[2])
        assert torch.equal(*slots)
    assert torch.equal(pack.weight[1], both(others, device)[0][1].weight[1])  # idle: untouched


@pytest.mark.parametrize(
    ("shape", "precision", "sentence"),
    [
        (SHAPE, "float32", "multiplies in fp16, not float32"),
        (ModelShape(layers=2), "fp16", "one layer, not 2"),
        (ModelShape(d_model=2, heads=1), "fp16", "no model of 2 columns"),
        (ModelShape(d_model=130, heads=2), "fp16", "d_model up to 128, not 130"),
    ],
)
def test_what_is_not_covered_is_said_in_a_sentence(shape, precision, sentence):
    run = training.program(SMALL, shape, torch.device("cpu"), 64)
    assert sentence in fused_cuda.missing(run, precision)


def test_a_task_with_too_many_elements_is_not_covered():
    run = training.program(Task(modulus=257), SHAPE, torch.device("cpu"), 64)
    assert "255 elements" in fused_cuda.missing(run, "fp16")


@pytest.fixture
def faked_gpu(monkeypatch):
    """Another GPU in place of this machine's: its capability is what was said."""

    def have(major: int, minor: int) -> None:
        monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
        monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (major, minor))

    fused_cuda.kernels.cache_clear()
    yield have
    fused_cuda.kernels.cache_clear()


def test_a_gpu_that_is_too_old_is_not_covered(faked_gpu):
    faked_gpu(8, 9)
    run = training.program(SMALL, SHAPE, torch.device("cpu"), 64)
    assert "capability 9.0, not 8.9" in fused_cuda.missing(run, "fp16")


def test_what_cannot_be_kept_is_said_in_a_sentence(faked_gpu, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    faked_gpu(9, 0)
    monkeypatch.setattr(fused_cuda, "cubin", full)
    run = training.program(SMALL, SHAPE, torch.device("cpu"), 64)
    assert "No space left" in fused_cuda.missing(run, "fp16")


@pytest.mark.gpu
def test_a_task_that_does_not_fit_into_shared_memory_is_not_covered():
    task = Task(modulus=251, train_fraction=0.9)
    run = training.program(task, ModelShape(), torch.device("cuda"), 64)
    assert "shared memory" in fused_cuda.missing(run, "fp16")


@pytest.mark.parametrize(
    ("code", "kind"),
    [(2, torch.OutOfMemoryError), (700, RuntimeError)],
    ids=["memory", "other"],
)
def test_what_the_driver_says_is_told_and_memory_that_ran_out_known_as_such(code, kind):
    kernels = object.__new__(fused_cuda.Kernels)
    kernels._driver = SimpleNamespace(cuLaunch=lambda: code, cuGetErrorString=lambda *_: 0)
    with pytest.raises(RuntimeError, match="cuLaunch: ") as told:
        kernels._call("cuLaunch")
    assert told.type is kind
