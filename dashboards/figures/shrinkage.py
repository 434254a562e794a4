"""What was selected beside what is confirmed: the way from one to the other is luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, drawing, interval, rows, trace
from speciation.analysis.validation import Shrinkage


def shrinkage_table(found: Sequence[Shrinkage]) -> pd.DataFrame:
    """A row an arm: both means with their intervals, and what lies between."""
    rows = [
        {
            "arm": own.name,
            "horizon": own.horizon,
            "selected": own.selected.rmst.value,
            "selected_low": own.selected.rmst.low,
            "selected_high": own.selected.rmst.high,
            "selected_seeds": own.selected.seeds,
            "confirmed": own.confirmed.rmst.value,
            "confirmed_low": own.confirmed.rmst.low,
            "confirmed_high": own.confirmed.rmst.high,
            "confirmed_seeds": own.confirmed.seeds,
            "shrinkage": own.steps.value,
            "shrinkage_low": own.steps.low,
            "shrinkage_high": own.steps.high,
        }
        for own in found
    ]
    return pd.DataFrame(rows)


def draw_shrinkage(table: pd.DataFrame, colour: Mapping[str, str]) -> Drawing:
    """Hollow is selected, filled is confirmed, and an arrow leads from one to the other."""
    traces = []
    for place, row in enumerate(table.to_dict("records")):
        arm = str(row["arm"])
        for name, shift, symbol in (
            ("selected", -0.16, "circle-open"),
            ("confirmed", 0.16, "circle"),
        ):
            traces.append(
                trace(
                    arm,
                    f"{name} points",
                    "scatter",
                    legend=name == "confirmed",
                    x=[row[name]],
                    y=[place + shift],
                    mode="markers",
                    marker={"size": 10, "color": colour[arm], "symbol": symbol},
                    hovertemplate=f"{name}: %{{x:,.0f}} steps, {row[f'{name}_seeds']:,} seeds",
                )
            )
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            drawn = interval(row[name], low, high, place + shift, colour[arm])
            traces.append(trace(arm, f"{name} intervals", "scatter", **drawn))
        traces.append(
            trace(
                arm,
                "lines",
                "scatter",
                x=[row["selected"], row["confirmed"]],
                y=[place - 0.16, place + 0.16],
                mode="lines",
                line={"color": theme.see_through(colour[arm], 0.5), "width": 1, "dash": "dot"},
                hoverinfo="skip",
            )
        )
    return drawing(
        traces,
        height=150 + 44 * len(table),
        xaxis={"title": {"text": "mean steps"}, "showgrid": True},
        yaxis={
            "range": [len(table) - 0.4, -0.6],
            "showgrid": False,
        },
        meta=rows(list(table["arm"]), base=150, each=44),
    )
