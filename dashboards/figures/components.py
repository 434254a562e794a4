"""What luck is made of: the share of the variance that each random stream has."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, drawing, trace
from dashboards.markup import in_figure
from speciation.analysis.components import STREAMS, Components


def components_table(found: Mapping[str, Components]) -> pd.DataFrame:
    """A row an arm and stream: ``arm, blocks, deviation, stream, share, low, high``."""
    rows = [
        (arm, own.blocks, own.deviation, stream, share.value, share.low, share.high)
        for arm, own in found.items()
        for stream, share in (*own.shares.items(), ("together", own.together))
    ]
    columns = ["arm", "blocks", "deviation", "stream", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def draw_components(table: pd.DataFrame, colour: Mapping[str, str]) -> Drawing:
    """A panel of bars: streams side by side, arms within."""
    streams = [*STREAMS, "together"]
    traces = []
    for name, own in table.groupby("arm", sort=False):
        arm, ordered = str(name), own.set_index("stream").reindex(streams)
        share = ordered["share"].to_numpy()
        traces.append(
            trace(
                arm,
                "bars",
                "bar",
                legend=True,
                x=streams,
                y=share,
                marker={"color": theme.see_through(colour.get(arm, theme.BLUE), 0.5)},
                error_y={
                    "array": ordered["high"].to_numpy() - share,
                    "arrayminus": share - ordered["low"].to_numpy(),
                    "color": theme.GREY,
                    "thickness": 1.5,
                    "width": 4,
                },
                hovertemplate=f"{in_figure(arm)}: %{{y:.0%}}",
            )
        )
    return drawing(
        traces,
        360,
        yaxis={
            "tickformat": ".0%",
            "title": {"text": "share of the variance"},
            "zeroline": True,
        },
        barmode="group",
    )
