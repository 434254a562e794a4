"""The page of a sweep: the same genomes in many settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dashboards import words
from dashboards.figures.sweep import (
    CLASSES,
    draw_classes,
    draw_steps,
    draw_transfer,
    from_first,
)
from dashboards.markup import Html, tag
from dashboards.page import keys, page, plot, table, top
from speciation.analysis.sweep import Swept
from speciation.tables.files import LocalFiles

HEADER = ("setting", "genome", "grokked, 95 %", "mean steps", "learns as", "share, 95 %")
# The numbers in the maps lie on strong colours, in light and in dark.
STYLE = "#classes .heatmap-label text{fill:#fff!important}"
TOO_FEW = "A rank correlation needs four genomes or more in two settings."


def rows(swept: Swept) -> list[list[str]]:
    """Every genome in every setting in words, as the page and a terminal show it."""
    return [_row(row) for row in swept.cells.itertuples()]


def _row(row: Any) -> list[str]:
    return [
        row.setting,
        row.genome,
        f"{row.success:.1%} ({row.success_low:.1%} to {row.success_high:.1%})",
        f"{row.steps:,.0f} of {row.horizon:,}",
        row.learning,
        f"{row.share:.0%} ({row.share_low:.0%} to {row.share_high:.0%})",
    ]


def report(swept: Swept, name: str, seeds: int, output: Path) -> None:
    """Write the page; the file is there whole, or not at all.

    Args:
        swept: What the sweep shows.
        name: Of the sweep.
        seeds: Of each genome in each setting.
        output: The HTML file. An old one is replaced in one step.

    Raises:
        StoreError: The file cannot be written.
    """
    body = page(
        f"Sweep: {name}",
        _header(swept, name, seeds),
        tag("main", _classes(swept), _steps(swept), _transfer(swept), _table(swept)),
        tag(
            "footer",
            "Steps are the mean of min(T, H). Intervals of shares are Wilson's; those of rank "
            "correlations are of a bootstrap over genomes.",
        ),
        style=STYLE,
    )
    LocalFiles(output.absolute().parent).replace(output.name, body)


def _header(swept: Swept, name: str, seeds: int) -> Html:
    settings = swept.cells["setting"].nunique()
    glance = {
        "settings": (f"{settings}", "tasks, shares, sizes"),
        "genomes": (f"{swept.cells['genome'].nunique()}", "the same in all settings"),
        "seeds": (f"{seeds:,}", "of each genome in each setting, the same everywhere"),
    }
    title = f"The same genomes in {words.counted(settings, 'setting')}"
    return top(f"Sweep: {name}", title, glance)


def _classes(swept: Swept) -> Html:
    used = {name: c for name, c in CLASSES.items() if name in set(swept.cells["learning"])}
    return tag(
        "section",
        tag("h2", "How they learn"),
        keys(used),
        plot(
            draw_classes(swept),
            "classes",
            "The most frequent learning class of each genome in each setting, as maps.",
            "The colour is the most frequent learning class of a setting, the number its share "
            "of the seeds.",
        ),
    )


def _steps(swept: Swept) -> Html:
    return tag(
        "section",
        tag("h2", "How soon"),
        plot(
            draw_steps(swept),
            "steps",
            "Mean steps to grok of each genome in each setting, as maps.",
            "Mean steps; the stronger the colour, the smaller their share of the setting's "
            "horizon.",
        ),
    )


def _transfer(swept: Swept) -> Html:
    title = tag("h2", "Is who is good here good there?")
    told = from_first(swept)
    if told.empty:
        return tag("section", title, tag("p", TOO_FEW))
    home = told["first"].iloc[0]
    return tag(
        "section",
        title,
        plot(
            draw_transfer(swept),
            "transfer",
            f"Rank correlation of genomes between {home} and every other setting.",
            f"Spearman's rank correlation of the genomes' mean steps in {home} with those in "
            "each other setting, with its 95 % interval; in colour where that lies above zero.",
        ),
    )


def _table(swept: Swept) -> Html:
    count = words.counted(len(swept.cells), "row")
    return tag(
        "section",
        tag("h2", "Figures"),
        tag("details", tag("summary", count), table(HEADER, rows(swept))),
    )
