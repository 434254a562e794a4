"""Genomes across settings: a map of how they learn, their steps, and what transfers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards import theme
from dashboards.markup import in_figure
from speciation.analysis.sweep import Swept

CLASSES = {
    "Smooth Learner": theme.GREEN,
    "Delayed": "#2f9aa8",
    "Grokker": theme.BLUE,
    "Memoriser": "#a97f00",
    "Underfitter": theme.GREY,
    "Collapser": theme.PURPLE,
    "Diverged": theme.VERMILION,
}
"""Learning class → its colour, from the easiest way of learning to none."""

ROW, TITLE = 34, 34  # pixels


def grid_of(
    cells: pd.DataFrame, down: str = "row", across: str = "column", value: str = "learning"
) -> pd.DataFrame:
    """Cells as a grid, in the order in which they come: by default, the most frequent class."""
    grid = cells.pivot(index=down, columns=across, values=value)
    rows, columns = (dict.fromkeys(cells[axis]) for axis in (down, across))
    return grid.reindex(index=list(rows), columns=list(columns))


def draw_classes(swept: Swept) -> go.Figure:
    """The most frequent class of each genome in each setting.

    A map a genome, a square a setting; where settings have one axis only, one map of all.
    """
    return _maps(swept.cells, _classes)


def draw_steps(swept: Swept) -> go.Figure:
    """Mean steps of each genome in each setting, laid out as its classes are.

    The stronger the colour, the less of the horizon.
    """
    return _maps(swept.cells, _steps)


def _maps(
    cells: pd.DataFrame, map_of: Callable[[pd.DataFrame, str, str], go.Heatmap]
) -> go.Figure:
    if cells["column"].nunique() == 1:
        figure = theme.canvas(170 + 26 * cells["genome"].nunique())
        figure.add_trace(map_of(cells, "genome", "setting"))
        return _laid_out(figure)
    genomes = list(dict.fromkeys(cells["genome"]))
    height = (ROW * cells["row"].nunique() + TITLE) * len(genomes)
    figure = make_subplots(
        rows=len(genomes),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=TITLE / height,
        subplot_titles=[in_figure(genome) for genome in genomes],
        figure=theme.canvas(height + 80),
    )
    for place, genome in enumerate(genomes, start=1):
        own = cells[cells["genome"] == genome]
        figure.add_trace(map_of(own, "row", "column"), row=place, col=1)
    figure.update_annotations(font={"size": 12})
    figure.update_yaxes(showgrid=False)
    figure.update_xaxes(showgrid=False, type="category")
    return figure.update_layout(hovermode="closest", margin={"t": 34})


def _laid_out(figure: go.Figure) -> go.Figure:
    """Genomes below each other, settings beside each other."""
    return figure.update_layout(
        hovermode="closest",
        margin={"t": 8},
        xaxis={"tickangle": 40, "showgrid": False, "type": "category"},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )


def _classes(cells: pd.DataFrame, down: str, across: str) -> go.Heatmap:
    grid = grid_of(cells, down, across)
    number = {name: place for place, name in enumerate(CLASSES)}
    share = grid_of(cells, down, across, "share")
    last = len(CLASSES) - 1
    return _squares(
        grid.map(lambda name: number.get(name, np.nan)),
        share.map(lambda own: "" if pd.isna(own) else f"{own:.0%}"),
        _said_of(cells, down, across),
        zmin=-0.5,
        zmax=last + 0.5,
        textfont={"color": "white", "size": 11},
        colorscale=[
            [(place + end) / len(CLASSES), colour]
            for place, colour in enumerate(CLASSES.values())
            for end in (0, 1)
        ],
    )


def _steps(cells: pd.DataFrame, down: str, across: str) -> go.Heatmap:
    steps = grid_of(cells, down, across, "steps")
    return _squares(
        steps / grid_of(cells, down, across, "horizon"),
        steps.map(lambda own: "" if pd.isna(own) else f"{own:,.0f}"),
        _said_of(cells, down, across),
        zmin=0,
        zmax=1,
        textfont={"size": 11},
        colorscale=[
            [0, theme.see_through(theme.BLUE, 0.5)],  # pale enough to read numbers on
            [1, theme.see_through(theme.GREY, 0.12)],
        ],
    )


def _squares(
    value: pd.DataFrame, text: pd.DataFrame, said: pd.DataFrame, **style: Any
) -> go.Heatmap:
    return go.Heatmap(
        x=[in_figure(name) for name in value.columns],
        y=[in_figure(name) for name in value.index],
        z=value.to_numpy(dtype=float),
        text=text.to_numpy(),
        texttemplate="%{text}",
        customdata=said.to_numpy(),
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        showscale=False,
        xgap=2,
        ygap=2,
        **style,
    )


def _said_of(cells: pd.DataFrame, down: str, across: str) -> pd.DataFrame:
    return grid_of(cells.assign(said=cells.apply(_said, axis=1)), down, across, "said")


def _said(row: pd.Series) -> str:
    return (
        f"{in_figure(row['setting'])}: {row['learning']} in {row['share']:.0%} "
        f"(95 % {row['share_low']:.0%} to {row['share_high']:.0%}) of {row['seeds']} seeds; "
        f"{row['success']:.0%} grokked, {row['steps']:,.0f} steps"
    )


def from_first(swept: Swept) -> pd.DataFrame:
    """Transfer from the first setting to each of the others, the best first."""
    home = swept.cells["setting"].iloc[0]
    table = swept.transfer[swept.transfer["first"] == home]
    return table.sort_values("rank_correlation", ascending=False, ignore_index=True)


def draw_transfer(swept: Swept) -> go.Figure:
    """Rank correlation of the first setting with each other and its interval."""
    table = from_first(swept)
    names = [in_figure(name) for name in table["second"]]
    figure = theme.canvas(90 + 26 * len(table))
    figure.add_trace(
        go.Scatter(
            x=table["rank_correlation"],
            y=table.index,
            mode="markers",
            marker={
                "size": 9,
                "color": [theme.BLUE if low > 0 else theme.GREY for low in table["low"]],
            },
            error_x={
                "array": table["high"] - table["rank_correlation"],
                "arrayminus": table["rank_correlation"] - table["low"],
                "color": theme.GREY,
                "thickness": 2,
                "width": 4,
            },
            customdata=[
                f"{name}: {row.rank_correlation:.2f} (95 % {row.low:.2f} to {row.high:.2f}), "
                f"{row.genomes} genomes"
                for name, row in zip(names, table.itertuples(), strict=True)
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    return figure.update_layout(
        hovermode="closest",
        margin={"t": 8},
        xaxis={
            "title": {"text": "rank correlation of mean steps"},
            "range": [-1.05, 1.05],
            "showgrid": True,
            "zeroline": True,
        },
        yaxis={
            "tickvals": list(range(len(table))),
            "ticktext": names,
            "range": [len(table) - 0.4, -0.6],
            "showgrid": False,
        },
    )
