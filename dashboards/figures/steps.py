"""When trials grok: how many of each arm's did in each span of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, drawing, trace
from speciation.analysis.estimates import Arm

SPANS = 50


def steps_table(arms: Sequence[Arm]) -> pd.DataFrame:
    """A row an arm and span of steps: ``arm, start, end, count, share``."""
    horizon = max(own.horizon for own in arms)
    width = max(int(np.ceil(horizon / SPANS / 25)) * 25, 25)
    edges = np.arange(0, horizon + width, width)
    parts = []
    for own in arms:
        # A trial that groks at the end of a span belongs to it.
        count, _ = np.histogram(own.steps[own.grokked] - 0.5, edges)
        parts.append(
            pd.DataFrame(
                {
                    "arm": own.name,
                    "start": edges[:-1],
                    "end": edges[1:],
                    "count": count,
                    "share": count / own.size,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def draw_steps(table: pd.DataFrame, colour: Mapping[str, str]) -> Drawing:
    """Bars upon one another, and an outline."""
    traces = []
    for name, own in table.groupby("arm", sort=False):
        arm, width = str(name), own["end"] - own["start"]
        middle = (own["start"] + own["end"]) / 2
        traces += [
            trace(
                arm,
                "bars",
                "bar",
                legend=True,
                x=middle.to_numpy(),
                y=own["share"].to_numpy(),
                width=width.to_numpy(),
                marker={"color": theme.see_through(colour[arm], 0.35), "line": {"width": 0}},
                hovertemplate="%{y:.1%} around %{x:,} steps",
            ),
            trace(
                arm,
                "lines",
                "scatter",
                x=middle.to_numpy(),
                y=own["share"].to_numpy(),
                mode="lines",
                line={"color": colour[arm], "width": 1.5, "shape": "hvh"},
                hoverinfo="skip",
            ),
        ]
    return drawing(
        traces,
        360,
        xaxis={"title": {"text": "steps to grok"}, "range": [0, 1.01 * table["end"].max()]},
        yaxis={
            "title": {"text": "share of trials"},
            "tickformat": ".0%",
            "rangemode": "tozero",
        },
        barmode="overlay",
        bargap=0,
    )
