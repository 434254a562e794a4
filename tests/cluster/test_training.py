"""Trials into a store, and what others store meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cluster import training
from cluster.local_executor import LocalExecutor
from cluster.training import IN_FLIGHT, Trainer
from speciation.tables.readers import trials_frame
from speciation.tables.store import Store, StoreUnavailable
from tests.cluster.synthetic import PLAN, Behaviour, trials

SLOTS, COUNT = 4, 600


def trainer(folder: Path, seconds: float = 0.0, **rest: Any) -> Trainer:
    """On a synthetic engine of a few slots."""
    behaviour = Behaviour(slots=SLOTS, seconds=seconds)
    return Trainer(Store(folder), LocalExecutor(PLAN, behaviour), "test", **rest)


@pytest.fixture
def looking(monkeypatch):
    """Store often, and look often what others have stored."""
    for name, value in (("LOOK_SECONDS", 0.1), ("STALE_SECONDS", 0.0), ("LOOKING", 0.5)):
        monkeypatch.setattr(f"cluster.training.{name}", value)
    monkeypatch.setattr("cluster.training.LEAST_IN_FLIGHT", 1)
    monkeypatch.setattr("cluster.rows.FLUSH_SECONDS", 0.1)


def test_what_others_store_while_we_train_is_not_trained_again(tmp_path, looking):
    some, told = trials(COUNT), []

    def other(*_):
        if not told:
            told.append(trainer(tmp_path).train(some[COUNT // 2 :], None, "B"))

    own = trainer(tmp_path, seconds=0.001, watch=other)
    rows = own.train(some, None, "B")
    assert sorted(rows["trial_id"].to_pylist()) == sorted(trial.id for trial in some)
    assert own.tally.known + own.tally.finished == COUNT
    assert COUNT // 2 - IN_FLIGHT * SLOTS <= own.tally.known <= COUNT // 2


def test_a_store_that_does_not_answer_stops_nobody_who_trains(tmp_path, looking, monkeypatch):
    asked, answer = [], training.answering

    def once(*words):
        asked.append(words)
        if len(asked) > 1:  # the first look is before training
            raise StoreUnavailable("gone")
        return answer(*words)

    monkeypatch.setattr(training, "answering", once)
    own = trainer(tmp_path, seconds=0.001)
    assert len(own.train(trials(COUNT), None, "B")) == own.tally.finished == COUNT
    assert len(asked) > 2


def test_two_that_begin_together_share_the_work(tmp_path, looking):
    some = trials(COUNT)
    both = [trainer(tmp_path, seconds=0.001) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        tables = list(pool.map(lambda own: own.train(some, None, "B"), both))
    assert all(set(rows["trial_id"].to_pylist()) == {t.id for t in some} for rows in tables)
    assert len(trials_frame(Store(tmp_path))) == COUNT
    trained = sum(own.tally.finished for own in both)
    assert COUNT <= trained < 1.8 * COUNT
