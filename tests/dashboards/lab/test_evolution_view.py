"""What the page of a run sends a browser, and what it takes from one."""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest
from dash import no_update
from flask.testing import FlaskClient

from cluster.pulse import Pulse, write_pulse
from dashboards.lab.app import make_app
from dashboards.lab.evolution_news import news, population_rows
from dashboards.lab.evolution_page import at_its_end
from dashboards.lab.evolution_view import (
    genome_at,
    growing_of,
    population_of,
    reading_said,
    seen_of,
)
from dashboards.lab.live import Live
from dashboards.lab.patches import Sent
from dashboards.lab.sources import Sources
from speciation.tables.files import open_files
from tests.cluster.runs import config

RUN = config().run_id()
OWN = {"Host": "127.0.0.1:8050", "Origin": "http://127.0.0.1:8050"}


def as_json(value: Any) -> Any:
    return value.to_plotly_json() if hasattr(value, "to_plotly_json") else value


def test_a_page_that_has_seen_all_is_sent_nothing(finished):
    now, sent = Sources(finished, finished).shared(Live).run(RUN), Sent()
    keys = {name: sent.keep(data) for name, data in growing_of(now).items()}
    *parts, seen = news(now, seen_of(now, keys), True, sent)
    assert all(own is no_update for own in parts)
    assert seen == seen_of(now, keys)


def test_a_page_that_waits_says_how_much_of_the_store_was_read():
    said = [reading_said(0, 0), reading_said(120, 511), reading_said(511, 511)]
    assert said == [
        "Reading the store …",
        "Reading the store: 120 of 511 parts …",
        "Adding up what was read …",
    ]


def test_a_run_at_its_end_goes_on_for_more_generations_only(finished):
    now = Sources(finished, finished).shared(Live).run(RUN)
    assert at_its_end(now, now.generations + 1) is None
    for more in (now.generations, 1, None, "9"):
        assert at_its_end(now, more).endswith("ask for more of them, and it goes on.")


def test_of_a_new_generation_only_its_own_row_and_points_are_sent(finished):
    now, sent = Sources(finished, finished).shared(Live).run(RUN), Sent()
    seen, closed = news(now, {}, True, sent)[-1], sorted(now.tally.closed)
    last = now.tally.closed.pop(closed[-1])
    history = now.tally.history("sprinter")
    now.tally._history, before = history.iloc[:-1], history
    seen |= {"rows": closed[:-1], "closed": len(closed) - 1}
    seen["fitness"] = sent.keep(growing_of(now)["fitness"])
    now.tally.closed[closed[-1]], now.tally._history = last, before
    fitness, outcomes, population, rows, _, end, place, _ = news(now, seen, True, sent)
    assert {own["operation"] for own in fitness.to_plotly_json()["operations"]} == {"Extend"}
    assert outcomes is no_update
    assert population is no_update
    assert list(rows["rows"]) == closed[-1:]
    assert (end, place) == (3, 3)


def test_a_population_that_grows_is_the_one_that_is_drawn_at_once(finished):
    now = Sources(finished, finished).shared(Live).run(RUN)
    whole = as_json(population_of(now))
    told = population_rows(now, [0])
    assert told["shown"] == whole["layout"]["meta"]
    for place, generation in enumerate(told["shown"]):
        if generation:
            assert told["rows"][generation]["z"] == whole["data"][0]["z"][place]


def test_new_beats_alone_are_sent(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "store")
    live = Sources(tmp_path / "store", tmp_path).shared(Live)
    files, now = open_files(tmp_path / "store"), time.time()
    write_pulse(files, Pulse(RUN, state="running", began=now - 60, at=now - 30, capacity=8))
    sent = Sent()
    seen = news(live.run(RUN), {}, False, sent)[-1]
    write_pulse(
        files, Pulse(RUN, state="running", began=now - 60, at=now, capacity=8, occupied=4)
    )
    told, traces, most = news(live.run(RUN), seen, False, sent)[4]
    assert [len(x) for x in told["x"]] == [1, 1]
    assert told["x"][0] == [pytest.approx(1.0)]
    assert told["y"][1] == [50.0]
    assert (traces, most) == ([0, 1], 600)


def test_cells_of_a_block_are_its_genomes_in_the_order_of_their_ranks(finished):
    now = Sources(finished, finished).shared(Live).run(RUN)
    ids = now.tally.closed[1].sort_values("rank")["genome_id"].tolist()
    found = [genome_at(now, 1, line, column) for line in range(9) for column in range(9)]
    assert [own for own in found if own] == ids
    assert genome_at(now, 99, 0, 0) is None
    assert genome_at(now, 1, -1, 0) is None


@pytest.fixture
def client(finished, tmp_path) -> FlaskClient:
    shutil.copytree(finished, tmp_path / "store")
    return make_app(Sources(tmp_path / "store", tmp_path), 8050).server.test_client()


HOSTILE = (
    None,
    3,
    -1,
    1e308,
    "../../etc/passwd",
    "\x00",
    [],
    {},
    [[]],
    {"run": []},
    "x" * 9999,
)


def callbacks(client: FlaskClient) -> list[dict[str, Any]]:
    told = client.get("/_dash-dependencies", headers=OWN).get_json()
    return [own for own in told if not own["clientside_function"]]


def post(client: FlaskClient, callback: dict[str, Any], value: Any) -> Any:
    """Call a callback with one value everywhere."""
    ids = [
        dict(zip(("id", "property"), name.rsplit(".", 1), strict=True))
        for name in callback["output"].strip(".").split("...")
    ]
    several = callback["output"].startswith("..")
    given = {
        key: [{**own, "value": value} for own in callback[key]] for key in ("inputs", "state")
    }
    body = {
        "output": callback["output"],
        "outputs": ids if several else ids[0],
        **given,
        "changedPropIds": [f"{own['id']}.{own['property']}" for own in callback["inputs"][:1]],
    }
    return client.post("/_dash-update-component", json=body, headers=OWN)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_no_value_from_a_browser_is_a_failure_of_a_page_that_moves(client, value):
    """Every callback of Evolution, each input and state of it the same odd value."""
    names = ("tick", "run", "stop", "resume", "start", "generation", "block", "preset")
    tried = 0
    for callback in callbacks(client):
        if callback["inputs"][0]["id"] in names:
            assert post(client, callback, value).status_code in (200, 204)
            tried += 1
    assert tried == len(names)
