"""What becomes of a child: kept in the library, validated, or the ancestor of a run."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, ctx, dcc, html
from dash.exceptions import PreventUpdate

from dashboards.lab import splicing
from dashboards.lab.choosing import MOST_LETTERS, store_at
from dashboards.lab.forge_view import TROUBLE, Scene, scene_of
from dashboards.lab.launcher import PRESETS, Evolve, Launcher, LaunchRefused, Validate
from dashboards.lab.sources import Sources
from dashboards.lab.stress import stress
from speciation.genome.collection import add
from speciation.tables.schema import genome_row

SEEDS = 100
PRESET = "quickstart"


def buttons(sources: Sources) -> list[Any]:
    """What can be done with a child; why not stands on what cannot."""
    launcher = Launcher(sources)
    no_check, no_run = launcher.hindrance(Validate), launcher.hindrance(Evolve)
    seeds = dcc.Input(
        id="child-seeds", type="number", min=1, max=1_000_000, step=1, value=SEEDS
    )
    preset = dcc.Dropdown(
        id="child-preset",
        options=list(PRESETS),
        value=PRESET,
        clearable=False,
        searchable=False,
    )
    return [
        html.Div(
            [html.Button("Save to library", id="save", className="action")],
            className="actions",
        ),
        html.Div(
            [
                html.Button("Validate this", id="validate-child", disabled=bool(no_check)),
                html.Label(["on", seeds, "fresh seeds"]),
            ],
            className="actions",
            title=no_check,
        ),
        html.Div(
            [
                html.Button("Seed a run with this", id="seed-run", disabled=bool(no_run)),
                html.Label(["of preset", preset]),
            ],
            className="actions",
            title=no_run,
        ),
        html.P(no_check or no_run, className="faint") if no_check or no_run else None,
        html.P(id="made", role="status"),
    ]


def connect(app: Dash, sources: Sources) -> None:
    """What happens when somebody presses one of them."""
    launcher = Launcher(sources)

    @app.callback(
        Output("made", "children"),
        Input("save", "n_clicks"),
        Input("validate-child", "n_clicks"),
        Input("seed-run", "n_clicks"),
        State("bench", "data"),
        State("child-name", "value"),
        State("child-seeds", "value"),
        State("child-preset", "value"),
        prevent_initial_call=True,
    )
    def done(*told: Any) -> list[Any]:
        clicks, (data, name, seeds, preset) = told[:3], told[3:]
        made = splicing.of_data(data)
        if not any(clicks) or not made.recipient:
            raise PreventUpdate
        try:
            scene = scene_of(sources, made)
            if ctx.triggered_id == "validate-child":
                return validate(launcher, sources, scene, seeds)
            if ctx.triggered_id == "seed-run":
                return seed(launcher, sources, scene, preset)
            return keep(sources, scene, name)
        except (*TROUBLE, LaunchRefused) as error:
            return [html.Span(str(error), className="trouble")]


def keep(sources: Sources, scene: Scene, name: Any) -> list[Any]:
    """Put the child on the custom shelf, unless the library has it.

    Raises:
        GenomeError: It cannot be written.
    """
    child = scene.child
    called = name.strip()[:MOST_LETTERS] if isinstance(name, str) else ""
    told = child.provenance()
    stored, new = add(sources.collection(), child.genome, called or child.name, told)
    link = dcc.Link(stored.name, href=f"/library?genome={stored.genome.id}")
    return ["Saved as ", link, "."] if new else ["The library has it already, as ", link, "."]


def validate(launcher: Launcher, sources: Sources, scene: Scene, seeds: Any) -> list[Any]:
    """Begin to try the child on fresh seeds.

    Raises:
        LaunchRefused: It cannot be begun.
        StoreError: The store cannot be written.
    """
    genome_id = _registered(sources, scene)
    work = launcher.start(Validate(genomes=(genome_id,), seeds=seeds))
    where = f"/stress?{stress([genome_id], seeds, '', 0, False, work).query()}"
    return ["The validation has begun: ", dcc.Link("watch it", href=where), "."]


def seed(launcher: Launcher, sources: Sources, scene: Scene, preset: Any) -> list[Any]:
    """Begin a run that the child is an ancestor of.

    Raises:
        LaunchRefused: It cannot be begun.
        StoreError: The store cannot be written.
    """
    run = launcher.start(Evolve(preset, ancestors=(_registered(sources, scene),)))
    return ["The run has begun: ", dcc.Link(run, href=f"/evolution?run={run}"), "."]


def _registered(sources: Sources, scene: Scene) -> str:
    """Id of the child, which the store knows from now on, with its parents."""
    genome, store = scene.child.genome, store_at(sources.store)
    if not len(store.select("genomes", [genome.id]).table):
        row = genome_row(genome, run="forge", generation=0, **_birth(scene))
        store.append("genomes", [row])
    return genome.id


def _birth(scene: Scene) -> dict[str, Any]:
    """A row has room for two parents; of several donors none is told."""
    child = scene.child
    if not child.changed:
        return {"origin": "given"}
    told = {"origin": child.operator, "mother": child.recipient.genome.id}
    if len(child.donors) != 1:
        return told
    given = tuple(gene for gene in child.changed if gene in scene.made.taken)
    return {**told, "father": child.donors[0].genome.id, "donor_genes": given}
