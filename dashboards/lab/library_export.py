"""The library as one HTML page: its shelves, and every genome with its genes."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards import words
from dashboards.figures.genes import gene_places, gene_table
from dashboards.markup import Html, join, tag
from dashboards.page import page, top
from speciation.genome.collection import Collection
from speciation.genome.library import StoredGenome

MOST_OPENED = 300
"""Genomes whose genes stand on the page; the others are in the list alone."""


def whole(place: Collection, genomes: Sequence[StoredGenome]) -> bytes:
    """The page.

    Args:
        place: The library.
        genomes: Those of it that are shown, in order.
    """
    return page(
        "Library",
        top(
            join("Library of ", tag("b", "genomes")),
            words.counted(len(genomes), "genome"),
        ),
        tag(
            "main",
            tag("section", tag("h2", "On their shelves"), _list(place, genomes)),
            tag(
                "section",
                tag("h2", "Gene by gene"),
                *(_genes(own) for own in genomes[:MOST_OPENED]),
            ),
        ),
        tag("footer", "Selected: on seeds that evolution chose by. Confirmed: on fresh ones."),
        script=None,
    )


def _list(place: Collection, genomes: Sequence[StoredGenome]) -> Html:
    names = ("genome", "id", "shelf", "tags", "selected", "confirmed")
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    rows = (
        tag(
            "tr",
            tag("th", own.name, scope="row"),
            tag("td", tag("code", words.short(own.genome.id)), style="white-space:nowrap"),
            tag("td", place.shelf_of(own).replace("_", " ")),
            tag("td", ", ".join(own.tags)),
            *(tag("td", words.performance(own.provenance.get(name))) for name in names[-2:]),
        )
        for own in genomes
    )
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll")


def _genes(own: StoredGenome) -> Html:
    row = {"kind": own.genome.kind, **dict(own.genome.genes)}
    source = str(own.provenance.get("source", ""))[:500]
    return tag(
        "details",
        tag("summary", f"{own.name} · {words.short(own.genome.id)}"),
        tag("p", source, class_="faint") if source else None,
        tag("p", tag("code", own.genome.id)),
        gene_table(gene_places(row)),
    )
