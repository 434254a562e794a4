"""What the charts of a validation share: an arm's colour, and what a trace is.

A trace belongs to an *arm* and to a *layer* of its figure (lines, bands, boxes, points, …), and
says so in its ``meta``: with that the page shows and hides arms, groups and layers
independently, and exports what is shown. Traces are plain mappings: a validation of 300 genomes
has thousands of them, and Plotly's objects would take longer to check than to draw.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboards import theme
from dashboards.markup import in_figure

FIRST = (
    theme.BLUE,
    theme.VERMILION,
    theme.GREEN,
    theme.PURPLE,
    "#a67c00",
    "#4b6cd0",
    "#8a5a44",
)
_GOLDEN = 0.618034

Trace = dict[str, Any]
Drawing = dict[str, Any]
"""A figure as Plotly's JSON has it: ``data`` and ``layout``."""


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """Rows by the names of their columns."""
    yield from table.itertuples(index=False)


def colours(names: Sequence[str]) -> dict[str, str]:
    """Name → colour: people tell the first few apart, whatever their vision."""
    found = {}
    for i, name in enumerate(names):
        if i < len(FIRST):
            found[name] = FIRST[i]
        else:
            rgb = colorsys.hls_to_rgb(i * _GOLDEN % 1, 0.45, 0.55)
            found[name] = "#" + "".join(f"{round(255 * part):02x}" for part in rgb)
    return found


def trace(
    arm: str,
    layer: str,
    kind: str,
    *,
    legend: bool = False,
    key: str | None = None,
    **rest: Any,
) -> Trace:
    """One trace.

    Args:
        arm: Name of the arm.
        layer: Of the figure, in plural: what its switch is called.
        kind: Of Plotly's traces.
        legend: Whether it stands for the arm in the legend, where it is shown.
        key: What it stands for in the legend, if not for its arm.
        rest: As Plotly has it.
    """
    return {
        "type": kind,
        "name": in_figure(key or arm),
        "legendgroup": key or arm,
        "showlegend": legend,
        "meta": {"arm": arm, "layer": layer, "key": key or arm, "legend": legend},
        **rest,
    }


def rows(names: Sequence[str], base: int, each: int) -> dict[str, Any]:
    """What a figure's layout says where each arm has a place of its own on y: 0, 1, 2, ….

    The page moves arms together when some are hidden, and makes the figure as high as they
    need: so nothing that is saved has holes.

    Args:
        names: Of the arms, in their places.
        base: Height of a figure without arms.
        each: Height that an arm adds.
    """
    return {"rows": list(names), "base": base, "each": each}


def drawing(traces: Sequence[Trace], height: int, **layout: Any) -> Drawing:
    """Traces on the house's canvas, with a legend that an exported figure keeps.

    Bands lie under everything else, so that no arm's band hides another's line.
    """
    traces = sorted(traces, key=lambda own: not own["meta"]["layer"].endswith("bands"))
    figure = theme.canvas(height)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}}
    figure.update_layout(showlegend=True, legend=legend, hovermode="closest")
    figure.update_layout(**layout)
    return {"data": traces, "layout": figure.layout.to_plotly_json()}


def checked(found: Drawing) -> go.Figure:
    """The same as a Plotly figure, which refuses what Plotly does not know."""
    return go.Figure(found)


def around(
    x: NDArray[np.floating], low: NDArray[np.floating], high: NDArray[np.floating]
) -> Trace:
    """Once around a band: forwards along its upper end, back along its lower one."""
    return {"x": np.concatenate([x, x[::-1]]), "y": np.concatenate([high, low[::-1]])}


def band(colour: str) -> Trace:
    """How a band is drawn."""
    return {
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": theme.see_through(colour, 0.18),
        "hoverinfo": "skip",
    }


def interval(value: float, low: float, high: float, at: float, colour: str) -> Trace:
    """How an interval is drawn along x, at a place on y; one with an open end is not."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return {"x": [], "y": []}
    ends = {"array": [high - value], "arrayminus": [value - low]}
    return {
        "x": [value],
        "y": [at],
        "mode": "markers",
        "marker": {"size": 1, "color": colour},
        "error_x": {**ends, "color": colour, "thickness": 2.5, "width": 5},
        "hoverinfo": "skip",
    }
