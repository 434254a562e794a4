"""The page of a taxonomy: genomes in space, seven ranks, every species with its ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dashboards import theme, words
from dashboards.figures.lineage import ORIGINS, draw_ancestry, draw_stream
from dashboards.figures.space import (
    MOST_POINTS,
    axes_in_words,
    draw_ranks,
    draw_space,
    keys_of,
)
from dashboards.markup import Html, join, tag
from dashboards.page import keys, page, plot, top
from speciation.analysis.lineage import OTHERS, Ancestry, Lived
from speciation.analysis.taxonomy import RANKS, Species, Taxonomy, gene_labels, rank_index
from speciation.genome.genome import kind_named
from speciation.tables.files import LocalFiles

MOST_IDS = 5000
"""Ids that the page lists; a larger store has them from the command line."""


def report(taxonomy: Taxonomy, rank: str, output: Path, lived: Sequence[Lived] = ()) -> None:
    """Write the page; the file is there whole, or not at all.

    Args:
        taxonomy: What was classified.
        rank: The one to show.
        output: The HTML file. An old one is replaced in one step.
        lived: Runs whose lineage is shown.

    Raises:
        StoreError: The file cannot be written.
        TaxonomyError: The rank is none.
    """
    LocalFiles(output.absolute().parent).replace(output.name, whole(taxonomy, rank, lived))


def whole(taxonomy: Taxonomy, rank: str, lived: Sequence[Lived] = ()) -> bytes:
    """The page, complete; see :func:`report`.

    Raises:
        TaxonomyError: The rank is none.
    """
    rank_index(rank)
    return page(
        "Taxonomy",
        _header(taxonomy, rank),
        tag(
            "main",
            _space(taxonomy, rank),
            _ranks(taxonomy),
            _species(taxonomy, rank),
            *(lineage_section(own, taxonomy, rank) for own in lived),
            _opinion(taxonomy),
        ),
        tag(
            "footer",
            "Distances are Euclidean over genes on their own scales, each in standard "
            "deviations. Names, colours and axes stay when genomes are added.",
        ),
    )


def lineage_report(lineage: Ancestry, output: Path) -> None:
    """Write the page of one ancestry; the file is there whole, or not at all.

    Raises:
        StoreError: The file cannot be written.
    """
    made = words.short(lineage.genome_id)
    body = page(
        f"Lineage of {made}",
        top(
            join("Lineage of ", tag("b", lineage.genome_id)),
            f"From {words.counted(len(lineage.founders), 'founder')} to {made}",
        ),
        tag("main", tag("section", *ancestry_parts(lineage))),
        tag("footer", "From births as the store tells them."),
    )
    LocalFiles(output.absolute().parent).replace(output.name, body)


def _header(taxonomy: Taxonomy, rank: str) -> Html:
    own = taxonomy.at(rank)
    explained = 100 * taxonomy.space.explained.sum()
    glance = {
        "genomes": (f"{len(taxonomy.ids):,}", f"of kind {taxonomy.space.kind}"),
        "species": (str(len(own)), f"at the rank of {rank}"),
        "clearest rank": (taxonomy.clearest, "where the tree has its widest gap"),
        "explained": (f"{explained:.0f} %", "of all variance, by three components"),
    }
    largest = " and ".join(species.name for species in own[:2])
    many = f"{words.counted(len(own), 'species').removesuffix('s')}, such as {largest}"
    return top(
        join("Taxonomy of ", tag("b", "genomes")), many if len(own) > 1 else largest, glance
    )


def _space(taxonomy: Taxonomy, rank: str) -> Html:
    thinned = (
        f" Of {len(taxonomy.ids):,} genomes about {MOST_POINTS:,} are drawn, evenly spread."
        if len(taxonomy.ids) > MOST_POINTS
        else ""
    )
    rest = len(taxonomy.at(rank)) - len(keys_of(taxonomy, rank))
    return tag(
        "section",
        tag("h2", "In space"),
        keys(keys_of(taxonomy, rank)),
        tag("p", f"and {rest} smaller ones", class_="faint") if rest else None,
        plot(
            draw_space(taxonomy, rank),
            "space",
            f"Genomes as points in three dimensions, coloured by {rank}.",
            f"{axes_in_words(taxonomy)} Drag to turn, scroll to come nearer; the cursor shows "
            f"a genome's id.{thinned}",
        ),
    )


def _ranks(taxonomy: Taxonomy) -> Html:
    return tag(
        "section",
        tag("h2", "Seven ranks"),
        plot(
            draw_ranks(taxonomy),
            "ranks",
            "Species of seven ranks; each stands under the one that contains it.",
            f"From {RANKS[0]} at the top to {RANKS[-1]} at the bottom; a box is as wide as it "
            "has genomes. Click one to come nearer, and its top to go back.",
        ),
    )


def _species(taxonomy: Taxonomy, rank: str) -> Html:
    head = tag(
        "tr",
        *(
            tag("th", name, scope="col")
            for name in ("species", "genomes", "stability", "genes")
        ),
    )
    rows = (_row(own) for own in taxonomy.at(rank))
    lists: tuple[Html, ...] = ()
    if len(taxonomy.ids) <= MOST_IDS:
        lists = tuple(
            tag(
                "details",
                tag("summary", f"{own.name}: {words.counted(own.size, 'id')}"),
                tag("pre", "\n".join(taxonomy.members(rank, own.name))),
            )
            for own in taxonomy.at(rank)
        )
    return tag(
        "section",
        tag("h2", f"Species at the rank of {rank}"),
        tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll"),
        tag(
            "p",
            "Stability is the mean Jaccard index of finding a species again among resampled "
            "genomes; from 0.75 on it is stable (Hennig 2007). Genes are the furthest from the "
            "mean of all genomes, in standard deviations.",
        ),
        *lists,
    )


def _row(own: Species) -> Html:
    colour = theme.species_colour(own.colour)
    stability = words.NOTHING if own.stability is None else f"{own.stability:.2f}"
    swatch = tag("span", class_="swatch", style=f"background:{colour}")
    return tag(
        "tr",
        tag("th", swatch, own.name, scope="row"),
        tag("td", f"{own.size:,}"),
        tag("td", stability),
        tag("td", genes_in_words(own)),
    )


def genes_in_words(own: Species) -> str:
    """The genes in which a species deviates most."""
    told = (
        f"{_WORDS.get(gene, gene)} {words.signed(away, 1)}" for gene, away in own.deviations
    )
    return ", ".join(list(told)[:4])


_GENES = kind_named("hyper17").columns
_WORDS = {
    label: gene.replace("_", " ")
    for label, gene in zip(gene_labels("hyper17", len(_GENES)), _GENES, strict=True)
}
"""What names of species say in short → the gene, as every other page calls it."""


def lineage_section(lived: Lived, taxonomy: Taxonomy, rank: str) -> Html:
    """Where a run's species and its champion came from."""
    number = {own.name: own.colour for own in taxonomy.at(rank)}
    parts: list[Html] = []
    if lived.stream is not None and lived.stream.counts.size:
        shown = {
            name: theme.GREY if name == OTHERS else theme.species_colour(number[name])
            for name in lived.stream.names
        }
        parts += [
            tag("h3", "Species over generations"),
            keys(shown),
            plot(
                draw_stream(lived.stream, number),
                f"stream-{lived.run}",
                "How many genomes of each species lived in each generation.",
                "A band is a species, as wide as it has genomes in that generation.",
            ),
        ]
    if lived.ancestry is not None:
        parts += ancestry_parts(lived.ancestry)
    return tag("section", tag("h2", f"Lineage in {lived.run}"), *parts)


