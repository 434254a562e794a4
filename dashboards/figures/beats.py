"""How fast a run goes, and how many of its slots are occupied, by the minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dashboards import theme, words


@dataclass(frozen=True, slots=True)
class Beat:
    """A run's process at a moment.

    Args:
        minutes: Since it began.
        steps_a_second: Training steps of all trials together.
        occupied: Slots that hold a trial.
        capacity: Slots that there are.
    """

    minutes: float
    steps_a_second: float
    occupied: int
    capacity: int


def traces(beats: Sequence[Beat]) -> list[dict[str, list[object]]]:
    """``x``, ``y`` and ``customdata`` of each trace of :func:`draw_beats`, in order."""
    minutes: list[object] = [beat.minutes for beat in beats]
    pace: list[object] = [beat.steps_a_second for beat in beats]
    share = [100 * beat.occupied / beat.capacity if beat.capacity else 0.0 for beat in beats]
    said: list[list[object]] = [
        [f"{words.number(beat.steps_a_second)} training steps a second" for beat in beats],
        [f"{beat.occupied:,} of {words.counted(beat.capacity, 'slot')}" for beat in beats],
    ]
    return [
        {"x": minutes, "y": pace, "customdata": said[0]},
        {"x": minutes, "y": list(share), "customdata": said[1]},
    ]


def draw_beats(beats: Sequence[Beat]) -> go.Figure:
    """Two panels over one axis of time: the pace, and the share of slots that are occupied."""
    figure = theme.canvas(330)
    colours = (theme.GREEN, theme.BLUE)
    for data, colour, axis in zip(traces(beats), colours, ("y", "y2"), strict=True):
        figure.add_trace(
            go.Scatter(
                **data,
                yaxis=axis,
                mode="lines+markers",
                line={"color": colour, "width": 2, "shape": "hv"},
                marker={"size": 4},
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    theme.panel(figure, "training steps a second, all trials together")
    theme.panel(figure, "occupied slots (%)", top=0.38)
    return figure.update_layout(
        xaxis={
            "title": {"text": "minutes since it was started"},
            "anchor": "y2",
            "rangemode": "tozero",
        },
        yaxis={"domain": [0.54, 1], "rangemode": "tozero"},
        yaxis2=dict(theme.TEMPLATE.layout.yaxis.to_plotly_json())
        | {"domain": [0, 0.38], "anchor": "x", "range": [-2, 102]},
    )
