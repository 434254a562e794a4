"""Menus whose choices are searched for while somebody types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dash import Dash, Input, Output, State

from dashboards.lab.choosing import Option


def searched(app: Dash, menu: str, found: Callable[[Any, list[Any]], list[Option]]) -> None:
    """Let a menu offer what is found.

    Args:
        app: The Lab.
        menu: Its id.
        found: From what was typed and what is chosen, as a browser tells both, to choices.
    """

    @app.callback(
        Output(menu, "options"),
        Input(menu, "search_value"),
        State(menu, "value"),
        prevent_initial_call=True,
    )
    def choices(text: Any, chosen: Any) -> list[Option]:
        return found(text, chosen if isinstance(chosen, list) else [chosen])
