"""Which genes matter: what a forecast loses without them, alone and in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, Trace, drawing
from dashboards.thinning import evenly
from speciation.analysis.effects import Importance

LEADING = 6
MOST_PAIRS = 12
MOST_LINES = 400
MIDDLES = 9  # points of a slice's median
FIFTHS = ("fastest fifth", "second", "third", "fourth", "slowest fifth")
SHADES = (theme.BLUE, "#6aa5c9", theme.GREY, "#dd9a66", theme.VERMILION)


def importance_table(found: Sequence[Importance]) -> pd.DataFrame:
    """A row a gene or a pair: ``genes, loss, error``; in units of R²."""
    return pd.DataFrame(
        [(_called(own), own.loss, own.error) for own in found],
        columns=["genes", "loss", "error"],
    )


def _called(own: Importance) -> str:
    return " × ".join(gene.replace("_", " ") for gene in own.genes)


def draw_genes(found: Sequence[Importance]) -> Drawing:
    """A bar a gene, ± a standard error."""
    return _bars(found, theme.BLUE, "R² lost without it")


def draw_pairs(found: Sequence[Importance]) -> Drawing:
    """A bar a pair of genes, the leading ones, ± a standard error."""
    return _bars(found[:MOST_PAIRS], theme.VERMILION, "R² that only both hold")


def _bars(found: Sequence[Importance], colour: str, title: str) -> Drawing:
    loss, error = (
        np.array([getattr(own, name) for own in found]) for name in ("loss", "error")
    )
    names = [_called(own) for own in found]
    shared = {"x": loss, "y": names}
    bars = {
        "type": "bar",
        "orientation": "h",
        "name": "bars",
        "marker": {"color": theme.see_through(colour, 0.45)},
        "hovertemplate": "%{y}: %{x:.3f}",
        **shared,
        "meta": {"arm": None, "layer": "bars"},
    }
    intervals = {
        "type": "scatter",
        "mode": "markers",
        "name": "intervals",
        "marker": {"size": 1, "color": theme.GREY},
        "error_x": {"array": error, "thickness": 1.5, "width": 3, "color": theme.GREY},
        "hoverinfo": "skip",
        **shared,
        "meta": {"arm": None, "layer": "intervals"},
    }
    return drawing(
        [bars, intervals],
        90 + 21 * len(found),
        showlegend=False,
        xaxis={"title": {"text": title}, "zeroline": True, "zerolinecolor": theme.GREY}
        | {"showgrid": True},
        yaxis={"showgrid": False, "autorange": "reversed"},
    )


def draw_slices(genomes: pd.DataFrame, genes: Sequence[str]) -> Drawing:
    """A panel a gene: its unit coordinate against the mean steps of each genome.

    Args:
        genomes: A row a genome: ``rmst, trials`` and a unit coordinate a gene.
        genes: Which, the most important first.
    """
    shown = list(genes[:LEADING])
    keep = genomes.iloc[evenly(len(genomes), MOST_LINES)]
    traces: list[Trace] = []
    layout: dict[str, Any] = {}
    for i, gene in enumerate(shown):
        traces += _slice(genomes, keep, gene, i)
        layout |= _panel(gene, i)
    return drawing(traces, 520, showlegend=False, **layout)


def _slice(genomes: pd.DataFrame, keep: pd.DataFrame, gene: str, place: int) -> list[Trace]:
    number = "" if place == 0 else str(place + 1)
    name = gene.replace("_", " ")
    shared = {"type": "scatter", "xaxis": f"x{number}", "yaxis": f"y{number}", "name": name}
    ordered = genomes.sort_values([gene, "genome_id"])[[gene, "rmst"]].to_numpy(dtype=float)
    middle = np.array([np.median(own, axis=0) for own in np.array_split(ordered, MIDDLES)])
    points = {
        "mode": "markers",
        "x": keep[gene].to_numpy(),
        "y": keep["rmst"].to_numpy(),
        "marker": {"size": 5, "color": theme.see_through(theme.BLUE, 0.4)},
        "meta": {"arm": None, "layer": "points"},
        "hovertemplate": f"{name} %{{x:.2f}}: %{{y:,.0f}} steps",
    }
    lines = {
        "mode": "lines",
        "x": middle[:, 0],
        "y": middle[:, 1],
        "line": {"color": theme.VERMILION, "width": 2.5},
        "meta": {"arm": None, "layer": "medians"},
        "hoverinfo": "skip",
    }
    return [shared | points, shared | lines]


def _panel(gene: str, place: int, columns: int = 3) -> dict[str, Any]:
    """Axes of a panel in a grid, all on one scale of steps."""
    number = "" if place == 0 else str(place + 1)
    column, row = place % columns, place // columns
    width, gap = (1 - 0.05 * (columns - 1)) / columns, 0.05
    left, top = column * (width + gap), 1 - row * 0.57
    x = {
        "domain": [left, min(left + width, 1)],
        "title": {"text": gene.replace("_", " "), "standoff": 2},
        "range": [-0.06, 1.06],
        "tickvals": [0, 1],
        "ticktext": ["low", "high"],
        "tickfont": {"size": 10},  # of neighbours, so that they part on a phone
        "anchor": f"y{number}",
    }
    y = dict(theme.TEMPLATE.layout.yaxis.to_plotly_json()) | {
        "domain": [max(top - 0.43, 0), top],
        "anchor": f"x{number}",
        "showticklabels": column == 0,
        "title": {"text": "mean steps" if column == 0 else ""},
    }
    if place:
        y["matches"] = "y"
    base = dict(theme.TEMPLATE.layout.xaxis.to_plotly_json())
    return {f"xaxis{number}": base | x, f"yaxis{number}": y}


def draw_parallel(genomes: pd.DataFrame, genes: Sequence[str]) -> Drawing:
    """A line a genome through all genes; each fifth of mean steps is a layer of its own."""
    keep = genomes.sort_values("rmst").iloc[evenly(len(genomes), MOST_LINES)]
    unit = keep[list(genes)].to_numpy(dtype=np.float64)
    names = [gene.replace("_", " ") for gene in genes]
    fifths = list(enumerate(np.array_split(np.arange(len(keep)), 5)))
    traces = [_lines(unit[own], names, fifth) for fifth, own in reversed(fifths)]
    traces += [_medians(unit[own], names, fifth) for fifth, own in fifths]
    return drawing(
        traces,
        480,
        xaxis={"tickangle": -50, "showgrid": True, "range": [-0.3, len(names) - 0.7]},
        yaxis={"tickvals": [0, 1], "ticktext": ["low", "high"], "range": [-0.03, 1.03]},
    )


def _lines(unit: np.ndarray, names: Sequence[str], fifth: int) -> Trace:
    gap = np.full((len(unit), 1), np.nan)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*names, None] * len(unit),
        "y": np.hstack([unit, gap]).ravel(),
        "name": FIFTHS[fifth],
        "showlegend": False,
        "line": {"width": 1, "color": theme.see_through(SHADES[fifth], 0.3)},
        "meta": {"arm": None, "layer": FIFTHS[fifth]},
        "hoverinfo": "skip",
    }


def _medians(unit: np.ndarray, names: Sequence[str], fifth: int) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(names),
        "y": np.median(unit, axis=0),
        "name": FIFTHS[fifth],
        "line": {"width": 3, "color": SHADES[fifth]},
        "marker": {"size": 5},
        "meta": {"arm": None, "layer": "medians"},
        "hovertemplate": f"median of the {FIFTHS[fifth]}: %{{y:.2f}}",
    }
