"""Genomes on a radar: every gene an axis, on its own scale from its low end to its high one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboards import theme, words
from dashboards.figures.genes import value_in_words
from dashboards.markup import Html, in_figure, tag
from speciation.analysis.forge import Comparison

MOST_SHAPES = 5
"""More outlines than this on one radar cannot be told apart."""


@dataclass(frozen=True, eq=False)
class Outline:
    """One genome on the radar.

    Args:
        name: What it is called.
        radius: Unit coordinates, one a gene.
        said: Value of each gene in words.
        colour: Of its line.
    """

    name: str
    radius: NDArray[np.float64]
    said: tuple[str, ...]
    colour: str


def outlines(comparison: Comparison) -> list[Outline]:
    """The recipient and the first donors as outlines."""
    return [
        Outline(
            name,
            comparison.units[i],
            tuple(
                value_in_words(gene, value)
                for gene, value in zip(comparison.genes, comparison.values[i], strict=True)
            ),
            theme.SPECIES[i],
        )
        for i, name in enumerate(comparison.names[:MOST_SHAPES])
    ]


def draw_radar(comparison: Comparison) -> go.Figure:
    """The recipient filled, donors as lines upon it."""
    figure = theme.canvas(560)
    names = [gene.name.replace("_", " ") for gene in comparison.genes]
    for i, own in enumerate(outlines(comparison)):
        closed = [*range(len(names)), 0]
        figure.add_trace(
            go.Scatterpolar(
                r=own.radius[closed],
                theta=[names[k] for k in closed],
                customdata=[[in_figure(own.said[k])] for k in closed],
                name=in_figure(own.name),
                mode="lines+markers",
                line={"color": own.colour, "width": 2, "dash": _DASHES[i]},
                marker={"size": 6, "color": own.colour},
                fill="none" if i else "toself",
                fillcolor=theme.see_through(own.colour, 0.14),
                hovertemplate="%{theta}: %{customdata[0]}<extra>%{fullData.name}</extra>",
            )
        )
    return figure.update_layout(
        hovermode="closest",
        margin={"l": 70, "r": 70, "t": 46, "b": 46},
        polar={
            "bgcolor": "rgba(0,0,0,0)",
            "radialaxis": {
                "range": [0, 1],
                "angle": 180 / len(names),  # between two genes
                "tickvals": [0, 0.5, 1],
                "ticktext": ["low", "", "high"],
                "gridcolor": theme.see_through(theme.GREY, 0.35),
                "linecolor": "rgba(0,0,0,0)",
                "tickfont": {"size": 10},
            },
            "angularaxis": {
                "direction": "clockwise",
                "rotation": 90,
                "gridcolor": theme.see_through(theme.GREY, 0.35),
                "linecolor": theme.see_through(theme.GREY, 0.6),
                "tickfont": {"size": 11},
            },
        },
    )


_DASHES = ("solid", "solid", "dot", "dash", "dashdot")


def comparison_table(comparison: Comparison) -> Html:
    """Every gene as a row, its value in each genome, what differs from the first in bold."""
    head = tag(
        "tr",
        tag("th", "gene", scope="col"),
        *(tag("th", name, scope="col") for name in comparison.names),
    )
    rows = []
    for k, gene in enumerate(comparison.genes):
        cells = []
        for i, value in enumerate(comparison.values[:, k]):
            told = value_in_words(gene, value)
            differs = bool(value != comparison.values[0, k])
            cells.append(tag("td", tag("strong", told) if i and differs else told))
        name = tag("th", gene.name.replace("_", " "), tag("small", gene.group), scope="row")
        rows.append(tag("tr", name, *cells))
    away = [
        tag("td", f"{distance:.2f}" if i else words.NOTHING)
        for i, distance in enumerate(comparison.distances)
    ]
    rows.append(tag("tr", tag("th", "distance to the first", scope="row"), *away))
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="hall")
