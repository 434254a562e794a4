"""When trials memorise against when they grok: far above the diagonal is grokking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, drawing, trace
from dashboards.thinning import evenly
from speciation.analysis.validation import Validation

MOST_POINTS = 150  # of an arm


def memorise_table(found: Validation, order: Sequence[str] | None = None) -> pd.DataFrame:
    """A row a trial that did both within the horizon: ``arm, seed, memorise, grok``.

    Args:
        found: What was found.
        order: Of the arms; as they are found by default.
    """
    trials, arms = found.trials, {arm.name: arm for arm in found.arms}
    both = (trials.memorised_at <= found.horizon) & (trials.grokked_at <= found.horizon)
    both &= ~trials.failed
    parts = []
    for name in order or arms:
        rows = trials.rows_of(arms[name].genomes)
        own = trials.take(rows[both[rows]])
        columns = {"seed": own.seed, "memorise": own.memorised_at, "grok": own.grokked_at}
        parts.append(pd.DataFrame({"arm": name, **columns}))
    return pd.concat(parts, ignore_index=True)


def draw_memorise(table: pd.DataFrame, horizon: int, colour: Mapping[str, str]) -> Drawing:
    """A dot a trial."""
    traces = []
    for name, own in table.groupby("arm", sort=False):
        arm, shown = str(name), own.iloc[evenly(len(own), MOST_POINTS)]
        traces.append(
            trace(
                arm,
                "points",
                "scatter",
                legend=True,
                x=shown["memorise"].to_numpy(),
                y=shown["grok"].to_numpy(),
                mode="markers",
                marker={"size": 6, "color": theme.see_through(colour[arm], 0.6)},
                hovertemplate="memorised at %{x:,}, grokked at %{y:,}",
            )
        )
    most = float(table[["memorise", "grok"]].to_numpy().max()) if len(table) else horizon
    diagonal = {"type": "line", "x0": 0, "y0": 0, "x1": most, "y1": most, "layer": "below"}
    diagonal |= {"line": {"color": theme.GREY, "dash": "dot", "width": 1}}
    return drawing(
        traces,
        440,
        xaxis={"title": {"text": "steps to memorise"}, "rangemode": "tozero", "showgrid": True},
        yaxis={"title": {"text": "steps to grok"}, "rangemode": "tozero"},
        shapes=[diagonal],
    )
