"""A run's manifest: what is kept, and which run is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.config import ConfigError
from cluster.manifest import config_of, find_run, manifest_of, write_manifest
from cluster.summary import Champion, Figures
from speciation.tables.files import StoreError
from speciation.tables.store import Store
from tests.cluster.runs import config
from tests.cluster.synthetic import genome

RUN = config().run_id()
FIGURES = Figures(3, 2, 0.2, 0.9, 500.0, float("nan"), 600.0, 10.0)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def test_a_later_writing_keeps_what_it_has_nothing_new_about(store):
    champion = Champion(genome(1), True, FIGURES, None)
    write_manifest(store, config(), "finished", 3, champion, ["cpu", "", "B"])
    first = store.read_manifest(RUN) | {"created": "2020-02-02T00:00:00+00:00"}
    store.write_manifest(RUN, first)
    write_manifest(store, config(), "running", 3, None, ["A", "cpu"])
    second = store.read_manifest(RUN)
    assert second["devices"] == ["A", "B", "cpu"]
    assert second["champion"] == first["champion"]
    assert second["champion"]["selected"]["steps_low"] is None
    assert second["created"] == first["created"] < second["updated"]
    assert (second["status"], second["generations_closed"]) == ("running", 3)


def test_a_manifest_says_nothing_of_the_machine_it_was_written_on(store, tmp_path):
    plan = config(store=str(tmp_path), address="10.1.2.3:6379", executor="ray")
    write_manifest(store, plan, "running", 0, None, [])
    text = (tmp_path / "runs" / plan.run_id() / "manifest.json").read_text()
    assert "10.1.2.3" not in text
    assert str(tmp_path) not in text


def test_a_stored_run_goes_on_elsewhere_as_the_same_run(store, tmp_path):
    plan = config(address="10.1.2.3:6379", engine={"slots": 7})
    write_manifest(store, plan, "running", 0, None, [])
    moved = Store(tmp_path.rename(tmp_path.with_name("carried-elsewhere")))
    again = config_of(moved, RUN, {"engine.device": "cuda"})
    assert (again.run_id(), again.store, again.address) == (RUN, moved.uri, None)
    assert (again.engine.slots, again.engine.device) == (7, "cuda")


def test_there_is_no_manifest_of_a_run_that_never_was(store):
    assert manifest_of(store, "test-0") is None
    with pytest.raises(ConfigError, match=r"no run 'test-0' in .*; its runs are none"):
        config_of(store, "test-0", {})


def test_a_manifest_of_a_newer_program_is_not_replaced(store):
    newer = {"version": 2, "config_hash": config().config_hash(), "treasure": 1}
    store.write_manifest(RUN, newer)
    with pytest.raises(
        ConfigError, match=r"manifest\.json: version is 2, but this program rea"
    ):
        write_manifest(store, config(), "running", 0, None, [])
    assert store.read_manifest(RUN) == newer


def test_a_manifest_in_the_folder_of_another_run_is_told(store, tmp_path):
    write_manifest(store, config(), "running", 0, None, [])
    (tmp_path / "runs" / RUN).rename(tmp_path / "runs" / "other-0")
    with pytest.raises(ConfigError, match=f"this is the manifest of {RUN}, not of other-0"):
        config_of(store, "other-0", {})


# -- Which run ----------------------------------------------------------------------------


@pytest.fixture
def three(store) -> Store:
    for run, updated in (("a-1", "2026-01-01"), ("a-11", "2026-01-03"), ("b-2", "2026-01-02")):
        store.write_manifest(run, {"updated": f"{updated}T00:00:00+00:00"})
    return store


@pytest.mark.parametrize(
    ("text", "run"), [("a-1", "a-1"), ("a-11", "a-11"), ("b", "b-2"), (None, "a-11")]
)
def test_a_run_is_found_by_its_id_its_beginning_or_its_date(three, text, run):
    assert find_run(three, text) == run


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a", "'a' is the beginning of 2 runs in .*: a-1, a-11"),
        ("c", "there is no run 'c' in .*; its runs are a-1, a-11, b-2"),
        ("b-3", "no run 'b-3' .* did you mean 'b-2'"),
        ("../a-1", "no run '../a-1'"),
    ],
)
def test_a_run_that_is_not_one_is_told(three, text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        find_run(three, text)


def test_a_damaged_manifest_does_not_hide_the_latest_run_of_the_others(three, tmp_path):
    (tmp_path / "runs" / "a-11" / "manifest.json").write_text('{"updated": "20')
    assert find_run(three, None) == "b-2"


def test_a_store_with_damaged_manifests_alone_has_no_latest(three, tmp_path):
    for run in three.runs():
        (tmp_path / "runs" / run / "manifest.json").write_text("[]")
    with pytest.raises(StoreError, match=r"a-1/manifest\.json should be a JSON object"):
        find_run(three, None)


def test_a_store_without_runs_has_no_latest(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"there is no run in .* yet; `speciation evolve`"):
        find_run(Store(tmp_path), None)
