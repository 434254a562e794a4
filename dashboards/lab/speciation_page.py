"""Speciation: genomes in three dimensions, seven ranks, ids a click away."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from dash import ALL, ClientsideFunction, Dash, Input, Output, Patch, State, ctx, dcc, html
from dash.exceptions import PreventUpdate

from dashboards import theme, words
from dashboards.lab.address import GOING, follow, follower, going, query_of
from dashboards.lab.exports import Export, NothingToExport, saves
from dashboards.lab.marks import MANY, figure, repainted
from dashboards.lab.sources import Sources
from dashboards.taxonomy import whole
from speciation.analysis.taxonomy import RANKS, Taxonomy

PATH, TITLE = "/speciation", "Speciation"
MOST_LISTED = 64


def layout(sources: Sources, wanted: dict[str, str]) -> html.Div:
    """The page.

    Args:
        sources: What to look at.
        wanted: The address's query: ``rank`` is the one to begin with.
    """
    taxonomy = sources.taxonomy()
    if taxonomy is None:
        return html.Div(
            [
                html.H1("No species yet"),
                html.P(
                    [
                        "There is no taxonomy beside this store. Make one, then open this "
                        "page again: ",
                        html.Code(f"speciation taxonomy --store {sources.store}"),
                    ]
                ),
            ],
            className="empty",
        )
    level = _level(taxonomy, wanted)
    return html.Div(
        [
            html.Div(
                [
                    html.H1("Speciation"),
                    html.P(
                        f"{len(taxonomy.ids):,} genomes; the tree is clearest at the rank of "
                        f"{taxonomy.clearest}. Click a point to copy its id, a species to copy "
                        "all of its ids.",
                        className="lead",
                    ),
                    html.Div(
                        dcc.Slider(
                            min=0,
                            max=6,
                            step=1,
                            value=level,
                            marks={i: rank.title() for i, rank in enumerate(RANKS)},
                            id="rank",
                            included=False,
                            allow_direct_input=False,
                        ),
                        className="ranks",
                    ),
                ],
                className="head",
            ),
            html.Div(
                [
                    html.Div(
                        [
                            dcc.Graph(
                                id="space",
                                figure=figure(taxonomy, level),
                                responsive=True,
                                config={
                                    "displayModeBar": False,
                                    "scrollZoom": True,
                                    "plotGlPixelRatio": 2 if len(taxonomy.ids) < MANY else 1,
                                },
                                className="space",
                            ),
                            saves("space"),
                        ]
                    ),
                    html.Div(species(taxonomy, level), id="species", className="species"),
                ],
                className="split",
            ),
            html.Div(id="copied", role="status"),
            dcc.Store(id="ids"),
            follower("speciation-address"),
        ]
    )


def species(taxonomy: Taxonomy, level: int) -> list[html.Button]:
    """A button a species, the largest first."""
    return [
        html.Button(
            [
                html.I(style={"background": theme.species_colour(own.colour)}),
                html.Span(own.name),
                html.Small(words.counted(own.size, "genome")),
            ],
            id={"kind": "species", "number": i},
            className="one",
            title=f"Copy {words.counted(own.size, 'id')}",
        )
        for i, own in enumerate(taxonomy.species[level][:MOST_LISTED])
    ]


def connect(app: Dash, sources: Sources) -> None:
    """What happens when somebody does something."""
    follow(app, "speciation-address")

    @app.callback(
        Output("space", "figure"),
        Output("species", "children"),
        GOING,
        Input("rank", "value"),
        State("here", "search"),
        prevent_initial_call=True,
    )
    def another_rank(level: Any, search: Any) -> tuple[Patch, list[Any], dict[str, Any]]:
        taxonomy = sources.taxonomy()
        if taxonomy is None or not _is_level(level):
            raise PreventUpdate
        query = {**query_of(search), "rank": RANKS[level]}
        where = going(PATH, urlencode(query, safe=",", errors="replace"))
        return repainted(taxonomy, level), species(taxonomy, level), where

    @app.callback(
        Output("rank", "value"),
        Input("speciation-address", "data"),
        State("rank", "value"),
        prevent_initial_call=True,
    )
    def gone_back(search: Any, level: Any) -> int:
        taxonomy = sources.taxonomy()
        if taxonomy is None or _level(taxonomy, query_of(search)) == level:
            raise PreventUpdate
        return _level(taxonomy, query_of(search))

    @app.callback(
        Output("ids", "data"),
        Input({"kind": "species", "number": ALL}, "n_clicks"),
        State("rank", "value"),
        prevent_initial_call=True,
    )
    def a_species(clicks: Any, level: Any) -> dict[str, Any]:
        taxonomy, asked = sources.taxonomy(), ctx.triggered_id
        if taxonomy is None or not _is_level(level) or not any(clicks or ()):
            raise PreventUpdate
        number = asked.get("number") if asked is not None else None
        own = taxonomy.species[level]
        if type(number) is not int or not 0 <= number < len(own):
            raise PreventUpdate
        ids = taxonomy.members(RANKS[level], own[number].name)
        return {"text": "\n".join(ids), "said": f"{words.counted(len(ids), 'id')} copied"}

    copy = ClientsideFunction("lab", "copy")
    app.clientside_callback(
        copy,
        Output("copied", "children"),
        Input("space", "clickData"),
        Input("ids", "data"),
        State("space", "figure"),
        prevent_initial_call=True,
    )


def _level(taxonomy: Taxonomy, wanted: dict[str, str]) -> int:
    """The rank that an address asks for, or else the clearest."""
    rank = wanted.get("rank", "")
    return RANKS.index(rank if rank in RANKS else taxonomy.clearest)


def _is_level(value: Any) -> bool:
    return type(value) is int and 0 <= value < len(RANKS)


def export(sources: Sources, wanted: dict[str, str]) -> Export:
    """The taxonomy at the rank that is shown, as a page that stands alone.

    Raises:
        NothingToExport: There is no taxonomy.
    """
    taxonomy = sources.taxonomy()
    if taxonomy is None:
        raise NothingToExport("There is no taxonomy beside this store, so there is no page.")
    return Export("taxonomy", whole(taxonomy, RANKS[_level(taxonomy, wanted)]))
