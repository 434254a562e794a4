"""A comparison carried out: what it costs, what is kept, and how it goes on."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from multiprocessing import active_children

import pytest

from cluster.checkpoints import trials_by_generation
from cluster.compare import carried_out, compare, failed, has_ended, keep, record_of
from cluster.local_executor import LocalExecutor
from cluster.plan import champion_among, closed_generations, spent_in
from speciation.tables.files import open_files
from speciation.tables.store import Store
from tests.cluster.runs import FAST, assert_same_tables
from tests.cluster.synthetic import PLAN, Behaviour
from tests.cluster.test_comparison import made


def executor(behaviour: Behaviour = FAST) -> LocalExecutor:
    return LocalExecutor(PLAN, behaviour)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """An entry that was carried out in this process, and its rows."""
    entry = made(tmp_path_factory.mktemp("compared"))[0]
    rows = carried_out(entry, executor())
    assert rows is not None
    return entry, rows


def test_a_run_stops_after_the_generation_that_spends_its_budget(done):
    entry, _ = done
    store, run = Store(entry.config.store), entry.config.run_id()
    spent = spent_in(run, store, 1000)
    budget = entry.checkpoints[-1]
    assert sum(spent) >= budget > sum(spent[:-1])
    assert len(spent) == closed_generations(run, store)
    rows = trials_by_generation(run, store)
    assert rows["steps_run"].sum() == sum(spent)


def test_a_checkpoints_champion_is_of_the_generations_paid_for_by_then(done):
    entry, rows = done
    tried = trials_by_generation(entry.config.run_id(), Store(entry.config.store))
    spent = tried.groupby("generation")["steps_run"].sum().cumsum()
    assert [row["checkpoint"] for row in rows] == list(entry.checkpoints)
    for row in rows:
        paid = int((spent <= row["checkpoint"]).sum())
        assert (row["generations"], row["spent"]) == (paid, spent.get(paid - 1, 0))
        among = tried[tried["generation"] < paid]
        if paid:
            assert row["genome"] == champion_among(among, entry.config)[0]
            assert row["confirmed"]["trials"] == entry.confirm
    assert rows[-1]["generations"] > 1


def test_a_first_generation_that_is_not_paid_for_has_no_champion(tmp_path):
    entry = dataclasses.replace(made(tmp_path)[0], checkpoints=(1, 40_000))
    rows = carried_out(entry, executor())
    assert rows is not None
    assert rows[0] == {"checkpoint": 1, "spent": 0, "generations": 0}
    assert "confirmed" in rows[1]


def test_stopped_and_begun_again_it_is_the_same(done, tmp_path):
    entry, rows = done
    again = dataclasses.replace(
        entry, config=entry.config.model_copy(update={"store": str(tmp_path)})
    )
    found = None
    for looks in range(10, 200, 30):
        asked = iter(range(10**6))

        def stop(asked=asked, looks=looks) -> bool:
            return next(asked) >= looks

        if (found := carried_out(again, executor(), stop=stop)) is not None:
            break
    assert looks > 10  # it was stopped
    assert found == rows
    assert_same_tables(Store(entry.config.store), tmp_path)


def test_a_record_answers_its_own_question_alone(tmp_path):
    entry, files = made(tmp_path)[0], open_files(tmp_path)
    assert record_of(entry, files) is None
    keep(entry, failed(entry, "no reason"), files)
    assert record_of(entry, files)["failure"] == "no reason"
    assert not has_ended(entry, files)
    keep(entry, failed(entry, "none") | {"failure": None}, files)
    assert has_ended(entry, files)
    assert record_of(dataclasses.replace(entry, confirm=6), files) is None
    (tmp_path / "records" / f"{entry.name}.json").write_text("{")
    assert record_of(entry, files) is None


# -- With processes -----------------------------------------------------------------------


@pytest.mark.slow
def test_drivers_in_processes_find_what_one_finds_alone(done, tmp_path):
    every, files = made(tmp_path)[:4], open_files(tmp_path)
    told: dict[str, tuple[int, int]] = {}
    assert compare(every, files, executor(), 2, lambda a, n, of: told.update({a: (n, of)}))
    assert told == {"evolution": (80_000, 80_000), "random": (80_000, 80_000)}
    assert all(has_ended(entry, files) for entry in every)
    _, rows = done
    assert record_of(every[0], files)["rows"] == json.loads(json.dumps(rows))
    lost = Store(every[0].config.store).scan("curves").table
    assert len(lost) == 0
    nothing = executor()
    assert compare(every, files, nothing, 2)
    assert nothing.trial_steps == 0


@pytest.mark.slow
def test_a_driver_that_dies_is_named_and_its_entry_is_tried_again(tmp_path):
    every, files = made(tmp_path, budget=10**7)[:2], open_files(tmp_path)
    looks = iter(range(10**6))

    def kill_then_stop() -> bool:
        look = next(looks)
        if look == 40:
            os.kill(min(child.pid for child in active_children()), signal.SIGKILL)
        return look > 80

    assert not compare(
        every, files, executor(Behaviour(slots=8, seconds=0.01)), 2, stop=kill_then_stop
    )
    failures = [own["failure"] for e in every if (own := record_of(e, files)) is not None]
    assert failures == ["its process ended (-9)"]
    assert not active_children()
    assert not any(has_ended(entry, files) for entry in every)
