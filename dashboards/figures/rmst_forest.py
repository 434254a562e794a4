"""How much sooner or later each arm groks than the reference: differences of RMST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, Trace, drawing, interval, rows, rows_of, trace
from dashboards.markup import in_figure
from dashboards.words import signed
from speciation.analysis.pairs import PairedDifference


def forest_table(differences: Sequence[PairedDifference]) -> pd.DataFrame:
    """A row an arm, least difference first.

    ``arm, against, seeds, steps, low, high, p, adjusted, needed, separated``.
    """
    rows = [
        {
            "arm": own.second,
            "against": own.first,
            "seeds": own.seeds,
            "steps": own.steps.value,
            "low": own.steps.low,
            "high": own.steps.high,
            "p": own.p,
            "adjusted": own.adjusted,
            "needed": own.needed,
            "separated": own.separated,
        }
        for own in differences
    ]
    return pd.DataFrame(rows).sort_values(["steps", "arm"], ignore_index=True)


def draw_forest(table: pd.DataFrame, colour: Mapping[str, str]) -> Drawing:
    """A row an arm; filled where the log-rank test tells it from the reference."""
    traces = []
    for place, row in enumerate(rows_of(table)):
        arm = str(row.arm)
        mark = {"size": 10, "color": colour[arm]}
        mark |= {"symbol": "square" if row.separated else "square-open"}
        words = f"{signed(row.steps)} steps (95 % {signed(row.low)} to {signed(row.high)}) on "
        words += f"{row.seeds:,} shared seeds, log-rank p {row.adjusted:.3f} after Holm"
        traces += [
            trace(
                arm,
                "intervals",
                "scatter",
                **interval(row.steps, row.low, row.high, place, colour[arm]),
            ),
            trace(
                arm,
                "points",
                "scatter",
                legend=True,
                x=[row.steps],
                y=[place],
                mode="markers",
                marker=mark,
                hovertemplate=words,
            ),
        ]
    against = in_figure(table["against"].iloc[0])
    return drawing(
        [_reference(len(table)), *traces],
        height=150 + 30 * len(table),
        xaxis={
            "title": {"text": f"mean steps more than {against}"},
            "showgrid": True,
        },
        yaxis={
            "range": [len(table) - 0.4, -0.6],
            "showgrid": False,
        },
        meta=rows(list(table["arm"]), base=150, each=30),
    )


def _reference(rows: int) -> Trace:
    """No difference: a line through all rows, which keeps 0 in sight."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 0],
        "y": [-0.6, rows - 0.4],
        "name": "no difference",
        "showlegend": False,
        "line": {"color": theme.GREY, "width": 1.5, "dash": "dot"},
        "meta": {"arm": None, "layer": "reference"},
        "hoverinfo": "skip",
    }
