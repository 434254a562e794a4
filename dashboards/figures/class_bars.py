"""How each arm's trials learned: shares of the learning classes."""

from __future__ import annotations

import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, Trace, drawing, rows, rows_of, trace

COLOURS = {
    "Smooth Learner": theme.BLUE,
    "Grokker": theme.GREEN,
    "Delayed": "#a67c00",
    "Memoriser": theme.PURPLE,
    "Collapser": "#8a5a44",
    "Underfitter": theme.GREY,
    "Diverged": theme.VERMILION,
}


def class_table(classes: pd.DataFrame) -> pd.DataFrame:
    """A row an arm and class: ``arm, learning_class, count, share``."""
    order = {name: place for place, name in enumerate(COLOURS)}
    long = classes.rename(columns={"name": "arm"}).melt(
        "arm", var_name="learning_class", value_name="count"
    )
    long = long.sort_values(
        "learning_class", key=lambda names: names.map(order), kind="stable", ignore_index=True
    )
    totals = long.groupby("arm")["count"].transform("sum")
    return long.assign(share=long["count"] / totals.where(totals > 0, 1))


def draw_classes(table: pd.DataFrame) -> Drawing:
    """A bar an arm, a colour a class: here the legend is of classes."""
    arms = list(dict.fromkeys(table["arm"]))
    traces: list[Trace] = []
    for row in rows_of(table[table["count"] > 0].rename(columns={"count": "number"})):
        traces.append(
            trace(
                row.arm,
                f"{row.learning_class} bars",
                "bar",
                legend=True,
                key=row.learning_class,
                orientation="h",
                x=[row.share],
                y=[arms.index(row.arm)],
                marker={"color": COLOURS[row.learning_class]},
                hovertemplate=f"{row.number:,} trials, {row.share:.1%}",
            )
        )
    return drawing(
        traces,
        height=130 + 34 * len(arms),
        barmode="stack",
        xaxis={"tickformat": ".0%", "title": {"text": "share of trials"}, "range": [0, 1.01]},
        yaxis={
            "range": [len(arms) - 0.4, -0.6],
            "showgrid": False,
        },
        meta=rows(arms, base=130, each=34),
    )
