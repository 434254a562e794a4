"""How sure each arm is: its success rate with Wilson's interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dashboards import theme
from dashboards.figures.arms import Drawing, drawing, interval, rows, rows_of, trace
from speciation.analysis.estimates import Estimate, Summary


def success_table(summaries: Sequence[Summary]) -> pd.DataFrame:
    """A row an arm: ``arm, successes, trials, rate, low, high``."""
    rows = [(own.name, own.successes, own.trials, *_ends(own.success)) for own in summaries]
    return pd.DataFrame(rows, columns=["arm", "successes", "trials", "rate", "low", "high"])


def _ends(own: Estimate) -> tuple[float, float, float]:
    return own.value, own.low, own.high


def draw_success(table: pd.DataFrame, colour: Mapping[str, str]) -> Drawing:
    """A bar an arm, and its interval upon it; the first arm on top."""
    traces = []
    for place, row in enumerate(rows_of(table)):
        arm = str(row.arm)
        words = f"{row.successes:,} of {row.trials:,}: {row.rate:.1%} "
        words += f"(95 % {row.low:.1%}–{row.high:.1%})"
        traces += [
            trace(
                arm,
                "bars",
                "bar",
                legend=True,
                orientation="h",
                x=[row.rate],
                y=[place],
                width=0.66,
                marker={"color": theme.see_through(colour[arm], 0.3)},
                hovertemplate=words,
            ),
            trace(
                arm,
                "intervals",
                "scatter",
                **interval(row.rate, row.low, row.high, place, colour[arm]),
            ),
        ]
    return drawing(
        traces,
        height=130 + 34 * len(table),
        xaxis={"range": [0, 1.02], "tickformat": ".0%", "title": {"text": "grokked"}}
        | {"showgrid": True},
        yaxis={"range": [len(table) - 0.4, -0.6], "showgrid": False},
        meta=rows(list(table["arm"]), base=130, each=34),
        barmode="overlay",
    )
