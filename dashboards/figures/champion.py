"""The champion: what was selected beside what was confirmed. The difference is luck."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboards import theme, words
from dashboards.markup import Html, join, tag
from dashboards.thinning import evenly
from speciation.evolution.fitness import Z, fitness_table

MOST_SEEDS = 400
SELECTED, CONFIRMED = theme.GREY, theme.BLUE


@dataclass(frozen=True, slots=True)
class Performance:
    """How one genome did on some seeds. Steps count a trial that did not grok as the horizon.

    Args:
        trials: Scientific ones.
        successes: Those that grokked within the horizon.
        failed: Trials that the machine failed, which count nowhere else.
        steps: Mean of min(steps to grok, horizon), and its 95 % interval; NaN of one trial.
        steps_low: See ``steps``.
        steps_high: See ``steps``.
        ert: Steps spent for each success; infinite without any.
        spread: q90 - q10 of those steps, and its standard error.
        spread_se: See ``spread``.
        times: The steps of each trial, sorted, shape ``(trials,)``.
        horizon: Steps.
    """

    trials: int
    successes: int
    failed: int
    steps: float
    steps_low: float
    steps_high: float
    ert: float
    spread: float
    spread_se: float
    times: NDArray[np.float64]
    horizon: int


def performance(trials: pd.DataFrame, horizon: int | None) -> Performance | None:
    """How the one genome of these trials did; None without a scientific trial."""
    if horizon is None:
        return None
    table = fitness_table(trials, horizon)
    if table.empty or not table["trials"].iloc[0]:
        return None
    row = table.iloc[0]
    half = Z * float(row["rmst_se"])
    return Performance(
        trials=int(row["trials"]),
        successes=int(row["successes"]),
        failed=int(row["failed"]),
        steps=float(row["rmst"]),
        steps_low=float(row["rmst"]) - half,
        steps_high=float(row["rmst"]) + half,
        ert=float(row["ert"]),
        spread=float(row["sniper"]),
        spread_se=float(row["sniper_se"]),
        times=_times(trials, horizon),
        horizon=horizon,
    )


def headline(
    selected: Performance | None, confirmed: Performance | None, chosen: bool = True
) -> str:
    """The result of a run in one sentence.

    Args:
        selected: On the seeds that the genome was selected on.
        confirmed: On new seeds.
        chosen: Whether the run has named its champion.
    """
    if confirmed is not None:
        done, seeds = confirmed, "new seed"
    elif selected is not None:
        done, seeds = selected, "seed"
    else:
        return "No genome has been judged yet"
    successes = f"{done.successes:,}" if done.successes else "none"
    of = f"{successes} of {words.counted(done.trials, seeds)}"
    if done.successes == done.trials:
        said = (
            f"roks in {words.number(done.steps)} steps "
            f"({words.interval(done.steps_low, done.steps_high)}) on {of}"
        )
    else:
        rate = words.share(done.successes, done.trials).partition("(")[2]
        said = f"roks on {of} ({rate}"
    if confirmed is not None:
        return f"G{said}"
    return f"{'Not confirmed yet' if chosen else 'Leading so far, not confirmed'}: g{said}"


def champion_table(selected: Performance | None, confirmed: Performance | None) -> Html:
    """Selected and confirmed as two columns."""
    both = (selected, confirmed)
    head = tag(
        "tr",
        tag("td"),
        _column("selected", SELECTED),
        _column("confirmed", CONFIRMED),
    )
    rows = [
        tag(
            "tr", tag("th", name, scope="row"), *(tag("td", _cell(name, done)) for done in both)
        )
        for name in ("seeds", "grokked", "mean steps", "steps a success", "spread")
    ]
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="versus")


def draw_seeds(selected: Performance | None, confirmed: Performance | None) -> go.Figure:
    """A dot a seed, and the mean with its interval."""
    figure = theme.canvas(270)
    rows = {
        "selected": (1.0, selected, SELECTED),
        "confirmed": (0.0, confirmed, CONFIRMED),
    }
    for y, done, colour in rows.values():
        if done is not None:
            figure.add_trace(_dots(y, done, colour))
            figure.add_trace(_mean(y, done, colour))
    horizon = max(done.horizon for _, done, _ in rows.values() if done is not None)
    figure.add_vline(
        x=horizon, line={"color": theme.GREY, "dash": "dot", "width": 1}, layer="below"
    )
    return figure.update_layout(
        hovermode="closest",
        margin={"t": 8},
        xaxis={
            "title": {"text": "steps to grok"},
            "range": [0, 1.04 * horizon],
            "showgrid": True,
        },
        yaxis={
            "tickvals": [y for y, _, _ in rows.values()],
            "ticktext": list(rows),
            "range": [-0.35, 1.8],
            "showgrid": False,
        },
    )


# -- Numbers --------------------------------------------------------------------------------


def _times(trials: pd.DataFrame, horizon: int) -> NDArray[np.float64]:
    """min(T, H) of the trials that say anything, sorted."""
    grok = trials["steps_to_grok"].astype("float64").fillna(np.inf)
    answered = (
        (grok <= horizon) | (trials["outcome"] == "diverged") | (trials["steps_run"] >= horizon)
    ) & (trials["outcome"] != "failed")
    return np.sort(np.minimum(grok[answered].to_numpy(dtype=np.float64), horizon))


# -- Drawing --------------------------------------------------------------------------------


def _column(name: str, colour: str) -> Html:
    key = tag("span", name, class_="key", style=f"--mark:{colour}")
    return tag("th", key, scope="col")


def _cell(name: str, done: Performance | None) -> Html:
    if done is None:
        return tag("span", words.NOTHING, class_="faint")
    main, small = {
        "seeds": (f"{done.trials:,}", f"{done.failed:,} more failed" if done.failed else ""),
        "grokked": (
            f"{100 * done.successes / done.trials:.0f} %",
            words.share(done.successes, done.trials),
        ),
        "mean steps": (
            words.number(done.steps),
            words.interval(done.steps_low, done.steps_high),
        ),
        "steps a success": (
            words.number(done.ert),
            f"{f'over {done.successes:,} of {done.trials:,}'}",
        ),
        "spread": (words.plus_minus(done.spread, done.spread_se), "q90 − q10 ± s.e."),
    }[name]
    return join(tag("span", main, class_="figure"), tag("small", small) if small else None)


def _dots(y: float, done: Performance, colour: str) -> go.Scatter:
    """Side by side where several seeds took equally long."""
    times = done.times[evenly(len(done.times), MOST_SEEDS)]
    place = pd.Series(times).groupby(times).cumcount().to_numpy()
    most = int(place.max(initial=0))
    missed = times >= done.horizon
    return go.Scatter(
        x=times,
        y=y + 0.13 + 0.55 * place / max(most, 7),
        mode="markers",
        marker={
            "size": 6,
            "color": theme.see_through(colour, 0.75),
            "symbol": ["circle-open" if out else "circle" for out in missed],
        },
        hovertemplate="%{x:,} steps<extra></extra>",
    )


def _mean(y: float, done: Performance, colour: str) -> go.Scatter:
    known = math.isfinite(done.steps_low)
    return go.Scatter(
        x=[done.steps],
        y=[y - 0.1],
        mode="markers",
        marker={"size": 13, "symbol": "diamond", "color": colour},
        error_x={
            "array": [done.steps_high - done.steps if known else 0],
            "thickness": 2.5,
            "width": 6,
        },
        hovertemplate=(
            f"mean %{{x:,.0f}} ({words.interval(done.steps_low, done.steps_high)}), "
            f"{words.counted(done.trials, 'seed')}<extra></extra>"
        ),
    )
