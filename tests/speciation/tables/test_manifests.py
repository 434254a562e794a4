from __future__ import annotations

import errno
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.tables.manifests import MANIFEST_BYTES, parse_manifest
from speciation.tables.store import Store, StoreError, StoreFull
from tests.speciation.tables.faults import When, broken, crashing


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def path_of(store: Store, run: str = "run-1"):
    from pathlib import Path

    return Path(store.uri) / "runs" / run / "manifest.json"


def test_a_manifest_reads_back_and_can_be_replaced(store):
    store.write_manifest("run-1", {"seed": 1, "lr": 0.1, "name": "spärlich", "x": [None, True]})
    assert store.read_manifest("run-1")["name"] == "spärlich"
    store.write_manifest("run-1", {"seed": 2})
    assert store.read_manifest("run-1") == {"seed": 2}
    assert store.runs() == ("run-1",)


def test_the_same_manifest_has_the_same_pretty_text(store):
    store.write_manifest("a", {"b": 1.0, "a": {"d": 1, "c": 2}})
    store.write_manifest("b", {"a": {"c": 2, "d": 1}, "b": 1.0})
    assert path_of(store, "a").read_text() == path_of(store, "b").read_text()
    assert path_of(store, "a").read_text().splitlines()[1] == '  "a": {'


def test_runs_are_sorted_and_only_those_with_a_manifest(store):
    for run in ("b", "a", "c"):
        store.write_manifest(run, {})
    path_of(store, "c").unlink()
    (path_of(store, "c").parent.parent / "notes.txt").write_text("")
    assert store.runs() == ("a", "b")


@pytest.mark.parametrize("run", ["", "..", "a/b", "/etc", ".hidden", "a" * 200, "a\n", "ä"])
def test_a_name_that_could_leave_its_folder_is_refused(store, run):
    with pytest.raises(StoreError, match="cannot be the name of a run"):
        store.write_manifest(run, {})
    with pytest.raises(StoreError, match="cannot be the name of a run"):
        store.read_manifest(run)


def test_an_unknown_run_is_answered_with_the_known_ones(store):
    store.write_manifest("run-1", {})
    with pytest.raises(StoreError, match=r"no run 'run-2' in .*its runs are: run-1"):
        store.read_manifest("run-2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[1]", "should be a JSON object, but it is a list"),
        ('{"a": NaN}', "NaN is not a finite number"),
        ('{"a": 1e999}', "1e999 is not a finite number"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": ' + "9" * 5000 + "}", "damaged"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested deeper"),
        ("[" * 100_000, "damaged"),
        ("{" + " " * MANIFEST_BYTES + "}", "larger than"),
    ],
)
def test_a_damaged_manifest_is_named_with_what_is_wrong(store, text, said):
    store.write_manifest("run-1", {})
    path_of(store).write_text(text)
    with pytest.raises(StoreError, match=said) as caught:
        store.read_manifest("run-1")
    assert str(path_of(store)) in str(caught.value)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_manifest_or_a_sentence(data):
    try:
        assert isinstance(parse_manifest("file", data), dict)
    except StoreError as error:
        assert str(error).startswith("manifest file")  # noqa: PT017


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1: 2}, "x" * MANIFEST_BYTES])
def test_a_manifest_that_could_not_be_read_is_not_written(store, value):
    with pytest.raises(StoreError, match="manifest of run 'run-1'"):
        store.write_manifest("run-1", {"a": value})
    assert store.runs() == ()


@pytest.mark.parametrize("when", When)
def test_a_crash_leaves_the_old_manifest_or_the_new_one(tmp_path, when):
    at, seen = 0, set()
    while True:
        store = Store(tmp_path / str(at))
        store.write_manifest("run-1", {"a": "old" * 1000})
        with crashing(at, when) as made:
            Store(store.uri).write_manifest("run-1", {"a": "new"})
        seen.add(store.read_manifest("run-1")["a"])
        if made[0] <= at:
            break
        at += 1
    assert seen == {"old" * 1000, "new"}


def test_a_full_disk_keeps_the_old_manifest(store):
    store.write_manifest("run-1", {"a": 1})
    with broken("write", 0, errno.ENOSPC), pytest.raises(StoreFull):
        store.write_manifest("run-1", {"a": 2})
    assert store.read_manifest("run-1") == {"a": 1}
    assert [path.name for path in path_of(store).parent.iterdir()] == ["manifest.json"]
