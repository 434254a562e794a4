"""Library: genomes on their shelves, searched, named and tagged."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from dash import Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate
from flask import Response, request

from dashboards import words
from dashboards.figures.genes import value_in_words
from dashboards.lab.address import GOING, HERE, going, query_of
from dashboards.lab.exports import Export, NothingToExport
from dashboards.lab.library_export import whole
from dashboards.lab.library_files import MOST_UPLOAD, packed, taken_in
from dashboards.lab.sources import Sources
from speciation.genome.collection import Collection, find, rename, search, tag
from speciation.genome.envelope import GenomeError
from speciation.genome.genome import GeneTable, kind_named
from speciation.genome.library import StoredGenome

PATH, TITLE = "/library", "Library"
FILES = "/library-files"
MOST_SHOWN = 500
GIVE = (
    f"A genome (.json) or a library (.zip), up to {MOST_UPLOAD // 10**6} MB; none comes twice."
)
JUDGED = {"selected": "on seeds that evolution chose by", "confirmed": "on fresh seeds"}


def layout(sources: Sources, wanted: dict[str, str]) -> html.Div:
    """The page; the address's query may hold ``text`` and the ``genome`` to open."""
    return html.Div(
        [
            html.Div(
                [
                    html.H1("Library"),
                    dcc.Input(
                        id="search",
                        type="search",
                        value=wanted.get("text", "")[:200],
                        placeholder="Search names, tags, sources, ids",
                        debounce=0.2,
                        maxLength=200,
                    ),
                ],
                className="head",
            ),
            html.Div(
                [
                    dcc.Upload(
                        html.Button("Take in …", className="action"),
                        id="give",
                        accept=".json,.zip",
                        max_size=MOST_UPLOAD,
                    ),
                    html.A("Download all that is listed", id="take", href=FILES),
                    html.Span(GIVE, id="given", role="status", className="faint"),
                ],
                className="reins",
            ),
            html.Div(
                [
                    html.Div(id="shelves", className="shelves"),
                    html.Div(id="genome", className="genome"),
                ],
                className="split wide",
            ),
            dcc.Store(id="changed", data=0),
            dcc.Store(id="chosen", data=wanted.get("genome", "")[:64]),
        ]
    )


def connect(app: Dash, sources: Sources) -> None:
    """What happens when somebody does something."""
    _connect_list(app, sources)
    _connect_sheet(app, sources)
    _connect_files(app, sources)


def _connect_list(app: Dash, sources: Sources) -> None:
    @app.callback(
        Output("shelves", "children"),
        Output("take", "href"),
        Input("search", "value"),
        Input("changed", "data"),
        Input("chosen", "data"),
    )
    def found(text: Any, _: Any, chosen: Any) -> tuple[list[Any], str]:
        try:
            place = sources.collection()
        except GenomeError as error:
            return [html.P(str(error), className="trouble")], FILES
        sought = text[:200] if isinstance(text, str) else ""
        listed = shelves(place, search(place, sought), str(chosen or ""), sought)
        return listed, f"{FILES}?{urlencode({'text': sought}, errors='replace')}"

    @app.callback(
        GOING,
        Input("search", "value"),
        HERE,
        prevent_initial_call=True,
    )
    def addressed(text: Any, before: Any) -> dict[str, Any]:
        wanted = {**query_of(before), "text": text[:200] if isinstance(text, str) else ""}
        told = {key: value for key, value in wanted.items() if value}
        return going(PATH, urlencode(told, errors="replace"), before)

    @app.callback(
        Output("chosen", "data"),
        Input("here", "search"),
        prevent_initial_call=True,
    )
    def chosen(search_text: Any) -> str:
        return query_of(search_text).get("genome", "")[:64]


def _connect_sheet(app: Dash, sources: Sources) -> None:
    @app.callback(
        Output("genome", "children"), Input("chosen", "data"), Input("changed", "data")
    )
    def opened(chosen: Any, _: Any) -> list[Any]:
        if not isinstance(chosen, str) or not chosen:
            return [html.P("Choose a genome to see its genes.", className="faint")]
        try:
            return sheet(find(sources.collection(), chosen))
        except GenomeError as error:
            return [html.P(str(error), className="trouble")]

    @app.callback(
        Output("changed", "data"),
        Output("trouble", "children"),
        Input("keep", "n_clicks"),
        State("chosen", "data"),
        State("name", "value"),
        State("tags", "value"),
        State("changed", "data"),
        prevent_initial_call=True,
    )
    def keep(clicks: Any, chosen: Any, name: Any, tags: Any, changed: Any) -> tuple[int, str]:
        if not clicks or not all(isinstance(own, str) for own in (chosen, name, tags)):
            raise PreventUpdate
        seen = changed if type(changed) is int else 0
        try:
            stored = find(sources.collection(), chosen)
            if name.strip() != stored.name:
                stored = rename(stored, name)
            wanted = set(tags.replace(",", " ").split())
            if wanted != set(stored.tags):
                tag(stored, add=wanted, drop=set(stored.tags) - wanted)
        except GenomeError as error:
            return seen, str(error)
        return seen + 1, "Saved."


