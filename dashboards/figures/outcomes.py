"""How the trials of each generation ended."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards import theme
from dashboards.thinning import evenly

MOST_GENERATIONS = 400


def outcomes(trials: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """How many trials of each generation ended how, as a run of this horizon would say.

    A trial of another run may have gone on for longer: what came later does not count. One that
    ended sooner without an answer is ``unanswered``.

    Returns:
        A row a generation, in order: ``generation`` and a column for each of
        :data:`~dashboards.theme.OUTCOMES`.
    """
    stored = trials["outcome"]
    grokked = trials["steps_to_grok"] <= horizon
    ran = trials["steps_run"]
    ended = np.select(
        [
            stored == "failed",
            grokked,
            (stored == "diverged") & (ran <= horizon),
            ran >= horizon,
        ],
        ["failed", "grokked", "diverged", "censored"],
        "unanswered",
    )
    counts = pd.crosstab(trials["generation"], ended)
    return counts.reindex(columns=list(theme.OUTCOMES), fill_value=0).reset_index()


def draw_outcomes(table: pd.DataFrame) -> go.Figure:
    """Stacked bars, a generation each."""
    figure = theme.canvas(290)
    table = table.iloc[evenly(len(table), MOST_GENERATIONS)]
    total = table[list(theme.OUTCOMES)].sum(axis=1)
    for outcome, colour in theme.OUTCOMES.items():
        if table[outcome].any():
            figure.add_trace(
                go.Bar(
                    x=table["generation"] + 1,
                    y=table[outcome],
                    customdata=total,
                    name=outcome,
                    marker={
                        "color": colour,
                        "line": {"width": 0},
                        # Told apart without colour, too.
                        "pattern": {"shape": "/" if outcome == "failed" else ""},
                    },
                    hovertemplate=f"{outcome} %{{y}} of %{{customdata}}<extra></extra>",
                )
            )
    theme.panel(figure, "trials")
    return figure.update_layout(
        barmode="stack",
        bargap=0.25,
        xaxis=theme.generation_axis(int(table["generation"].max()) + 1),
    )