def ancestry_parts(lineage: Ancestry) -> list[Html]:
    """A genome's ancestry, with its key."""
    made = sorted({own.origin for own in lineage.ancestors})
    founders = words.counted(len(lineage.founders), "founder")
    partial = "" if lineage.complete else " Some lines could not be followed to their founder."
    return [
        tag("h3", f"Ancestry of {words.short(lineage.genome_id)}"),
        keys({name.replace("_", " "): ORIGINS.get(name, theme.GREY) for name in made}),
        plot(
            draw_ancestry(lineage),
            f"ancestry-{words.short(lineage.genome_id)}",
            f"The ancestors of genome {lineage.genome_id} by generation.",
            f"{words.counted(len(lineage.ancestors), 'genome')} back to {founders}. Colour is "
            f"the operator that made a genome, diamonds are founders.{partial}",
        ),
    ]


def _opinion(taxonomy: Taxonomy) -> Html:
    return tag("section", tag("h2", "A second opinion"), tag("p", opinion_in_words(taxonomy)))


def opinion_in_words(taxonomy: Taxonomy) -> str:
    """What HDBSCAN, which knows nothing of the tree, has to say of it."""
    own = taxonomy.opinion
    agreement = dict(zip(RANKS, own.agreement, strict=True))
    known = {rank: value for rank, value in agreement.items() if value is not None}
    if not known:
        return (
            f"Among {own.genomes:,} genomes HDBSCAN finds "
            f"{words.counted(own.species, 'dense region')}: by its lights there are no species "
            "here, and the tree divides what is one cloud."
        )
    best = max(known, key=lambda rank: known[rank])
    return (
        f"Among {own.genomes:,} genomes HDBSCAN finds "
        f"{words.counted(own.species, 'dense region')} and calls {100 * own.noise:.0f} % "
        f"noise. It agrees most with the rank of {best}: adjusted Rand index "
        f"{known[best]:.2f}."
    )
