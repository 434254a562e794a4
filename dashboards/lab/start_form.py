"""The form that starts a run: a preset, and what is to be other than there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards import words
from dashboards.lab.launcher import (
    PRESETS,
    Evolve,
    Launcher,
    LaunchRefused,
    preset_values,
)
from dashboards.lab.sources import Sources

FIRST = "quickstart"
EXECUTORS = {"": "as the preset says", "local": "in one process", "ray": "on Ray"}
NUMBERS = {
    "evolution.population": "Genomes",
    "evolution.generations": "Generations",
    "evolution.seeds": "Seeds of each",
    "horizon": "Horizon, steps",
    "confirm.seeds": "Seeds to confirm",
    "seed": "Random seed",
}
"""Setting → what it is called here."""


def form(launcher: Launcher, begin: Sequence[str], opened: bool) -> html.Details:
    """The form.

    Args:
        launcher: Says whether a run can be started at all.
        begin: Ids of genomes that the run shall begin with.
        opened: Whether it is open.
    """
    hindrance = launcher.hindrance()
    values = preset_values(FIRST)
    fields = [
        html.Label(
            ["Preset", dcc.Dropdown(list(PRESETS), FIRST, id="preset", clearable=False)]
        ),
        html.Label(
            ["Name", dcc.Input(id="run-name", placeholder=values["name"], maxLength=40)]
        ),
        html.Label(
            [
                "Looks for",
                dcc.Dropdown(
                    {name: name.title() for name in words.LANDSCAPES},
                    values["evolution.landscape"],
                    id="landscape",
                    clearable=False,
                ),
            ]
        ),
        *(_number(key, called, values.get(key)) for key, called in NUMBERS.items()),
        html.Label(["Train", dcc.Dropdown(EXECUTORS, "", id="executor", clearable=False)]),
        html.Label(
            [
                "Begin with genomes (ids or names)",
                dcc.Input(
                    id="begin",
                    value=" ".join(begin),
                    placeholder="as the preset says",
                    maxLength=2000,
                ),
            ],
            className="long",
        ),
    ]
    return html.Details(
        [
            html.Summary("Start a run"),
            html.Div(fields, className="fields"),
            html.Button("Start", id="start", className="action", disabled=bool(hindrance)),
            html.Span(hindrance, className="trouble"),
        ],
        open=opened,
        className="start",
    )


def connect(app: Dash, sources: Sources) -> None:
    """What happens when another preset is chosen, and when it starts."""
    launcher = Launcher(sources)

    @app.callback(
        Output("run-name", "placeholder"),
        Output("landscape", "value"),
        *(Output(_id(key), "value") for key in NUMBERS),
        Input("preset", "value"),
        prevent_initial_call=True,
    )
    def another(preset: Any) -> tuple[Any, ...]:
        if preset not in PRESETS:
            raise PreventUpdate
        values = preset_values(preset)
        return (
            values["name"],
            values["evolution.landscape"],
            *(values.get(key) for key in NUMBERS),
        )

    @app.callback(
        Output("said", "children", allow_duplicate=True),
        Output("run", "options"),
        Output("run", "value"),
        Input("start", "n_clicks"),
        State("preset", "value"),
        State("run-name", "value"),
        State("landscape", "value"),
        State("executor", "value"),
        State("begin", "value"),
        State("run", "options"),
        *(State(_id(key), "value") for key in NUMBERS),
        prevent_initial_call=True,
    )
    def start(
        clicks: Any,
        preset: Any,
        name: Any,
        landscape: Any,
        executor: Any,
        begin: Any,
        options: Any,
        *numbers: Any,
    ) -> tuple[Any, Any, Any]:
        if not clicks:
            raise PreventUpdate
        settings = changed(preset, name, landscape, executor, numbers)
        ancestors = str(begin or "").replace(",", " ").split()
        try:
            run = launcher.start(Evolve(preset, settings, ancestors))
        except LaunchRefused as refused:
            return str(refused), no_update, no_update
        known = options if isinstance(options, list) else []
        return (
            f"{run} is started {launcher.place()}.",
            [run, *(own for own in known if own != run)],
            run,
        )


def changed(
    preset: Any, name: Any, landscape: Any, executor: Any, numbers: Sequence[Any]
) -> dict[str, Any]:
    """What the fields say other than the preset; empty fields say nothing."""
    given = {"name": name, "evolution.landscape": landscape, "executor": executor}
    given |= dict(zip(NUMBERS, numbers, strict=True))
    usual = preset_values(preset) if preset in PRESETS else {}
    return {
        key: value
        for key, value in given.items()
        if value not in (None, "") and value != usual.get(key)
    }


def _number(key: str, called: str, value: Any) -> html.Label:
    return html.Label(
        [called, dcc.Input(id=_id(key), type="number", value=value, min=1, step=1)]
    )


def _id(key: str) -> str:
    return f"set-{key.replace('.', '-')}"
