"""Gene Forge: a recipient beside its donors, and a child made of their genes by hand."""

from __future__ import annotations

from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.forge import whole
from dashboards.lab import forge_orders, forge_view, splicing
from dashboards.lab.address import GOING, HERE, follow, follower, going, query_of
from dashboards.lab.choosing import options
from dashboards.lab.exports import Export, NothingToExport, saves
from dashboards.lab.forecast import Forecast
from dashboards.lab.forge_view import OF_RECIPIENT, TROUBLE, Scene, scene_of
from dashboards.lab.menus import searched
from dashboards.lab.sources import Sources
from dashboards.lab.splicing import MOST_DONORS, Splicing
from speciation.analysis.forge import gene_table, genes_named
from speciation.analysis.surrogate import SurrogateError
from speciation.genome.envelope import GenomeError
from speciation.genome.genes import Gene
from speciation.genome.genome import Genomes

PATH, TITLE = "/forge", "Forge"
USUAL = "stock-adamw"
"""File of the library whose genome is the recipient to begin with."""
MOST_ACTS = 100
"""That one answer is to; nobody does so much in the meantime."""


def layout(sources: Sources, wanted: dict[str, str]) -> html.Div:
    """The page; the address's query tells a :class:`~dashboards.lab.splicing.Splicing`."""
    made = told(sources, wanted)
    chosen = (made.recipient,) if made.recipient else ()
    return html.Div(
        [
            html.H1("Gene Forge"),
            html.P(
                "A child begins as its recipient. Click a donor's value to transfer that gene, "
                "“all” to transfer its group, or drag a slider.",
                className="lead",
            ),
            html.Div(
                [
                    forge_view.menu(
                        "recipient",
                        "Recipient",
                        options(sources, "", chosen),
                        made.recipient or None,
                    ),
                    forge_view.menu(
                        "donors",
                        f"Donors, at most {MOST_DONORS}",
                        options(sources, "", made.donors),
                        list(made.donors),
                        multi=True,
                    ),
                ],
                className="picks",
            ),
            html.Div(_workshop(sources), id="workshop", hidden=True),
            html.P(id="forge-empty", className="empty"),
            html.P(id="forge-trouble", role="alert", className="trouble"),
            follower("forge-address"),
            dcc.Store(id="bench", data=made.data() | {"by": "link"}),
            dcc.Store(id="acts", data=[]),
        ],
        className="forge",
    )


def told(sources: Sources, wanted: dict[str, str]) -> Splicing:
    """What an address tells, or else what the forge opens with."""
    return splicing.of_query(wanted) if wanted else opening(sources)


def opening(sources: Sources) -> Splicing:
    """What lies on the forge before anybody chose: the usual genome, a champion as donor."""
    try:
        place = sources.collection()
    except GenomeError:
        return Splicing()
    usual = next((own for own in place.genomes if own.path.stem == USUAL), None)
    best = next((own for own in place.genomes if own is not usual), None)
    if usual is None or best is None or usual.genome.kind != best.genome.kind:
        return Splicing()
    return Splicing().among(usual.genome.id, [best.genome.id])


def _workshop(sources: Sources) -> list[Any]:
    """What is there as soon as a recipient is."""
    graph = dcc.Graph(
        id="radar", responsive=True, config={"displayModeBar": False}, className="radar"
    )
    return [
        html.Div(
            [
                html.Div([html.Ul(id="radar-keys", className="keys"), graph, saves("radar")]),
                html.Div(
                    [
                        html.Label(
                            [
                                html.Span("The child's name"),
                                dcc.Input(id="child-name", maxLength=200),
                            ]
                        ),
                        html.Div(id="child"),
                        *forge_orders.buttons(sources),
                        html.Div(id="prediction", className="prediction"),
                    ],
                    className="genome",
                ),
            ],
            className="split wide",
        ),
        html.Div(html.Table(id="genes", className="genes"), className="scroll"),
    ]


def connect(app: Dash, sources: Sources) -> None:
    """What happens when somebody does something."""
    follow(app, "forge-address")
    for menu in ("recipient", "donors"):
        searched(app, menu, lambda text, own: options(sources, text, splicing.ids(own)))
    _splicing(app, sources)
    _drawing(app, sources)
    forge_orders.connect(app, sources)


