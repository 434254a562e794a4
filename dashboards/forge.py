"""The page of a comparison in the Gene Forge: genomes on a radar, and what is predicted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dashboards import theme, words
from dashboards.figures.radar import MOST_SHAPES, comparison_table, draw_radar
from dashboards.markup import Html, join, tag
from dashboards.page import keys, page, plot, top
from speciation.analysis.forge import Comparison
from speciation.analysis.surrogate import Prediction, Surrogate
from speciation.tables.files import LocalFiles


def report(
    comparison: Comparison,
    output: Path,
    surrogate: Surrogate | None = None,
    predictions: Mapping[str, Prediction] | None = None,
) -> None:
    """Write the page; the file is there whole, or not at all.

    Args:
        comparison: The genomes.
        output: The HTML file. An old one is replaced in one step.
        surrogate: What predicted, if anything did.
        predictions: Name of a genome → what is predicted of it.

    Raises:
        StoreError: The file cannot be written.
    """
    body = whole(comparison, surrogate, predictions or {})
    LocalFiles(output.absolute().parent).replace(output.name, body)


def whole(
    comparison: Comparison, surrogate: Surrogate | None, predictions: Mapping[str, Prediction]
) -> bytes:
    """The page, complete; see :func:`report`."""
    shown = comparison.names[:MOST_SHAPES]
    left_out = len(comparison.names) - len(shown)
    return page(
        f"{comparison.names[0]}: Gene Forge",
        _header(comparison),
        tag(
            "main",
            tag(
                "section",
                tag("h2", "On a radar"),
                keys({name: theme.SPECIES[i] for i, name in enumerate(shown)}),
                plot(
                    draw_radar(comparison),
                    "radar",
                    f"The genes of {', '.join(shown)} on a radar, each on its own scale.",
                    "Every gene is an axis from the low end of its range to the high one, on "
                    "its own scale; the cursor shows real values. The first genome is filled."
                    + (f" {left_out} more stand in the table only." if left_out else ""),
                ),
            ),
            _predicted(surrogate, predictions),
            tag(
                "section",
                tag("h2", "Gene by gene"),
                tag("div", comparison_table(comparison), class_="scroll"),
            ),
        ),
        tag("footer", "Distances are root mean squares over genes, each on its scale, 0 to 1."),
    )


def _header(comparison: Comparison) -> Html:
    differing = comparison.differing()
    widest = ", ".join(name.replace("_", " ") for name in differing[:3]) or "in none"
    glance = {
        "genomes": (str(len(comparison.names)), ", ".join(map(words.short, comparison.ids))),
        "genes that differ": (f"{len(differing)} of {len(comparison.genes)}", widest),
    }
    against = ", ".join(comparison.names[1:])
    title = comparison.names[0] + (f" beside {against}" if against else "")
    return top(join("Gene ", tag("b", "Forge")), title, glance)


def _predicted(
    surrogate: Surrogate | None, predictions: Mapping[str, Prediction]
) -> Html | None:
    if surrogate is None or not predictions:
        return None
    trust = surrogate.trust
    head = tag("tr", *(tag("th", name, scope="col") for name in PREDICTED))
    rows = (
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", f"{own.median:,.0f}"),
            tag("td", f"{own.low:,.0f} to {own.high:,.0f}"),
            tag("td", f"{own.nearest:.2f}"),
        )
        for name, own in predictions.items()
    )
    return tag(
        "section",
        tag("h2", "Predicted, not measured"),
        tag("p", trust_in_words(surrogate), class_="lead"),
        tag("table", tag("thead", head), tag("tbody", *rows)),
        tag("p", f"Learned from {words.counted(trust.genomes, 'genome')} of the store."),
    )


PREDICTED = (
    "genome",
    "mean steps, predicted",
    "90 % interval",
    "distance to the nearest tried",
)
"""Header of a table of predictions."""


def trust_in_words(surrogate: Surrogate) -> str:
    """What a surrogate's steps are measured by, and how far it is to be trusted."""
    trust = surrogate.trust
    return (
        f"Within a horizon of {surrogate.horizon:,} steps. "
        f"Each of {trust.genomes} genomes was predicted from the others: rank correlation "
        f"{trust.rank_correlation:.2f}, typically off by a factor of "
        f"{trust.typical_factor:.2f}, {100 * trust.within:.0f} % within their 90 % intervals."
    )
