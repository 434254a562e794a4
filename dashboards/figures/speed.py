"""How fast each arm converges: boxes, violins and points of min(T, H), a row an arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, Trace, drawing, rows, trace
from dashboards.thinning import evenly
from speciation.analysis.estimates import Arm

MOST_POINTS = 200  # of an arm
GRID = 64  # places at which a density is drawn
QUANTILES = {"q05": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "q95": 0.95}


def speed_table(arms: Sequence[Arm]) -> pd.DataFrame:
    """A row an arm: ``arm, trials, mean, q05, q1, median, q3, q95`` of min(T, H), in steps."""
    rows = [
        {"arm": own.name, "trials": own.size, "mean": own.capped.mean()}
        | dict(zip(QUANTILES, np.quantile(own.capped, [*QUANTILES.values()]), strict=True))
        for own in arms
    ]
    return pd.DataFrame(rows)


def draw_speed(arms: Sequence[Arm], colour: Mapping[str, str]) -> Drawing:
    """The first arm on top. Whiskers end at the 5th and 95th percentile."""
    table = speed_table(arms)
    traces: list[Trace] = []
    for place, (own, row) in enumerate(zip(arms, table.to_dict("records"), strict=True)):
        traces += _traces(own, row, place, colour[own.name])
    horizon = max(own.horizon for own in arms)
    return drawing(
        traces,
        height=150 + 46 * len(arms),
        xaxis={"title": {"text": "steps to grok, at most the horizon"}, "showgrid": True}
        | {"range": [0, 1.04 * horizon]},
        yaxis={"showgrid": False, "range": [len(arms) - 0.4, -0.6]},
        meta=rows([own.name for own in arms], base=150, each=46),
    )


def _traces(own: Arm, row: Mapping[Any, Any], place: int, colour: str) -> list[Trace]:
    name = own.name
    rng = np.arange(min(own.size, MOST_POINTS))
    points = np.sort(own.capped)[evenly(own.size, MOST_POINTS)]
    x, density = _density(own.capped)
    return [
        trace(
            name,
            "violins",
            "scatter",
            x=np.concatenate([x, x[::-1]]),
            y=(place + np.concatenate([-0.42 * density, 0.42 * density[::-1]])).tolist(),
            mode="lines",
            line={"width": 1, "color": theme.see_through(colour, 0.6)},
            fill="toself",
            fillcolor=theme.see_through(colour, 0.15),
            hoverinfo="skip",
        ),
        trace(
            name,
            "boxes",
            "box",
            legend=True,
            y=[place],
            orientation="h",
            width=0.34,
            q1=[row["q1"]],
            median=[row["median"]],
            q3=[row["q3"]],
            mean=[row["mean"]],
            lowerfence=[row["q05"]],
            upperfence=[row["q95"]],
            boxmean=True,
            line={"color": colour, "width": 2},
            fillcolor=theme.see_through(colour, 0.2),
        ),
        trace(
            name,
            "points",
            "scatter",
            x=points,
            y=(place + 0.3 * np.sin(2.4 * rng)).tolist(),  # apart, and the same each time
            mode="markers",
            marker={
                "size": 4,
                "color": theme.see_through(colour, 0.55),
                "symbol": ["circle-open" if t >= own.horizon else "circle" for t in points],
            },
            hovertemplate="%{x:,} steps",
        ),
    ]


def _density(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian kernel density by Silverman's rule (1986), its greatest value 1."""
    low, high = float(times.min()), float(times.max())
    spread = float(times.std())
    if low == high or not spread:
        return np.array([low, low]), np.array([1.0, 1.0])
    width = 1.06 * spread * len(times) ** -0.2
    grid = np.linspace(low, high, GRID)
    levels, counts = np.unique(times, return_counts=True)
    near = np.exp(-0.5 * ((grid[:, None] - levels) / width).clip(-30, 30) ** 2)
    density = near @ counts
    return grid, density / density.max()
