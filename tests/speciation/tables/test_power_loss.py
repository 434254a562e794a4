"""Promises 1 and 2 of a store when the power fails, at every call, many times over."""

from __future__ import annotations

import shutil

import pytest

from speciation.tables import manifests
from speciation.tables.files import LocalFiles
from speciation.tables.store import Store
from tests.speciation.tables import facts
from tests.speciation.tables.power import Record, after_power_loss


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> Record:
    """A life of a store: three parts, a manifest, compaction, a new manifest, one part more."""
    root = tmp_path_factory.mktemp("life") / "store"
    record = Record(root)
    store = Store(root)

    def append(name: str, **told) -> None:
        store.append("trials", [facts.row(name, **told)])
        record.note("trial", name)

    def manifest(text: str) -> None:
        store.write_manifest("run-1", {"text": text})
        record.note("manifest", text)

    with record.recording():
        append("a")
        append("b")
        manifest("old")
        append("a", steps=200)
        store.compact()
        manifest("new")
        append("c")
    return record


@pytest.mark.parametrize(
    ("a_point", "at_least"), [(1, 50), pytest.param(9, 500, marks=pytest.mark.slow)]
)
def test_whatever_was_acknowledged_is_there_and_nothing_else(
    record, tmp_path, a_point, at_least
):
    losses = 0
    for at in range(len(record.events) + 1):
        for seed in range(a_point):
            here = tmp_path / "left"
            noted = after_power_loss(record, at, seed, here)
            store = Store(here)
            scan = store.scan("trials")
            names = facts.ids(scan.table)
            assert {name for kind, name in noted if kind == "trial"} <= set(names)
            assert names == sorted({"a", "b", "c"} & set(names))
            assert scan.bad == ()
            _check_manifest(store, [text for kind, text in noted if kind == "manifest"])
            store.append("trials", [facts.row("d")])
            assert "d" in facts.ids(store.scan("trials").table)
            shutil.rmtree(here)
            losses += 1
    assert losses >= at_least


def _check_manifest(store: Store, texts: list[str]) -> None:
    """The last one noted, or the next one; before any was, none is fine."""
    order = ("old", "new")
    expected = order[order.index(texts[-1]) :] if texts else order
    if texts or store.runs():
        assert store.read_manifest("run-1")["text"] in expected


def test_the_simulation_notices_a_write_that_is_not_forced(tmp_path, monkeypatch):
    """Without it, a green test above would mean nothing."""
    root = tmp_path / "store"
    record = Record(root)
    monkeypatch.setattr("speciation.tables.files.os.fsync", lambda fd: None)
    with record.recording():
        LocalFiles(root).publish(manifests.manifest_path("r"), b"x" * 100)
    record.events = [event for event in record.events if event.call != "fsync"]
    left = set()
    for seed in range(50):
        here = tmp_path / str(seed)
        after_power_loss(record, len(record.events), seed, here)
        found = list(here.rglob("manifest.json"))
        left.add(found[0].read_bytes() if found else None)
    assert None in left
    assert any(data != b"x" * 100 for data in left if data is not None)