def _connect_files(app: Dash, sources: Sources) -> None:
    @app.callback(
        Output("changed", "data", allow_duplicate=True),
        Output("given", "children"),
        Output("give", "contents"),  # else the same file again would be no news
        Input("give", "contents"),
        State("give", "filename"),
        State("changed", "data"),
        prevent_initial_call=True,
    )
    def given(contents: Any, name: Any, changed: Any) -> tuple[int, str, None]:
        if not isinstance(contents, str) or not isinstance(name, str):
            raise PreventUpdate
        seen = changed if type(changed) is int else 0
        try:
            return seen + 1, taken_in(sources.collection(), name, contents), None
        except GenomeError as error:
            return seen, words.sentence(str(error)), None

    @app.server.get(FILES)
    def files() -> Response:
        try:
            place = sources.collection()
            if one := request.args.get("genome", "")[:64]:
                genomes: tuple[StoredGenome, ...] = (find(place, one),)
            else:
                genomes = search(place, request.args.get("text", "")[:200])
            body = packed(place, genomes)
        except GenomeError as error:
            return Response(str(error), status=404, mimetype="text/plain")
        head = {"Content-Disposition": 'attachment; filename="genomes.zip"'}
        return Response(body, mimetype="application/zip", headers=head)


def shelves(
    place: Collection, genomes: tuple[StoredGenome, ...], chosen: str, sought: str
) -> list[Any]:
    """A list a shelf; what could not be read stands below."""
    kept = f"&{urlencode({'text': sought}, errors='replace')}" if sought else ""
    by_shelf: dict[str, list[Any]] = {}
    for own in genomes[:MOST_SHOWN]:
        item = dcc.Link(
            [
                html.Span(own.name),
                html.Code(words.short(own.genome.id)),
                *(html.Small(word, className="tag") for word in own.tags),
            ],
            href=f"{PATH}?genome={own.genome.id}{kept}",
            className="item chosen" if own.genome.id == chosen else "item",
        )
        by_shelf.setdefault(place.shelf_of(own), []).append(item)
    parts: list[Any] = []
    for shelf, items in by_shelf.items():
        parts += [html.H2(shelf.replace("_", " ").capitalize()), html.Div(items, role="list")]
    if not parts:
        parts = [html.P("No genome matches. Clear the search to see all.", className="faint")]
    parts += [
        html.P(f"Left out: {sentence}", className="trouble") for sentence in place.refused
    ]
    return parts


def sheet(stored: StoredGenome) -> list[Any]:
    """One genome: name and tags to change, genes to read, where it is from."""
    kind = kind_named(stored.genome.kind)
    genes = kind.genes if isinstance(kind, GeneTable) else ()
    rows = [
        html.Tr(
            [
                html.Th(gene.name.replace("_", " "), scope="row"),
                html.Td(value_in_words(gene, stored.genome.gene(gene.name))),
                html.Td(_line(float(gene.to_unit(stored.genome.gene(gene.name))))),
            ]
        )
        for gene in genes
    ]
    source = str(stored.provenance.get("source", ""))[:500]
    return [
        html.Label(["Name", dcc.Input(id="name", value=stored.name, maxLength=200)]),
        html.Label(["Tags", dcc.Input(id="tags", value=" ".join(stored.tags), maxLength=400)]),
        html.Button("Save", id="keep", className="action"),
        html.P(id="trouble", role="status", className="faint"),
        html.P([html.Code(stored.genome.id)]),
        html.P(
            [
                dcc.Link("To the forge", href=f"/forge?recipient={stored.genome.id}"),
                html.A("Download", href=f"{FILES}?genome={stored.genome.id}"),
                dcc.Link("Stress test", href=f"/stress?genomes={stored.genome.id}"),
            ],
            className="actions",
        ),
        html.P(words.sentence(source) if source else "", className="faint"),
        *_figures(stored),
        html.Table(html.Tbody(rows), className="sheet"),
    ]


def _figures(stored: StoredGenome) -> list[html.P]:
    """How it did on seeds that evolution chose by, and on fresh ones, where its file tells."""
    told = {name: words.performance(stored.provenance.get(name)) for name in JUDGED}
    return [
        html.P([html.B(f"{name.capitalize()}: "), said], title=JUDGED[name])
        for name, said in told.items()
        if said != words.NOTHING
    ]


def _line(position: float) -> html.Span:
    dot = html.I(style={"left": f"{100 * position:.1f}%"})
    return html.Span(dot, className="range", title=f"at {100 * position:.0f} % of its range")


def export(sources: Sources, wanted: dict[str, str]) -> Export:
    """The genomes that are listed, as a page that stands alone.

    Raises:
        NothingToExport: There is no library, or nothing in it matches.
    """
    try:
        place = sources.collection()
    except GenomeError as error:
        raise NothingToExport(str(error)) from error
    genomes = search(place, wanted.get("text", "")[:200])
    if not genomes:
        raise NothingToExport("No genome matches, so there is nothing to export.")
    return Export("library", whole(place, genomes))
