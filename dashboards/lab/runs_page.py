"""Runs: the queue and every run of the store, what they say, and their reins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards import words
from dashboards.lab.exports import Export, NothingToExport
from dashboards.lab.launcher import Launcher, LaunchRefused, Resume, goes_on
from dashboards.lab.live import Live, RunNow, age_text
from dashboards.lab.runs_export import whole
from dashboards.lab.sources import Sources
from dashboards.lab.tiles import best_of, state_of
from dashboards.lab.works import Work
from speciation.genome.genome import content_hash
from speciation.tables.files import StoreError

PATH, TITLE = "/runs", "Runs"
TICK_MS = 2000
MOST_SHOWN = 200
RUNS = ("run", "state", "priority", "generation", "best", "trials", "since", "on", "")
VALIDATIONS = ("validation", "state", "of", "since", "on", "")


TITLES = {RUNS: "Runs and queue", VALIDATIONS: "Validations"}


class Row(NamedTuple):
    """A row of a table: names of its columns, whom it is about, words, and what can be done."""

    header: tuple[str, ...]
    name: str
    cells: tuple[str, ...]
    acts: tuple[tuple[str, str], ...]


def layout(sources: Sources, wanted: dict[str, str]) -> html.Div:
    """The page; the address's query may hold the ``name`` whose log is shown."""
    return html.Div(
        [
            html.H1(TITLE),
            html.P(id="queue-note", className="trouble"),
            html.P(id="did", role="status", className="faint"),
            html.Div(html.P("Reading the store …", className="faint"), id="run-list"),
            html.H2(id="log-title"),
            html.Div(html.Pre(id="log"), className="log", tabIndex="0"),
            dcc.Interval(id="runs-tick", interval=TICK_MS),
            dcc.Store(id="listed", data={}),
            dcc.Store(id="log-of", data=wanted.get("name", "")[:128]),
        ]
    )


def connect(app: Dash, sources: Sources) -> None:
    """What happens every other second, and when somebody does something."""
    live, launcher = sources.shared(Live), Launcher(sources)

    @app.callback(
        Output("run-list", "children"),
        Output("queue-note", "children"),
        Output("log-title", "children"),
        Output("log", "children"),
        Output("listed", "data"),
        Input("runs-tick", "n_intervals"),
        Input("log-of", "data"),
        State("listed", "data"),
        running=[(Output("runs-tick", "disabled"), True, False)],
    )
    def tick(_: Any, name: Any, listed: Any) -> tuple[Any, ...]:
        name = name if isinstance(name, str) else ""
        known = listed if isinstance(listed, dict) else {}
        try:
            rows = rows_of(live)
            shown = {"note": live.note(), **log(live, name)}
        except StoreError as error:
            return no_update, str(error), no_update, no_update, {}
        stamps = {key: stamp(value) for key, value in shown.items()}
        # A table that is sent anew takes the keyboard's place in it away, so words come alone.
        stamps["list"] = stamp([name, *((own.name, own.acts) for own in rows)])
        new: dict[str, Any] = {k: own for k, own in shown.items() if stamps[k] != known.get(k)}
        if stamps["list"] != known.get("list"):
            new["list"] = listing(rows, name)
        keys = ("list", "note", "title", "log")
        return *(new.get(key, no_update) for key in keys), stamps

    @app.callback(
        Output({"kind": "cell", "name": ALL, "column": ALL}, "children"),
        Input("listed", "data"),
        prevent_initial_call=True,
    )
    def words_of(_: Any) -> list[Any]:
        try:
            told = {own.name: own.cells for own in rows_of(live)}
        except StoreError:
            raise PreventUpdate from None
        asked = [own["id"] for own in ctx.outputs_list]
        return [_cell(told, own.get("name"), own.get("column")) for own in asked]

    @app.callback(Output("log-of", "data"), Input("here", "search"), prevent_initial_call=True)
    def chosen(search: Any) -> str:
        return parse_qs(str(search or "").lstrip("?")).get("name", [""])[0][:128]

    @app.callback(
        Output("did", "children"),
        Input({"kind": "act", "do": ALL, "name": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def act(clicks: Any) -> str:
        asked = ctx.triggered_id
        if not isinstance(clicks, list) or not any(clicks) or asked is None:
            raise PreventUpdate
        name = asked.get("name")
        try:
            if asked.get("do") == "stop":
                return launcher.stop(name)
            launcher.start(Resume(name))
        except LaunchRefused as refused:
            return str(refused)
        return goes_on(launcher, name)


def rows_of(live: Live) -> list[Row]:
    """Runs, then validations, each the latest first.

    Raises:
        StoreError: The store cannot be read.
    """
    at = time.time()
    runs = [run_row(own, at) for own in live.runs()[:MOST_SHOWN]]
    return [*runs, *(work_row(own, at) for own in live.validations()[:MOST_SHOWN])]


def run_row(now: RunNow, at: float) -> Row:
    """What is said of a run."""
    view, state, job, pulse = now.view, state_of(now), now.view.job, now.view.pulse
    cells = (
        f"{state}: {job.reason}" if job and job.reason else state,
        str(job.priority) if job else words.NOTHING,
        f"{view.generation:,} of {now.generations:,}",
        best_of(now),
        f"{now.judged:,}",
        now.age(at) or words.NOTHING,
        (pulse.host if pulse else "") or (now.work.host if now.work else "") or words.NOTHING,
    )
    return Row(RUNS, view.run, cells, _acts(now, state))


def work_row(work: Work, at: float) -> Row:
    """What is said of a validation."""
    state = "ended"
    if work.running:
        state = "stopping" if work.stopping else "running"
    about = work.about.removeprefix("validation of ")
    cells = (state, about, age_text(at - work.began), work.host)
    acts = (("stop", "Stop"),) if state == "running" else ()
    return Row(VALIDATIONS, work.name, cells, acts)


def log(live: Live, name: str) -> dict[str, str]:
    """Whose log is shown, and its end."""
    if not name:
        return {
            "title": "",
            "log": "Click the name of a run or a validation to see what it says.",
        }
    said = live.log(name)
    return {"title": f"Log of {name}", "log": said or "It has said nothing here."}


def stamp(value: Any) -> str:
    """A short text that differs where what is shown differs."""
    return content_hash(repr(value))[:16]


def listing(rows: Sequence[Row], chosen: str) -> list[Any]:
    """The tables; or what to do where there is nothing in them."""
    if not rows:
        said = [html.P("Nothing has run here yet."), dcc.Link("Start a run", href="/evolution")]
        return [html.Div(said, className="empty")]
    return [
        html.Div([html.H2(title), _table(header, own, chosen)], className="scroll")
        for header, title in TITLES.items()
        if (own := [row for row in rows if row.header == header])
    ]


def _acts(now: RunNow, state: str) -> tuple[tuple[str, str], ...]:
    """What can be done: what the command line's ``cancel``, ``retry`` and ``resume`` do."""
    job = now.view.job
    if state == "stopping" or (job and job.cancelling):
        return ()
    if now.busy:
        queued = job is not None and not (now.work and now.work.running)
        return (("stop", "Cancel" if queued else "Stop"),)
    if job is not None and state in ("failed", "cancelled"):
        return (("go", "Retry"),)
    return () if now.complete else (("go", "Go on"),)


def _table(header: tuple[str, ...], rows: Sequence[Row], chosen: str) -> html.Table:
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in header]))
    body = html.Tbody([_row(row, row.name == chosen) for row in rows])
    return html.Table([head, body], className="runs")


