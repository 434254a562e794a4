"""What is read of a run, however far it got."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dashboards.run import at, read_run
from speciation.evolution.hall_of_fame import hall_of_fame
from speciation.tables.files import StoreError
from speciation.tables.readers import generations_frame, plans_frame, trials_frame
from speciation.tables.schema import Row
from speciation.tables.store import Store
from tests.cluster.runs import carry_out, config


@pytest.fixture
def copied(finished, tmp_path) -> Store:
    """The same store, to write to."""
    return Store(shutil.copytree(finished, tmp_path / "copied"))


RUN = config().run_id()
UNSETTLED = config(seed=2, evolution={"elites": 1})


@pytest.fixture
def unsettled(tmp_path) -> Store:
    """A run that has not named its champion, and whose leader kept changing."""
    store = Store(tmp_path)
    carry_out(UNSETTLED, store)
    change(store, UNSETTLED.run_id(), champion=None, status="stopped")
    return store


def change(store: Store, run: str = RUN, **changes: Any) -> None:
    """Say something else in the manifest."""
    store.write_manifest(run, store.read_manifest(run) | changes)


def best_of(store: Store, generation: int) -> str:
    """The first of a generation."""
    frame = generations_frame(store)
    chosen = (frame["generation"] == generation) & (frame["rank"] == 0)
    return str(frame.loc[chosen, "genome_id"].item())


def best_of_hall(store: Store) -> str:
    """The first of the Hall of Fame."""
    trials = trials_frame(store, UNSETTLED.run_id())
    return str(hall_of_fame(trials, 1000)["genome_id"].iloc[0])


def confirmation(store: Store) -> list[Row]:
    """Rows of pool B."""
    rows = store.scan("trials").table.to_pylist()
    return [row for row in rows if row["pool"] == "B"]


def test_a_finished_run_is_read_in_full(finished):
    store = Store(finished)
    tables, manifest = read_run(store, RUN), store.read_manifest(RUN)
    asked = plans_frame(store)["trial_ids"].explode()
    assert set(tables.trials["trial_id"]) == set(asked)
    assert len(tables.generations) == 24
    assert tables.champion == manifest["champion"]["genome"]["id"]
    assert tables.chosen
    assert len(tables.selected) == manifest["champion"]["selected"]["trials"]
    assert tables.confirmed["seed"].tolist() == [1, 3, 5, 7, 9, 11]
    assert set(tables.curves["trial_id"]) == set(tables.confirmed["trial_id"])
    assert tables.trials["own"].all()
    assert tables.confirmed["own"].all()
    assert tables.damaged == ()


def test_the_rules_are_those_of_the_configuration(finished):
    rules = read_run(Store(finished), RUN).rules
    assert (rules.landscape, rules.gate, rules.strictness) == ("sprinter", 0.5, 0.5)
    assert (rules.confirm_seeds, rules.horizon) == (6, 1000)


def test_without_a_champion_the_leader_of_the_hall_stands_in(unsettled):
    tables = read_run(unsettled, UNSETTLED.run_id())
    assert tables.champion == best_of_hall(unsettled)
    assert not tables.chosen
    own = tables.confirmed if len(tables.confirmed) else tables.selected
    assert set(tables.curves["trial_id"]) == set(own["trial_id"])


def test_with_an_empty_hall_the_best_of_the_last_generation_leads(unsettled):
    settings = unsettled.read_manifest(UNSETTLED.run_id())["config"]
    settings["evolution"]["strictness"] = 0.99
    change(unsettled, UNSETTLED.run_id(), config=settings)
    assert read_run(unsettled, UNSETTLED.run_id()).champion == best_of(unsettled, 2)


def test_the_leaders_of_this_run_are_three_different_genomes(unsettled):
    leaders = {best_of_hall(unsettled), best_of(unsettled, 2), best_of(unsettled, 0)}
    assert len(leaders) == 3


def test_a_run_that_has_only_begun_is_empty(tmp_path):
    store = Store(tmp_path)
    carry_out(config(), store, stop=lambda: True)
    store = Store(shutil.copytree(tmp_path / "runs", tmp_path / "new" / "runs").parent)
    tables = read_run(store, RUN)
    assert tables.champion is None
    assert tables.rules.horizon is None
    assert tables.trials.empty
    assert tables.confirmed.empty
    assert tables.curves.empty


def test_trials_that_another_run_had_computed_count_as_known(finished, copied):
    carry_out(config(name="again"), copied)
    tables = read_run(copied, config(name="again").run_id())
    assert len(tables.trials) == len(read_run(Store(finished), RUN).trials)
    assert not tables.trials["own"].any()
    assert len(tables.confirmed) == 6
    assert not tables.confirmed["own"].any()


def test_confirmation_is_on_the_runs_own_question_and_number_of_seeds(copied):
    row = confirmation(copied)[0]
    other = {
        "further": {"seed": 13},
        "another task": {"modulus": 113},
        "another model": {"layers": 2},
        "another genome": {"genome_id": "x"},
        "selection": {"pool": "A"},
    }
    copied.append("trials", [row | {"trial_id": name} | other[name] for name in other])
    copied.append("trials", [row | {"trial_id": "counts", "run": "another"}])
    found = read_run(copied, RUN).confirmed
    assert len(found) == 7
    assert not set(found["trial_id"]) & set(other)
    assert "counts" in set(found["trial_id"])


def test_damaged_parts_are_left_out_and_told(copied):
    part = next(Path(copied.uri).glob("curves/*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    tables = read_run(Store(copied.uri), RUN)
    assert len(tables.damaged) == 1
    assert part.name[:12] in tables.damaged[0]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("evolution", "landscape", "<b>"),
        ("evolution", "landscape", ["sprinter"]),
        ("evolution", "gate", 1.5),
        ("evolution", "strictness", "0.5"),
        ("confirm", "seeds", None),
    ],
)
def test_a_manifest_that_does_not_say_how_to_judge_is_refused(copied, section, key, value):
    settings = copied.read_manifest(RUN)["config"]
    settings[section][key] = value
    change(copied, config=settings)
    with pytest.raises(StoreError, match=f"config.{section}.{key} is"):
        read_run(copied, RUN)


def test_a_run_that_is_not_there_is_named(finished):
    with pytest.raises(StoreError, match="there is no run 'nobody'"):
        read_run(Store(finished), "nobody")


def test_a_path_that_leads_nowhere_is_none():
    settings = {"a": {"b": 1}}
    assert at(settings, "a", "b") == 1
    assert at(settings, "a", "b", "c") is None
    assert at(settings, "x", "b") is None
    assert at(settings, "a") == {"b": 1}
