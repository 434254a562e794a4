"""Lineage as a picture: a genome's ancestors by generation, and the stream of species."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from dashboards import theme, words
from dashboards.markup import in_figure
from speciation.analysis.lineage import OTHERS, Ancestor, Ancestry, Stream, layout

ORIGINS = {
    "ancestor": theme.GREEN,
    "clone": theme.PURPLE,
    "elite": theme.PURPLE,
    "radiation": theme.VERMILION,
    "crossover": theme.BLUE,
    "group_crossover": theme.BLUE,
}
"""Operator → colour of a genome that it made; chance and unknown ones are grey."""


def draw_ancestry(lineage: Ancestry, names: Mapping[str, str] | None = None) -> go.Figure:
    """Ancestors as marks, older ones to the left; a line leads from a parent to its child."""
    placed = layout(lineage)
    xs: list[float | None] = []
    ys: list[float | None] = []
    for parent, child in lineage.edges:
        if parent in placed and child in placed:
            (x0, y0), (x1, y1) = placed[parent], placed[child]
            for t in np.linspace(0, 1, 9):
                ease = t * t * (3 - 2 * t)  # leaves and arrives level
                xs.append(x0 + (x1 - x0) * t)
                ys.append(y0 + (y1 - y0) * ease)
            xs.append(None)
            ys.append(None)
    widest = max((abs(y) for _, y in placed.values()), default=0)
    figure = theme.canvas(int(np.clip(150 + 44 * widest, 220, 620)))
    figure.add_trace(
        go.Scatter(
            x=xs,
            y=ys,
            mode="lines",
            line={"color": theme.see_through(theme.GREY, 0.55), "width": 1.4},
            hoverinfo="skip",
        )
    )
    for origin in sorted({own.origin for own in lineage.ancestors}):
        members = [own for own in lineage.ancestors if own.origin == origin]
        figure.add_trace(
            go.Scatter(
                x=[placed[own.genome_id][0] for own in members],
                y=[placed[own.genome_id][1] for own in members],
                mode="markers",
                name=in_figure(origin.replace("_", " ")),
                marker={
                    "size": [16 if not own.steps_back else 10 for own in members],
                    "color": ORIGINS.get(origin, theme.GREY),
                    "symbol": ["diamond" if own.founder else "circle" for own in members],
                    "line": {"width": 1, "color": theme.LIGHT["paper"]},
                },
                customdata=[[_said(own, names or {})] for own in members],
                hovertemplate="%{customdata[0]}<extra></extra>",
            )
        )
    columns = sorted({x for x, _ in placed.values()})
    ticks = columns if len(columns) <= 12 else columns[:: max(1, len(columns) // 8)]
    return figure.update_layout(
        hovermode="closest",
        margin={"t": 10},
        xaxis={
            "title": {"text": "generation of birth"},
            "tickvals": ticks,
            "ticktext": [f"{x + 1:.0f}" for x in ticks],
        },
        yaxis={"visible": False, "range": [-widest - 0.8, widest + 0.8]},
    )


def ancestry_keys(lineage: Ancestry) -> dict[str, str]:
    """Operators that made somebody in the ancestry → their colours."""
    return {
        origin.replace("_", " "): ORIGINS.get(origin, theme.GREY)
        for origin in sorted({own.origin for own in lineage.ancestors})
    }


def draw_stream(stream: Stream, colours: Mapping[str, int]) -> go.Figure:
    """Species as bands, one upon the other: as wide as they have genomes.

    Args:
        stream: The counts.
        colours: Species → the number of its colour.
    """
    figure = theme.canvas(360)
    for name, counts in zip(stream.names, stream.counts, strict=True):
        colour = theme.GREY if name == OTHERS else theme.species_colour(colours[name])
        figure.add_trace(
            go.Scatter(
                x=stream.generations + 1,
                y=counts,
                name=in_figure(name),
                mode="lines",
                stackgroup="all",
                line={"width": 0.6, "color": colour},
                fillcolor=theme.see_through(colour, 0.78),
                fillpattern=_pattern(colours.get(name, 0), colour),
                hovertemplate="%{y}<extra>%{fullData.name}</extra>",
            )
        )
    theme.panel(figure, "genomes")
    last = int(stream.generations[-1]) + 1 if len(stream.generations) else 1
    return figure.update_layout(
        xaxis=theme.generation_axis(last) | {"range": [1, max(last, 2)]},
        yaxis={"rangemode": "tozero"},
    )


def _pattern(number: int, colour: str) -> dict[str, object]:
    """Tells bands of one colour apart."""
    shape = theme.species_pattern(number)
    told = {"shape": shape, "fillmode": "overlay", "size": 7, "solidity": 0.35}
    return (
        told | {"fgcolor": theme.LIGHT["paper"], "bgcolor": colour} if shape else {"shape": ""}
    )


def _said(own: Ancestor, names: Mapping[str, str]) -> str:
    lines = [
        f"<b>{in_figure(names.get(own.genome_id, words.short(own.genome_id)))}</b>",
        in_figure(own.origin.replace("_", " ")),
    ]
    if own.donor_genes:
        shown = ", ".join(gene.replace("_", " ") for gene in own.donor_genes[:6])
        more = f" and {len(own.donor_genes) - 6} more" if len(own.donor_genes) > 6 else ""
        lines.append(in_figure(f"from its father: {shown}{more}"))
    return "<br>".join(lines)
