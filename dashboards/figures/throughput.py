"""How much was trained, and how fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboards import theme, words
from dashboards.markup import Html, join, tag
from dashboards.thinning import evenly

MOST_GENERATIONS = 400


@dataclass(frozen=True, slots=True)
class Work:
    """What the trials that a run computed took together.

    Args:
        trials: How many.
        known: Trials beside these, which the store had an answer for.
        steps: Trained, of all trials.
        examples: Seen, of all trials.
        slot_seconds: Sum of the time that each trial was in its slot. Many slots train at
            once, so this is more than the time that passed.
        elapsed: Seconds from the run's start to its end, pauses included; None while it runs.
        places: Device, backend and precision → trials there.
    """

    trials: int
    known: int
    steps: int
    examples: int
    slot_seconds: float
    elapsed: float | None
    places: dict[tuple[str, str, str], int]


def work(asked: pd.DataFrame, manifest: Mapping[str, Any]) -> Work:
    """What a run's trials took.

    Args:
        asked: All trials that it asked for; the column ``own`` tells those it computed.
        manifest: When it began and ended. A run that is not over has no duration, since its
            manifest is written at the ends only.
    """
    trials = asked[asked["own"]]
    over = manifest.get("status") in ("finished", "stopped")
    where = trials[["device", "backend", "precision"]].fillna("").value_counts()
    return Work(
        trials=len(trials),
        known=len(asked) - len(trials),
        steps=int(trials["steps_run"].sum()),
        examples=int(trials["examples_seen"].sum()),
        slot_seconds=float(trials["wall_seconds"].sum()),
        elapsed=_seconds(manifest) if over else None,
        places={_place(key): int(count) for key, count in where.items()},
    )


def pace(trials: pd.DataFrame) -> pd.DataFrame:
    """Each generation's trials, training steps, and steps a second of one slot.

    Returns:
        A row a generation: ``generation, trials, steps, slot_seconds, steps_a_second``; the
        last is NaN where no time was written down.
    """
    table = (
        trials.groupby("generation")
        .agg(
            trials=("trial_id", "size"),
            steps=("steps_run", "sum"),
            slot_seconds=("wall_seconds", "sum"),
        )
        .reset_index()
    )
    timed = table["slot_seconds"].where(table["slot_seconds"] > 0)
    return table.assign(steps_a_second=table["steps"] / timed)


def draw_pace(table: pd.DataFrame) -> go.Figure:
    """Training steps of each generation as bars."""
    table = table.iloc[evenly(len(table), MOST_GENERATIONS)]
    figure = theme.canvas(290)
    said = [
        f"{steps:,} steps of {words.counted(trials, 'trial')}<br>"
        f"{words.number(rate)} steps a second in a slot"
        for steps, trials, rate in zip(
            table["steps"], table["trials"], table["steps_a_second"], strict=True
        )
    ]
    figure.add_trace(
        go.Bar(
            x=table["generation"] + 1,
            y=table["steps"],
            marker={"color": theme.GREEN, "line": {"width": 0}},
            customdata=said,
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    theme.panel(figure, "training steps, all trials together")
    return figure.update_layout(
        bargap=0.25, xaxis=theme.generation_axis(int(table["generation"].max()) + 1)
    )


def work_table(done: Work) -> Html:
    """The totals, and what trials ran on."""
    rows = [
        ("trials computed", f"{done.trials:,}"),
        ("trials known before", f"{done.known:,}"),
        ("training steps", f"{done.steps:,}"),
        ("examples seen", f"{done.examples:,}"),
        ("time in slots", words.duration(done.slot_seconds)),
    ]
    if done.elapsed:
        rows += [
            ("from start to end", words.duration(done.elapsed)),
            ("trials a second", f"at least {words.number(done.trials / done.elapsed)}"),
            ("training steps a second", f"at least {words.number(done.steps / done.elapsed)}"),
        ]
    for (device, backend, precision), count in done.places.items():
        place = f"{device} · {backend} · {precision}" if device else "not trained"
        rows.append((place, words.counted(count, "trial")))
    lines = (tag("tr", tag("th", name, scope="row"), tag("td", said)) for name, said in rows)
    return tag("table", tag("tbody", join(*lines)), class_="facts")


def _place(key: Any) -> tuple[str, str, str]:
    device, backend, precision = map(str, key)
    return device, backend, precision


def _seconds(manifest: Mapping[str, Any]) -> float | None:
    try:
        began, ended = (datetime.fromisoformat(manifest[key]) for key in ("created", "updated"))
        passed = ended - began
    except (KeyError, TypeError, ValueError):
        return None
    return max(passed.total_seconds(), 0.0)
