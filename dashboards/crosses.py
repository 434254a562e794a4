"""The page of crosses: whether children of two genomes fall behind their parents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dashboards import words
from dashboards.figures.crosses import KINDS, by_distance, draw_breakdown, draw_by_distance
from dashboards.markup import Html, tag
from dashboards.page import keys, page, plot, table, top
from speciation.analysis.crosses import LEVEL, Crosses
from speciation.analysis.isolation import LEAST_GENOMES, Isolation
from speciation.tables.files import LocalFiles

HEADER = (
    "cross",
    "breakdown (95 %)",
    "p",
    "children",
    "mid-parent",
    "better parent",
    "best child",
    "children that grokked",
    "parents that grokked",
    "distance",
)

PARENTS = ("genome", "group", "mean steps", "grokked")
FEW = 12  # crosses that are shown as a table at once


def rows(found: Crosses) -> list[list[str]]:
    """Every cross in words, as the page and a terminal show it."""
    return [_row(row) for row in found.pairs.itertuples()]


def _row(row: Any) -> list[str]:
    return [
        f"{row.first} × {row.second}",
        words.spanned(row.breakdown, row.low, row.high),
        words.probability(row.adjusted),
        f"{row.children:,.0f}",
        f"{row.mid_parent:,.0f}",
        f"{row.better:,.0f}",
        f"{row.best:,.0f}",
        f"{row.grokked:.1%}",
        f"{row.parents_grokked:.1%}",
        f"{row.distance:.2f}",
    ]


def parent_rows(found: Crosses, told: Isolation) -> list[list[str]]:
    """The parents in words, the fastest first."""
    order = found.parents.sort_values("steps", kind="stable")
    return [_parent_row(row, told) for row in order.itertuples()]


def _parent_row(row: Any, told: Isolation) -> list[str]:
    group = told.group_of.get(row.genome, words.NOTHING)
    return [row.genome, group, f"{row.steps:,.0f}", f"{row.grokked:.1%}"]


def of_groups(told: Isolation) -> str:
    """What is to be said of groups, also where nothing can be."""
    found = told.between
    if found is None:
        return (
            "Crosses within and between groups cannot be held against each other: that takes "
            "two groups or more, one of them of two genomes or more. Name them by --group, or "
            "have the store's species named by: speciation taxonomy"
        )
    means = (
        f"Groups are {told.groups}: breakdown is {words.signed(found.mean_between)} steps in "
        f"{words.counted(found.between, 'pair')} between groups and "
        f"{words.signed(found.mean_within)} in {found.within:,} within one"
    )
    many = f"{words.counted(found.genomes, 'genome')} in {found.groups} groups"
    if found.least >= LEVEL:
        return (
            f"{means}. {many} are too few to test that: even the most telling way to deal "
            f"labels out is one of {1 / found.least:,.0f}."
        )
    return (
        f"{means}; labels dealt out anew show as much with p = {words.probability(found.p)} "
        f"({many}, one-sided)."
    )


def of_distance(told: Isolation) -> str:
    """What is to be said of distance, also where nothing can be."""
    found = told.distance
    if found is None:
        return (
            f"Breakdown and distance are not correlated here: that takes {LEAST_GENOMES} "
            "genomes or more, and pairs that differ in both."
        )
    return (
        f"Rank correlation of breakdown with distance: {words.signed(found.value, 2)} (95 % "
        f"{words.signed(found.low, 2)} to {words.signed(found.high, 2)}, bootstrap over "
        f"{found.genomes:,} genomes)."
    )


def report(found: Crosses, told: Isolation, output: Path) -> None:
    """Write the page; the file is there whole, or not at all.

    Args:
        found: What trials show.
        told: Whether groups or distance tell which crosses fail.
        output: The HTML file. An old one is replaced in one step.

    Raises:
        StoreError: The file cannot be written.
    """
    body = page(
        "Crosses",
        _header(found),
        tag("main", _pairs(found, told), _distances(found, told)),
        tag(
            "footer",
            "Steps are the mean of min(T, H). Children are bred by crossovers of evolution, "
            "half of them with gene groups kept together, and not mutated. Intervals take both "
            "children and seeds as samples (crossed random effects, Satterthwaite's degrees of "
            "freedom); p is after Holm over all crosses. A parent that was chosen on these "
            "seeds looks better than it is. Where children end at the horizon, breakdown is "
            "more than is seen. The best child is the best of many, on the seeds that it was "
            "chosen by.",
        ),
    )
    LocalFiles(output.absolute().parent).replace(output.name, body)


def _header(found: Crosses) -> Html:
    sure = found.pairs[found.pairs["adjusted"] < LEVEL]
    pairs = words.counted(len(found.pairs), "pair")
    glance = {
        "crosses": (f"{len(found.pairs):,}", f"of {len(found.parents):,} genomes"),
        "children": (f"{found.count:,}", "of each cross"),
        "fail": (f"{int((sure['breakdown'] > 0).sum()):,}", f"of {pairs}: slower children"),
        "gain": (f"{int((sure['breakdown'] < 0).sum()):,}", f"of {pairs}: faster children"),
    }
    return top(
        f"Crosses of {len(found.parents):,} genomes",
        "Do crosses fail?",
        glance,
        f"Parents and children were tried on the same "
        f"{words.counted(int(found.pairs['seeds'].max()), 'seed')}, with a horizon of "
        f"{found.horizon:,} steps.",
    )


def _pairs(found: Crosses, told: Isolation) -> Html:
    return tag(
        "section",
        tag("h2", "Children beside their parents"),
        plot(
            draw_breakdown(found, told.group_of),
            "breakdown",
            "Breakdown of every two genomes as a grid of colours.",
            "Steps that children need beyond the mean of their parents: orange is slower, blue "
            "faster. A dot marks crosses that are told apart from zero.",
        ),
        tag(
            "details",
            tag("summary", "Figures of every cross"),
            table(HEADER, rows(found)),
            open="" if len(found.pairs) <= FEW else None,
        ),
        tag(
            "details",
            tag("summary", "Parents and their groups"),
            table(PARENTS, parent_rows(found, told)),
        ),
    )


def _distances(found: Crosses, told: Isolation) -> Html:
    used = set(by_distance(found, told.group_of)["relation"])
    return tag(
        "section",
        tag("h2", "Kin and strangers"),
        keys({name: colour for name, colour in KINDS.items() if name in used})
        if told.group_of
        else None,
        plot(
            draw_by_distance(found, told.group_of),
            "distance",
            "Breakdown of every cross against the distance of its parents.",
            "Each cross with its 95 % interval; hollow where it is not told apart from zero. "
            "Genomes of two groups are mostly further apart, so neither question below is "
            "asked apart from the other.",
        ),
        tag("p", of_groups(told)),
        tag("p", of_distance(told)),
    )
