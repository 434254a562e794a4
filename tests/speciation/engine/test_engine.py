"""The engine keeps its word: a trial's bits are its own, wherever it trains."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from speciation.engine.devices import block_shape
from speciation.engine.engine import Engine, EngineSpec, make_engine
from speciation.engine.reference import ReferenceTrial
from speciation.trial.trial import (
    PRECISIONS,
    Curves,
    ModelShape,
    Outcome,
    Streams,
    Trial,
    TrialResult,
)
from tests.speciation.engine.making import SMALL, random_trials, with_genes

SHAPE = ModelShape(d_model=16, heads=2, d_ff=32)
HORIZON = 40
BLOCK = block_shape("cpu", SMALL, SHAPE).slots
# torch's compiler warns of itself when it is first imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
# Backend, device, precision.
WAYS = [
    pytest.param(("torch", "cpu", "float32"), id="torch-cpu"),
    pytest.param(("fused", "cpu", "float32"), id="fused-cpu"),
    pytest.param(("graph", "cpu", "float32"), id="graph-cpu", marks=pytest.mark.slow),
    pytest.param(("torch", "cuda", "float32"), id="torch-cuda", marks=pytest.mark.gpu),
    pytest.param(("graph", "cuda", "float32"), id="graph-cuda", marks=pytest.mark.gpu),
    pytest.param(("fused", "cuda", "fp16"), id="fused-cuda", marks=pytest.mark.gpu),
]


def engine(slots: int, way: tuple[str, ...] = ("torch", "cpu"), **settings) -> Engine:
    names = ("backend", "device", "precision")
    settings = dict(zip(names, way, strict=False)) | settings
    return make_engine(EngineSpec(SMALL, SHAPE, slots=slots, **settings))


def run_all(trials: list[Trial], own: Engine) -> dict[str, TrialResult]:
    """Every trial to its end, each free slot refilled at once."""
    waiting, done = list(trials), {}
    while waiting or own.occupied:
        entering, waiting = waiting[: own.free], waiting[own.free :]
        own.admit(entering)
        done |= {result.trial.id: result for result in own.advance()}
    return done


def bits(result: TrialResult) -> tuple[bytes, ...]:
    """Everything a result says, to the last bit; wall time aside."""
    assert result.curves is not None
    curves = [getattr(result.curves, field.name) for field in dataclasses.fields(Curves)]
    rest = dataclasses.replace(result, wall_seconds=0.0, curves=None)
    return (*(curve.tobytes() for curve in curves), repr(rest).encode())


@pytest.fixture(scope="module", params=WAYS)
def way(request) -> tuple[str, str, str]:
    """Every way to train that this machine has keeps the same promises."""
    backend, device, precision = request.param
    without = engine(1, request.param).without_fused if backend == "fused" else None
    if without is not None:
        pytest.skip(without)
    return backend, device, precision


def some(count: int, way: tuple[str, ...], **settings) -> list[Trial]:
    return random_trials(count, **({"horizon": HORIZON, "precision": way[2]} | settings))


@pytest.fixture(scope="module")
def alone(way) -> dict[str, tuple[bytes, ...]]:
    """Each of some trials, trained in an engine of one slot."""
    found = {}
    for trial in some(3, way):
        found |= {key: bits(result) for key, result in run_all([trial], engine(1, way)).items()}
    return found


@pytest.mark.parametrize("slots", [2, 7, BLOCK + 1, 40])
def test_a_trial_is_the_same_alone_and_in_company(alone, way, slots):
    """Packs of many sizes; the trials sit in the first, a middle and the last slot."""
    mine = some(3, way)
    others = some(slots, way, seed=1)
    places = sorted({0, slots // 2, slots - 1})
    pack = others[:slots]
    for place, trial in zip(places, mine, strict=False):
        pack[place] = trial
    done = run_all(pack, engine(slots, way))
    for trial in mine[: len(places)]:
        assert bits(done[trial.id]) == alone[trial.id]


@pytest.mark.gpu
def test_widths_that_are_no_whole_tiles_are_trained_by_the_fused_kernel_of_a_gpu():
    shape = ModelShape(d_model=15, heads=3, d_ff=19)
    trials = random_trials(6, model=shape, horizon=HORIZON, precision="fp16")

    def trained(slots: int) -> dict[str, TrialResult]:
        spec = EngineSpec(SMALL, shape, slots, backend="fused", device="cuda", precision="fp16")
        own = make_engine(spec)
        assert own.without_fused is None
        return run_all(trials, own)

    few, many = trained(1), trained(6)
    assert all(bits(few[trial.id]) == bits(many[trial.id]) for trial in trials)


@pytest.mark.slow
@pytest.mark.parametrize("slots", [264, 1000])
def test_a_trial_is_the_same_in_a_large_pack(alone, way, slots):
    mine = some(3, way)
    pack = [mine[0], *some(slots - 3, way, seed=1), *mine[1:]]
    done = run_all(pack, engine(slots, way))
    assert all(bits(done[trial.id]) == alone[trial.id] for trial in mine)


def test_a_trial_is_the_same_after_any_refill(alone, way):
    """More trials than slots, of different lengths: slots are refilled mid-run."""
    mine = some(3, way)
    short = some(6, way, seed=2, horizon=15)
    middle = some(6, way, seed=3, horizon=35)
    done = run_all([*short, mine[0], *middle, *mine[1:]], engine(3, way))
    assert len(done) == 15
    assert all(bits(done[trial.id]) == alone[trial.id] for trial in mine)


def test_a_trial_is_the_same_beside_a_neighbour_that_breaks(alone, way):
    mine = some(3, way)
    wild = [with_genes(trial, weight_decay=1e38) for trial in some(3, way, seed=4)]
    done = run_all([wild[0], mine[0], wild[1], mine[1], mine[2], wild[2]], engine(6, way))
    assert all(done[trial.id].outcome == Outcome.DIVERGED for trial in wild)
    assert all("non-finite" in (done[trial.id].reason or "") for trial in wild)
    assert all(bits(done[trial.id]) == alone[trial.id] for trial in mine)


def test_the_horizon_does_not_change_what_happens_before_it():
    trial = random_trials(1, horizon=30)[0]
    longer = dataclasses.replace(trial, horizon=60)
    assert trial.id == longer.id
    short = run_all([trial], engine(1))[trial.id].curves
    long = run_all([longer], engine(1))[trial.id].curves
    count = len(short.step)
    assert np.array_equal(short.validation_loss, long.validation_loss[:count])
    assert len(long.step) > count


def test_a_trial_is_the_same_after_moving_to_another_block(alone, way):
    """Two blocks lose most of their trials; what is left goes on in one of them."""
    if way[0] == "fused":
        pytest.skip("an empty slot costs nothing there, so nothing is gained by moving")
    block = block_shape(way[1], SMALL, SHAPE).slots
    mine = some(3, way)
    short = some(2 * block - 3, way, seed=2, horizon=15)
    own = engine(2 * block, way)
    own.admit([mine[0], *short, *mine[1:]])  # the first and the last slots of two blocks
    done: dict[str, TrialResult] = {}
    busy = []
    while own.occupied:
        done |= {result.trial.id: result for result in own.advance()}
        busy.append(sum(part.occupied > 0 for part in own._blocks))
    assert busy[0] == 2
    assert busy[-2] == 1
    assert all(bits(done[trial.id]) == alone[trial.id] for trial in mine)


def test_trials_that_are_left_gather_in_as_few_blocks_as_hold_them():
    trials = random_trials(3 * BLOCK, horizon=10_000)
    own = engine(3 * BLOCK)
    own.admit(
        [dataclasses.replace(t, horizon=5 if i % 3 else 10_000) for i, t in enumerate(trials)]
    )
    own.advance()
    assert own.occupied == BLOCK
    own.advance()
    assert sorted(part.occupied for part in own._blocks) == [0, 0, BLOCK]


@pytest.mark.parametrize("often", [1, 25])
def test_how_often_one_looks_changes_nothing(way, often):
    """An interval of one step, of 5 and of 25: the same training, seen more or less often."""
    ends = {}
    for interval in (5, often):
        task = dataclasses.replace(SMALL, eval_interval=interval)
        trial = some(1, way, task=task, horizon=50)[0]
        spec = EngineSpec(task, SHAPE, 1, *way)
        curves = run_all([trial], make_engine(spec))[trial.id].curves
        at_25 = curves.step.tolist().index(25)
        ends[interval] = [
            getattr(curves, field.name)[at_25].tobytes() for field in dataclasses.fields(Curves)
        ]
    assert ends[often] == ends[5]


def test_results_follow_the_reference(way):
    """Not bit for bit (other kernels, other sums) but far closer than chaos would allow."""
    follows_the_reference(some(1, way, horizon=20)[0], way)


@pytest.mark.parametrize("streams", [(7, 0, 0, 0), (0, 7, 0, 0), (0, 0, 7, 0), (0, 0, 0, 7)])
def test_each_stream_may_have_a_seed_of_its_own(way, streams):
    """The reference draws each from its own, and no stream is without effect."""
    plain = with_genes(some(1, way, horizon=20)[0], dropout=0.3)
    own = dataclasses.replace(plain, seed=streams[0], streams=Streams(*streams))
    follows_the_reference(own, way)
    found = run_all([plain, own], engine(2, way))
    one, other = (found[trial.id].curves.train_loss for trial in (plain, own))
    assert not np.array_equal(one, other)


def follows_the_reference(trial, way):
    seen = run_all([trial], engine(1, way))[trial.id].curves
    twin = ReferenceTrial(trial)
    for i in range(len(seen.step)):
        for _ in range(SMALL.eval_interval):
            twin.train_step()
        expected = twin.evaluate()
        assert seen.train_loss[i] == pytest.approx(expected.train_loss, rel=1e-3)
        assert seen.validation_loss[i] == pytest.approx(expected.validation_loss, rel=1e-3)


def test_a_censored_trial_says_what_it_saw():
    trial = random_trials(1, horizon=25)[0]
    result = run_all([trial], engine(1))[trial.id]
    assert result.outcome == Outcome.CENSORED
    assert result.steps_run == 25
    assert result.examples_seen == 25 * SMALL.batch
    assert list(result.curves.step) == [5, 10, 15, 20, 25]
    assert result.final_train_loss == result.curves.train_loss[-1]
    assert result.backend == "torch"
    assert "torch" in result.versions


def test_slots_are_counted_and_evicted_trials_come_back():
    own, trials = engine(4), random_trials(3)
    own.admit(trials)
    assert (own.slots, own.occupied, own.free) == (4, 3, 1)
    own.advance()
    assert own.trial_steps == 3 * SMALL.eval_interval
    assert own.evict() == trials
    assert own.occupied == 0


def test_an_idle_engine_does_nothing():
    own = engine(4)
    assert own.advance() == []
    assert own.trial_steps == 0


def test_what_does_not_fit_is_refused():
    own, trials = engine(2), random_trials(3)
    with pytest.raises(ValueError, match="3 trials do not fit into 2 free slots"):
        own.admit(trials)
    stranger = dataclasses.replace(trials[0], task=dataclasses.replace(SMALL, modulus=11))
    with pytest.raises(ValueError, match="this engine trains"):
        own.admit([stranger])
    assert own.occupied == 0


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_engine_trains_its_own_precision_and_refuses_every_other(precision):
    own = engine(len(PRECISIONS), precision=precision)
    mine = random_trials(1, horizon=10, precision=precision)
    for other in set(PRECISIONS) - {precision}:
        stranger = random_trials(1, precision=other)
        with pytest.raises(ValueError, match=rf"in {precision}; trial .* in {other}$"):
            own.admit([*mine, *stranger])
        assert own.occupied == 0
    assert run_all(mine, own).keys() == {mine[0].id}


def test_the_precision_is_that_of_the_weights():
    seen = {}
    for precision in PRECISIONS:
        trial = random_trials(1, horizon=25, precision=precision)[0]
        own = engine(1, precision=precision)
        kept = torch.float64 if precision == "float64" else torch.float32
        assert own._blocks[0]._state.weight.dtype == kept
        seen[precision] = run_all([trial], own)[trial.id].final_train_loss
    assert seen["float64"] != seen["float32"]
    assert seen["float64"] == pytest.approx(seen["float32"], rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"slots": 0}, "at least 1 slot"),
        ({"backend": "magic"}, "backend must be one of"),
        ({"precision": "float8"}, "precision must be one of"),
    ],
)
def test_an_impossible_engine_is_refused_in_a_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        EngineSpec(SMALL, SHAPE, **({"slots": 1} | settings))


def test_what_the_fused_backend_does_not_cover_trains_nonetheless_and_the_row_says_how():
    trial = random_trials(1, horizon=10, precision="float64")[0]
    own = engine(1, ("fused", "cpu", "float64"))
    assert "float32, not float64" in own.without_fused
    assert run_all([trial], own)[trial.id].backend == "torch"


def test_a_device_that_is_not_there_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="'cuda:99' is not there"):
        engine(1, ("torch", "cuda:99"))
