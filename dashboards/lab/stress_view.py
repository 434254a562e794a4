"""The Stress Test as a browser shows it: what is asked, what is missing, how far it is."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from dashboards import words
from dashboards.lab.choosing import Option
from dashboards.lab.launcher import MOST_SEEDS
from dashboards.lab.planning import Planned
from dashboards.lab.stress import MOST_HORIZON, Stress
from speciation.trial.task import TRACKS

LAST_LINES = 12
MOST_OFFERED = 8


def form(own: Stress, choices: list[Option]) -> html.Div:
    """What is asked."""
    genomes, seeds, track, horizon, by_group = values(own)
    tracks = [
        {"label": f"{name}, {t.horizon:,} steps", "value": name} for name, t in TRACKS.items()
    ]
    return html.Div(
        [
            _field(
                "Genomes, groups, species, runs",
                dcc.Dropdown(
                    id="genomes",
                    options=choices,
                    value=genomes,
                    multi=True,
                    placeholder="Name, tag or beginning of an id",
                ),
                "wide",
            ),
            _field("Fresh seeds", _box("seeds", seeds, MOST_SEEDS)),
            _field(
                "Track",
                dcc.Dropdown(
                    id="track", options=tracks, value=track, placeholder="The usual one"
                ),
            ),
            _field("Horizon", _box("horizon", horizon, MOST_HORIZON, "the track's")),
            dcc.Checklist(
                id="by-group",
                options=[{"label": "Groups as one", "value": "group"}],
                value=by_group,
            ),
        ],
        className="asked",
    )


def values(own: Stress) -> tuple[Any, ...]:
    """It as the fields of the form show it."""
    by_group = ["group"] if own.by_group else []
    return list(own.genomes), own.seeds, own.track or None, own.horizon or "", by_group


def _field(label: str, inside: Any, look: str = "") -> html.Label:
    return html.Label([html.Span(label), inside], className=look)


def _box(name: str, value: Any, most: int, otherwise: str = "") -> dcc.Input:
    return dcc.Input(
        id=name,
        type="number",
        min=1,
        max=most,
        step=1,
        value=value,
        debounce=0.4,
        placeholder=otherwise,
    )


def beginning(named: list[Option]) -> html.Div:
    """What could be put to the test, one click away."""
    links = [
        dcc.Link(own["label"], href=f"/stress?{Stress((own['value'],)).query()}")
        for own in named[:MOST_OFFERED]
    ]
    return html.Div(
        [
            html.P("Choose genomes to see what their validation would take. For a beginning:"),
            html.Ul([html.Li(own) for own in links], className="offers"),
        ],
        className="faint",
    )


def plan(own: Planned, runs: bool, ended: str) -> list[Any]:
    """What is known and what is missing; why nothing moves, if it should.

    Args:
        own: The plan.
        runs: Whether it is being filled up.
        ended: What the process said in the end, if it left something undone.
    """
    found, asked = own.plan.found, own.plan.asked
    parts: list[Any] = [
        html.P(f"{own.text[0].upper()}{own.text[1:]}.", id="plan-text"),
        html.Progress(
            value=str(found),
            max=str(asked),
            **_attributes(f"{found:,} of {words.counted(asked, 'trial')} are in the store"),
        ),
        html.Small(
            f"{found:,} of {words.counted(asked, 'trial')}" + (", filling up" if runs else "")
        ),
    ]
    if ended:
        last = "\n".join(ended.strip().splitlines()[-LAST_LINES:])
        parts.append(
            html.Details(
                [
                    html.Summary("It has ended, and some trials are missing; its last words"),
                    html.Pre(last),
                ]
            )
        )
    return parts


def _attributes(label: str) -> dict[str, Any]:
    return {"aria-label": label}
