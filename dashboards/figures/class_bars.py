"""How each arm's trials learned: shares of the learning classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, Trace, drawing
from dashboards.markup import in_figure

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
    long = classes.rename(columns={"name": "arm"}).melt(
        "arm", var_name="learning_class", value_name="count"
    )
    totals = long.groupby("arm")["count"].transform("sum")
    return long.assign(share=long["count"] / totals.where(totals > 0, 1))


def draw_classes(table: pd.DataFrame) -> Drawing:
    """A bar an arm, a colour a class: here the legend is of classes."""
    arms = list(dict.fromkeys(table["arm"]))
    traces: list[Trace] = []
    for name, colour in COLOURS.items():
        own = table[table["learning_class"] == name].set_index("arm").reindex(arms)
        if not own["count"].sum():
            continue
        traces.append(
            {
                "type": "bar",
                "name": name,
                "orientation": "h",
                "y": np.arange(len(arms)),
                "x": own["share"].to_numpy(dtype=np.float64),
                "customdata": own["count"].to_numpy(dtype=np.float64),
                "marker": {"color": colour},
                "meta": {"arm": None, "layer": f"{name} bars"},
                "hovertemplate": "%{customdata:,} trials, %{x:.1%}",
            }
        )
    return drawing(
        traces,
        height=int(min(130 + 34 * len(arms), 900)),
        barmode="stack",
        xaxis={"tickformat": ".0%", "title": {"text": "share of trials"}, "range": [0, 1]},
        yaxis={
            "tickvals": list(range(len(arms))),
            "ticktext": [in_figure(arm) for arm in arms],
            "showticklabels": len(arms) <= 40,
            "autorange": "reversed",
            "showgrid": False,
        },
    )
