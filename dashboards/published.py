"""The page of a published ranking: is it more than luck?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dashboards import words
from dashboards.figures.arms import checked
from dashboards.figures.ranking import draw_ranking, ranking_table
from dashboards.markup import Html, tag
from dashboards.page import page, plot, top
from speciation.analysis.validation import Published
from speciation.tables.files import LocalFiles

MOST_ROWS = 100


def report(found: Published, source: str, sentences: Sequence[str], output: Path) -> None:
    """Write the page; the file is there whole, or not at all.

    Args:
        found: The ranking.
        source: Where it was read from.
        sentences: What it is worth, in words.
        output: The HTML file. An old one is replaced in one step.

    Raises:
        StoreError: The file cannot be written.
    """
    body = page(
        f"{source}: a ranking",
        _header(found, source),
        tag(
            "main",
            tag(
                "section",
                tag("h2", "The ranking beside chance"),
                plot(
                    checked(draw_ranking(ranking_table(found))),
                    "ranking",
                    "Steps of each genome by rank, and where they would lie by chance.",
                    "Dots: the published figures. Dotted line and band: where the figure of "
                    "each rank would lie, in half and in 95 % of cases, if all genomes were "
                    "equal and their figures one normal distribution. A dot outside its band "
                    "would be a reason to doubt that; of many dots, a few may be.",
                ),
            ),
            tag(
                "section",
                tag("h2", "In words"),
                *(tag("p", words.sentence(own)) for own in sentences),
            ),
            tag("section", tag("h2", "Figures"), _table(found)),
        ),
        tag(
            "footer",
            "One figure a genome cannot tell skill from luck: validate each on many fresh "
            "seeds. Figures that stand twice under one hash count once.",
        ),
    )
    LocalFiles(output.absolute().parent).replace(output.name, body)


def _header(found: Published, source: str) -> Html:
    luck, count = found.luck, len(found.table)
    verdict = "compatible with luck" if found.plausible else "more than luck explains"
    best = str(found.table["hash"].iloc[0])
    glance = {
        "genomes": (f"{count:,}", "one figure each"),
        "best": (words.number(luck.best), words.short(best)),
        "best of equal ones": (words.number(luck.expected_best), "on average"),
        "probability": (f"{luck.p:.2f}", "that the best of equal ones is as good"),
    }
    title = f"The ranking of {count:,} genomes is {verdict}"
    return top(f"Published figures of {source}", title, glance)


def _table(found: Published) -> Html:
    head = tag("tr", *(tag("th", name, scope="col") for name in ("rank", "genome", "steps")))
    body = [
        tag("tr", tag("td", f"{rank}"), tag("td", str(name)), tag("td", f"{steps:,.0f}"))
        for rank, (name, steps) in enumerate(
            zip(found.table["hash"], found.table["steps"], strict=True), start=1
        )
    ]
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", *body[:MOST_ROWS])),
        class_="scroll",
    )
