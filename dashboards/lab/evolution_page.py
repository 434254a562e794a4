"""Evolution: a run as it goes, from its first generation to its champion, and its reins."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.lab import start_form
from dashboards.lab.address import GOING, HERE, follow, follower, going, query_of
from dashboards.lab.choosing import store_at
from dashboards.lab.evolution_news import news
from dashboards.lab.evolution_view import (
    GROWING,
    block_of,
    caption,
    empty,
    genome_at,
    reading,
    reading_said,
    shown,
    stage,
    view,
)
from dashboards.lab.exports import Export, NothingToExport
from dashboards.lab.launcher import Launcher, LaunchRefused, Resume, goes_on
from dashboards.lab.live import Live, RunNow
from dashboards.lab.patches import Sent
from dashboards.lab.seen import KEYS
from dashboards.lab.sources import Sources
from dashboards.lab.tiles import tiles
from dashboards.report import whole
from dashboards.run import read_run
from speciation.tables.files import StoreError

PATH, TITLE = "/evolution", "Evolution"
MOST_RUNS = 500


def layout(sources: Sources, wanted: dict[str, str]) -> html.Div:
    """The page.

    Args:
        sources: What to look at.
        wanted: The address's query: ``run`` and ``generation`` to show, and ``begin``, ids of
            genomes, separated by commas, that a new run shall begin with.
    """
    try:
        live = sources.shared(Live)
        names = live.names()[:MOST_RUNS]
        run = _run(live, names, wanted)
    except StoreError as error:
        return html.Div([html.H1(TITLE), html.P(str(error), className="trouble")])
    begin = [own for own in wanted.get("begin", "")[:2000].split(",") if own]
    picker = dcc.Dropdown(
        names, run, id="run", clearable=False, placeholder="No run yet", maxHeight=320
    )
    return html.Div(
        [
            html.Div(
                [html.H1(TITLE), html.Label(["Run", picker], className="pick")],
                className="head",
            ),
            start_form.form(Launcher(sources), begin, opened=run is None or bool(begin)),
            html.P(id="said", role="status", className="faint"),
            html.Div(reading(), id="run-view", className="run"),
            dcc.Store(id="picked"),
            follower("evolution-address"),
        ],
        className="evolution",
    )


def _run(live: Live, names: list[str], wanted: dict[str, str]) -> str | None:
    """The run that an address asks for, or else the latest that was begun."""
    if (asked := wanted.get("run", "")) in names:
        return asked
    begun = live.begun()
    return next((name for name in names if name in begun), names[0] if names else None)


def sent_of(_: Sources) -> Sent:
    """What all pages of the Lab were sent lately."""
    return Sent()


def warm(sources: Sources) -> None:
    """Read what is shown first, before anybody asks."""
    live = sources.shared(Live)
    try:
        run = _run(live, live.names(), {})
        if run is not None:
            live.run(run)
    except StoreError:
        pass  # whoever opens the page is told


def connect(app: Dash, sources: Sources) -> None:
    """What happens when somebody does something, and every second."""
    follow(app, "evolution-address")
    start_form.connect(app, sources)
    _connect_run(app, sources)
    _connect_tick(app, sources)
    _connect_reins(app, sources)
    _connect_generation(app, sources)


# -- Reins ----------------------------------------------------------------------------------


def _connect_reins(app: Dash, sources: Sources) -> None:
    launcher, live = Launcher(sources), sources.shared(Live)

    @app.callback(
        Output("said", "children", allow_duplicate=True),
        Input("stop", "n_clicks"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def stop(clicks: Any, run: Any) -> str:
        if not clicks or not isinstance(run, str):
            raise PreventUpdate
        try:
            return launcher.stop(run)
        except LaunchRefused as refused:
            return str(refused)

    @app.callback(
        Output("said", "children", allow_duplicate=True),
        Input("resume", "n_clicks"),
        State("run", "value"),
        State("more", "value"),
        prevent_initial_call=True,
    )
    def resume(clicks: Any, run: Any, more: Any) -> str:
        if not clicks or not isinstance(run, str):
            raise PreventUpdate
        with live.lock:
            if (now := live.run(run)) and (said := at_its_end(now, more)):
                return said
        try:
            launcher.start(Resume(run, more if type(more) is int else None))
        except LaunchRefused as refused:
            return str(refused)
        return goes_on(launcher, run)


def at_its_end(now: RunNow, more: Any) -> str | None:
    """Why going on would change nothing, if it would not."""
    if not now.complete or (type(more) is int and more > now.generations):
        return None
    return (
        f"{now.view.run} has tried all of its {now.generations:,} generations: "
        "ask for more of them, and it goes on."
    )


# -- What moves -----------------------------------------------------------------------------


def _connect_run(app: Dash, sources: Sources) -> None:
    live, sent = sources.shared(Live), sources.shared(sent_of)

    @app.callback(
        Output("run-view", "children"),
        GOING,
        Input("run", "value"),
        HERE,
        prevent_initial_call="initial_duplicate",
    )
    def chosen(run: Any, search: Any) -> tuple[list[Any], Any]:
        if not isinstance(run, str):
            return empty(), no_update
        with live.lock:
            try:
                now = live.run(run)
            except StoreError as error:
                return [html.P(str(error), className="trouble")], no_update
            if now is None:
                return empty(), no_update
            wanted = query_of(search)
            if wanted.get("run", run) != run:
                wanted = {}
            generation = _number(wanted.get("generation"))
            return view(now, generation, sent, wanted), _place(
                run, generation, search, replace="run" not in wanted
            )

    @app.callback(
        Output("reading", "children"),
        Input("reading-tick", "n_intervals"),
        prevent_initial_call=True,
    )
    def read(_: Any) -> str:
        return reading_said(*live.progress)

    @app.callback(
        Output("run", "value", allow_duplicate=True),
        Input("evolution-address", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def another_run(search: Any, run: Any) -> str:
        asked = query_of(search).get("run", run)
        if asked == run or asked not in live.names():
            raise PreventUpdate
        return str(asked)

    @app.callback(
        Output("generation", "value", allow_duplicate=True),
        Input("evolution-address", "data"),
        State("run", "value"),
        State("generation", "value"),
        State("generation", "max"),
        prevent_initial_call=True,
    )
    def another_generation(search: Any, run: Any, shown: Any, last: Any) -> int:
        wanted = query_of(search)
        generation = _number(wanted.get("generation")) or _number(last)
        if wanted.get("run", run) != run or generation in (shown, None):
            raise PreventUpdate
        return generation


def _connect_tick(app: Dash, sources: Sources) -> None:
    live, sent = sources.shared(Live), sources.shared(sent_of)

    @app.callback(
        Output("tiles", "children"),
        Output("stop", "disabled"),
        Output("resume", "disabled"),
        Output("more", "value"),
        Output("fitness", "figure"),
        Output("outcomes", "figure"),
        Output("population", "figure"),
        Output("population-rows", "data"),
        Output("pace", "extendData"),
        Output("generation", "max"),
        Output("generation", "value"),
        Output("seen", "data"),
        Output("figures", "className"),
        Input("tick", "n_intervals"),
        State("seen", "data"),
        State("follow", "data"),
        running=[(Output("tick", "disabled"), True, False)],  # one look at a time
        prevent_initial_call=True,
    )
    def tick(_: Any, seen: Any, follow: Any) -> tuple[Any, ...]:
        if not isinstance(seen, dict) or not isinstance(run := seen.get("run"), str):
            raise PreventUpdate
        with live.lock:
            try:
                now = live.run(run)
            except StoreError:
                raise PreventUpdate from None  # the disk may be back in a second
            if now is None:
                raise PreventUpdate
            return (
                tiles(now, time.time()),
                not now.busy,
                now.busy,
                now.generations if now.generations != seen.get("generations") else no_update,
                *news(now, seen, bool(follow), sent),
                stage(now),
            )

    app.clientside_callback(
        ClientsideFunction("lab", "viewed"),
        Output("figures", "title"),
        *(Input(own, told) for own in GROWING for told in ("relayoutData", "restyleData")),
        *(State(own, "figure") for own in GROWING),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("lab", "rows"),
        Output("population", "figure", allow_duplicate=True),
        Input("population-rows", "data"),
        State("population", "figure"),
        prevent_initial_call=True,
    )


def _place(
    run: str, generation: int | None, since: Any, *, replace: bool = False
) -> dict[str, Any]:
    before = query_of(since)
    looks = {
        key: before[key] for key in KEYS if key in before and before.get("run", run) == run
    }
    query = {"run": run} | ({"generation": generation} if generation else {}) | looks
    return going(PATH, urlencode(query, safe=",:", errors="replace"), since, replace=replace)


# -- The scrubber ---------------------------------------------------------------------------


def _connect_generation(app: Dash, sources: Sources) -> None:
    live = sources.shared(Live)

    @app.callback(
        Output("block", "figure"),
        Output("generation-said", "children"),
        Output("follow", "data"),
        GOING,
        Input("generation", "value"),
        State("generation", "max"),
        State("seen", "data"),
        HERE,
        prevent_initial_call=True,
    )
    def scrubbed(value: Any, last: Any, seen: Any, search: Any) -> tuple[Any, ...]:
        generation = _number(value)
        if not isinstance(seen, dict) or not isinstance(run := seen.get("run"), str):
            raise PreventUpdate
        with live.lock:
            now = live.run(run)
            if now is None or generation is None:
                raise PreventUpdate
            latest = generation >= (_number(last) or 1)  # of those that the page knows
            number = shown(now, generation)
            where = _place(run, None if latest else generation, search)
            return block_of(now, number), caption(number), latest, where

    @app.callback(
        Output("picked", "data"),
        Input("block", "clickData"),
        State("block", "figure"),
        State("generation", "value"),
        State("seen", "data"),
        prevent_initial_call=True,
    )
    def picked(click: Any, _: Any, value: Any, seen: Any) -> dict[str, str]:
        place, generation = _cell(click), _number(value)
        run = seen.get("run") if isinstance(seen, dict) else None
        with live.lock:
            now = live.run(run) if isinstance(run, str) else None
            if now is None or place is None or generation is None:
                raise PreventUpdate
            own = genome_at(now, shown(now, generation), *place)
            if own is None:
                raise PreventUpdate
            return {"text": own, "said": f"{own} copied"}

    app.clientside_callback(
        ClientsideFunction("lab", "copied"),
        Output("said", "children", allow_duplicate=True),
        Input("picked", "data"),
        prevent_initial_call=True,
    )


def _cell(click: Any) -> tuple[int, int] | None:
    """Line and column of a click that a browser told of."""
    try:
        point = click["points"][0]
        line, column = point["y"], point["x"]
    except (TypeError, KeyError, IndexError):
        return None
    sound = all(type(own) in (int, float) and abs(own) < 1e6 for own in (line, column))
    return (round(line), round(column)) if sound else None


def _number(value: Any) -> int | None:
    """A whole number from 1 on, if it is one."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    return value if type(value) is int and 1 <= value <= 10**9 else None


def export(sources: Sources, wanted: dict[str, str]) -> Export:
    """The report of the run that is shown, or else of the latest.

    Raises:
        NothingToExport: There is no run that can be read.
    """
    try:
        live = sources.shared(Live)
        run = _run(live, live.names(), wanted)
        if run is None:
            raise NothingToExport("There is no run yet, so there is no report.")
        return Export(run, whole(read_run(store_at(sources.store), run)))
    except StoreError as error:
        raise NothingToExport(str(error)) from error
