"""The phase transition: accuracy and loss against steps, the median over seeds and its band."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, Trace, around, band, drawing, trace
from speciation.analysis.phases import MEASURES, Band, Phase

LOWER_END, UPPER_END = 0.54, 0.44  # of the upper panel, and of the lower one
LEAST_LOSS = 1e-9  # of a log scale


def phase_table(found: Mapping[str, Phase]) -> pd.DataFrame:
    """A row an arm, measure and step: ``arm, trials, measure, step, median, low, high``.

    Args:
        found: At least one arm.
    """
    told = [(arm, own, measure) for arm, own in found.items() for measure in MEASURES]
    count = [len(own.step) for _, own, _ in told]
    ends = {
        end: np.concatenate([getattr(own.bands[measure], end) for _, own, measure in told])
        for end in ("median", "low", "high")
    }
    return pd.DataFrame(
        {
            "arm": np.repeat(np.array([arm for arm, _, _ in told], dtype=object), count),
            "trials": np.repeat([own.trials for _, own, _ in told], count),
            "measure": np.repeat(np.array([name for *_, name in told], dtype=object), count),
            "step": np.concatenate([own.step for _, own, _ in told]),
            **ends,
        }
    )


def draw_phase(found: Mapping[str, Phase], colour: Mapping[str, str]) -> Drawing:
    """Accuracy above, loss below; train dotted, validation solid."""
    traces = [
        own
        for arm, phase in found.items()
        for measure in MEASURES
        for own in _traces(arm, phase, measure, phase.bands[measure], colour[arm])
    ]
    return drawing(
        traces,
        560,
        xaxis={"title": {"text": "steps"}, "anchor": "y2", "rangemode": "tozero"},
        yaxis={
            "domain": [LOWER_END, 1],
            "range": [-0.03, 1.05],
            "tickformat": ".0%",
            "title": {"text": "accuracy"},
        },
        yaxis2=dict(theme.TEMPLATE.layout.yaxis.to_plotly_json())
        | {"domain": [0, UPPER_END], "anchor": "x", "type": "log", "tickformat": "~g"}
        | {"nticks": 6, "title": {"text": "loss"}},
    )


def _traces(arm: str, phase: Phase, measure: str, own: Band, colour: str) -> list[Trace]:
    side, _, kind = measure.partition("_")
    axis = "y" if kind == "accuracy" else "y2"
    median, low, high = (_shown(end, kind) for end in (own.median, own.low, own.high))
    solid = side == "validation"
    known = np.isfinite(low) & np.isfinite(high)
    return [
        trace(
            arm,
            f"{side} bands",
            "scatter",
            **around(phase.step[known], low[known], high[known]),
            **band(colour),
            yaxis=axis,
        ),
        trace(
            arm,
            f"{side} lines",
            "scatter",
            legend=measure == "validation_accuracy",
            x=phase.step,
            y=median,
            mode="lines",
            line={"color": colour, "width": 2.5, "dash": "solid" if solid else "dot"},
            hovertemplate=f"{side} {kind} %{{y:{'.1%' if kind == 'accuracy' else '.3g'}}} at "
            "%{x:,} steps",
            yaxis=axis,
        ),
    ]


def _shown(values: np.ndarray, kind: str) -> np.ndarray:
    """A log scale has no zero, and neither scale has an infinity."""
    if kind == "loss":
        values = np.maximum(values, np.float32(LEAST_LOSS))
    return np.where(np.isfinite(values), values, np.float32(np.nan))
