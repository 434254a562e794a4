"""How fitness moved over the generations, and how many trials grokked."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme, words
from dashboards.thinning import evenly
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
    history = history.iloc[evenly(len(history), MOST_GENERATIONS)]
    shown = words.LANDSCAPES[landscape]
    figure = theme.canvas(470)
    for name, colour in (("median", MEDIAN), ("best", BEST)):
        figure.add_trace(_line(history, name, colour, landscape))
    if landscape == "sprinter" and horizon is not None:
        figure.add_hline(
            y=horizon, line={"color": theme.GREY, "dash": "dot", "width": 1}, layer="below"
        )
    for trace in _rate(history):
        figure.add_trace(trace)
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


def _line(history: pd.DataFrame, name: str, colour: str, landscape: str) -> go.Scatter:
    scale = words.LANDSCAPES[landscape].scale
    hollow = (landscape == "sniper") & (name == "best") & ~history["passes_gate"]
    said = [
        f"{words.fitness(value, error, landscape)} (of {words.counted(count, 'genome')})"
        for value, error, count in zip(
            history[name], history[f"{name}_se"], history["genomes"], strict=True
        )
    ]
    return go.Scatter(
        x=history["generation"] + 1,
        y=history[name] * scale,
        error_y={"array": history[f"{name}_se"] * scale, "thickness": 1, "width": 0},
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2.5 if name == "best" else 1.5},
        marker={
            "size": 7,
            "symbol": ["circle-open" if open_ else "circle" for open_ in hollow],
        },
        customdata=said,
        hovertemplate=f"{name} %{{customdata}}<extra></extra>",
    )


def _rate(history: pd.DataFrame) -> list[go.Scatter]:
    generation = history["generation"] + 1
    said = [
        words.share(successes, trials)
        for successes, trials in zip(history["successes"], history["trials"], strict=True)
    ]
    band = go.Scatter(
        x=pd.concat([generation, generation[::-1]]),
        y=100 * pd.concat([history["rate_low"], history["rate_high"][::-1]]),
        yaxis="y2",
        fill="toself",
        fillcolor=theme.see_through(RATE, 0.22),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )
    line = go.Scatter(
        x=generation,
        y=100 * history["rate"],
        yaxis="y2",
        name="success rate",
        mode="lines+markers",
        line={"color": RATE, "width": 2},
        marker={"size": 5},
        # A band around a single generation has no width to be seen.
        error_y={
            "array": 100 * (history["rate_high"] - history["rate"]),
            "arrayminus": 100 * (history["rate"] - history["rate_low"]),
            "thickness": 1,
            "width": 0,
        },
        customdata=said,
        hovertemplate="grokked %{customdata}<extra></extra>",
    )
    return [band, line]