def _row(row: Row, chosen: bool) -> html.Tr:
    link = dcc.Link(row.name, href=f"{PATH}?{urlencode({'name': row.name})}")
    told: list[Any] = [html.Th(link, scope="row")]
    for column, (title, said) in enumerate(zip(row.header[1:-1], row.cells, strict=True)):
        label: dict[str, Any] = {"data-label": title}
        own = {"kind": "cell", "name": row.name, "column": column}
        told.append(html.Td(html.Span(said, id=own), **label))
    acts: list[Any] = [_button(do, row.name, called) for do, called in row.acts]
    if row.header == RUNS:
        watch = f"/evolution?{urlencode({'run': row.name})}"
        acts.insert(0, dcc.Link("Watch", href=watch))
    told.append(html.Td(html.Div(acts, className="acts")))
    return html.Tr(told, className="chosen" if chosen else "")


def _button(do: str, name: str, called: str) -> html.Button:
    told: dict[str, Any] = {"aria-label": f"{called}: {name}"}
    return html.Button(called, id={"kind": "act", "do": do, "name": name}, **told)


def _cell(told: dict[str, tuple[str, ...]], name: Any, column: Any) -> Any:
    cells = told.get(name, ()) if isinstance(name, str) else ()
    return cells[column] if type(column) is int and 0 <= column < len(cells) else no_update


def export(sources: Sources, wanted: dict[str, str]) -> Export:
    """The tables, and the log that is open, as a page that stands alone.

    Raises:
        NothingToExport: Nothing has run, or the store cannot be read.
    """
    live = sources.shared(Live)
    try:
        rows, said = rows_of(live), log(live, wanted.get("name", "")[:128])
    except StoreError as error:
        raise NothingToExport(str(error)) from error
    if not rows:
        raise NothingToExport("Nothing has run here yet, so there is nothing to export.")
    tables = {
        title: [header[:-1], *((own.name, *own.cells) for own in rows if own.header == header)]
        for header, title in TITLES.items()
        if any(own.header == header for own in rows)
    }
    return Export("runs", whole(tables, said["title"], said["log"]))
