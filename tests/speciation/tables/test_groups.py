"""Groups of genomes: small JSON files of a store, read with suspicion."""

from __future__ import annotations

import json

import pytest

from speciation.tables.files import StoreError
from speciation.tables.store import Store

ONE, OTHER = "0" * 32, "f" * 32


def test_a_group_is_what_was_saved_sorted_and_once(tmp_path):
    store = Store(tmp_path)
    assert store.groups() == ()
    store.write_group("fast", [OTHER, ONE, OTHER])
    assert store.read_group("fast") == (ONE, OTHER)
    assert store.groups() == ("fast",)
    store.write_group("fast", [ONE])
    assert Store(tmp_path).read_group("fast") == (ONE,)


def test_a_merge_takes_groups_that_are_unknown_here(tmp_path):
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    here.write_group("fast", [ONE])
    there.write_group("fast", [OTHER])
    there.write_group("slow", [OTHER])
    here.merge(there)
    assert here.read_group("fast") == (ONE,)
    assert here.read_group("slow") == (OTHER,)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 65])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(StoreError, match="cannot be the name of a group"):
        Store(tmp_path).write_group(name, [ONE])


@pytest.mark.parametrize("ids", [[], ["abc"], [ONE.upper()[:-1] + "G"]])
def test_what_is_no_id_is_refused(tmp_path, ids):
    with pytest.raises(StoreError, match="needs ids of genomes"):
        Store(tmp_path).write_group("fast", ids)


def test_a_group_that_is_not_there_is_a_sentence(tmp_path):
    store = Store(tmp_path)
    store.write_group("fast", [ONE])
    with pytest.raises(StoreError, match=r"no group 'slow' in .*; its groups are: fast"):
        store.read_group("slow")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "damaged"),
        (b"[]", "is not a speciation-group"),
        (b'{"format": "other"}', "is not a speciation-group"),
        (json.dumps({"format": "speciation-group", "version": 2}).encode(), "newer version"),
        (json.dumps({"format": "speciation-group", "version": 1}).encode(), "no genomes"),
        (
            json.dumps({"format": "speciation-group", "version": 1, "genomes": [1]}).encode(),
            "no id of a genome",
        ),
    ],
)
def test_a_damaged_group_is_a_sentence(tmp_path, body, sentence):
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "bad.json").write_bytes(body)
    with pytest.raises(StoreError, match=sentence):
        Store(tmp_path).read_group("bad")
