"""What factors of a genome gain alone and in pairs."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme, words
from dashboards.figures.pair_grid import draw_pair_grid, pair_grid
from dashboards.markup import in_figure
from speciation.analysis.epistasis import LEVEL, Epistasis, Verdict

MOST_PAIRS = 30


def draw_grid(found: Epistasis) -> go.Figure:
    """A square a pair: blue gains together, orange is less than the sum; dots were shown."""
    return draw_pair_grid(
        pair_grid(list(found.effects["factor"]), found.pairs, "epistasis"),
        found.pairs[found.pairs["adjusted"] < LEVEL],
        "with",
    )


def draw_effects(found: Epistasis) -> go.Figure:
    """What each factor gains on average, a row each."""
    table = found.effects
    return _rows(
        [in_figure(name) for name in table["factor"]],
        table["effect"],
        table["low"],
        table["high"],
        [theme.BLUE if p < LEVEL else theme.GREY for p in table["adjusted"]],
        "steps, less is faster",
    )


def leading_pairs(found: Epistasis) -> pd.DataFrame:
    """The pairs that are furthest from zero, those below it first."""
    order = found.pairs["epistasis"].abs().sort_values(ascending=False).index[:MOST_PAIRS]
    return found.pairs.loc[sorted(order)].reset_index(drop=True)


def draw_pairs(found: Epistasis) -> go.Figure:
    """Epistasis of the strongest pairs with intervals, a row each."""
    table = leading_pairs(found)
    return _rows(
        [in_figure(f"{row.first} + {row.second}") for row in table.itertuples()],
        table["epistasis"],
        table["low"],
        table["high"],
        [VERDICTS[own] for own in table["verdict"]],
        "steps beyond the sum of both",
    )


VERDICTS = {
    Verdict.ONLY_TOGETHER: theme.GREEN,
    Verdict.SYNERGY: theme.BLUE,
    Verdict.REDUNDANT: theme.VERMILION,
    Verdict.ADDITIVE: theme.GREY,
}
"""What was shown of a pair → its colour."""


def _rows(
    names: list[str],
    value: pd.Series,
    low: pd.Series,
    high: pd.Series,
    colours: list[str],
    title: str,
) -> go.Figure:
    figure = theme.canvas(90 + 26 * len(names))
    figure.add_trace(
        go.Scatter(
            x=value,
            y=list(range(len(names))),
            mode="markers",
            marker={"size": 9, "color": colours},
            error_x={
                "array": high - value,
                "arrayminus": value - low,
                "color": theme.GREY,
                "thickness": 2,
                "width": 4,
            },
            customdata=[_said(*own) for own in zip(names, value, low, high, strict=True)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"color": theme.GREY, "width": 1}, layer="below")
    return figure.update_layout(
        hovermode="closest",
        margin={"t": 8},
        xaxis={"title": {"text": title}, "showgrid": True, "tickformat": "+,d"},
        yaxis={
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "range": [len(names) - 0.4, -0.6],
            "showgrid": False,
        },
    )


def _said(name: str, value: Any, low: Any, high: Any) -> str:
    span = f"{words.signed(low)} to {words.signed(high)}"
    return f"{name}: {words.signed(value)} steps (95 % {span})"
