"""How crosses of genomes fare: breakdown of every pair, and against their distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme, words
from dashboards.figures.pair_grid import draw_pair_grid, pair_grid
from dashboards.markup import in_figure
from speciation.analysis.crosses import LEVEL, Crosses

KINDS = {
    "within a group": theme.GREEN,
    "between groups": theme.PURPLE,
    "of no known group": theme.BLUE,
}
"""Where the parents of a cross are → its colour."""
CROWD = 200  # crosses, from which on their intervals hide each other


def breakdown_grid(found: Crosses, group_of: Mapping[str, str]) -> pd.DataFrame:
    """Breakdown of every pair, a genome a row and a column, those of a group together."""
    names = sorted(found.parents["genome"], key=lambda own: group_of.get(own, ""))
    return pair_grid(names, found.pairs, "breakdown")


def draw_breakdown(found: Crosses, group_of: Mapping[str, str]) -> go.Figure:
    """A square a cross: orange is slower than its parents, blue faster; dots were shown."""
    shown = found.pairs[found.pairs["adjusted"] < LEVEL]
    return draw_pair_grid(breakdown_grid(found, group_of), shown, "×")


def by_distance(found: Crosses, group_of: Mapping[str, str]) -> pd.DataFrame:
    """The pairs by distance, with ``relation``, one of :data:`KINDS`, and whether ``shown``."""
    table = found.pairs.sort_values("distance", kind="stable", ignore_index=True)
    relation = [
        _relation(group_of.get(first), group_of.get(second))
        for first, second in zip(table["first"], table["second"], strict=True)
    ]
    return table.assign(relation=relation, shown=table["adjusted"] < LEVEL)


def _relation(first: str | None, second: str | None) -> str:
    if first is None or second is None:
        return "of no known group"
    return "within a group" if first == second else "between groups"


def draw_by_distance(found: Crosses, group_of: Mapping[str, str]) -> go.Figure:
    """A dot a cross with its interval; one that is not told apart from zero is hollow.

    Where there are so many that they would hide each other, dots are small and intervals are
    only said.
    """
    figure = theme.canvas(380)
    crowded = len(found.pairs) > CROWD
    groups = dict(list(by_distance(found, group_of).groupby("relation")))
    for relation in sorted(groups, key=lambda own: -len(groups[own])):  # the fewest on top
        figure.add_trace(_dots(groups[relation], KINDS[str(relation)], str(relation), crowded))
    figure.add_hline(y=0, line={"color": theme.GREY, "width": 1}, layer="below")
    theme.panel(figure, "breakdown, steps")
    return figure.update_layout(
        hovermode="closest",
        xaxis={
            "title": {"text": "distance of the parents, in unit coordinates"},
            "rangemode": "tozero",
        },
        yaxis={"tickformat": "+,d"},
    )


def _dots(own: pd.DataFrame, colour: str, name: str, crowded: bool) -> go.Scatter:
    symbols = ["circle" if shown else "circle-open" for shown in own["shown"]]
    return go.Scatter(
        x=own["distance"],
        y=own["breakdown"],
        name=name,
        mode="markers",
        marker={
            "size": 5 if crowded else 9,
            "color": colour,
            "symbol": symbols,
            "line": {"width": 1 if crowded else 2, "color": colour},
        },
        error_y={
            "array": own["high"] - own["breakdown"],
            "arrayminus": own["breakdown"] - own["low"],
            "color": theme.see_through(theme.GREY, 0.6),
            "thickness": 1.5,
            "width": 0,
            "visible": not crowded,
        },
        customdata=[_said(row) for row in own.itertuples()],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _said(row: Any) -> str:
    names = f"{in_figure(row.first)} × {in_figure(row.second)}"
    span = f"{words.signed(row.low)} to {words.signed(row.high)}"
    steps = f"{words.signed(row.breakdown)} steps (95 % {span})"
    return f"{names}: {steps}, distance {row.distance:.2f}"
