"""Differences of two arms with their intervals and margins, a row a genome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards import theme, words
from dashboards.markup import in_figure
from speciation.analysis.fidelity import Answer, Verdict

ANSWERS = {
    Answer.SAME: theme.BLUE,
    Answer.INCONCLUSIVE: theme.GREY,
    Answer.DIFFERENT: theme.VERMILION,
}
"""What was shown → its colour."""

CRITERIA: dict[str, tuple[str, Callable[[float], float]]] = {
    "steps": ("mean steps", float),
    "ratio": ("steps, %", lambda log: 100 * float(np.expm1(log))),
    "success": ("success, points", lambda share: 100 * share),
}
"""Criterion → what its axis measures, and the way there from the unit of the verdict."""


def differences(verdict: Verdict) -> pd.DataFrame:
    """Every criterion of every genome in the unit that it is shown in.

    Returns:
        A row each: ``genome, criterion, estimate, low, high, margin_low, margin_high, answer,
        pairs``; tested arm less reference, with 90 % intervals.
    """
    rows = []
    for genome in verdict.genomes:
        for name, (_, shown) in CRITERIA.items():
            asked = getattr(genome, name)
            ends = (asked.estimate, asked.low, asked.high, -asked.margin, asked.margin)
            rows.append((genome.name, name, *map(shown, ends), asked.answer, asked.pairs))
    columns = ["genome", "criterion", "estimate", "low", "high", "margin_low", "margin_high"]
    return pd.DataFrame(rows, columns=[*columns, "answer", "pairs"])


def draw_differences(table: pd.DataFrame) -> go.Figure:
    """A panel a criterion; a dot within its grey margins, as wide as its interval."""
    genomes = list(dict.fromkeys(table["genome"]))
    rows = {"range": [len(genomes) - 0.4, -0.6], "showgrid": False}
    figure = make_subplots(
        cols=len(CRITERIA),
        shared_yaxes=True,
        horizontal_spacing=0.05,
        figure=theme.canvas(110 + 34 * len(genomes)),
    )
    for column, (name, (measure, _)) in enumerate(CRITERIA.items(), start=1):
        own = table[table["criterion"] == name].reset_index(drop=True)
        figure.add_trace(_margins(own), col=column, row=1)
        figure.add_trace(_dots(own), col=column, row=1)
        figure.update_xaxes(
            title={"text": f"Δ {measure}"}, zeroline=True, showgrid=True, col=column
        )
    return figure.update_layout(
        hovermode="closest",
        barmode="overlay",
        margin={"t": 8},
        yaxis={
            "tickvals": list(range(len(genomes))),
            "ticktext": [in_figure(name) for name in genomes],
            **rows,
        },
        yaxis2=rows,
        yaxis3=rows,
    )


def _margins(own: pd.DataFrame) -> go.Bar:
    return go.Bar(
        y=own.index,
        base=own["margin_low"],
        x=own["margin_high"] - own["margin_low"],
        orientation="h",
        width=0.7,
        marker={"color": theme.see_through(theme.GREY, 0.22), "line": {"width": 0}},
        hoverinfo="skip",
    )


def _dots(own: pd.DataFrame) -> go.Scatter:
    """An interval without end is that of too few pairs: there the dot stands alone."""
    ended = np.isfinite(own["low"]) & np.isfinite(own["high"])
    return go.Scatter(
        x=own["estimate"],
        y=own.index,
        mode="markers",
        marker={"size": 9, "color": [ANSWERS[answer] for answer in own["answer"]]},
        error_x={
            "array": (own["high"] - own["estimate"]).where(ended, 0.0),
            "arrayminus": (own["estimate"] - own["low"]).where(ended, 0.0),
            "color": theme.GREY,
            "thickness": 2,
            "width": 4,
        },
        customdata=[[_said(row)] for row in own.itertuples()],
        hovertemplate="%{customdata[0]}<extra></extra>",
    )


def _said(row: Any) -> str:
    """A row in words."""
    value, low, high = (words.signed(own, 2) for own in (row.estimate, row.low, row.high))
    interval = f"{value} (90 % {low} to {high})"
    return f"{in_figure(row.genome)}: {interval}, {row.pairs:,} pairs: {row.answer}"
