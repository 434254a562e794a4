"""How trials learned: which learning classes there were."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme, words
from dashboards.markup import in_figure
from speciation.evolution.fitness import wilson


def learning_classes(trials: pd.DataFrame) -> pd.DataFrame:
    """How many trials were of which class, the most frequent first.

    Returns:
        A row a class: ``learning_class, count, trials, share, low, high``, with Wilson's 95 %
        interval of the share. Failed trials have no class and do not count.
    """
    counts = trials["learning_class"].dropna().value_counts().rename("count")
    table = counts.rename_axis("learning_class").reset_index()
    table = table.sort_values(
        ["count", "learning_class"], ascending=[False, True], ignore_index=True
    )
    trials_in_all = int(table["count"].sum())
    table["trials"] = trials_in_all
    low, high = wilson(table["count"], table["trials"])
    return table.assign(share=table["count"] / table["trials"], low=low, high=high)


def draw_classes(table: pd.DataFrame) -> go.Figure:
    """Horizontal bars with their intervals; names above bars, so that none is cut off."""
    figure = theme.canvas(70 + 44 * len(table))
    said = [
        words.share(count, trials)
        for count, trials in zip(table["count"], table["trials"], strict=True)
    ]
    figure.add_trace(
        go.Bar(
            y=list(range(len(table))),
            x=100 * table["share"],
            orientation="h",
            width=0.32,
            marker={"color": theme.BLUE, "line": {"width": 0}},
            error_x={
                "array": 100 * (table["high"] - table["share"]),
                "arrayminus": 100 * (table["share"] - table["low"]),
                "thickness": 1.5,
                "width": 3,
                "color": theme.GREY,
            },
            hoverinfo="skip",
        )
    )
    for row, (name, numbers) in enumerate(zip(table["learning_class"], said, strict=True)):
        figure.add_annotation(
            text=f"<b>{in_figure(name)}</b>  {numbers}",
            x=0,
            y=row - 0.2,
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
        )
    return figure.update_layout(
        hovermode=False,
        margin={"l": 0, "t": 10},
        xaxis={"ticksuffix": " %", "range": [0, 104], "showgrid": True},
        yaxis={
            "showticklabels": False,
            "showgrid": False,
            "range": [len(table) - 0.6, -0.75],
        },
    )
