"""The Lab's window: pages, address, look, and the guard in front of it all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from waitress.server import create_server

from dashboards.lab import (
    address,
    evolution_page,
    exports,
    forge_page,
    library_page,
    runs_page,
    speciation_page,
    stress_page,
)
from dashboards.lab.guard import LOOPBACK, MOST_BYTES, guard
from dashboards.lab.sources import Sources
from dashboards.theme import DARK, LIGHT, css_variables

PAGES: tuple[ModuleType, ...] = (
    evolution_page,
    forge_page,
    stress_page,
    speciation_page,
    runs_page,
    library_page,
)
"""Each has ``PATH``, ``TITLE``, ``layout``, ``connect``; some have ``export`` and ``warm``."""

THREADS = 8
CONNECTIONS = 100
REQUEST_SECONDS = 60
HEADER_BYTES = 2**16

_PLOTLY = "/_dash-component-suites/plotly/package_data/plotly.min.js"
_INDEX = """<!DOCTYPE html>
<html lang="en"><head>{{%metas%}}<title>{{%title%}}</title>{{%favicon%}}
<meta name="plotly" content="{plotly}">
<style>{style}</style>{{%css%}}</head>
<body>{{%app_entry%}}<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer></body></html>"""


def make_app(
    sources: Sources, port: int, host: str = "127.0.0.1", token: str | None = None
) -> Dash:
    """The Lab as a Dash app, guarded.

    Args:
        sources: What it looks at.
        port: That it will listen on.
        host: That it will be reached by; loopback always is.
        token: What visitors must know; None on loopback only.

    Raises:
        ValueError: It would be open beyond this machine.
    """
    if token is None and host not in LOOPBACK:
        raise ValueError(f"the Lab on {host} needs a token; on 127.0.0.1 it needs none")
    app = Dash(
        "dashboards.lab",
        assets_folder="assets",
        title="Speciation Lab",
        update_title="",
        suppress_callback_exceptions=True,
        serve_locally=True,
        compress=False,
        index_string=_INDEX.format(style=_style(), plotly=_PLOTLY),
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.layout = _frame()
    for page in PAGES:
        page.connect(app, sources)
    exports.connect(app, sources, PAGES)
    address.connect(app)
    _connect(app, sources)
    guard(app.server, _hosts(port, host), lambda: _hashes(app), token)
    return app


def _frame() -> html.Div:
    links = [dcc.Link(page.TITLE, href=page.PATH) for page in PAGES]
    return html.Div(
        [
            dcc.Location(id="here", refresh=False),
            dcc.Store(id="going"),
            html.Header(
                [
                    dcc.Link([html.B("Speciation"), " Lab"], href="/", className="brand"),
                    html.Nav(links, id="pages"),
                    html.Span(id="exporting", role="status", className="faint"),
                    html.Button("Export", id="export", title="Save this page as one HTML file"),
                    html.Button(
                        "Light or dark", id="look", title="Change between light and dark"
                    ),
                ]
            ),
            html.Main(id="page"),
            html.Div(id="nothing", hidden=True),
        ]
    )


def _connect(app: Dash, sources: Sources) -> None:
    @app.callback(
        Output("page", "children"),
        Output("pages", "children"),
        Input("here", "pathname"),
        State("here", "href"),
    )
    def page(path: Any, href: Any) -> tuple[Any, list[Any]]:
        shown = next((own for own in PAGES if path == own.PATH), PAGES[0])
        links = [
            dcc.Link(own.TITLE, href=own.PATH, className="now" if own is shown else "")
            for own in PAGES
        ]
        return shown.layout(sources, address.query_of(href)), links

    app.clientside_callback(
        ClientsideFunction("lab", "look"),
        Output("nothing", "children"),
        Input("look", "n_clicks"),
    )


def _hosts(port: int, host: str) -> Iterable[str]:
    return {f"{name}:{port}" for name in (*LOOPBACK, host)}


def _hashes(app: Dash) -> Iterable[str]:
    return [f"'{own}'" if not own.startswith("'") else own for own in app.csp_hashes()]


def _style() -> str:
    """Paper and ink: as the system wishes, or as somebody chose."""

    def block(name: str, colours: dict[str, str]) -> str:
        pairs = "".join(f"--{key}:{value};" for key, value in colours.items())
        return f":root[data-look={name}]{{{pairs}color-scheme:{name}}}"

    return css_variables() + block("light", LIGHT) + block("dark", DARK)


def listen(host: str, port: int) -> socket.socket:
    """A socket at an address of this machine.

    Raises:
        OSError: The port is taken, or the host is not one of this machine.
    """
    name = host.strip("[]")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    return socket.create_server((name, port), family=family)


def warm(sources: Sources) -> None:
    """Do in a thread what pages have to do once, so that their first visitor waits less."""

    def work() -> None:
        for page in reversed(PAGES):  # the shorter ones first
            if hasattr(page, "warm"):
                page.warm(sources)

    threading.Thread(target=work, daemon=True, name="warm").start()


def server_of(app: Dash, listening: socket.socket) -> Any:
    """What answers at a socket; ``run`` does, until somebody interrupts it or calls ``close``.

    A visitor may have few connections, small requests, and no time to spend on sending them.
    """
    return create_server(
        app.server,
        sockets=[listening],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        channel_timeout=REQUEST_SECONDS,
        max_request_header_size=HEADER_BYTES,
        max_request_body_size=2 * MOST_BYTES,  # the guard's own answer comes first
        ident=None,
    )
