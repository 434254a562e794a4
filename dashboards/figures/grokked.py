"""How many trials had grokked by each step, both arms in one panel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards import theme
from dashboards.markup import in_figure
from speciation.analysis.fidelity import Arms
from speciation.analysis.survival import Floats, GrokkedByStep, kaplan_meier, times

REFERENCE, TESTED = theme.VERMILION, theme.BLUE
COLUMNS = 2
PANEL = 190  # pixels of height


class Panel(NamedTuple):
    """What one panel shows."""

    title: str
    reference: GrokkedByStep
    tested: GrokkedByStep
    horizon: int


def panels(arms: Arms, titles: tuple[str, ...] | None = None) -> list[Panel]:
    """A panel a genome: Kaplan-Meier curves with 95 % log-log intervals, step by step.

    Args:
        arms: Both.
        titles: Of the panels; the names of the genomes without them.
    """
    both = zip(titles or arms.names, arms.reference, arms.tested, strict=True)
    return [
        Panel(title, _curve(first, arms.horizon), _curve(second, arms.horizon), arms.horizon)
        for title, first, second in both
    ]


def draw_panels(shown: list[Panel]) -> go.Figure:
    """The reference as a broad line, the tested arm as a thin one upon it."""
    rows = -(-len(shown) // COLUMNS)
    figure = make_subplots(
        rows,
        COLUMNS,
        figure=theme.canvas(60 + PANEL * rows),
        subplot_titles=[in_figure(panel.title) for panel in shown],
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.27 / rows,
    )
    for place, panel in enumerate(shown):
        where = {"row": place // COLUMNS + 1, "col": place % COLUMNS + 1}
        for curve, colour, width in (
            (panel.reference, REFERENCE, 4),
            (panel.tested, TESTED, 1.5),
        ):
            figure.add_trace(_band(curve, colour), **where)
            figure.add_trace(_line(curve, colour, width), **where)
        figure.update_xaxes(range=[0, panel.horizon], **where)
    figure.update_xaxes(title={"text": "steps"}, row=rows)
    figure.update_yaxes(range=[-0.02, 1.05], tickformat=".0%", dtick=0.5)
    figure.update_annotations(font={"size": 13})
    return figure.update_layout(hovermode="x", hoversubplots="single")


def _curve(steps_to_grok: Floats, horizon: int) -> GrokkedByStep:
    """From step 0 to the horizon; without an interval, where there is none."""
    curve = kaplan_meier(times(steps_to_grok, horizon))
    ends = (0.0, float(horizon))
    return GrokkedByStep(
        step=np.array([ends[0], *curve.step, ends[1]]),
        share=np.array([0.0, *curve.share, curve.share[-1]]),
        low=np.array([np.nan, *curve.low, curve.low[-1]]),
        high=np.array([np.nan, *curve.high, curve.high[-1]]),
    )


def _line(curve: GrokkedByStep, colour: str, width: float) -> go.Scatter:
    return go.Scatter(
        x=curve.step,
        y=curve.share,
        mode="lines",
        line={"color": theme.see_through(colour, 0.9), "width": width, "shape": "hv"},
        hovertemplate="%{y:.1%}<extra></extra>",
    )


def _band(curve: GrokkedByStep, colour: str) -> go.Scatter:
    """Once around the interval, as stairs."""
    known = np.isfinite(curve.low)
    step = np.repeat(curve.step[known], 2)[1:]
    low, high = (np.repeat(end[known], 2)[:-1] for end in (curve.low, curve.high))
    return go.Scatter(
        x=np.concatenate([step, step[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=theme.see_through(colour, 0.18),
        hoverinfo="skip",
    )
