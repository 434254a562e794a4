"""Stress Test: genomes on many fresh seeds; planned, filled up, and drawn while it fills."""

from __future__ import annotations

import json
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate
from flask import Response

from dashboards import controls, page
from dashboards.lab import stress_view
from dashboards.lab.address import GOING, HERE, follow, follower, going, query_of
from dashboards.lab.choosing import Option, options, sets, store_at
from dashboards.lab.exports import Export, NothingToExport
from dashboards.lab.launcher import Launcher, LaunchRefused, Validate
from dashboards.lab.menus import searched
from dashboards.lab.planning import PlanRefused, planned, shown
from dashboards.lab.sources import Sources
from dashboards.lab.stress import Stress, of_query, stress, words
from dashboards.lab.works import read_work, tail
from dashboards.validation import AS_USUAL, Hidden, content, drawn, whole
from dashboards.words import sentence

PATH, TITLE = "/stress", "Stress Test"
SCRIPT, STYLE = "/lab/controls.js", "/lab/charts.css"
TICK = 1500
"""Milliseconds between two looks at what is being filled up."""

FORM = ("genomes", "seeds", "track", "horizon", "by-group")


def layout(sources: Sources, wanted: dict[str, str]) -> html.Div:
    """The page; the address's query tells a :class:`~dashboards.lab.stress.Stress`."""
    own = of_query(wanted)
    hindrance = Launcher(sources).hindrance(Validate)
    return html.Div(
        [
            html.H1("Stress Test"),
            html.P(
                "Genomes on seeds that evolution never saw. What the store knows is not "
                "computed again; more seeds or a longer horizon go on from there.",
                className="lead",
            ),
            stress_view.form(own, _choices(sources, "", own.genomes)),
            html.Div(id="plan", className="plan"),
            html.Div(
                [
                    html.Button("Fill", id="fill", className="action", disabled=True),
                    html.Button("Stop", id="stop-filling", hidden=True),
                ],
                className="actions",
                title=hindrance,
            ),
            html.P(id="filling", role="status", children=hindrance),
            html.Div(id="charts"),
            follower("stress-address"),
            dcc.Store(id="work", data=own.work),
            dcc.Store(id="stress-seen", data=None),
            dcc.Store(id="stress-drawn", data=None),
            dcc.Store(id="stress-figures"),
            dcc.Interval(id="stress-tick", interval=TICK),
        ],
        className="stress",
    )


def _choices(sources: Sources, text: Any, chosen: tuple[str, ...]) -> list[Option]:
    named = sets(sources, text)
    listed = {own["value"] for own in named}
    return [*named, *options(sources, text, [own for own in chosen if own not in listed])]


def connect(app: Dash, sources: Sources) -> None:
    """What happens when somebody does something."""
    app.config.external_scripts.append(SCRIPT)
    app.config.external_stylesheets.append(STYLE)

    @app.server.get(SCRIPT)
    def script() -> Response:
        return Response(controls.LIVE, mimetype="text/javascript")

    @app.server.get(STYLE)
    def style() -> Response:
        # The look of the page that stands alone, and of nothing else in the Lab.
        return Response(f"#charts{{{page.STYLE}{controls.STYLE}}}", mimetype="text/css")

    follow(app, "stress-address")
    _asking(app, sources)
    _filling(app, sources)
    _drawing(app, sources)


def _told(told: tuple[Any, ...], work: Any) -> Stress:
    """What the form says."""
    genomes, seeds, track, horizon, by = told
    return stress(genomes, seeds, track, horizon, by == ["group"], work)


def _asking(app: Dash, sources: Sources) -> None:
    searched(app, "genomes", lambda text, own: _choices(sources, text, words(own)))

    @app.callback(
        GOING,
        Output("work", "data"),
        *(Input(name, "value") for name in FORM),
        HERE,
        State("work", "data"),
        prevent_initial_call=True,
    )
    def addressed(*told: Any) -> tuple[dict[str, Any], str]:
        *form, search, work = told
        before, own = of_query(query_of(search)), _told(tuple(form), work)
        if before.asks_as(own):
            raise PreventUpdate
        return going(PATH, _told(tuple(form), "").query(), search), ""

    @app.callback(
        *(Output(name, "value") for name in FORM),
        Input("stress-address", "data"),
        *(State(name, "value") for name in FORM),
        prevent_initial_call=True,
    )
    def gone_back(search: Any, *form: Any) -> tuple[Any, ...]:
        own = of_query(query_of(search))
        if own.asks_as(_told(form, "")):
            raise PreventUpdate
        return stress_view.values(own)


