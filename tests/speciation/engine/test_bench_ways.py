"""Every way opens a pack that trains; the engine's are all of its backends."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from speciation.engine import bench_ways
from speciation.engine.bench_ways import (
    ALGEBRAS,
    EAGER,
    JAX,
    OURS,
    VMAP,
    filled,
    suited,
    train,
    ways,
)
from speciation.engine.engine import BACKENDS, EngineSpec
from speciation.engine.peers.jax_process import JaxProcess, PeerError
from speciation.engine.peers.job import bench_trials
from tests.speciation.engine.peers.cases import JOB


def test_every_backend_and_every_peer_in_both_algebras_is_there():
    every = ways(JaxProcess("cpu"))
    assert every[0].name == EAGER
    assert [way.backend for way in every if way.backend] == list(BACKENDS)
    for name in (VMAP, JAX):
        assert [way.algebra for way in every if way.name == name] == list(ALGEBRAS)


@pytest.mark.parametrize("name", [EAGER, VMAP, f"{OURS}torch"])
def test_a_pack_trains(name):
    way = next(way for way in ways(JaxProcess("cpu")) if way.name == name)
    pack = way.open(JOB, 2)
    assert pack.run(2) > 0
    assert pack.begin_seconds > 0 if way.backend else pack.begin_seconds == 0
    assert pack.peak_bytes() is None or pack.peak_bytes() >= 0
    pack.close()


def test_where_jax_is_missing_no_arrays_are_made_for_it(monkeypatch):
    monkeypatch.setattr("speciation.engine.peers.jax_process.find_spec", lambda _: None)
    monkeypatch.setattr(bench_ways, "given_to_jax", None)
    way = next(way for way in ways(JaxProcess("cpu")) if way.name == JAX)
    with pytest.raises(PeerError, match="jax is not installed"):
        way.open(JOB, 2)


def test_an_engine_is_kept_full_and_emptied_in_the_end():
    engine = filled(JOB, 5, "torch")
    done = train(engine, 3, iter(()))  # nobody leaves, so nobody has to follow
    assert done.trial_steps == 3 * 5 * JOB.task.eval_interval
    assert (done.ended, engine.occupied) == (0, 0)
    ends = np.array([5, 5, 15, 15, 15])
    engine.admit(bench_trials(JOB, 5, ends))
    done = train(engine, 3, iter(bench_trials(JOB, 9, np.full(9, 5))))
    assert done.trial_steps == 3 * 5 * JOB.task.eval_interval
    assert done.ended == 2 + 2 + 5


class Ahead:
    """An engine of two blocks: what it has begun, it has not told yet."""

    spec = EngineSpec(JOB.task, JOB.model, 8)
    slots = 8
    trial_steps = 0
    evicted = False

    def advance(self) -> list:
        self.trial_steps += 40 if self.trial_steps == 0 else 20
        return []

    def admit(self, trials) -> None:
        assert trials == []

    def evict(self) -> list:
        self.evicted = True
        return []


def test_what_an_engine_has_begun_is_counted_and_waited_for():
    engine = Ahead()
    assert train(engine, 2, iter(())).trial_steps == 80
    assert engine.evicted


def test_a_backend_is_given_a_precision_it_can_be_had_in(monkeypatch):
    def make(spec: EngineSpec) -> SimpleNamespace:
        said = None if spec.precision == spec.backend else f"not in {spec.precision}"
        return SimpleNamespace(without_fused=said)

    monkeypatch.setattr(bench_ways, "make_engine", make)
    for precision in ("float32", "fp16"):
        monkeypatch.setattr(EngineSpec, "__post_init__", lambda self: None)
        assert suited(JOB, precision).precision == precision
    with pytest.raises(PeerError, match="not in fp16"):
        suited(JOB, "float64")
    suited.cache_clear()