def _splicing(app: Dash, sources: Sources) -> None:
    # Hands are faster than answers, and the answer to an older question is dropped. So the
    # browser keeps a list of all that was done, and an answer says how far it has come in it.
    app.clientside_callback(
        ClientsideFunction("forge", "noted"),
        Output("acts", "data"),
        Input({"kind": "take", "donor": ALL, "genes": ALL}, "n_clicks"),
        Input({"kind": "slide", "gene": ALL}, "value"),
        Input({"kind": "value", "gene": ALL}, "value"),
        State("acts", "data"),
        State("bench", "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("bench", "data"),
        Output("forge-trouble", "children"),
        Output("recipient", "value"),
        Output("donors", "value"),
        Input("forge-address", "data"),
        Input("recipient", "value"),
        Input("donors", "value"),
        Input("acts", "data"),
        State("bench", "data"),
        prevent_initial_call=True,
    )
    def spliced(
        search: Any, recipient: Any, donors: Any, acts: Any, bench: Any
    ) -> tuple[Any, ...]:
        before, by = splicing.of_data(bench), ctx.triggered_id
        try:
            if by == "forge-address":
                after, how = splicing.of_query(query_of(search)), {"by": "link"}
            elif by == "acts":
                after, how = done(sources, before, acts, bench)
            else:
                after, how = joined(before, recipient, donors), {"by": "parties"}
            if after == before and by != "acts":
                raise PreventUpdate
            if after.recipient:
                scene_of(sources, after)
        except TROUBLE as error:
            return no_update, str(error), no_update, no_update
        last = acts[-1] if isinstance(acts, list) and acts else bench
        data = {"count": counted(last)} | after.data() | how
        return data, how.get("trouble", ""), after.recipient or None, list(after.donors)


def joined(before: Splicing, recipient: Any, donors: Any) -> Splicing:
    """What is on the forge after other genomes were chosen, as a browser tells them."""
    return before.among("".join(splicing.ids([recipient])), splicing.ids(donors))


def done(
    sources: Sources, before: Splicing, acts: Any, bench: Any
) -> tuple[Splicing, dict[str, Any]]:
    """What is on the forge after all that somebody did since the last answer.

    Args:
        sources: Where genomes are.
        before: What was there.
        acts: From the browser: of each act its ``count``, what was touched, and its value.
        bench: From the browser: its ``count`` is that of the last act that was answered.

    Returns:
        It, and how to tell it: what was touched last, the last count, and the last trouble.

    Raises:
        GenomeError: A genome is not found.
        PartyError: Likewise.
        StoreError: The store cannot be read.
    """
    after, told = before, dict[str, Any](by="slide", count=counted(bench))
    for act in (acts if isinstance(acts, list) else [])[-MOST_ACTS:]:
        if counted(act) <= told["count"]:
            continue
        by = act.get("by")
        touched = by if isinstance(by, dict) else {}
        scene = scene_of(sources, after)
        told["count"] = counted(act)
        try:
            after = moved(scene, touched, act.get("value"))
        except GenomeError as error:
            told["trouble"] = str(error)
        else:
            told["by"] = "slide" if told["by"] == touched.get("kind") == "slide" else "take"
    return after, told


def counted(data: Any) -> int:
    """The ``count`` in what a browser sent; 0 if it is none."""
    count = data.get("count") if isinstance(data, dict) else 0
    return count if type(count) is int and count > 0 else 0


def moved(scene: Scene, by: dict[str, Any], value: Any) -> Splicing:
    """What is on the forge after somebody clicked, dragged or typed.

    Args:
        scene: What was there.
        by: Id of what was touched: ``kind`` is ``take``, ``slide`` or ``value``.
        value: What it says now; a type that it cannot have changes nothing.

    Raises:
        GenomeError: What was typed is no number, or out of the gene's range.
    """
    made, kind = scene.made, by.get("kind")
    if kind == "take" and value:
        genes = genes_named(gene_table(scene.recipient.genome), [str(by.get("genes"))])
        place = by.get("donor")
        if place == OF_RECIPIENT:
            return made.without(genes)
        if type(place) is int and 0 <= place < len(made.donors):
            return made.taking(made.donors[place], genes)
        return made
    gene = next((own for own in scene.genes if own.name == by.get("gene")), None)
    if gene is None:
        return made
    now = scene.child.genome.gene(gene.name)
    if kind == "slide" and (place := splicing.number(value)) is not None:
        same = round(place) == splicing.position(gene, now)
        return made if same else made.setting(gene.name, splicing.value_at(gene, place))
    if kind == "value" and isinstance(value, str) and value != splicing.digits(now):
        return made.setting(gene.name, _typed(gene, value))
    return made


def _typed(gene: Gene, text: str) -> float:
    number = splicing.number(text.strip())
    if number is None or not gene.contains(number):
        raise GenomeError(
            f"{gene.name.replace('_', ' ')} must be {gene.describe_range()}, got {text[:24]!r}"
        )
    return number


def _drawing(app: Dash, sources: Sources) -> None:
    @app.callback(
        Output("workshop", "hidden"),
        Output("forge-empty", "children"),
        Output("radar", "figure"),
        Output("radar-keys", "children"),
        Output("genes", "children"),
        Output("child", "children"),
        Output("child-name", "placeholder"),
        Input("bench", "data"),
    )
    def drawn(data: Any) -> tuple[Any, ...]:
        return looks(sources, data)

    @app.callback(GOING, Input("bench", "data"), HERE, prevent_initial_call=True)
    def addressed(data: Any, search: Any) -> dict[str, Any]:
        if not isinstance(data, dict) or data.get("by") == "link":
            raise PreventUpdate
        return going(PATH, splicing.of_data(data).query(), search)

    @app.callback(Output("prediction", "children"), Input("bench", "data"))
    def predicted(data: Any) -> list[Any]:
        return foretold(sources, splicing.of_data(data))


def looks(sources: Sources, data: Any) -> tuple[Any, ...]:
    """What the workshop shows of a bench: what changed since the last look, and else nothing.

    Returns:
        Whether it is hidden and what is said instead; radar and keys; genes; child and name.
    """
    made, by = splicing.of_data(data), data.get("by") if isinstance(data, dict) else None
    said = "Choose a recipient to begin: a genome of the library, or of the store."
    if not made.recipient:
        return True, said, *[no_update] * 5
    try:
        scene = scene_of(sources, made)
    except TROUBLE as error:
        return True, str(error), *[no_update] * 5
    anew = by in ("parties", "link", None)
    return (
        False,
        "",
        forge_view.radar(scene) if anew else forge_view.radar_moved(scene),
        forge_view.legend(scene) if anew else no_update,
        no_update if by == "slide" else forge_view.table(scene),
        forge_view.child(scene),
        scene.child.name,
    )


def foretold(sources: Sources, made: Splicing) -> list[Any]:
    """What is predicted of all on the forge, or why nothing is."""
    if not made.recipient:
        return []
    try:
        scene = scene_of(sources, made)
        learned = sources.shared(Forecast).surrogate()
        found = learned.predict(Genomes.of(scene.genomes))
    except (*TROUBLE, SurrogateError) as error:
        return forge_view.no_prediction(str(error))
    return forge_view.prediction(learned, list(zip(scene.comparison.names, found, strict=True)))


def export(sources: Sources, wanted: dict[str, str]) -> Export:
    """The comparison as a page that stands alone.

    Raises:
        NothingToExport: Nobody is on the forge, or somebody is not found.
    """
    made = told(sources, wanted)
    if not made.recipient:
        raise NothingToExport("Choose a recipient first, then export the comparison.")
    try:
        scene = scene_of(sources, made)
    except TROUBLE as error:
        raise NothingToExport(str(error)) from error
    comparison = scene.comparison
    try:
        learned = sources.shared(Forecast).surrogate()
        found = learned.predict(Genomes.of(scene.genomes))
    except (*TROUBLE, SurrogateError):
        return Export("forge", whole(comparison, None, {}))
    return Export(
        "forge", whole(comparison, learned, dict(zip(comparison.names, found, strict=True)))
    )
