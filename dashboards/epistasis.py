"""The page of an analysis of epistasis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dashboards import words
from dashboards.figures.epistasis import (
    VERDICTS,
    draw_effects,
    draw_grid,
    draw_pairs,
    leading_pairs,
)
from dashboards.markup import Html, tag
from dashboards.page import keys, page, plot, table, top
from dashboards.theme import BLUE, GREY
from speciation.analysis.epistasis import Epistasis, Verdict
from speciation.tables.files import LocalFiles

HEADER = ("pair", "first alone", "second alone", "both", "epistasis (95 %)", "p", "verdict")


def rows(found: Epistasis) -> list[list[str]]:
    """The strongest pairs in words, as the page and a terminal show them."""
    return [_row(row) for row in leading_pairs(found).itertuples()]


def _row(row: Any) -> list[str]:
    return [
        f"{row.first} + {row.second}",
        words.signed(row.first_alone),
        words.signed(row.second_alone),
        words.signed(row.both),
        words.spanned(row.epistasis, row.low, row.high),
        words.probability(row.adjusted),
        str(row.verdict),
    ]


def report(found: Epistasis, first: str, second: str, output: Path) -> None:
    """Write the page; the file is there whole, or not at all.

    Args:
        found: What trials show.
        first: Name of the genome to begin with.
        second: Name of the better one.
        output: The HTML file. An old one is replaced in one step.

    Raises:
        StoreError: The file cannot be written.
    """
    body = page(
        f"Epistasis: {first} to {second}",
        _header(found, first, second),
        tag("main", _effects(found), _pairs(found)),
        tag(
            "footer",
            "Steps are the mean of min(T, H). Intervals are Student's over seeds that all "
            "combinations share; p is after Holm over all factors or all pairs. Epistasis is "
            "additive on steps: near the horizon, where nothing can be slower, it shrinks.",
        ),
    )
    LocalFiles(output.absolute().parent).replace(output.name, body)


def _header(found: Epistasis, first: str, second: str) -> Html:
    together = int((found.pairs["verdict"] == Verdict.ONLY_TOGETHER).sum())
    glance = {
        "factors": (f"{len(found.effects)}", "in which the two genomes differ"),
        "combinations": (f"{len(found.means):,}", f"on {words.counted(found.seeds, 'seed')}"),
        "only together": (f"{together}", f"of {words.counted(len(found.pairs), 'pair')}"),
    }
    return top(
        f"Epistasis: from {first} to {second}",
        "Which genes work only together",
        glance,
        f"Combinations of the two genomes were tried on the same seeds, with a horizon of "
        f"{found.horizon:,} steps.",
    )


def _effects(found: Epistasis) -> Html:
    return tag(
        "section",
        tag("h2", "What each does"),
        keys({"shown": BLUE, "not shown": GREY}),
        plot(
            draw_effects(found),
            "effects",
            "What each factor changes on average, with intervals.",
            "Steps that a factor of the second genome takes away (below zero) or costs, "
            "averaged over the backgrounds that were tried, with 95 % intervals.",
        ),
    )


def _pairs(found: Epistasis) -> Html:
    return tag(
        "section",
        tag("h2", "What pairs do beyond the sum"),
        plot(
            draw_grid(found),
            "grid",
            "Epistasis of every pair of factors as a grid of colours.",
            "Blue gains more together than the sum of both, orange less. A dot marks pairs "
            "whose epistasis is told apart from zero.",
        ),
        keys({str(verdict): colour for verdict, colour in VERDICTS.items()}),
        plot(
            draw_pairs(found),
            "pairs",
            "Epistasis of the strongest pairs with intervals.",
            "Steps of both together, less those of each alone, with 95 % intervals.",
        ),
        table(HEADER, rows(found)),
    )
