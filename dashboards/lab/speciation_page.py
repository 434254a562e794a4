"""Speciation: genomes in three dimensions, seven ranks, ids a click away."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from dash import (
    ALL,
    ClientsideFunction,
    Dash,
    Input,
    Output,
    Patch,
    State,
    ctx,
    dcc,
    html,
    no_update,
)
from dash.exceptions import PreventUpdate

from dashboards import theme, words
from dashboards.figures.space import axes_in_words
from dashboards.lab import ancestry_page, lineage_view, space_view
from dashboards.lab.address import GOING, HERE, follow, follower, going, query_of
from dashboards.lab.exports import Export, NothingToExport, saves
from dashboards.lab.launcher import TAXONOMY, Classify, Launcher, LaunchRefused
from dashboards.lab.marks import figure, repainted
from dashboards.lab.sources import Sources
from dashboards.lab.space_view import level_of
from dashboards.lab.works import read_work, tail
from dashboards.taxonomy import genes_in_words, opinion_in_words, whole
from speciation.analysis.taxonomy import RANKS, Species, Taxonomy

PATH, TITLE = "/speciation", "Speciation"
TICK_MS = 2000
CLASSIFYING = "Genomes are being classified …"


def layout(sources: Sources, wanted: dict[str, str]) -> html.Div:
    """The page.

    Args:
        sources: What to look at.
        wanted: The address's query: ``rank`` is the one to begin with.
    """
    return html.Div(_page(sources, wanted), id="speciation")


def _page(sources: Sources, wanted: dict[str, str]) -> list[Any]:
    taxonomy = sources.taxonomy()
    if taxonomy is None:
        return [
            html.H1("No species yet"),
            html.P("Species are kinds of genomes, found among all that the store has tried."),
            _classify("Find species"),
            dcc.Interval(id="species-awaited", interval=TICK_MS),
        ]
    level = level_of(taxonomy, wanted)
    return [
        html.Div(
            [
                html.H1("Speciation"),
                html.P(_lead(taxonomy), id="species-lead", className="lead"),
                html.Div(
                    dcc.Slider(
                        min=0,
                        max=6,
                        step=1,
                        value=level,
                        marks={i: rank.title() for i, rank in enumerate(RANKS)},
                        id="rank",
                        included=False,
                        allow_direct_input=False,
                    ),
                    className="ranks",
                ),
            ],
            className="head",
        ),
        html.Div(
            [
                html.Div(
                    [
                        space_view.view(sources, taxonomy, wanted),
                        html.Div(
                            [html.Small(axes_in_words(taxonomy), id="axes"), saves("space")],
                            className="under",
                        ),
                    ]
                ),
                html.Div(
                    [
                        html.Div(species(taxonomy, level), id="species", className="species"),
                        html.Div(id="copied", role="status"),
                    ]
                ),
            ],
            className="split",
        ),
        html.Div(id="lineage", className="lineage"),
        ancestry_page.frame(sources, taxonomy, wanted),
        html.H2("A second opinion"),
        html.P(opinion_in_words(taxonomy), id="species-opinion", className="lead"),
        _classify("Classify again"),
        dcc.Interval(id="species-tick", interval=TICK_MS),
        dcc.Store(id="species-seen", data=sources.taxonomy_state()),
        dcc.Store(id="painted", data=level),
        dcc.Store(id="ids"),
        follower("speciation-address"),
    ]


def _lead(taxonomy: Taxonomy) -> str:
    return (
        f"{len(taxonomy.ids):,} genomes; the tree is clearest at the rank of "
        f"{taxonomy.clearest}. Click a point to copy its id, a species to copy all of its ids."
    )


def _classify(called: str) -> html.Div:
    return html.Div(
        [
            html.Button(called, id="classify", className="action"),
            html.Span(id="classifying", role="status", className="faint"),
        ],
        className="reins",
    )


def warm(sources: Sources) -> None:
    """Draw what is shown first, before anybody asks."""
    taxonomy = sources.taxonomy()
    if taxonomy is not None:
        space_view.warm(taxonomy)


def species(taxonomy: Taxonomy, level: int) -> list[html.Button]:
    """A button a species, the largest first."""
    return [
        html.Button(
            [
                html.I(
                    style={"background": theme.species_colour(own.colour)},
                    className=theme.species_shape(own.colour),
                ),
                html.Span(own.name),
                html.Small(f"{own.size:,}"),
                html.Small(_sure(own), className="genes-of"),
            ],
            id={"kind": "species", "number": i},
            className="one",
            title=f"{genes_in_words(own)}\nClick to copy {words.counted(own.size, 'id')}",
        )
        for i, own in enumerate(taxonomy.species[level])
    ]


def _sure(own: Species) -> str:
    """Its foremost genes in standard deviations, and how often it is found again."""
    genes = ", ".join(genes_in_words(own).split(", ")[:2])
    return genes if own.stability is None else f"{genes} · stability {own.stability:.2f}"


def connect(app: Dash, sources: Sources) -> None:
    """What happens when somebody does something."""
    follow(app, "speciation-address")

    @app.callback(
        Output("space", "figure"),
        Output("species", "children"),
        Output("painted", "data"),
        GOING,
        Input("rank", "value"),
        State("painted", "data"),
        HERE,
        prevent_initial_call=True,
    )
    def another_rank(level: Any, painted: Any, search: Any) -> tuple[Any, ...]:
        taxonomy = sources.taxonomy()
        if taxonomy is None or not _is_level(level):
            raise PreventUpdate
        before = query_of(search)
        query = urlencode({**before, "rank": RANKS[level]}, safe=",", errors="replace")
        where = going(PATH, query, search, replace="rank" not in before)
        if level == painted:  # the page is new, and to paint it twice takes long
            return *[no_update] * 3, where
        return repainted(taxonomy, level), species(taxonomy, level), level, where

    @app.callback(
        Output("rank", "value"),
        Input("speciation-address", "data"),
        State("rank", "value"),
        prevent_initial_call=True,
    )
    def gone_back(search: Any, level: Any) -> int:
        taxonomy = sources.taxonomy()
        if taxonomy is None or level_of(taxonomy, query_of(search)) == level:
            raise PreventUpdate
        return level_of(taxonomy, query_of(search))

    @app.callback(
        Output("ids", "data"),
        Input({"kind": "species", "number": ALL}, "n_clicks"),
        State("rank", "value"),
        prevent_initial_call=True,
    )
    def a_species(clicks: Any, level: Any) -> dict[str, Any]:
        taxonomy, asked = sources.taxonomy(), ctx.triggered_id
        if taxonomy is None or not _is_level(level) or not any(clicks or ()):
            raise PreventUpdate
        number = asked.get("number") if asked is not None else None
        own = taxonomy.species[level]
        if type(number) is not int or not 0 <= number < len(own):
            raise PreventUpdate
        ids = taxonomy.members(RANKS[level], own[number].name)
        return {"text": "\n".join(ids), "said": f"{words.counted(len(ids), 'id')} copied"}

    _connect_classifying(app, sources)
    space_view.connect(app, sources)
    ancestry_page.connect(app, sources, PATH)

    @app.callback(Output("lineage", "children"), Input("rank", "value"))
    def lived(level: Any) -> list[Any]:
        taxonomy = sources.taxonomy()
        if taxonomy is None or not _is_level(level):
            raise PreventUpdate
        return lineage_view.parts(sources, taxonomy, RANKS[level])

    copy = ClientsideFunction("lab", "copy")
    app.clientside_callback(
        copy,
        Output("copied", "children"),
        Input("space", "clickData"),
        Input("ids", "data"),
        State("space", "figure"),
        prevent_initial_call=True,
    )


def _connect_classifying(app: Dash, sources: Sources) -> None:
    """Genomes are classified on demand; whoever did it, the page shows it."""
    launcher = Launcher(sources)

    @app.callback(
        Output("classifying", "children"),
        Input("classify", "n_clicks"),
        prevent_initial_call=True,
    )
    def classify(clicks: Any) -> str:
        if not clicks:
            raise PreventUpdate
        try:
            launcher.start(Classify())
        except LaunchRefused as refused:
            return str(refused)
        return CLASSIFYING

    @app.callback(
        Output("speciation", "children"),
        Output("classifying", "children", allow_duplicate=True),
        Input("species-awaited", "n_intervals"),
        prevent_initial_call=True,
    )
    def awaited(_: Any) -> tuple[Any, Any]:
        if sources.taxonomy() is None:
            return no_update, _how_it_goes(sources)
        return _page(sources, {}), no_update

    @app.callback(
        Output("space", "figure", allow_duplicate=True),
        Output("species", "children", allow_duplicate=True),
        Output("species-lead", "children"),
        Output("axes", "children"),
        Output("species-opinion", "children"),
        Output("lineage", "children", allow_duplicate=True),
        Output("species-seen", "data"),
        Output("classifying", "children", allow_duplicate=True),
        Input("species-tick", "n_intervals"),
        State("species-seen", "data"),
        State("rank", "value"),
        prevent_initial_call=True,
    )
    def looked(_: Any, seen: Any, level: Any) -> tuple[Any, ...]:
        now, taxonomy = sources.taxonomy_state(), sources.taxonomy()
        if taxonomy is None or now == seen or not _is_level(level):
            return *[no_update] * 7, _how_it_goes(sources)
        return (
            _regrown(taxonomy, level),
            species(taxonomy, level),
            _lead(taxonomy),
            axes_in_words(taxonomy),
            opinion_in_words(taxonomy),
            lineage_view.parts(sources, taxonomy, RANKS[level]),
            now,
            "",
        )


def _regrown(taxonomy: Taxonomy, level: int) -> Patch:
    """All of a figure but its camera, which is the browser's."""
    now, patch = figure(taxonomy, level), Patch()
    patch["data"] = now["data"]
    for axis in ("xaxis", "yaxis", "zaxis"):
        patch["layout"]["scene"][axis] = now["layout"]["scene"][axis]
    return patch


def _how_it_goes(sources: Sources) -> str:
    """Whether genomes are being classified, or why that did not work."""
    work = read_work(sources.store, TAXONOMY)
    if work is None:
        return ""
    if work.running:
        return CLASSIFYING
    last = tail(sources.store, TAXONOMY).strip().rpartition("\n")[2]
    return last.removeprefix("error ").strip() if last.startswith("error") else ""


def _is_level(value: Any) -> bool:
    return type(value) is int and 0 <= value < len(RANKS)


def export(sources: Sources, wanted: dict[str, str]) -> Export:
    """The taxonomy at the rank that is shown, as a page that stands alone.

    Raises:
        NothingToExport: There is no taxonomy.
    """
    taxonomy = sources.taxonomy()
    if taxonomy is None:
        raise NothingToExport("There is no taxonomy beside this store, so there is no page.")
    rank = RANKS[level_of(taxonomy, wanted)]
    lived = lineage_view.lived(sources, taxonomy, rank)
    return Export(
        "taxonomy", whole(taxonomy, rank, ancestry_page.asked(sources, lived, wanted))
    )