def _filling(app: Dash, sources: Sources) -> None:
    launcher = Launcher(sources)

    @app.callback(
        Output("filling", "children"),
        Output("work", "data", allow_duplicate=True),
        GOING,
        Input("fill", "n_clicks"),
        Input("stop-filling", "n_clicks"),
        HERE,
        State("work", "data"),
        *(State(name, "value") for name in FORM),
        prevent_initial_call=True,
    )
    def ordered(
        fill: Any, stop: Any, search: Any, work: Any, *form: Any
    ) -> tuple[Any, Any, Any]:
        own = _told(form, work)
        try:
            if ctx.triggered_id == "stop-filling" and stop:
                return launcher.stop(own.work), no_update, no_update
            if ctx.triggered_id == "fill" and fill:
                name = launcher.start(own.order())
                return "", name, going(PATH, _told(form, name).query(), search)
        except LaunchRefused as refused:
            return html.Span(str(refused), className="trouble"), no_update, no_update
        raise PreventUpdate

    @app.callback(
        Output("plan", "children"),
        Output("fill", "disabled"),
        Output("fill", "children"),
        Output("stop-filling", "hidden"),
        Output("stress-seen", "data"),
        Output("stress-tick", "disabled"),
        Input("stress-tick", "n_intervals"),
        Input("work", "data"),
        *(Input(name, "value") for name in FORM),
        State("stress-seen", "data"),
        State("stress-drawn", "data"),
    )
    def looked(_: Any, work: Any, *told: Any) -> tuple[Any, ...]:
        *form, seen, done = told
        return look(sources, _told(tuple(form), work), seen, done)


def look(sources: Sources, own: Stress, seen: Any, done: Any) -> tuple[Any, ...]:
    """How a stress test stands.

    Args:
        sources: Where trials are.
        own: What is asked.
        seen: What the last look saw, for figures to be drawn of.
        done: What figures were last drawn of.

    Returns:
        The plan; of the button that fills, whether it rests and what it says; whether that
        which stops is hidden; what was seen now; whether to look no more.
    """
    filler = read_work(sources.store, own.work) if own.work else None
    runs = filler is not None and filler.running
    try:
        have = planned(sources, own)
    except PlanRefused as refused:
        said = _unplanned(sources, own, str(refused))
        return said, True, "Fill", not runs, [own.query(), 0, ""], not runs
    missing = have.plan.to_compute
    ended = tail(sources.store, own.work) if filler and not runs and missing else ""
    return (
        stress_view.plan(have, runs, ended),
        bool(Launcher(sources).hindrance(Validate)) or runs or not missing,
        f"Fill: compute {missing:,}" if missing else "Nothing is missing",
        not runs,
        news([own.query(), have.plan.found, "" if runs else "still"], seen, done),
        not runs,
    )


def news(now: list[Any], seen: Any, done: Any) -> Any:
    """What is seen now, if figures shall be drawn of it.

    While those of the last look are being drawn, there is no need of newer ones.
    """
    waits = not now[2] and seen is not None and seen[:1] == now[:1] and seen != done
    return no_update if waits or seen == now else now


def _unplanned(sources: Sources, own: Stress, why: str) -> Any:
    """What stands in the place of a plan."""
    if not own.genomes:
        return stress_view.beginning(sets(sources, ""))
    return html.P(sentence(why), className="trouble")


def _drawing(app: Dash, sources: Sources) -> None:
    @app.callback(
        Output("stress-figures", "data"),
        Output("stress-drawn", "data"),
        Input("stress-seen", "data"),
        *(State(name, "value") for name in FORM),
        prevent_initial_call=True,
        running=[(Output("charts", "className"), "busy", "")],
    )
    def figures(seen: Any, *form: Any) -> tuple[dict[str, str], Any]:
        own = _told(form, "")
        try:
            have = planned(sources, own)
        except PlanRefused:
            return {"key": "", "said": ""}, seen  # the plan says why
        try:
            found = shown(sources, have)
        except PlanRefused as refused:
            return {"key": "", "said": str(refused)}, seen
        made = drawn(found.found, store_at(sources.store), found.kind)
        key = " ".join((*made.colour, *(chart.name for chart in made.charts)))
        return {"key": key, "html": content(found.found, made, found.told)}, seen

    app.clientside_callback(
        ClientsideFunction("stress", "draw"),
        Output("charts", "title"),
        Input("stress-figures", "data"),
        prevent_initial_call=True,
    )


def export(sources: Sources, wanted: dict[str, str]) -> Export:
    """The validation as a page that stands alone, hiding what is hidden.

    Raises:
        NothingToExport: There is no trial, or the store cannot be read.
    """
    try:
        found = shown(sources, planned(sources, of_query(wanted)))
    except PlanRefused as refused:
        raise NothingToExport(str(refused)) from refused
    made = drawn(found.found, store_at(sources.store), found.kind)
    return Export("validation", whole(found.found, made, found.told, hidden(wanted)))


def hidden(wanted: dict[str, str]) -> Hidden:
    """What the switches of the page have off, as ``controls.py`` writes it into the address."""
    try:
        told = json.loads(wanted.get("chosen", ""))
        kept = Hidden(*(told[key] for key in ("arms", "groups", "layers")))
    except (ValueError, TypeError, KeyError, RecursionError):
        return AS_USUAL
    sound = all(isinstance(own, list) and all(isinstance(n, str) for n in own) for own in kept)
    return kept if sound else AS_USUAL
