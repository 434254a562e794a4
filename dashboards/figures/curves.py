"""How the champion learned: a thin line a seed, and the median over seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboards import theme, words
from dashboards.thinning import evenly

MOST_SEEDS, MOST_STEPS = 24, 240
MEASURES = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")
LOWER_END, UPPER_END = 0.53, 0.43  # of the upper panel, and of the lower one
TRAIN, VALIDATION = theme.VERMILION, theme.BLUE

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Learning:
    """Curves of S seeds at E evaluations.

    Args:
        steps: Shape ``(E,)``.
        seeds: Measure → shape ``(S, E)``; NaN once a seed has ended, or was not finite.
        medians: Measure → shape ``(E,)``, over all seeds, each of which keeps its last finite
            value once it has ended.
        memorised: When each seed memorised, shape ``(S,)``; infinite if it did not.
        grokked: When each seed grokked, shape ``(S,)``; infinite if not within the horizon.
    """

    steps: NDArray[np.int64]
    seeds: dict[str, Values]
    medians: dict[str, Values]
    memorised: Values
    grokked: Values

    @property
    def count(self) -> int:
        """S."""
        return len(self.grokked)


def learning(trials: pd.DataFrame, curves: pd.DataFrame, horizon: int) -> Learning:
    """The curves of one genome, on one grid of steps.

    Args:
        trials: The genome's trials; one without a curve is left out.
        curves: Curves, a row a trial.
        horizon: Steps after which grokking does not count.
    """
    curves = curves[curves["step"].str.len() > 0]
    both = trials.merge(curves, on="trial_id").sort_values("seed", ignore_index=True)
    steps = np.unique(np.concatenate([np.zeros(0, np.int64), *both["step"]])).astype(np.int64)
    seeds = {name: _grid(both["step"], both[name], steps) for name in MEASURES}
    grokked = _reached(both["steps_to_grok"])
    return Learning(
        steps,
        seeds,
        {name: _median(values) for name, values in seeds.items()},
        _reached(both["steps_to_memorise"]),
        np.where(grokked <= horizon, grokked, np.inf),
    )


def median_time(times: Values) -> float | None:
    """The time by which half of the seeds had got there; None if fewer did."""
    if not len(times):
        return None
    middle = float(np.sort(times)[(len(times) - 1) // 2])
    return middle if np.isfinite(middle) else None


def draw_learning(learned: Learning) -> go.Figure:
    """Accuracy above, loss below."""
    figure = theme.canvas(560)
    points = evenly(len(learned.steps), MOST_STEPS)
    chosen = evenly(learned.count, MOST_SEEDS)
    for name in MEASURES:
        thin = learned.seeds[name][np.ix_(chosen, points)]
        for trace in _traces(name, learned.steps[points], thin, learned.medians[name][points]):
            figure.add_trace(trace)
    for what, times, colour in (
        ("memorised", learned.memorised, TRAIN),
        ("grokked", learned.grokked, VALIDATION),
    ):
        figure.add_trace(_rug(what, times[chosen], colour))
        middle = median_time(times)
        late = middle is not None and 2 * middle > learned.steps[-1]
        _milestone(figure, what, middle, colour, late)
    theme.panel(figure, "accuracy")
    theme.panel(figure, "loss (log scale)", top=UPPER_END)
    return figure.update_layout(
        xaxis={"title": {"text": "steps"}, "anchor": "y2", "rangemode": "tozero"},
        yaxis={
            "domain": [LOWER_END, 1],
            "range": [-0.06, 1.12],
            "tickformat": ".0%",
            "dtick": 0.25,
        },
        yaxis2=dict(theme.TEMPLATE.layout.yaxis.to_plotly_json())
        | {"domain": [0, UPPER_END], "anchor": "x", "type": "log", "tickformat": "~g"}
        | {"nticks": 6},
    )


# -- Numbers --------------------------------------------------------------------------------


def _grid(steps: pd.Series, values: pd.Series, grid: NDArray[np.int64]) -> Values:
    """Values of each seed at the steps of the grid: shape ``(S, E)``."""
    found = np.full((len(steps), len(grid)), np.nan)
    for row, (at, seen) in enumerate(zip(steps, values, strict=True)):
        finite = np.where(np.isfinite(seen), seen, np.nan)
        found[row, np.searchsorted(grid, at)] = finite
    return found


def _median(values: Values) -> Values:
    return pd.DataFrame(values.T).ffill().median(axis=1).to_numpy(dtype=np.float64)


def _reached(times: pd.Series) -> Values:
    return times.fillna(np.inf).to_numpy(dtype=np.float64)


# -- Drawing --------------------------------------------------------------------------------


def _traces(
    name: str, steps: NDArray[np.int64], seeds: Values, median: Values
) -> tuple[go.Scatter, go.Scatter]:
    """All seeds as one broken line, and their median."""
    colour = TRAIN if name.startswith("train") else VALIDATION
    accuracy = name.endswith("accuracy")
    gap = np.full((len(seeds), 1), np.nan)
    shared = {"yaxis": "y" if accuracy else "y2", "mode": "lines"}
    thin = go.Scatter(
        x=np.tile(np.append(steps.astype(np.float64), np.nan), len(seeds)),
        y=np.hstack([_positive(seeds, accuracy), gap]).ravel(),
        line={"color": theme.see_through(colour, 0.3), "width": 1},
        hoverinfo="skip",
        **shared,
    )
    thick = go.Scatter(
        x=steps,
        y=_positive(median, accuracy),
        line={"color": colour, "width": 3},
        hovertemplate=f"{name.replace('_', ' ')} %{{y:{'.1%' if accuracy else '.3g'}}}"
        "<extra></extra>",
        **shared,
    )
    return thin, thick


def _positive(values: Values, accuracy: bool) -> Values:
    """A log scale has no zero."""
    return values if accuracy else np.where(values > 0, values, np.nan)


def _rug(what: str, times: Values, colour: str) -> go.Scatter:
    """A mark for each seed at the step where it got there, above or below the curves."""
    reached = times[np.isfinite(times)]
    return go.Scatter(
        x=reached,
        y=np.full(len(reached), 1.06 if what == "grokked" else -0.03),
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 8, "color": colour, "line": {"width": 1.5}},
        hoverinfo="skip",
    )


def _milestone(
    figure: go.Figure, what: str, step: float | None, colour: str, late: bool
) -> None:
    """A dashed line, and its label outside of the panel, where no curve is."""
    if step is None:
        return
    figure.add_shape(
        type="line",
        x0=step,
        x1=step,
        y0=0,
        y1=1,
        yref="paper",
        line={"color": colour, "width": 1, "dash": "dash"},
        layer="below",
    )
    figure.add_annotation(
        text=f"{what} at {words.number(step)}",
        x=step,
        y=1 if what == "grokked" else LOWER_END,
        yref="paper",
        xanchor="right" if late else "left",
        yanchor="bottom" if what == "grokked" else "top",
        showarrow=False,
    )
