"""The champion's genes: each value, and where it lies in its range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboards import words
from dashboards.markup import Html, tag
from speciation.genome.genes import Gene
from speciation.genome.genome import GeneTable, kind_named


@dataclass(frozen=True, slots=True)
class Place:
    """A gene of a genome.

    Args:
        gene: Its name, range and scale.
        value: What the genome has.
        position: From 0 at the low end to 1 at the high end, on the gene's own scale.
    """

    gene: Gene
    value: float
    position: float


def gene_places(genome: Mapping[Any, Any]) -> dict[str, tuple[Place, ...]]:
    """The genes of a row of ``genomes`` by gene group; none if its kind has no gene table."""
    kind = kind_named(str(genome["kind"]))
    if not isinstance(kind, GeneTable):
        return {}
    return {
        group: tuple(_place(kind.genes[i], float(genome[kind.genes[i].name])) for i in columns)
        for group, columns in kind.groups.items()
    }


def _place(gene: Gene, value: float) -> Place:
    return Place(gene, value, float(gene.to_unit(value)))


def gene_table(places: Mapping[str, tuple[Place, ...]]) -> Html:
    """A table a group, genes as rows, each with a dot on the line of its range."""
    groups = (
        tag("table", tag("caption", group), tag("tbody", *map(_row, own)), class_="genes")
        for group, own in places.items()
    )
    return tag("div", *groups, class_="groups")


def _row(place: Place) -> Html:
    gene, percent = place.gene, 100 * place.position
    ends = f"{value_in_words(gene, gene.low)} to {value_in_words(gene, gene.high)}"
    line = tag(
        "span",
        tag("i", style=f"left:{percent:.1f}%"),
        class_="range",
        role="img",
        aria_label=f"at {percent:.0f} % of its range, {ends}",
        title=f"{ends}, {gene.scale} scale",
    )
    return tag(
        "tr",
        tag("th", gene.name.replace("_", " "), tag("small", gene.meaning), scope="row"),
        tag("td", value_in_words(gene, place.value)),
        tag("td", line),
    )


def value_in_words(gene: Gene, value: float) -> str:
    """A gene's value as people say it."""
    if gene.scale == "integer":
        return words.number(value)
    return f"{value:.5g}" if gene.scale == "log1m" else words.scientific(value)
