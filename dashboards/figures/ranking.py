"""A published ranking beside what chance alone would rank: the order of equal genomes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from dashboards import theme
from dashboards.figures.arms import Drawing, around, band, drawing, trace
from speciation.analysis.survival import CONFIDENCE
from speciation.analysis.validation import Published


def ranking_table(found: Published) -> pd.DataFrame:
    """A row a genome, best first: ``rank, hash, steps, equal, low, high``.

    The last three are where the figure of that rank would lie if all genomes were equal: the
    median of the order statistic of as many draws from one normal distribution with the mean
    and the standard deviation of the figures, and the interval that holds 95 % of it. The
    uniform order statistic of rank i among n has the distribution Beta(i, n - i + 1) (David and
    Nagaraja 2003, section 2.1).
    """
    steps = found.table["steps"].to_numpy(dtype=np.float64)
    n, rank = len(steps), np.arange(1, len(steps) + 1)
    tail = (1 - CONFIDENCE) / 2
    ends = {
        name: steps.mean()
        + steps.std(ddof=1) * stats.norm.ppf(stats.beta.ppf(share, rank, n - rank + 1))
        for name, share in (("equal", 0.5), ("low", tail), ("high", 1 - tail))
    }
    return pd.DataFrame({"rank": rank, "hash": found.table["hash"], "steps": steps, **ends})


def draw_ranking(table: pd.DataFrame) -> Drawing:
    """Dots are what was published, the band is what chance would show."""
    rank, equal = table["rank"].to_numpy(dtype=np.float64), "equal genomes"
    low, high = (table[name].to_numpy() for name in ("low", "high"))
    return drawing(
        [
            trace(equal, "bands", "scatter", **around(rank, low, high), **band(theme.GREY)),
            trace(
                equal,
                "lines",
                "scatter",
                legend=True,
                x=rank,
                y=table["equal"].to_numpy(),
                mode="lines",
                line={"color": theme.GREY, "width": 2, "dash": "dot"},
                hovertemplate="rank %{x}: %{y:,.0f} steps if all were equal",
            ),
            trace(
                "published",
                "points",
                "scatter",
                legend=True,
                x=rank,
                y=table["steps"].to_numpy(),
                mode="markers",
                marker={"size": 6, "color": theme.BLUE},
                text=[str(own)[:12] for own in table["hash"]],
                hovertemplate="%{text}, rank %{x}: %{y:,} steps",
            ),
        ],
        420,
        xaxis={"title": {"text": "rank"}, "showgrid": True},
        yaxis={"title": {"text": "steps"}},
    )
