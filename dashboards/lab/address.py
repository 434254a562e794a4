"""The query of an address, as pages read and write it.

Where the browser is stands in its address alone. A page that changes it says so to one store,
``going``, and the browser does it, unless somebody has gone elsewhere meanwhile. What a page
wrote itself is no news to it: its form may have moved on while the server was thinking. So a
page follows the address only when somebody else moved it: back, forward, or a link.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from dash import ClientsideFunction, Dash, Input, Output, State, dcc

GOING = Output("going", "data", allow_duplicate=True)
"""Of a callback that changes the address: what :func:`going` gives."""

HERE = State("here", "search")
"""Where the browser is: what such a callback has to know."""


def query_of(address: Any) -> dict[str, str]:
    """What stands behind the question mark, the first value of each key.

    Args:
        address: A whole address, or what begins with its question mark; may be anything.
    """
    if not isinstance(address, str):
        return {}
    text = address.partition("?")[2].partition("#")[0]
    return {key: values[0] for key, values in parse_qs(text).items()}


def going(path: str, query: str, since: Any, *, replace: bool = False) -> dict[str, Any]:
    """Where a page wants to be.

    Args:
        path: The page's own; the answer of a page that was left changes nothing.
        query: Without its question mark.
        since: Where the browser was when it asked, :data:`HERE`; the answer to one that has
            gone back meanwhile changes nothing either.
        replace: Whether "back" shall not come here again.
    """
    search = f"?{query}" if query else ""
    return {"path": path, "search": search, "since": since, "replace": replace}


def connect(app: Dash) -> None:
    """Let the browser go where pages want to be."""
    app.clientside_callback(
        ClientsideFunction("address", "go"),
        Output("nothing", "title"),
        Input("going", "data"),
        prevent_initial_call=True,
    )


def follower(name: str) -> dcc.Store:
    """What a page has that wants to know of back, forward and links; see :func:`follow`."""
    return dcc.Store(id=name)


def follow(app: Dash, name: str) -> None:
    """Keep a follower's data at the query of the address, when it was moved by somebody else.

    The address is there on every page, so a callback that listens to it and to a page's own
    parts would be called, in vain, where those are not.
    """
    app.clientside_callback(
        ClientsideFunction("address", "follow"),
        Output(name, "data"),
        Input("here", "search"),
        prevent_initial_call=True,
    )
