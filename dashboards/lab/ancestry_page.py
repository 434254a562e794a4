"""Whom a genome is from: any genome, by its name, its id, or a click on its point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from dashboards.lab import lineage_view
from dashboards.lab.address import GOING, HERE, going, query_of
from dashboards.lab.choosing import Option, options
from dashboards.lab.menus import searched
from dashboards.lab.sources import Sources
from dashboards.lab.splicing import ids, is_genome_id
from speciation.analysis.lineage import LineageError, Lived
from speciation.analysis.taxonomy import Taxonomy
from speciation.tables.files import StoreError


def frame(sources: Sources, taxonomy: Taxonomy, wanted: dict[str, str]) -> html.Div:
    """The part of a page; its address tells a ``genome``, else it is the latest champion."""
    own = wanted.get("genome", "")
    chosen = own if is_genome_id(own) else lineage_view.champion(sources, taxonomy)
    menu = dcc.Dropdown(
        options(sources, "", [chosen] if chosen else []),
        chosen,
        id="whose",
        placeholder="Type a name or the beginning of an id, or click a point above",
        maxHeight=320,
    )
    return html.Div(
        [
            html.Div(
                [html.H2("Ancestry"), html.Label(["of", menu], className="pick")],
                className="head",
            ),
            html.Div(
                [
                    html.Button("Copy its id", id="copy-whose"),
                    html.Span(id="whose-copied", role="status", className="faint"),
                ],
                className="reins",
            ),
            html.Div(id="ancestors", className="lineage"),
            dcc.Store(id="clicked"),
        ],
        className="ancestry",
    )


def connect(app: Dash, sources: Sources, path: str) -> None:
    """What happens when somebody chooses a genome; ``path`` is the page's own."""
    searched(app, "whose", lambda text, own: options(sources, text, ids(own)))

    @app.callback(
        Output("whose", "options", allow_duplicate=True),
        Output("whose", "value"),
        Input("clicked", "data"),
        prevent_initial_call=True,
    )
    def clicked(own: Any) -> tuple[list[Option], str]:
        if not is_genome_id(own):
            raise PreventUpdate
        return options(sources, "", [own]), own

    @app.callback(Output("ancestors", "children"), Input("whose", "value"))
    def shown(own: Any) -> list[Any]:
        return lineage_view.ancestors(sources, own) if is_genome_id(own) else []

    @app.callback(GOING, Input("whose", "value"), HERE, prevent_initial_call=True)
    def addressed(own: Any, search: Any) -> dict[str, Any]:
        before, taxonomy = query_of(search), sources.taxonomy()
        usual = lineage_view.champion(sources, taxonomy) if taxonomy is not None else None
        if not is_genome_id(own) or own == before.get("genome", usual):
            raise PreventUpdate
        query = urlencode({**before, "genome": own}, safe=",", errors="replace")
        return going(path, query, search, replace=True)

    app.clientside_callback(
        ClientsideFunction("lab", "copyId"),
        Output("whose-copied", "children"),
        Input("copy-whose", "n_clicks"),
        State("whose", "value"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("lab", "clicked"),
        Output("clicked", "data"),
        Input("space", "clickData"),
        State("space", "figure"),
        prevent_initial_call=True,
    )


def asked(
    sources: Sources, lived: Sequence[Lived], wanted: dict[str, str]
) -> tuple[Lived, ...]:
    """Lineages with the ancestry of an address's genome in place of the champion's."""
    own = wanted.get("genome", "")
    if not is_genome_id(own):
        return tuple(lived)
    try:
        line = lineage_view.ancestry_of(sources, own)
    except (LineageError, StoreError):
        return tuple(lived)
    return tuple(replace(one, ancestry=line) for one in lived)
