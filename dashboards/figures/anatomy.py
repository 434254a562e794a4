"""Inside a trial: progress measures, waves of embeddings and logits, attention, neurons."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards import theme
from speciation.analysis.circuits import CLOCK, PIZZA, Anatomy

LINES = {
    "train loss": theme.GREY,
    "validation loss": theme.BLUE,
    "restricted to the key waves": theme.GREEN,
    "key waves excluded": theme.VERMILION,
}
"""Measure → its colour."""

MOST_NEURONS = 256
SEQUENTIAL = [
    [0.0, "rgba(31,131,198,0.04)"],
    [0.5, "rgba(31,131,198,0.45)"],
    [1.0, "rgba(9,58,96,1)"],
]
POSITIONS = ("a", "b", "=")


def draw_progress(anatomy: Anatomy) -> go.Figure:
    """Four losses while it trained, on a logarithmic scale."""
    figure = theme.canvas(340)
    series = (
        anatomy.train_loss,
        anatomy.validation_loss,
        anatomy.restricted_loss,
        anatomy.excluded_loss,
    )
    for (name, colour), values in zip(LINES.items(), series, strict=True):
        figure.add_trace(
            go.Scatter(
                x=anatomy.steps,
                y=np.maximum(values, 1e-8),
                name=name,
                mode="lines",
                line={"color": colour, "width": 2},
                hovertemplate="%{y:.3g}",
            )
        )
    if anatomy.first_99 is not None:
        figure.add_vline(
            anatomy.first_99, line={"color": theme.GREY, "width": 1, "dash": "dot"}
        )
    theme.panel(figure, "loss")
    return figure.update_layout(
        xaxis={"title": {"text": "step"}, "tickformat": ",d"},
        yaxis={"type": "log", "exponentformat": "power", "dtick": 1},
    )


def draw_spectrum(anatomy: Anatomy) -> go.Figure:
    """Left, embeddings' waves over training; right, the logits' waves at the end."""
    figure = make_subplots(
        rows=1, cols=2, column_widths=[0.62, 0.38], shared_yaxes=True, horizontal_spacing=0.03
    )
    frequency = np.arange(1, anatomy.spectrum.shape[1] + 1)
    figure.add_trace(
        go.Heatmap(
            x=anatomy.steps,
            y=frequency,
            z=anatomy.spectrum.T,
            colorscale=SEQUENTIAL,
            showscale=False,
            hovertemplate="step %{x:,d}, frequency %{y}: %{z:.2f}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    key = set(anatomy.key)
    total = max(float(anatomy.power.sum()), 1e-300)
    figure.add_trace(
        go.Bar(
            x=anatomy.power / total,
            y=frequency,
            orientation="h",
            marker={"color": [theme.GREEN if k in key else theme.GREY for k in frequency]},
            hovertemplate="frequency %{y}: %{x:.1%}<extra></extra>",
        ),
        row=1,
        col=2,
    )
    figure.update_layout(template=theme.TEMPLATE, height=460, hovermode="closest", bargap=0.25)
    figure.update_xaxes(title_text="step", tickformat=",d", row=1, col=1)
    figure.update_xaxes(title_text="share of power", tickformat=".0%", row=1, col=2)
    figure.update_yaxes(title_text="frequency", row=1, col=1, showgrid=False)
    return figure


def draw_attention(anatomy: Anatomy, layer: int = -1) -> go.Figure:
    """A square a head: how much of its attention ``=`` gives to a, by a and b."""
    maps = anatomy.attention[layer][:, 0]
    heads = len(maps)
    columns = min(heads, 4)
    rows = -(-heads // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        horizontal_spacing=0.03,
        vertical_spacing=0.08,
        subplot_titles=[f"head {i + 1}" for i in range(heads)],
    )
    for i, own in enumerate(maps):
        figure.add_trace(
            go.Heatmap(
                z=own.round(3),
                zmin=0,
                zmax=1,
                colorscale=SEQUENTIAL,
                showscale=False,
                hovertemplate="a %{y}, b %{x}: %{z:.2f}<extra></extra>",
            ),
            row=i // columns + 1,
            col=i % columns + 1,
        )
    figure.update_layout(template=theme.TEMPLATE, height=60 + 210 * rows, hovermode="closest")
    figure.update_xaxes(title_text="b", showgrid=False, nticks=4, constrain="domain")
    figure.update_yaxes(showgrid=False, nticks=4, constrain="domain")
    figure.update_yaxes(title_text="a", col=1)
    for i in range(heads):
        axis = "" if i == 0 else str(i + 1)
        figure.update_layout({f"yaxis{axis}": {"scaleanchor": f"x{axis}"}})
    figure.update_annotations(font={"size": 12})
    return figure


def draw_neurons(anatomy: Anatomy) -> go.Figure:
    """Neurons by the frequency that explains most of each, and how much it explains."""
    figure = theme.canvas(280)
    alive = np.flatnonzero(anatomy.neuron_frequency > 0)[:MOST_NEURONS]
    key = set(anatomy.key)
    figure.add_trace(
        go.Scatter(
            x=anatomy.neuron_frequency[alive],
            y=anatomy.neuron_share[alive],
            mode="markers",
            marker={
                "size": 9,
                "opacity": 0.75,
                "color": [
                    theme.GREEN if anatomy.neuron_frequency[i] in key else theme.GREY
                    for i in alive
                ],
            },
            customdata=alive,
            hovertemplate="neuron %{customdata}: %{y:.0%} by frequency %{x}<extra></extra>",
        )
    )
    theme.panel(figure, "share of a neuron's variance")
    return figure.update_layout(
        hovermode="closest",
        xaxis={"title": {"text": "frequency"}, "range": [0, anatomy.spectrum.shape[1] + 1]},
        yaxis={"tickformat": ".0%", "range": [0, 1.04]},
    )


def draw_clock_or_pizza(anatomies: dict[str, Anatomy]) -> go.Figure:
    """Each trial between the two published models."""
    figure = theme.canvas(340)
    for name, (x, y) in {"clock": CLOCK, "pizza": PIZZA}.items():
        figure.add_trace(
            go.Scatter(
                x=[x],
                y=[y],
                mode="markers+text",
                text=[f"{name} (Zhong 2023)"],
                textposition="bottom center",
                marker={"size": 15, "symbol": "circle-open", "color": theme.GREY},
                hovertemplate=f"{name}: %{{x:.2f}}, %{{y:.2f}}<extra></extra>",
            )
        )
    for i, (name, own) in enumerate(anatomies.items()):
        figure.add_trace(
            go.Scatter(
                x=[own.gradient_symmetry],
                y=[own.distance_irrelevance],
                mode="markers",
                marker={"size": 11, "color": theme.species_colour(i)},
                name=name,
                hovertemplate="%{x:.2f}, %{y:.2f}<extra>%{fullData.name}</extra>",
            )
        )
    theme.panel(figure, "distance irrelevance")
    least = min([0.0, *(own.gradient_symmetry for own in anatomies.values())])
    return figure.update_layout(
        hovermode="closest",
        xaxis={"title": {"text": "gradient symmetry"}, "range": [least - 0.05, 1.08]},
        yaxis={"range": [0, 1.05]},
    )
