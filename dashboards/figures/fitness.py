"""How fitness moved over the generations, and how many trials grokked."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme, words
from dashboards.thinning import doubling
from speciation.evolution.fitness import wilson

MOST_GENERATIONS = 400
BEST, MEDIAN, RATE = theme.BLUE, theme.GREY, theme.GREEN

COLUMNS = (
    "generation",
    "genomes",
    "best",
    "best_se",
    "passes_gate",
    "median",
    "median_se",
    "trials",
    "successes",
    "rate",
    "rate_low",
    "rate_high",
)


def fitness_history(generations: pd.DataFrame, landscape: str) -> pd.DataFrame:
    """The best and the median genome of each generation, and how many of all trials grokked.

    Args:
        generations: Closed generations of one run, a row a genome.
        landscape: The one that the run ranks in.

    Returns:
        A row a generation with :data:`COLUMNS`; genomes without a scientific trial do not
        count. The success rate is that of all trials, with Wilson's 95 % interval; NaN without
        any trial.
    """
    rows = []
    for generation, members in generations.groupby("generation"):
        tried = members[members["trials"] > 0].sort_values("rank", ignore_index=True)
        if tried.empty:
            continue
        best, median = tried.iloc[0], tried.iloc[len(tried) // 2]
        trials, successes = int(tried["trials"].sum()), int(tried["successes"].sum())
        low, high = wilson(successes, trials)
        rows.append(
            (
                generation,
                len(tried),
                best[landscape],
                best[f"{landscape}_se"],
                bool(best["passes_gate"]),
                median[landscape],
                median[f"{landscape}_se"],
                trials,
                successes,
                successes / trials,
                float(low),
                float(high),
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def traces(history: pd.DataFrame, landscape: str) -> list[dict[str, Any]]:
    """What the traces of :func:`draw_fitness` are drawn from, in their order.

    Args:
        history: See :func:`fitness_history`.
        landscape: The one that the run ranks in.
    """
    history = history.iloc[doubling(len(history), MOST_GENERATIONS)]
    lines = [_line(history, name, landscape) for name in ("median", "best")]
    return [*lines, *_rate(history)]


def draw_fitness(
    history: pd.DataFrame, landscape: str, horizon: int | None, last: int | None = None
) -> go.Figure:
    """Two panels: fitness ± one standard error, and the success rate in its interval.

    Args:
        history: See :func:`fitness_history`.
        landscape: The one that the run ranks in.
        horizon: Steps; None as long as nothing was planned.
        last: The generation, counted from 1, that the axis goes up to; the last one by default.
    """
    shown = words.LANDSCAPES[landscape]
    figure = theme.canvas(470)
    for look, data in zip(_LOOKS, traces(history, landscape), strict=True):
        figure.add_trace(go.Scatter(look).update(data))
    if landscape == "sprinter" and horizon is not None:
        figure.add_hline(
            y=horizon, line={"color": theme.GREY, "dash": "dot", "width": 1}, layer="below"
        )
    theme.panel(figure, f"{shown.measure}, {shown.better} is better")
    theme.panel(figure, "trials that grokked (%)", top=0.32)
    return figure.update_layout(
        xaxis=theme.generation_axis(last or int(history["generation"].max()) + 1)
        | {"anchor": "y2"},
        yaxis={"domain": [0.46, 1], "rangemode": "tozero"}
        | ({"range": [-2, 102]} if landscape == "tank" else {}),
        yaxis2=dict(theme.TEMPLATE.layout.yaxis.to_plotly_json())
        | {"domain": [0, 0.32], "anchor": "x", "range": [-2, 102]},
    )


def _line(history: pd.DataFrame, name: str, landscape: str) -> dict[str, Any]:
    scale = words.LANDSCAPES[landscape].scale
    hollow = (landscape == "sniper") & (name == "best") & ~history["passes_gate"]
    said = [
        f"{words.fitness(value, error, landscape)} (of {words.counted(count, 'genome')})"
        for value, error, count in zip(
            history[name], history[f"{name}_se"], history["genomes"], strict=True
        )
    ]
    return {
        "x": (history["generation"] + 1).tolist(),
        "y": (history[name] * scale).tolist(),
        "error_y": {"array": (history[f"{name}_se"] * scale).tolist()},
        "marker": {"symbol": ["circle-open" if open_ else "circle" for open_ in hollow]},
        "customdata": said,
    }


def _rate(history: pd.DataFrame) -> list[dict[str, Any]]:
    x = (history["generation"] + 1).tolist()
    low, rate, high = (100 * history[name] for name in ("rate_low", "rate", "rate_high"))
    said = [
        words.share(successes, trials)
        for successes, trials in zip(history["successes"], history["trials"], strict=True)
    ]
    errors = {"array": (high - rate).tolist(), "arrayminus": (rate - low).tolist()}
    return [
        {"x": x, "y": low.tolist()},
        {"x": x, "y": high.tolist()},
        {"x": x, "y": rate.tolist(), "error_y": errors, "customdata": said},
    ]


def _line_look(name: str, colour: str, width: float) -> dict[str, Any]:
    return {
        "error_y": {"thickness": 1, "width": 0},
        "mode": "lines+markers",
        "name": name,
        "line": {"color": colour, "width": width},
        "marker": {"size": 7},
        "hovertemplate": f"{name} %{{customdata}}<extra></extra>",
    }


_EDGE: dict[str, Any] = {  # of the band of the success rate
    "yaxis": "y2",
    "line": {"width": 0},
    "mode": "lines",
    "hoverinfo": "skip",
    "showlegend": False,
}
_LOOKS: tuple[dict[str, Any], ...] = (
    _line_look("median", MEDIAN, 1.5),
    _line_look("best", BEST, 2.5),
    _EDGE,
    _EDGE | {"fill": "tonexty", "fillcolor": theme.see_through(RATE, 0.22)},
    {
        "yaxis": "y2",
        "name": "success rate",
        "mode": "lines+markers",
        "line": {"color": RATE, "width": 2},
        "marker": {"size": 5},
        # A band around a single generation has no width to be seen.
        "error_y": {"thickness": 1, "width": 0},
        "hovertemplate": "grokked %{customdata}<extra></extra>",
    },
)
