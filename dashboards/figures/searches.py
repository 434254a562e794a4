"""Searches at equal cost: the last champions of every repeat, and how they came about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards import theme, words
from dashboards.markup import in_figure
from speciation.analysis.searches import Searches

COLUMNS = 2
PANEL_HEIGHT = 190
JITTER = 0.22  # of a row, so that equal repeats can be told apart


def repeat_table(found: Searches) -> pd.DataFrame:
    """The last champion of each repeat, in rows of arms from the best downward.

    Returns:
        ``row, arm, repeat, steps, success``; ``row`` is the arm's place, spread a little.
    """
    last = found.table[found.table["checkpoint"] == found.table["checkpoint"].max()]
    place = {arm: number for number, arm in enumerate(found.final["arm"])}
    spread = np.linspace(-JITTER, JITTER, max(int(last["repeat"].max()) + 1, 2))
    row = last["arm"].map(place) + spread[last["repeat"]]
    return last.assign(row=row)[["row", "arm", "repeat", "steps", "success"]].reset_index(
        drop=True
    )


def draw_repeats(found: Searches) -> go.Figure:
    """A dot a repeat; the median of each arm with its interval."""
    repeats, final = repeat_table(found), found.final
    figure = theme.canvas(120 + 42 * len(final))
    figure.add_trace(
        go.Scatter(
            x=repeats["steps"],
            y=repeats["row"],
            mode="markers",
            marker={"size": 6, "color": theme.GREY, "opacity": 0.6},
            customdata=[_of_repeat(row) for row in repeats.itertuples()],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.add_trace(_medians(found))
    return figure.update_layout(
        hovermode="closest",
        margin={"t": 8},
        xaxis={
            "title": {"text": "mean steps of the champion, on new seeds"},
            "showgrid": True,
            "tickformat": ",d",
        },
        yaxis={
            "tickvals": list(range(len(final))),
            "ticktext": [in_figure(arm) for arm in final["arm"]],
            "range": [len(final) - 0.4, -0.6],
            "showgrid": False,
        },
    )


def _medians(found: Searches) -> go.Scatter:
    final = found.final
    ended = np.isfinite(final["low"])
    return go.Scatter(
        x=final["median"],
        y=final.index,
        mode="markers",
        marker={
            "size": 11,
            "symbol": "diamond",
            "color": [_colour(found, arm) for arm in final["arm"]],
        },
        error_x={
            "array": (final["high"] - final["median"]).where(ended, 0.0),
            "arrayminus": (final["median"] - final["low"]).where(ended, 0.0),
            "color": theme.GREY,
            "thickness": 2.5,
            "width": 5,
        },
        customdata=[_of_arm(row) for row in final.itertuples()],
        hovertemplate="%{customdata}<extra></extra>",
    )


def draw_curves(found: Searches) -> go.Figure:
    """A panel an arm: median and interval against cost, beside the reference in grey."""
    arms = [arm for arm in dict.fromkeys(found.curves["arm"]) if arm != found.reference]
    rows = -(-len(arms) // COLUMNS)
    figure = make_subplots(
        rows=rows,
        cols=COLUMNS,
        shared_xaxes=True,
        shared_yaxes="all",
        horizontal_spacing=0.04,
        vertical_spacing=0.16 / max(rows, 2),
        subplot_titles=[in_figure(arm) for arm in arms],
        figure=theme.canvas(80 + PANEL_HEIGHT * rows),
    )
    reference = found.curves[found.curves["arm"] == found.reference]
    for number, arm in enumerate(arms):
        place = {"row": number // COLUMNS + 1, "col": number % COLUMNS + 1}
        own = found.curves[found.curves["arm"] == arm]
        for curve, colour in ((reference, theme.GREY), (own, theme.BLUE)):
            for trace in _curve(curve, colour):
                figure.add_trace(trace, **place)
    figure.update_xaxes(tickformat="~s", rangemode="tozero", nticks=5)
    for column in range(1, COLUMNS + 1):  # the lowest panel of each has the ticks
        lowest = rows - (len(arms) % COLUMNS and column > len(arms) % COLUMNS)
        own = {"title": {"text": "trial-steps"}, "showticklabels": True}
        figure.update_xaxes(own, row=lowest, col=column)
    figure.update_yaxes(rangemode="tozero", nticks=5)
    figure.update_annotations(font={"size": 12}, xanchor="center")
    return figure.update_layout(hovermode="closest", margin={"t": 34})


def _curve(own: pd.DataFrame, colour: str) -> list[go.Scatter]:
    banded = own[np.isfinite(own["low"])]
    band = go.Scatter(
        x=[*banded["checkpoint"], *banded["checkpoint"][::-1]],
        y=[*banded["high"], *banded["low"][::-1]],
        fill="toself",
        fillcolor=theme.see_through(colour, 0.2),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )
    line = go.Scatter(
        x=own["checkpoint"],
        y=own["median"],
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"size": 5},
        customdata=[_of_point(row) for row in own.itertuples()],
        hovertemplate="%{customdata}<extra></extra>",
    )
    return [band, line]


def _colour(found: Searches, arm: str) -> str:
    return theme.VERMILION if arm == found.reference else theme.BLUE


def _of_repeat(row: Any) -> str:
    rate = "no champion" if pd.isna(row.success) else f"{row.success:.1%} grokked"
    return f"{in_figure(row.arm)}, repeat {row.repeat + 1}: {row.steps:,.0f} steps, {rate}"


def _of_arm(row: Any) -> str:
    of = words.counted(row.repeats, "repeat")
    return f"{in_figure(row.arm)}: median {interval(row.median, row.low, row.high)}, {of}"


def _of_point(row: Any) -> str:
    told = interval(row.median, row.low, row.high)
    return f"{in_figure(row.arm)} after {row.checkpoint:,} trial-steps: {told}"


def interval(value: float, low: float, high: float) -> str:
    """A median in words; too few repeats have no interval."""
    if not np.isfinite(low):
        return f"{value:,.0f}"
    return f"{value:,.0f} ({low:,.0f} to {high:,.0f})"
