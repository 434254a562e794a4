"""Every genome is one mark with its own id, and a rank is a look for each kin."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dashboards.lab import marks
from dashboards.lab.marks import figure, kin, looks, repainted
from speciation.analysis.taxonomy import RANKS, Taxonomy, classify
from speciation.genome.genome import HYPER17


@pytest.fixture(scope="module")
def found() -> Taxonomy:
    return classify(HYPER17.random(60, np.random.default_rng(0)))


def numbers(told: dict[str, str]) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(told["bdata"]), told["dtype"])


def test_kin_share_their_species_at_every_rank_and_are_all_genomes(found):
    groups = kin(found)
    assert sorted(np.concatenate(groups)) == list(range(60))
    assert all((found.labels[members] == found.labels[members[0]]).all() for members in groups)
    rows = {tuple(found.labels[members[0]]) for members in groups}
    assert len(rows) == len(groups)


@pytest.mark.parametrize("level", range(len(RANKS)))
def test_a_kin_has_the_name_of_its_species(found, level):
    for members, look in zip(kin(found), looks(found, level), strict=True):
        own = found.species[level][found.labels[members[0], level]]
        assert look.name.replace("&lt;", "<").replace("&gt;", ">") == own.name


def test_few_genomes_are_points_at_their_places(found):
    traces = figure(found, 2)["data"]
    ids = [own for trace in traces for own in trace["customdata"]]
    assert sorted(ids) == sorted(found.ids)
    x = np.concatenate([numbers(trace["x"]) for trace in traces])
    assert x == pytest.approx(found.places[np.concatenate(kin(found)), 0], rel=1e-6)


def test_very_many_are_splinters_around_their_places_with_ids_in_a_row(found, monkeypatch):
    monkeypatch.setattr(marks, "MANY", 10)
    for members, trace in zip(kin(found), figure(found, 2)["data"], strict=True):
        assert trace["type"] == "mesh3d"
        assert trace["meta"] == "".join(found.ids[i] for i in members)
        corners = np.stack([numbers(trace[axis]) for axis in "xyz"], axis=1)
        own = corners.reshape(len(members), 4, 3)
        assert own.mean(axis=1) == pytest.approx(found.places[members], abs=1e-4)
        faces = np.stack([numbers(trace[side]) for side in "ijk"], axis=1)
        assert (faces // 4 == np.repeat(np.arange(len(members)), 2)[:, None]).all()
        a, b, c = (corners[faces[:, i]] for i in range(3))
        sides = np.linalg.norm(np.stack([a - b, b - c, c - a]), axis=2)
        assert np.ptp(sides) < 1e-4


def test_another_rank_sends_looks_and_no_point(found, monkeypatch):
    for many in (10, 5000):
        monkeypatch.setattr(marks, "MANY", many)
        sent = {
            own["location"][-1] for own in repainted(found, 3).to_plotly_json()["operations"]
        }
        assert sent <= {"name", "color", "symbol"}
        assert "color" in sent


def test_ranks_differ_in_looks(found):
    assert any(looks(found, a) != looks(found, b) for a, b in pairwise(range(len(RANKS))))
