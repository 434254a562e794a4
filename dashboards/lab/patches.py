"""From a figure that was drawn again to what has changed of it, for the one in the browser.

Only numbers and words of traces are sent. Where the camera stands, what is zoomed and what was
hidden is the browser's, and stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import Patch


def data_patch(figure: go.Figure) -> Patch:
    """What gives every trace of the figure on a page the data of this one.

    Args:
        figure: With the same traces, in the same order.
    """
    patch = Patch()
    for number, trace in enumerate(figure.data):
        for path, value in _arrays(trace.to_plotly_json()):
            place = patch["data"][number]
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = value
    return patch


def _arrays(trace: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[Any, Any]]:
    """Paths and values of all that is as long as the data."""
    found: list[tuple[Any, Any]] = []
    for name, value in trace.items():
        if isinstance(value, dict):
            found += _arrays(value, (*path, name))
        elif isinstance(value, list | tuple | np.ndarray):
            found.append(((*path, name), value))
    return found
