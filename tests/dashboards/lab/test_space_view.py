"""The view of all genomes begins as a picture where there are very many, and asks for it so."""

from __future__ import annotations

import numpy as np
import pytest
from dash import dcc, html

from dashboards.lab import marks, picture
from dashboards.lab.app import make_app
from dashboards.lab.sources import Sources
from dashboards.lab.space_view import view
from speciation.analysis.taxonomy import classify
from speciation.analysis.taxonomy_file import encode
from speciation.genome.genome import HYPER17
from tests.dashboards.lab.hostile import JUNK

HEAD = {"Host": "127.0.0.1:8050"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Sources:
    folder = tmp_path_factory.mktemp("space")
    (folder / "taxonomy").mkdir()
    found = classify(HYPER17.random(30, np.random.default_rng(0)))
    (folder / "taxonomy" / "hyper17.arrow").write_bytes(encode(found))
    return Sources(folder, folder)


@pytest.fixture
def very_many(monkeypatch):
    monkeypatch.setattr(marks, "MANY", 10)
    monkeypatch.setattr(picture, "HEIGHT", 64)
    monkeypatch.setattr(picture, "WIDTH", 136)
    picture.seen.cache_clear()


def test_few_genomes_are_a_view_without_a_picture(sources):
    (graph,) = view(sources, sources.taxonomy(), {}).children
    assert isinstance(graph, dcc.Graph)
    assert (
        make_app(sources, 8050).server.test_client().get("/space.png", headers=HEAD).data == b""
    )


def test_very_many_begin_as_the_picture_that_the_address_asks_for(sources, very_many):
    camera = "1.50,0.50,0.50,0.00,0.00,0.00,0.00,0.00,1.00"
    shown = view(sources, sources.taxonomy(), {"rank": "order", "camera": camera})
    image, graph = shown.children
    assert isinstance(image, html.Img)
    assert graph.figure["layout"]["scene"]["camera"]["eye"] == {"x": 1.5, "y": 0.5, "z": 0.5}
    client = make_app(sources, 8050).server.test_client()
    asked, usual = client.get(image.src, headers=HEAD), client.get("/space.png", headers=HEAD)
    assert asked.mimetype == usual.mimetype == "image/png"
    assert asked.data != usual.data


def test_an_address_that_makes_no_sense_has_the_usual_picture(sources, very_many):
    client = make_app(sources, 8050).server.test_client()
    usual = client.get("/space.png", headers=HEAD).data
    for junk in JUNK:
        query = dict.fromkeys(("rank", "camera"), str(junk).encode(errors="replace"))
        assert client.get("/space.png", query_string=query, headers=HEAD).data == usual


def test_where_there_is_no_picture_the_answer_is_empty_and_no_error(
    sources, very_many, tmp_path, monkeypatch
):
    nobody = make_app(Sources(tmp_path, tmp_path), 8050).server.test_client()
    assert nobody.get("/space.png", headers=HEAD).status_code == 204
    monkeypatch.setattr(picture, "LARGEST", -1)
    near = make_app(sources, 8050).server.test_client().get("/space.png", headers=HEAD)
    assert (near.status_code, near.data) == (204, b"")
