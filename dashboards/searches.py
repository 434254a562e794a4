"""The page of a comparison of searches."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from dashboards import words
from dashboards.figures.searches import draw_curves, draw_repeats, interval
from dashboards.markup import Html, tag
from dashboards.page import keys, page, plot, table, top
from dashboards.theme import BLUE, GREY, VERMILION
from speciation.analysis.searches import Searches
from speciation.tables.files import LocalFiles

HEADER = (
    "arm",
    "repeats",
    "spent",
    "selected",
    "confirmed median (95 %)",
    "grokked",
    "difference (95 %)",
    "p",
)


def rows(found: Searches) -> list[list[str]]:
    """The table of the arms in words, as the page and a terminal show it."""
    return [_row(row) for row in found.final.itertuples()]


def _row(row: Any) -> list[str]:
    return [
        row.arm,
        f"{row.repeats}",
        f"{row.spent:,.0f}",
        "none" if math.isnan(row.selected) else f"{row.selected:,.0f}",
        interval(row.median, row.low, row.high),
        f"{row.success:.1%}",
        _difference(row) if row.pairs else "reference",
        "" if math.isnan(row.adjusted) else words.probability(row.adjusted),
    ]


def _difference(row: Any) -> str:
    """To the reference; too few repeats have no interval."""
    if not math.isfinite(row.difference_low):
        return words.signed(row.difference)
    return words.spanned(row.difference, row.difference_low, row.difference_high)


def report(found: Searches, name: str, budget: int, confirm: int, output: Path) -> None:
    """Write the page; the file is there whole, or not at all.

    Args:
        found: What the comparison shows; at least one arm has a repeat.
        name: Of the comparison.
        budget: Trial-steps of a repeat.
        confirm: Seeds that champions are confirmed on.
        output: The HTML file. An old one is replaced in one step.

    Raises:
        StoreError: The file cannot be written.
    """
    body = page(
        f"{name}: searches at equal cost",
        _header(found, name, budget, confirm),
        tag(
            "main",
            _repeats(found),
            _curves(found),
            tag("section", tag("h2", "Figures"), table(HEADER, rows(found)), _note(found)),
            _failures(found),
        ),
        tag(
            "footer",
            "Steps are the mean of min(T, H). Intervals of medians lie between order "
            "statistics of the repeats; p is Wilcoxon's signed-rank test of paired repeats, "
            "after Holm over all arms.",
        ),
    )
    LocalFiles(output.absolute().parent).replace(output.name, body)


def _header(found: Searches, name: str, budget: int, confirm: int) -> Html:
    best = found.final.iloc[0]
    glance = {
        "arms": (f"{len(found.final)}", f"held against {found.reference}"),
        "trial-steps": (f"{budget:,}", "for each repeat"),
        "best median": (f"{best['median']:,.0f}", f"{best['arm']}, steps"),
        "confirmed on": (f"{confirm:,}", "new seeds, for each champion"),
    }
    return top(
        f"Searches at equal cost: {name}",
        f"{len(found.final)} ways to search, {budget:,} trial-steps each",
        glance,
        f"Each arm spent {budget:,} trial-steps in each repeat, with a horizon of "
        f"{found.horizon:,} steps a trial, on seeds of its own; what is shown is how its "
        "champions did on seeds that no search has seen.",
    )


def _repeats(found: Searches) -> Html:
    return tag(
        "section",
        tag("h2", "The champions"),
        keys({"reference": VERMILION, "other arms": BLUE, "a repeat": GREY}),
        plot(
            draw_repeats(found),
            "repeats",
            "Mean steps of the last champion of every repeat, arm by arm.",
            "A dot is the champion of one repeat; a diamond is the median of its arm, with its "
            "95 % interval where there are six repeats or more. Less is better.",
        ),
    )


def _curves(found: Searches) -> Html:
    return tag(
        "section",
        tag("h2", "Quality against cost"),
        keys({"the arm": BLUE, found.reference: GREY}),
        plot(
            draw_curves(found),
            "cost",
            "Median steps of the champion against trial-steps spent, a panel an arm.",
            "At each point the champion is the best of the generations paid for by then, as it "
            "did on new seeds; confirming it cost the search nothing. Lines are medians over "
            "repeats, bands their 95 % intervals.",
        ),
    )


def _note(found: Searches) -> Html:
    return tag(
        "p",
        "Selected is what the search saw on its own seeds: the best of many looks better than "
        f"it is. Differences are those of paired repeats to {found.reference}; less is faster.",
    )


def _failures(found: Searches) -> Html | None:
    if not found.failures:
        return None
    told = (tag("li", f"{who}: {why}") for who, why in found.failures.items())
    count = words.counted(len(found.failures), "repeat")
    return tag("section", tag("h2", f"{count} failed"), tag("ul", *told))
