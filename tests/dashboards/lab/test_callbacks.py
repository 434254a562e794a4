"""Whatever a browser sends to a callback of any page, the Lab answers, and lives on."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from dash.development.base_component import Component

from dashboards.lab.app import PAGES, make_app
from dashboards.lab.sources import Sources
from tests.dashboards.lab.hostile import JUNK

PORT = 8050
HOST = f"127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def sources(finished, tmp_path_factory) -> Sources:
    folder = tmp_path_factory.mktemp("callbacks")
    shutil.copytree(finished, folder / "store")
    (folder / "genomes" / "custom").mkdir(parents=True)
    return Sources(folder / "store", folder / "genomes")


@pytest.fixture(scope="module")
def app(sources):
    made = make_app(sources, PORT)

    client(made).get("/", base_url=f"http://{HOST}")
    return made


def client(app):
    app.server.config["PROPAGATE_EXCEPTIONS"] = False
    return app.server.test_client()


def answer(app, key: str, junk: Any, changed: int) -> int:
    """The status of a callback whose every input and state is junk."""
    told = app.callback_map[key]

    def parts(listed: list[dict[str, Any]]) -> list[Any]:
        return [part(one) for one in listed]

    def part(one: dict[str, Any]) -> Any:
        if one["id"].startswith("{"):
            own = {k: 0 if isinstance(v, list) else v for k, v in json.loads(one["id"]).items()}
            return [{"id": own, "property": one["property"], "value": junk}]
        return {**one, "value": junk}

    inputs = parts(told["inputs"])
    moved = inputs[changed % len(inputs)]
    moved = moved[0] if isinstance(moved, list) else moved
    own = moved["id"]
    name = (
        json.dumps(own, sort_keys=True, separators=(",", ":")) if isinstance(own, dict) else own
    )
    body = {
        "output": key,
        "outputs": outputs(key),
        "inputs": inputs,
        "state": parts(told["state"]),
        "changedPropIds": [f"{name}.{moved['property']}"],
    }
    found = client(app).post(
        "/_dash-update-component",
        base_url=f"http://{HOST}",
        headers={"Origin": f"http://{HOST}"},
        json=body,
    )
    return found.status_code


def outputs(key: str) -> Any:
    """What a callback's key says of its outputs."""
    names = key.strip(".").split("...")
    listed: list[Any] = []
    for own in names:
        name, kind = own.rsplit(".", 1)
        if name.startswith("{"):  # one of as many as there are
            ids = {k: 0 if isinstance(v, list) else v for k, v in json.loads(name).items()}
            listed.append([{"id": ids, "property": kind}])
        else:
            listed.append({"id": name, "property": kind})
    return listed if key.startswith("..") else listed[0]


def keys(app) -> list[str]:
    return [key for key, told in app.callback_map.items() if told.get("callback")]


def test_every_page_has_callbacks_and_every_junk_gets_an_answer(app):
    assert len(keys(app)) > len(PAGES)
    answers = {
        (key, str(junk)[:30], changed): answer(app, key, junk, changed)
        for key in keys(app)
        for junk in JUNK
        for changed in range(min(len(app.callback_map[key]["inputs"]), 3))
    }
    assert {key: status for key, status in answers.items() if status not in (200, 204)} == {}


@pytest.mark.parametrize("junk", [str(own) for own in JUNK])
def test_an_address_may_say_anything(sources, junk):
    told = (
        *("rank", "text", "genome", "recipient", "donors", "take", "set", "genomes", "seeds"),
        *("track", "horizon", "by", "work", "chosen", "run", "generation"),
    )
    for page in PAGES:
        assert page.layout(sources, dict.fromkeys(told, junk)) is not None


def ids_in(part: Any) -> list[str]:
    """Ids of a layout, at any depth."""
    if isinstance(part, list | tuple):
        return [own for one in part for own in ids_in(one)]
    if not isinstance(part, Component):
        return []
    own = getattr(part, "id", None)
    return ([own] if isinstance(own, str) else []) + ids_in(getattr(part, "children", None))


def test_no_two_pages_have_parts_of_one_name(sources):
    """Else a callback of one page would be called, half empty, on the other."""
    found = [own for page in PAGES for own in set(ids_in(page.layout(sources, {})))]
    assert sorted(found) == sorted(set(found))
    assert len(found) > len(PAGES)
