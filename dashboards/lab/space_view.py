"""The view of all genomes in three dimensions, and a picture of it until it has been drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from flask import Response, request

from dashboards.lab.camera import Camera, camera_of
from dashboards.lab.marks import figure, many
from dashboards.lab.picture import TooNear, picture, seen
from dashboards.lab.sources import Sources
from speciation.analysis.taxonomy import RANKS, Taxonomy

PICTURE = "/space.png"


def view(sources: Sources, taxonomy: Taxonomy, wanted: Mapping[str, str]) -> html.Div:
    """The view that an address tells; very many genomes begin as a picture."""
    level, camera = level_of(taxonomy, wanted), camera_of(wanted)
    shown = figure(taxonomy, level)
    shown["layout"]["scene"]["camera"] = camera.told()
    parts: list[Any] = [
        dcc.Graph(
            id="space",
            figure=shown,
            responsive=True,
            config={
                "displayModeBar": False,
                "scrollZoom": True,
                "plotGlPixelRatio": 1 if many(taxonomy) else 2,
            },
        )
    ]
    if many(taxonomy):
        told = {"rank": RANKS[level], "camera": camera.query(), "of": sources.taxonomy_state()}
        parts.insert(0, html.Img(id="picture", src=f"{PICTURE}?{urlencode(told)}", alt=""))
    return html.Div(parts, className="space")


def warm(taxonomy: Taxonomy) -> None:
    """Draw what is shown first, before anybody asks."""
    figure(taxonomy, level_of(taxonomy, {}))
    if many(taxonomy):
        seen(taxonomy, Camera())


def connect(app: Dash, sources: Sources) -> None:
    """Answer requests for the picture, take it away, and keep the camera in the address."""

    @app.server.get(PICTURE)
    def pictured() -> Response:
        taxonomy, wanted = sources.taxonomy(), request.args
        if taxonomy is None or not many(taxonomy):
            return Response(status=204)
        try:
            drawn = picture(taxonomy, level_of(taxonomy, wanted), camera_of(wanted))
        except TooNear:
            return Response(status=204)  # no error: a page does without
        return Response(drawn, mimetype="image/png")

    app.clientside_callback(
        ClientsideFunction("space", "drawn"), Output("picture", "title"), Input("picture", "id")
    )
    app.clientside_callback(
        ClientsideFunction("lab", "turned"),
        Output("species", "title"),
        Input("space", "relayoutData"),
        prevent_initial_call=True,
    )


def level_of(taxonomy: Taxonomy, wanted: Mapping[str, str]) -> int:
    """The rank that an address asks for, or else the clearest."""
    rank = wanted.get("rank", "")
    return RANKS.index(rank if rank in RANKS else taxonomy.clearest)
