"""How the trials of each generation ended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboards import theme
from dashboards.thinning import doubling

MOST_GENERATIONS = 400


def outcomes(trials: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """How many trials of each generation ended how, as a run of this horizon would say.

    A trial of another run may have gone on for longer: what came later does not count. One that
    ended sooner without an answer is ``unanswered``.

    Returns:
        A row a generation, in order: ``generation`` and a column for each of
        :data:`~dashboards.theme.OUTCOMES`.
    """
    counts = pd.crosstab(trials["generation"], ended(trials, horizon))
    return counts.reindex(columns=list(theme.OUTCOMES), fill_value=0).reset_index()


def ended(trials: pd.DataFrame, horizon: int) -> NDArray[np.str_]:
    """How each trial ended, as a run of this horizon would say; shape ``(trials,)``."""
    stored = trials["outcome"]
    grokked = trials["steps_to_grok"] <= horizon
    ran = trials["steps_run"]
    return np.select(
        [
            stored == "failed",
            grokked,
            (stored == "diverged") & (ran <= horizon),
            ran >= horizon,
        ],
        ["failed", "grokked", "diverged", "censored"],
        "unanswered",
    )


def traces(table: pd.DataFrame) -> list[dict[str, Any]]:
    """What the bars of all outcomes are drawn from, in the order of the theme.

    Args:
        table: See :func:`outcomes`.
    """
    table = table.iloc[doubling(len(table), MOST_GENERATIONS)]
    generation = (table["generation"] + 1).tolist()
    total = table[list(theme.OUTCOMES)].sum(axis=1).tolist()
    return [
        {"x": generation, "y": table[outcome].tolist(), "customdata": total}
        for outcome in theme.OUTCOMES
    ]


def draw_outcomes(
    table: pd.DataFrame, last: int | None = None, every: bool = False
) -> go.Figure:
    """Stacked bars, a generation each.

    Args:
        table: See :func:`outcomes`.
        last: The generation, counted from 1, that the axis goes up to; the last one by default.
        every: Also draw outcomes that no trial has, since one may come.
    """
    figure = theme.canvas(290)
    for outcome, data in zip(theme.OUTCOMES, traces(table), strict=True):
        if every or table[outcome].any():
            figure.add_trace(go.Bar(_look(outcome)).update(data))
    theme.panel(figure, "trials")
    return figure.update_layout(
        barmode="stack",
        bargap=0.25,
        xaxis=theme.generation_axis(last or int(table["generation"].max()) + 1),
    )


def _look(outcome: str) -> dict[str, Any]:
    return {
        "name": outcome,
        "marker": {
            "color": theme.OUTCOMES[outcome],
            "line": {"width": 0},
            # Told apart without colour, too.
            "pattern": {"shape": "/" if outcome == "failed" else ""},
        },
        "hovertemplate": f"{outcome} %{{y}} of %{{customdata}}<extra></extra>",
    }
