"""What is predicted is learned once, and again when the store has grown."""

from __future__ import annotations

import shutil

import pytest

from dashboards.lab import forecast as module
from dashboards.lab.forecast import Forecast
from dashboards.lab.sources import Sources
from speciation.analysis.surrogate import SurrogateError
from speciation.tables.store import Store


def test_a_surrogate_is_learned_once_for_each_state_of_the_store(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "store")
    own = Forecast(Sources(tmp_path / "store", tmp_path))
    first = own.surrogate()
    assert own.surrogate() is first
    ids = Store(tmp_path / "store").scan("genomes", ["genome_id"]).table["genome_id"]
    Store(tmp_path / "store").write_group("any", ids.to_pylist()[:1])
    assert own.surrogate() is not first


def test_too_little_to_learn_from_is_told_each_time_and_tried_once(tmp_path, monkeypatch):
    tried = []

    def nothing(store):
        tried.append(store)
        raise SurrogateError("too little")

    monkeypatch.setattr(module, "of_store", nothing)
    own = Forecast(Sources(tmp_path, tmp_path))
    for _ in range(2):
        with pytest.raises(SurrogateError, match="too little"):
            own.surrogate()
    assert len(tried) == 1
