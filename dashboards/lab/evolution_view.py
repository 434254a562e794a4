"""What the page of a run shows: its reins, its figures, and one generation of its genomes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from dash import dcc, html

from dashboards import words
from dashboards.figures import beats as pace
from dashboards.figures import fitness, outcomes
from dashboards.figures.population import (
    MOST_ROWS,
    Population,
    draw_block,
    draw_population,
    stacked,
    wrapped,
)
from dashboards.lab.exports import framed
from dashboards.lab.live import RunNow
from dashboards.lab.patches import Sent, Traces
from dashboards.lab.seen import as_seen
from dashboards.lab.tiles import tiles
from dashboards.thinning import doubling, evenly

TICK_MS = 1000
GROWING = ("fitness", "outcomes")
"""Graphs whose lines get points and can be hidden."""


def view(
    now: RunNow, generation: int | None, sent: Sent, wanted: Mapping[str, str]
) -> list[Any]:
    """Everything about a run; the caller holds the lock of ``live``.

    Args:
        now: The run.
        generation: Counted from 1; None for the latest.
        sent: Remembers the data of figures.
        wanted: How figures are looked at: the address's query, see ``seen.py``.
    """
    keys = {name: sent.keep(data) for name, data in growing_of(now).items()}
    return [
        dcc.Interval(id="tick", interval=TICK_MS),
        dcc.Store(id="seen", data=seen_of(now, keys)),
        dcc.Store(id="follow", data=generation is None),
        dcc.Store(id="population-rows"),
        reins(now),
        html.Dl(tiles(now, time.time()), id="tiles", className="tiles"),
        html.Div(
            _figures(now, shown(now, generation), wanted), id="figures", className=stage(now)
        ),
    ]


def reading(read: int = 0, of: int = 0) -> list[Any]:
    """What stands in place of a run while its store is read, and asks how far that is."""
    return [
        html.P(reading_said(read, of), id="reading", role="status", className="faint"),
        dcc.Interval(id="reading-tick", interval=TICK_MS // 2),
    ]


def reading_said(read: int, of: int) -> str:
    """How much of a store was read."""
    if read >= of:
        return "Reading the store …" if not of else "Adding up what was read …"
    return f"Reading the store: {read:,} of {words.counted(of, 'part')} …"


def stage(now: RunNow) -> str:
    """Which figures of a run have something to show, as classes of their frame."""
    waits = not now.tally.closed and not now.tally.ended()
    return " ".join(("waiting" if waits else "", "" if now.beats else "silent")).strip()


def _figures(now: RunNow, generation: int, wanted: Mapping[str, str]) -> list[Any]:
    fitness_seen = as_seen(fitness_of(now), "fitness", wanted)
    outcomes_seen = as_seen(outcomes_of(now), "outcomes", wanted)
    return [
        html.P("No trial has ended yet. Figures appear with the first ones.", className="wait"),
        framed("fitness", fitness_seen, f"Best and median genome: {_measure(now)}"),
        html.H2("The population"),
        html.P(
            "A row is a generation, best genome first. Similar colours are related genomes. "
            "Click a cell of the block below to copy that genome's id.",
            className="lead",
        ),
        framed("population", population_of(now), "Genomes of every generation as colours"),
        html.Label(
            [
                html.Span(caption(generation), id="generation-said"),
                dcc.Slider(
                    min=1,
                    max=max(len(now.tally.closed), 1),
                    step=1,
                    value=generation + 1,
                    marks=None,
                    id="generation",
                    included=False,
                    allow_direct_input=False,
                ),
            ],
            className="scrubber",
        ),
        framed("block", block_of(now, generation), "Genomes of one generation as colours"),
        html.Div(
            [
                html.Div(
                    [
                        html.H2("How trials ended"),
                        framed("outcomes", outcomes_seen, "Outcomes by generation"),
                    ]
                ),
                html.Div(
                    [
                        html.H2("At work, since the Lab first looked"),
                        framed("pace", pace_of(now), "Pace and slots"),
                    ],
                    className="pace",
                ),
            ],
            className="pair",
        ),
    ]


def fitness_of(now: RunNow) -> go.Figure:
    """Best, median and success rate by generation."""
    rank = now.view.landscape
    history = now.tally.history(rank)
    last = max(now.generations, 1)
    return _live(fitness.draw_fitness(history, rank, now.tally.horizon, last), 420)


def outcomes_of(now: RunNow) -> go.Figure:
    """How trials ended, by generation."""
    last = max(now.generations, 1)
    return _live(outcomes.draw_outcomes(now.tally.outcomes(), last, every=True), 350)


def growing_of(now: RunNow) -> dict[str, Traces]:
    """What those two are drawn from."""
    rank = now.view.landscape
    return {
        "fitness": fitness.traces(now.tally.history(rank), rank),
        "outcomes": outcomes.traces(now.tally.outcomes()),
    }


def pace_of(now: RunNow) -> go.Figure:
    """How fast it went since it was first looked at."""
    figure = pace.draw_beats(beats_of(now))
    figure.layout.uirevision = "mine"
    return figure


def population_of(now: RunNow) -> go.Figure:
    """A row of colours for each closed generation; of many, evenly spaced ones."""
    shown = rows_of(now)
    figure = draw_population(stacked([colours_of(now, own) for own in shown], height_of(now)))
    return figure.update_layout(uirevision="mine", meta=shown)


def rows_of(now: RunNow) -> list[int]:
    """Closed generations that have a row in that figure."""
    closed = sorted(now.tally.closed)
    return [closed[i] for i in doubling(len(closed), MOST_ROWS)]


def height_of(now: RunNow) -> int:
    """Rows of the figure: generations that are yet to come have their place."""
    return max(min(max(now.generations, 1), MOST_ROWS), 2)


def block_of(now: RunNow, generation: int) -> go.Figure:
    """The genomes of a generation."""
    empty = generation not in now.tally.closed
    row = stacked([], 1) if empty else colours_of(now, generation)
    return draw_block(wrapped(row))


def colours_of(now: RunNow, generation: int) -> Population:
    """The genomes of a closed generation as colours."""
    return now.tally.colours(generation, now.view.landscape)


def _live(figure: go.Figure, height: int) -> go.Figure:
    """A figure whose lines can be hidden, and whose view stays when data come."""
    return figure.update_layout(
        height=height,
        uirevision="mine",
        showlegend=True,
        legend={
            "orientation": "h",
            "traceorder": "normal",  # a band would turn it round
            "x": 0,
            "y": -0.16,
            "yanchor": "top",
        },
    )


def beats_of(now: RunNow) -> list[pace.Beat]:
    """How fast its present process goes, as far as it was looked at."""
    return [
        pace.Beat((own.at - own.began) / 60, own.steps_a_second, own.occupied, own.capacity)
        for own in now.beats
        if own.began == now.beats[-1].began
    ]


def seen_of(now: RunNow, growing: Mapping[str, str]) -> dict[str, Any]:
    """What a page shows of a run: a page that has seen this needs nothing.

    Args:
        now: The run.
        growing: Digests of the data of :func:`growing_of`, by name.
    """
    beats = now.beats
    return {
        "run": now.view.run,
        "closed": len(now.tally.closed),
        "generations": now.generations,
        "rows": rows_of(now),
        "at": beats[-1].at if beats else 0.0,
        "began": beats[-1].began if beats else 0.0,
        **growing,
    }


def shown(now: RunNow, generation: int | None) -> int:
    """The generation to show, counted from 0: the wanted one, else the latest."""
    last = max(len(now.tally.closed) - 1, 0)
    return last if generation is None else min(max(generation - 1, 0), last)


def caption(generation: int) -> str:
    """What the scrubber says of a generation, counted from 0."""
    return f"Generation {generation + 1:,}"


def _measure(now: RunNow) -> str:
    return words.LANDSCAPES[now.view.landscape].measure


def reins(now: RunNow) -> html.Div:
    """Buttons that stop a run and go on with it."""
    more = max(now.generations, 1)
    return html.Div(
        [
            html.Button("Stop", id="stop", disabled=not now.busy, className="action"),
            html.Button("Go on", id="resume", disabled=now.busy, className="action"),
            html.Label(
                [
                    "to generation",
                    dcc.Input(id="more", type="number", min=1, max=100_000, value=more, step=1),
                ],
                className="small",
            ),
        ],
        className="reins",
    )


def genome_at(now: RunNow, generation: int, line: int, column: int) -> str | None:
    """The id of the genome in a cell of a generation's block; None where there is none."""
    members = now.tally.closed.get(generation)
    if members is None:
        return None
    row = colours_of(now, generation)
    width = wrapped(row).colours.shape[1]
    ids = members.sort_values("rank")["genome_id"].tolist()
    ids = [ids[i] for i in evenly(len(ids), row.colours.shape[1])]
    place = line * width + column
    return ids[place] if 0 <= column < width and 0 <= place < len(ids) else None


def empty() -> list[Any]:
    """What stands in place of a run."""
    return [
        html.Div(
            [
                html.H2("No run yet"),
                html.P("Start one above: the quickstart takes a few minutes on two cores."),
            ],
            className="empty",
        )
    ]
