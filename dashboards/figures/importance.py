"""Which genes matter: what a forecast loses without them, alone and in pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, Trace, drawing
from dashboards.thinning import evenly
from speciation.analysis.effects import Effects, Importance

LEADING = 6
MOST_LINES = 400
FIFTHS = ("fastest fifth", "second", "third", "fourth", "slowest fifth")
SHADES = (theme.BLUE, "#6aa5c9", theme.GREY, "#dd9a66", theme.VERMILION)


def importance_table(found: Effects) -> pd.DataFrame:
    """A row a gene and a pair: ``what, genes, loss, error``; in units of R²."""
    rows = [("gene", own) for own in found.genes] + [("pair", own) for own in found.pairs]
    return pd.DataFrame(
        [(what, " × ".join(own.genes), own.loss, own.error) for what, own in rows],
        columns=["what", "genes", "loss", "error"],
    )


def draw_importance(found: Effects) -> Drawing:
    """Genes on the left, the leading pairs on the right; bars are ± a standard error."""
    axis = {"automargin": True, "showgrid": False, "autorange": "reversed"}
    return drawing(
        [
            _bars(found.genes, "genes", theme.BLUE, "x", "y"),
            _bars(found.pairs[:12], "pairs", theme.VERMILION, "x2", "y2"),
        ],
        460,
        showlegend=False,
        xaxis={"domain": [0, 0.42], "title": {"text": "R² lost without it"}},
        xaxis2={"domain": [0.68, 1], "title": {"text": "R² that only both hold"}}
        | {"anchor": "y2"},
        yaxis=axis,
        yaxis2=axis | {"anchor": "x2"},
    )


def _bars(own: Sequence[Importance], layer: str, colour: str, x: str, y: str) -> Trace:
    return {
        "type": "bar",
        "orientation": "h",
        "x": [one.loss for one in own],
        "y": [" × ".join(one.genes) for one in own],
        "xaxis": x,
        "yaxis": y,
        "name": layer,
        "marker": {"color": theme.see_through(colour, 0.75)},
        "error_x": {"array": [one.error for one in own], "thickness": 1.5, "width": 3}
        | {"color": theme.LIGHT["muted"]},
        "meta": {"arm": None, "layer": layer},
        "hovertemplate": "%{y}: %{x:.3f}",
    }


def draw_slices(genomes: pd.DataFrame, genes: Sequence[str]) -> Drawing:
    """A panel a gene: its unit coordinate against the mean steps of each genome.

    Args:
        genomes: A row a genome: ``rmst, trials`` and a unit coordinate a gene.
        genes: Which, the most important first.
    """
    shown = list(genes[:LEADING])
    keep = genomes.iloc[evenly(len(genomes), MOST_LINES)]
    gap, width = 0.03, (1 - 0.03 * (len(shown) - 1)) / len(shown)
    traces: list[Trace] = []
    layout: dict[str, object] = {}
    for i, gene in enumerate(shown, start=1):
        number = "" if i == 1 else str(i)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": keep[gene].to_numpy(),
                "y": keep["rmst"].to_numpy(),
                "xaxis": f"x{number}",
                "yaxis": "y",
                "name": gene,
                "marker": {"size": 5, "color": theme.see_through(theme.BLUE, 0.5)},
                "meta": {"arm": None, "layer": "points"},
                "hovertemplate": f"{gene} %{{x:.2f}}: %{{y:,.0f}} steps",
            }
        )
        start = (i - 1) * (width + gap)
        layout[f"xaxis{number}"] = {
            "domain": [start, min(start + width, 1)],
            "title": {"text": gene},
            "range": [-0.05, 1.05],
            "tickvals": [0, 1],
            "ticktext": ["low", "high"],
            "anchor": "y",
        }
    return drawing(
        traces, 300, showlegend=False, yaxis={"title": {"text": "mean steps"}}, **layout
    )


def draw_parallel(genomes: pd.DataFrame, genes: Sequence[str]) -> Drawing:
    """A line a genome through all genes; each fifth of mean steps is a layer of its own."""
    keep = genomes.sort_values("rmst").iloc[evenly(len(genomes), MOST_LINES)]
    places = np.append(np.arange(len(genes), dtype=np.float64), np.nan)
    traces: list[Trace] = []
    for fifth, own in reversed(list(enumerate(np.array_split(np.arange(len(keep)), 5)))):
        unit = keep[list(genes)].to_numpy(dtype=np.float64)[own]
        gap = np.full((len(own), 1), np.nan)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": np.tile(places, len(own)),
                "y": np.hstack([unit, gap]).ravel(),
                "name": FIFTHS[fifth],
                "line": {"width": 1, "color": theme.see_through(SHADES[fifth], 0.5)},
                "meta": {"arm": None, "layer": FIFTHS[fifth]},
                "hoverinfo": "skip",
            }
        )
    return drawing(
        traces,
        440,
        legend={"traceorder": "reversed"},
        xaxis={
            "tickvals": list(range(len(genes))),
            "ticktext": [gene.replace("_", " ") for gene in genes],
            "tickangle": -40,
            "showgrid": True,
        },
        yaxis={"tickvals": [0, 1], "ticktext": ["low", "high"], "range": [-0.03, 1.03]},
    )
