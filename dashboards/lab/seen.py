"""How somebody looks at the figures of a page: what is zoomed and what is hidden.

The browser writes it into the address (``viewed`` in ``assets/lab.js``):
``zoom=fitness.xaxis:1.5:20&hidden=fitness.median``. A page that is opened draws its figures so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import plotly.graph_objects as go

from dashboards.lab.splicing import number

KEYS = ("zoom", "hidden")
"""Of an address's query."""
MOST_LETTERS = 2000
AXES = ("xaxis", "yaxis", "yaxis2")


def as_seen(figure: go.Figure, name: str, wanted: Mapping[str, str]) -> go.Figure:
    """A figure as an address sees it; what makes no sense is as if it were not told.

    Args:
        figure: It is changed.
        name: What the address calls it: the id of its graph.
        wanted: The address's query.
    """
    hidden = wanted.get("hidden", "")[:MOST_LETTERS].split(",")
    for trace in figure.data:
        if f"{name}.{trace.name}" in hidden:
            trace.visible = "legendonly"
    for told in wanted.get("zoom", "")[:MOST_LETTERS].split(","):
        place, *ends = told.split(":")
        owner, _, axis = place.partition(".")
        span = [own for own in map(number, ends) if own is not None and math.isfinite(own)]
        if owner == name and axis in AXES and len(span) == 2 and span[0] != span[1]:
            figure.layout[axis].range = span
    return figure
