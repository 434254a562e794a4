"""Finished trials on their way to the store."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.campaign import Pack
from cluster.results import Results
from cluster.rows import FLUSH_SECONDS, RowBuffer
from cluster.suspicions import suspicions
from speciation.tables import parts
from speciation.tables.readers import curves_frame, trials_frame
from speciation.tables.store import Store, StoreError, StoreFull
from tests.cluster.synthetic import result, trials
from tests.speciation.tables.faults import broken

RESULTS = [result(trial) for trial in trials(6)]


class Watched(Store):
    """Tells what was appended, and has no room where somebody says so."""

    def __init__(self, folder: Path, full: Callable[[str], bool] = lambda _: False) -> None:
        super().__init__(folder)
        self.full = full
        self.appended: list[tuple[str, int]] = []

    def append(self, table: str, rows: Any) -> str | None:
        if self.full(table):
            raise StoreFull("cannot write: no space left")
        if len(rows):
            self.appended.append((table, len(rows)))
        return super().append(table, rows)


class Clock:
    """Seconds, when somebody says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_rows_are_gathered_for_a_moment_before_they_are_stored(tmp_path, clock):
    store = Watched(tmp_path)
    buffer = RowBuffer(store, "run", clock=clock)
    buffer.flush()
    buffer.add(Results.of(RESULTS[:2]), 0, "A")
    clock.now = FLUSH_SECONDS - 0.1
    buffer.flush_if_due()
    assert (store.appended, buffer.waiting) == ([], 2)
    buffer.add(Results.of(RESULTS[2:3]), 0, "A")
    clock.now = FLUSH_SECONDS
    buffer.flush_if_due()
    assert store.appended == [("curves", 3), ("trials", 3)]
    assert buffer.waiting == 0


def test_the_first_rows_of_a_process_are_stored_as_soon_as_they_come(tmp_path, clock):
    store = Watched(tmp_path)
    buffer = RowBuffer(store, "run", clock=clock)
    buffer.flush_if_due()
    clock.now = 0.1
    buffer.add(Results.of(RESULTS[:1]), 0, "A")
    buffer.flush_if_due()
    assert store.appended == [("curves", 1), ("trials", 1)]


def test_rows_are_stored_once(tmp_path, clock):
    store = Watched(tmp_path)
    buffer = RowBuffer(store, "run", clock=clock)
    buffer.add(Results.of(RESULTS), 2, "B")
    buffer.flush()
    buffer.flush()
    assert store.appended == [("curves", 6), ("trials", 6)]
    stored = trials_frame(store)
    assert set(stored["trial_id"]) == {r.trial.id for r in RESULTS}
    assert (set(stored["generation"]), set(stored["pool"])) == ({2}, {"B"})


def test_a_full_disk_is_waited_for_until_our_patience_ends(tmp_path, clock):
    store = Watched(tmp_path, full=lambda table: True)
    buffer = RowBuffer(store, "run", patience=60, clock=clock)
    buffer.add(Results.of(RESULTS), 0, "A")
    buffer.flush()
    assert (buffer.full, buffer.waiting) == (True, 6)
    clock.now = 59.9
    buffer.flush()
    clock.now = 60.0
    with pytest.raises(StoreFull):
        buffer.flush()
    assert buffer.waiting == 6


def test_patience_begins_anew_once_there_was_space(tmp_path, clock):
    store = Watched(tmp_path, full=lambda table: clock.now % 50 < 40)
    buffer = RowBuffer(store, "run", patience=60, clock=clock)
    for now in range(0, 500, 5):
        clock.now = float(now)
        buffer.add(Results.of(RESULTS[:1]), 0, "A")
        buffer.flush()
    assert not buffer.full


def test_while_the_disk_has_room_for_curves_alone_no_trial_counts_as_done(tmp_path, clock):
    store = Watched(tmp_path, full=lambda table: table == "trials")
    buffer = RowBuffer(store, "run", clock=clock)
    buffer.add(Results.of(RESULTS), 0, "A")
    buffer.flush()
    assert (len(curves_frame(store)), len(trials_frame(store))) == (6, 0)
    assert buffer.waiting == 6
    store.full = lambda table: False
    buffer.flush()
    assert store.appended == [("curves", 6), ("trials", 6)]  # and no curve twice


def test_rows_are_stored_in_pieces_and_none_is_lost(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(parts, "PART_WEIGHT", 4)
    store = Watched(tmp_path)
    buffer = RowBuffer(store, "run", clock=clock)
    buffer.add(Results.of(RESULTS), 0, "A")
    buffer.flush()
    assert len([name for name, _ in store.appended if name == "trials"]) == 2
    assert (len(trials_frame(store)), len(curves_frame(store))) == (6, 6)


def test_parts_that_an_actor_made_are_stored_as_they_are(tmp_path, clock, monkeypatch):
    monkeypatch.setattr("cluster.results.READY_SHARE", 0.0)
    buffer = RowBuffer(store := Watched(tmp_path), "run", clock=clock)
    packed = Results.of(RESULTS).packed()
    assert len(packed.parts) == 1
    buffer.add(packed, 0, "A")
    buffer.flush()
    assert store.appended == [("trials", 6)]
    assert set(curves_frame(store)["trial_id"]) == {r.trial.id for r in RESULTS}


def test_a_part_waits_with_the_rows_of_its_trials_while_the_disk_is_full(
    tmp_path, clock, monkeypatch
):
    monkeypatch.setattr("cluster.results.READY_SHARE", 0.0)
    buffer = RowBuffer(store := Watched(tmp_path), "run", clock=clock)
    buffer.add(Results.of(RESULTS).packed(), 0, "A")
    with broken("fsync", 0, errno.ENOSPC):
        buffer.flush()
    assert (buffer.full, buffer.waiting, len(trials_frame(store))) == (True, 6, 0)
    buffer.flush()
    assert (len(curves_frame(store)), len(trials_frame(store))) == (6, 6)


def test_suspicions_are_stored_at_once_or_no_more_work_is_taken_in(tmp_path, clock):
    buffer = RowBuffer(store := Watched(tmp_path), "run", clock=clock)
    pack = Pack(tuple(r.trial for r in RESULTS[:2]), strikes=0, losses=3, reason="boom")
    store.full = lambda table: True
    buffer.suspect([pack])
    assert buffer.full
    store.full = lambda table: False
    clock.now = FLUSH_SECONDS
    buffer.flush_if_due()
    assert not buffer.full
    assert suspicions(store, "run", list(pack.trials)) == [pack]


def test_a_store_that_does_not_answer_is_waited_for_like_a_full_one(tmp_path, clock):
    buffer = RowBuffer(store := Watched(tmp_path), "run", clock=clock)
    buffer.add(Results.of(RESULTS), 0, "A")
    with broken("fsync", 0, errno.EIO):
        buffer.flush()
    assert (buffer.full, buffer.waiting) == (True, 6)
    buffer.flush()
    assert (buffer.full, len(trials_frame(store))) == (False, 6)


def test_a_folder_that_may_not_be_written_to_is_not_waited_for(tmp_path, clock):
    buffer = RowBuffer(Watched(tmp_path), "run", clock=clock)
    buffer.add(Results.of(RESULTS), 0, "A")
    with broken("write", 0, errno.EROFS), pytest.raises(StoreError):
        buffer.flush()
