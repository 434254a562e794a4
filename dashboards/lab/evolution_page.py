"""Evolution: a run as it goes, from its first generation to its champion, and its reins."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import plotly.graph_objects as go
from dash import ClientsideFunction, Dash, Input, Output, Patch, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards import words
from dashboards.figures import beats as pace
from dashboards.figures.fitness import draw_fitness
from dashboards.figures.outcomes import draw_outcomes
from dashboards.figures.population import (
    MOST_ROWS,
    Population,
    cells,
    draw_block,
    draw_population,
    stacked,
    ticks,
    wrapped,
)
from dashboards.lab import start_form
from dashboards.lab.address import GOING, follow, follower, going, query_of
from dashboards.lab.choosing import store_at
from dashboards.lab.exports import Export, NothingToExport, framed
from dashboards.lab.launcher import Launcher, LaunchRefused, Resume, goes_on
from dashboards.lab.live import Live, RunNow
from dashboards.lab.patches import data_patch
from dashboards.lab.sources import Sources
from dashboards.lab.tiles import tiles
from dashboards.report import whole
from dashboards.run import read_run
from dashboards.thinning import doubling, evenly
from speciation.tables.files import StoreError

PATH, TITLE = "/evolution", "Evolution"
TICK_MS = 1000
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
            html.Div(
                html.P("Reading the store …", className="faint"), id="run-view", className="run"
            ),
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


def connect(app: Dash, sources: Sources) -> None:
    """What happens when somebody does something, and every second."""
    follow(app, "evolution-address")
    start_form.connect(app, sources)
    _connect_run(app, sources)
    _connect_reins(app, sources)
    _connect_generation(app, sources)


# -- One run --------------------------------------------------------------------------------


def view(now: RunNow, generation: int | None) -> list[Any]:
    """Everything about a run; the caller holds the lock of ``live``."""
    shown = _shown(now, generation)
    return [
        dcc.Interval(id="tick", interval=TICK_MS),
        dcc.Store(id="seen", data=_seen(now)),
        dcc.Store(id="follow", data=generation is None),
        _reins(now),
        html.Dl(tiles(now, time.time()), id="tiles", className="tiles"),
        html.Div(_figures(now, shown), id="figures", className=_stage(now)),
    ]


def _stage(now: RunNow) -> str:
    """Which figures of a run have something to show, as classes of their frame."""
    waits = not now.tally.closed and not now.tally.ended()
    return " ".join(("waiting" if waits else "", "" if now.beats else "silent")).strip()


def _figures(now: RunNow, shown: int) -> list[Any]:
    return [
        html.P("No trial has ended yet. Figures appear with the first ones.", className="wait"),
        framed("fitness", fitness_of(now), f"Best and median genome: {_measure(now)}"),
        html.H2("The population"),
        html.P(
            "A row is a generation, best genome first. Similar colours are related genomes. "
            "Click a cell of the block below to copy that genome's id.",
            className="lead",
        ),
        framed("population", population_of(now), "Genomes of every generation as colours"),
        html.Label(
            [
                html.Span(_caption(shown), id="generation-said"),
                dcc.Slider(
                    min=1,
                    max=max(len(now.tally.closed), 1),
                    step=1,
                    value=shown + 1,
                    marks=None,
                    id="generation",
                    included=False,
                    allow_direct_input=False,
                ),
            ],
            className="scrubber",
        ),
        framed("block", block_of(now, shown), "Genomes of one generation as colours"),
        html.Div(
            [
                html.Div(
                    [
                        html.H2("How trials ended"),
                        framed("outcomes", outcomes_of(now), "Outcomes by generation"),
                    ]
                ),
                html.Div(
                    [
                        html.H2("At work, since the Lab first looked"),
                        framed("pace", pace_of(now), "Pace and slots"),
                    ],
                    className="pace",
                ),
            ],
            className="pair",
        ),
    ]


def fitness_of(now: RunNow) -> go.Figure:
    """Best, median and success rate by generation."""
    rank = now.view.landscape
    history = now.tally.history(rank)
    figure = draw_fitness(history, rank, now.tally.horizon, max(now.generations, 1))
    return _live(figure, 420)


def outcomes_of(now: RunNow) -> go.Figure:
    """How trials ended, by generation."""
    figure = draw_outcomes(now.tally.outcomes(), max(now.generations, 1), every=True)
    return _live(figure, 350)


def pace_of(now: RunNow) -> go.Figure:
    """How fast it went since it was first looked at."""
    figure = pace.draw_beats(_beats(now))
    figure.layout.uirevision = "mine"
    return figure


def population_of(now: RunNow) -> go.Figure:
    """A row of colours for each closed generation; of many, evenly spaced ones."""
    shown = _rows(len(now.tally.closed))
    closed = sorted(now.tally.closed)
    rows = [_colours(now, closed[i]) for i in shown]
    figure = draw_population(stacked(rows, _height(now)))
    figure.layout.uirevision = "mine"
    return figure


def more_population(now: RunNow, before: int) -> Patch:
    """What a figure of so many closed generations lacks: rows that are new or changed."""
    closed, old = sorted(now.tally.closed), _rows(before)
    shown, patch = _rows(len(closed)), Patch()
    for place, number in enumerate(shown):
        if old[place : place + 1] != [number]:
            row = cells(_colours(now, closed[number]))
            for key, (value,) in zip(("z", "customdata"), row, strict=True):
                patch["data"][0][key][place] = value
    width = _colours(now, closed[-1]).colours.shape[1]
    for place in range(len(shown), len(old)):  # the step has doubled: fewer rows
        patch["data"][0]["z"][place] = [[0, 0, 0, 0]] * width
    names = stacked([_colours(now, closed[i]) for i in shown[:2]], _height(now))
    patch["layout"]["yaxis"]["ticktext"] = ticks(names)[1]
    return patch


def _rows(closed: int) -> list[int]:
    return doubling(closed, MOST_ROWS).tolist()


def _height(now: RunNow) -> int:
    """Rows of the figure: generations that are yet to come have their place."""
    return max(min(max(now.generations, 1), MOST_ROWS), 2)


def block_of(now: RunNow, generation: int) -> go.Figure:
    """The genomes of a generation."""
    empty = generation not in now.tally.closed
    row = stacked([], 1) if empty else _colours(now, generation)
    return draw_block(wrapped(row))


def _colours(now: RunNow, generation: int) -> Population:
    return now.tally.colours(generation, now.view.landscape)


def _live(figure: go.Figure, height: int) -> go.Figure:
    """A figure whose lines can be hidden, and whose view stays when data come."""
    return figure.update_layout(
        height=height,
        uirevision="mine",
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": -0.16, "yanchor": "top"},
    )


def _beats(now: RunNow) -> list[pace.Beat]:
    return [
        pace.Beat((own.at - own.began) / 60, own.steps_a_second, own.occupied, own.capacity)
        for own in now.beats
        if own.began == now.beats[-1].began
    ]


def _seen(now: RunNow) -> dict[str, Any]:
    """What a page shows of a run: a page that has seen this needs nothing."""
    beats = now.beats
    return {
        "run": now.view.run,
        "closed": len(now.tally.closed),
        "generations": now.generations,
        "trials": dict(now.tally.ended()),
        "at": beats[-1].at if beats else 0.0,
        "began": beats[-1].began if beats else 0.0,
    }


def _shown(now: RunNow, generation: int | None) -> int:
    """The generation to show, counted from 0: the wanted one, else the latest."""
    last = max(len(now.tally.closed) - 1, 0)
    return last if generation is None else min(max(generation - 1, 0), last)


def _caption(generation: int) -> str:
    return f"Generation {generation + 1:,}"


def _measure(now: RunNow) -> str:
    return words.LANDSCAPES[now.view.landscape].measure


# -- Reins ----------------------------------------------------------------------------------


def _reins(now: RunNow) -> html.Div:
    more = max(now.generations, 1)
    return html.Div(
        [
            html.Button("Stop", id="stop", disabled=not now.busy, className="action"),
            html.Button("Go on", id="resume", disabled=now.busy, className="action"),
            html.Label(
                [
                    "to generation",
                    dcc.Input(id="more", type="number", min=1, max=100_000, value=more, step=1),
                ],
                className="small",
            ),
        ],
        className="reins",
    )


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
    live = sources.shared(Live)

    @app.callback(
        Output("run-view", "children"),
        GOING,
        Input("run", "value"),
        State("here", "search"),
        prevent_initial_call="initial_duplicate",
    )
    def chosen(run: Any, search: Any) -> tuple[list[Any], Any]:
        if not isinstance(run, str):
            return _empty(), no_update
        with live.lock:
            try:
                now = live.run(run)
            except StoreError as error:
                return [html.P(str(error), className="trouble")], no_update
            if now is None:
                return _empty(), no_update
            wanted = query_of(search)
            generation = _number(wanted.get("generation")) if wanted.get("run") == run else None
            return view(now, generation), _place(run, generation, replace="run" not in wanted)

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

    @app.callback(
        Output("tiles", "children"),
        Output("stop", "disabled"),
        Output("resume", "disabled"),
        Output("more", "value"),
        Output("fitness", "figure"),
        Output("population", "figure"),
        Output("outcomes", "figure"),
        Output("pace", "extendData"),
        Output("generation", "max"),
        Output("generation", "value"),
        Output("figures", "className"),
        Output("seen", "data"),
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
                *news(now, seen, bool(follow)),
                _stage(now),
                _seen(now),
            )


def _place(run: str, generation: int | None, *, replace: bool = False) -> dict[str, Any]:
    query = {"run": run} | ({"generation": generation} if generation else {})
    return going(PATH, urlencode(query), replace=replace)


def news(now: RunNow, seen: dict[str, Any], follow: bool) -> tuple[Any, ...]:
    """What has changed: fitness, population, outcomes, pace, and the scrubber's end and place.

    Args:
        now: The run; the caller holds the lock of ``live``.
        seen: What the page shows; it comes from a browser.
        follow: Whether the scrubber keeps to the latest generation.
    """
    closed = len(now.tally.closed)
    fitness: Any = no_update
    population: Any = no_update
    last: Any = no_update
    if closed != seen.get("closed") or now.generations != seen.get("generations"):
        drawn = fitness_of(now)
        fitness = data_patch(drawn)
        population = _population_news(now, seen)
        if now.generations != seen.get("generations"):  # else whoever zoomed would lose that
            fitness["layout"]["xaxis"]["range"] = list(drawn.layout.xaxis.range)
        last = max(closed, 1)
    outcomes: Any = no_update
    if now.tally.ended() != seen.get("trials") or last is not no_update:
        outcomes = data_patch(outcomes_of(now))
    place = last if follow else no_update
    return fitness, population, outcomes, _more_beats(now, seen), last, place


def _population_news(now: RunNow, seen: dict[str, Any]) -> Any:
    """Rows that are new; all of it where the figure gets another size."""
    before = seen.get("closed")
    if type(before) is not int or before < 1 or now.generations != seen.get("generations"):
        return population_of(now)
    return more_population(now, before)


def _more_beats(now: RunNow, seen: dict[str, Any]) -> Any:
    """Beats that the page has not, as what a graph is extended by."""
    at = seen.get("at")
    if not isinstance(at, int | float):
        return no_update
    new = [own for own in now.beats if own.at > at]
    if not new:
        return no_update
    count = len(_beats(now))
    data = pace.traces(_beats(now)[max(count - len(new), 0) :])
    keys = ("x", "y", "customdata")
    return [{key: [own[key] for own in data] for key in keys}, [0, 1], 600]


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
        prevent_initial_call=True,
    )
    def scrubbed(value: Any, last: Any, seen: Any) -> tuple[Any, ...]:
        generation = _number(value)
        if not isinstance(seen, dict) or not isinstance(run := seen.get("run"), str):
            raise PreventUpdate
        with live.lock:
            now = live.run(run)
            if now is None or generation is None:
                raise PreventUpdate
            latest = generation >= (_number(last) or 1)  # of those that the page knows
            shown = _shown(now, generation)
            where = _place(run, None if latest else generation)
            return block_of(now, shown), _caption(shown), latest, where

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
            own = genome_at(now, _shown(now, generation), *place)
            if own is None:
                raise PreventUpdate
            return {"text": own, "said": f"{own} copied"}

    app.clientside_callback(
        ClientsideFunction("lab", "copied"),
        Output("said", "children", allow_duplicate=True),
        Input("picked", "data"),
        prevent_initial_call=True,
    )


def genome_at(now: RunNow, generation: int, line: int, column: int) -> str | None:
    """The id of the genome in a cell of a generation's block; None where there is none."""
    members = now.tally.closed.get(generation)
    if members is None:
        return None
    row = _colours(now, generation)
    width = wrapped(row).colours.shape[1]
    ids = members.sort_values("rank")["genome_id"].tolist()
    ids = [ids[i] for i in evenly(len(ids), row.colours.shape[1])]
    place = line * width + column
    return ids[place] if 0 <= column < width and 0 <= place < len(ids) else None


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


def _empty() -> list[Any]:
    return [
        html.Div(
            [
                html.H2("No run yet"),
                html.P("Start one above: the quickstart takes a few minutes on two cores."),
            ],
            className="empty",
        )
    ]


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
