"""How many trials have grokked by each step: Kaplan and Meier's curves with log-log bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dashboards.figures.arms import Drawing, Trace, around, band, drawing, trace
from speciation.analysis.estimates import Arm


def survival_table(arms: Sequence[Arm]) -> pd.DataFrame:
    """A row an arm and step at which one grokked: ``arm, step, share, low, high``."""
    parts = [
        pd.DataFrame(
            {
                "arm": own.name,
                "step": own.curve.step,
                "share": own.curve.share,
                "low": own.curve.low,
                "high": own.curve.high,
            }
        )
        for own in arms
    ]
    return pd.concat(parts, ignore_index=True)


def draw_survival(table: pd.DataFrame, horizon: int, colour: Mapping[str, str]) -> Drawing:
    """A staircase an arm, from no step to the horizon."""
    traces: list[Trace] = []
    for arm, own in table.groupby("arm", sort=False):
        traces += _traces(str(arm), own, horizon, colour[str(arm)])
    return drawing(
        traces,
        420,
        xaxis={"title": {"text": "steps"}, "range": [0, 1.01 * horizon]},
        yaxis={"range": [-0.02, 1.04], "tickformat": ".0%", "title": {"text": "grokked"}},
    )


def _traces(arm: str, own: pd.DataFrame, horizon: int, colour: str) -> list[Trace]:
    step = np.array([0.0, *own["step"], float(horizon)])
    share, low, high = (
        np.array([0.0, *own[name], own[name].iloc[-1]]) for name in ("share", "low", "high")
    )
    low[0] = high[0] = np.nan
    known = np.isfinite(low) & np.isfinite(high)
    stairs = np.repeat(step[known], 2)[1:]
    ends = (np.repeat(end[known], 2)[:-1] for end in (low, high))
    return [
        trace(arm, "bands", "scatter", **around(stairs, *ends), **band(colour)),
        trace(
            arm,
            "lines",
            "scatter",
            legend=True,
            x=step,
            y=share,
            mode="lines",
            line={"color": colour, "width": 2.5, "shape": "hv"},
            hovertemplate="%{y:.1%} by %{x:,} steps",
        ),
    ]
