"""A number of every pair as a grid of colours: steps that are gained or lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.markup import in_figure


def pair_grid(names: Sequence[str], pairs: pd.DataFrame, value: str) -> pd.DataFrame:
    """A column of pairs as a square, the same from both sides; NaN on the diagonal.

    Args:
        names: The order of rows and columns.
        pairs: ``first, second`` and the column, each pair once.
        value: Name of the column.
    """
    half = pairs.pivot(index="first", columns="second", values=value)
    half = half.reindex(index=list(names), columns=list(names))
    return half.fillna(half.T)


def draw_pair_grid(grid: pd.DataFrame, shown: pd.DataFrame, word: str) -> go.Figure:
    """A square a pair: blue is below zero, orange above; dots mark pairs that were shown.

    Args:
        grid: As of :func:`pair_grid`, in steps.
        shown: ``first, second`` of the pairs that are told apart from zero.
        word: Between the two names of a pair.
    """
    names = [in_figure(name) for name in grid]
    limit = float(np.nanmax(np.abs(grid.to_numpy()))) or 1.0
    figure = theme.canvas(150 + 30 * len(names))
    figure.add_trace(
        go.Heatmap(
            x=names,
            y=names,
            z=grid.to_numpy(),
            zmin=-limit,
            zmax=limit,
            xgap=2,
            ygap=2,
            colorscale=[
                [0, theme.BLUE],
                [0.5, theme.see_through(theme.GREY, 0.18)],
                [1, theme.VERMILION],
            ],
            colorbar={"title": {"text": "steps"}, "thickness": 10, "len": 0.8},
            hovertemplate=f"%{{x}} {word} %{{y}}: %{{z:+,.0f}} steps<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[*map(in_figure, shown["first"]), *map(in_figure, shown["second"])],
            y=[*map(in_figure, shown["second"]), *map(in_figure, shown["first"])],
            mode="markers",
            marker={"size": 7, "color": "white", "line": {"width": 1.5, "color": "black"}},
            hoverinfo="skip",
        )
    )
    return figure.update_layout(
        hovermode="closest",
        margin={"t": 8},
        xaxis={"tickangle": 50, "showgrid": False, "type": "category"},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )
