"""Every page as one HTML file that opens offline, and every figure as a picture.

A page that can be exported has ``export(sources, wanted)``, which gives an :class:`Export` of
the very view that its address tells. The file is a page of ``dashboards``, so what is sent
around looks as what the command line writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import plotly.graph_objects as go
from dash import Dash, dcc, html
from flask import Response, request

from dashboards.lab.sources import Sources

FOLDER = "/export"
MOST_LETTERS = 20_000


class Export(NamedTuple):
    """A file.

    Args:
        name: Without its ending.
        body: The HTML page.
    """

    name: str
    body: bytes


class NothingToExport(ValueError):  # noqa: N818 - an answer, not a fault
    """There is nothing to export: one sentence."""


def connect(app: Dash, sources: Sources, pages: Sequence[ModuleType]) -> None:
    """Answer requests for files, ``/export/forge?recipient=…`` as ``/forge?recipient=…``."""
    makers: dict[str, Callable[..., Export]] = {
        page.PATH: page.export for page in pages if hasattr(page, "export")
    }
    makers["/"] = makers.get(pages[0].PATH, _nothing)

    @app.server.get(f"{FOLDER}/", defaults={"name": ""})
    @app.server.get(f"{FOLDER}/<name>")
    def exported(name: str) -> Response:
        wanted = {key: value[:MOST_LETTERS] for key, value in request.args.items()}
        try:
            made = makers.get(f"/{name}", _nothing)(sources, wanted)
        except NothingToExport as nothing:
            # No error: the page shows the sentence, and no console complains.
            return Response(str(nothing), mimetype="text/plain")
        file = re.sub(r"[^A-Za-z0-9._-]+", "-", made.name).strip("-.")[:80] or "lab"
        head = {"Content-Disposition": f'attachment; filename="{file}.html"'}
        return Response(made.body, mimetype="text/html", headers=head)


def _nothing(sources: Sources, wanted: dict[str, str]) -> Export:
    raise NothingToExport("This page has nothing to export.")


def framed(name: str, figure: go.Figure, said: str) -> html.Div:
    """A figure of its own height, and buttons that save it.

    Args:
        name: Id of its graph.
        figure: With a height.
        said: What it shows, for those who cannot see it.
    """
    graph = dcc.Graph(
        id=name,
        figure=figure,
        config={"displayModeBar": False},
        responsive=True,
        style={"height": f"{figure.layout.height:.0f}px"},  # else it collapses when zoomed
    )
    told: dict[str, Any] = {"aria-label": said}
    return html.Div([graph, saves(name)], role="figure", className="plot", **told)


def saves(figure: str) -> html.Div:
    """Buttons that save the figure of a graph, by the graph's id."""

    def button(form: str) -> html.Button:
        told: Any = {"data-save": form, "data-figure": figure}
        return html.Button(form.upper(), title=f"Save this figure as {form.upper()}", **told)

    return html.Div([button("svg"), button("png")], className="saves")
