"""The query of an address, as pages read it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from dash import Dash, Input, Output, dcc


def query_of(address: Any) -> dict[str, str]:
    """What stands behind the question mark, the first value of each key.

    Args:
        address: A whole address, or what begins with its question mark; may be anything.
    """
    if not isinstance(address, str):
        return {}
    text = address.partition("?")[2].partition("#")[0]
    return {key: values[0] for key, values in parse_qs(text).items()}


def follower(name: str) -> dcc.Store:
    """What a page has that wants to know of the browser's back and forward; see below."""
    return dcc.Store(id=name)


def follow(app: Dash, name: str) -> None:
    """Keep a follower's data at the query of the address.

    The address is there on every page, so a callback that listens to it and to a page's own
    parts would be called, in vain, where those are not.
    """

    @app.callback(Output(name, "data"), Input("here", "search"), prevent_initial_call=True)
    def followed(search: Any) -> Any:
        return search
