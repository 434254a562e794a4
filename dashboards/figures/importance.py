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
    """A line a genome through all genes, coloured by its mean steps."""
    keep = genomes.sort_values("rmst", ascending=False)
    keep = keep.iloc[evenly(len(keep), MOST_LINES)]
    dimensions = [
        {"label": gene.replace("_", " "), "values": keep[gene].to_numpy(), "range": [0, 1]}
        | {"tickvals": [0, 1], "ticktext": ["low", "high"]}
        for gene in genes
    ]
    dimensions.append({"label": "mean steps", "values": keep["rmst"].to_numpy()})
    line: Trace = {
        "type": "parcoords",
        "dimensions": dimensions,
        "line": {
            "color": keep["rmst"].to_numpy(dtype=np.float64),
            "colorscale": [[0, theme.VERMILION], [0.5, "#b9b9b9"], [1, theme.BLUE]],
            "showscale": True,
            "colorbar": {"title": {"text": "mean steps"}, "thickness": 12},
        },
        "labelangle": -35,
        "labelfont": {"size": 11},
        "meta": {"arm": None, "layer": "lines"},
    }
    return drawing([line], 460, showlegend=False, margin={"l": 60, "r": 30, "t": 110, "b": 20})
