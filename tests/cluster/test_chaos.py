"""Whole runs on a cluster where everything goes wrong end with the tables of a calm one."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest

from cluster.config import RunConfig
from cluster.driver import run
from cluster.summary import RunSummary
from speciation.tables.readers import plans_frame, trials_frame
from speciation.tables.store import Store
from speciation.trial.trial import Outcome
from tests.cluster.chaos import ChaosExecutor, ChaosStore, Killed, rot
from tests.cluster.runs import assert_same_tables, carry_out, config, tables


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Rows are stored at every turn, so that there is much to interrupt; nobody sleeps."""
    monkeypatch.setattr("cluster.rows.FLUSH_SECONDS", 0.0)
    monkeypatch.setattr("cluster.training.WAIT_SECONDS", 0.0)
    monkeypatch.setattr("cluster.training.LEAST_IN_FLIGHT", 16)


def survive(
    own: RunConfig, folder: Path, rng: random.Random, poison: frozenset[str] = frozenset()
) -> tuple[RunSummary, int]:
    """Start a run until it ends; its summary, and how often its driver died."""
    for deaths in range(1000):
        store = ChaosStore(folder, rng, trouble=0.02, death=0.01)
        try:
            return run(own, store, ChaosExecutor(rng, poison=poison)), deaths
        except Killed:
            if rng.random() < 0.3:
                rot(folder, rng)
    raise AssertionError("it never ended")


SEEDS = [1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 41))]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_through_chaos_ends_with_the_tables_of_a_calm_one(finished, tmp_path, seed):
    rng = random.Random(seed)
    summary, _ = survive(config(), tmp_path, rng)
    assert not summary.stopped
    survivors = {name: frame for name, frame in tables(tmp_path).items() if name != "curves"}
    for name, frame in tables(finished).items():
        if name != "curves":  # a trial is not trained again for a curve that rotted
            pd.testing.assert_frame_equal(survivors[name], frame, check_exact=True, obj=name)


def test_faults_are_counted_in_the_summary(tmp_path):
    summary = run(config(), Store(tmp_path), ChaosExecutor(random.Random(1), trouble=0.1))
    assert {key for key in summary.faults if key.startswith("actor")} >= {"actor died"}
    assert summary.faults["suspects"] > 0


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12))]
)
def test_poison_in_chaos_fails_alone(tmp_path, seed):
    own = config(evolution={"generations": 1})
    carry_out(own, tmp_path / "calm")
    bad = plans_frame(Store(tmp_path / "calm"))["trial_ids"][3][0]
    rng = random.Random(seed)
    executor = ChaosExecutor(rng, trouble=0.02, poison=frozenset({bad}))
    run(own, Store(tmp_path / "sick"), executor)
    rows = trials_frame(Store(tmp_path / "sick"))
    assert set(rows.loc[rows["outcome"] == Outcome.FAILED, "trial_id"]) == {bad}


@pytest.mark.long
def test_two_drivers_in_chaos_leave_the_tables_of_one(finished, tmp_path):
    """Each through chaos of its own; then their stores are made one."""
    rng = random.Random(5)
    survive(config(), tmp_path / "one", rng)
    survive(config(), tmp_path / "other", rng)
    Store(tmp_path / "one").merge(Store(tmp_path / "other"))
    carry_out(config(), tmp_path / "one")
    assert_same_tables(finished, tmp_path / "one")
