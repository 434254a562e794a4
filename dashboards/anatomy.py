"""The page of trials that were looked into: waves, attention, neurons; side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dashboards import theme, words
from dashboards.figures.anatomy import (
    LINES,
    draw_attention,
    draw_clock_or_pizza,
    draw_neurons,
    draw_progress,
    draw_spectrum,
)
from dashboards.markup import Html, join, tag
from dashboards.page import keys, page, plot, top
from speciation.analysis.circuits import KEY_SHARE, Anatomy
from speciation.tables.files import LocalFiles

HEADER = (
    "trial",
    "99 % right at",
    "key frequencies",
    "explained",
    "restricted loss",
    "excluded loss",
    "Gini",
    "symmetry",
    "irrelevance",
    "nearer to",
)
"""Columns of :func:`row`."""

_KEYED = {"key frequency": theme.GREEN, "other": theme.GREY}


def report(anatomies: Mapping[str, Anatomy], output: Path) -> None:
    """Write the page; the file is there whole, or not at all.

    Args:
        anatomies: Name → what was seen.
        output: The HTML file. An old one is replaced in one step.

    Raises:
        StoreError: The file cannot be written.
    """
    head = tag("tr", *(tag("th", name, scope="col") for name in HEADER))
    rows = (
        tag(
            "tr",
            tag("th", cells[0], scope="row"),
            *(tag("td", cell) for cell in cells[1:]),
        )
        for cells in (row(name, own) for name, own in anatomies.items())
    )
    body = page(
        "Inside a trial",
        _header(anatomies),
        tag(
            "main",
            tag(
                "section",
                tag("h2", "Side by side"),
                tag(
                    "div",
                    tag("table", tag("thead", head), tag("tbody", *rows)),
                    class_="scroll",
                ),
                keys({name: theme.species_colour(i) for i, name in enumerate(anatomies)}),
                plot(
                    draw_clock_or_pizza(dict(anatomies)),
                    "clock-or-pizza",
                    "Gradient symmetry and distance irrelevance of each trial.",
                    "A clock multiplies waves of a and b: its gradients by a and b differ, and "
                    "its logits do not depend on how far apart a and b are. A pizza adds them, "
                    "and it is the other way round. Circles are the two models of Zhong 2023.",
                ),
            ),
            *(_section(i, name, own) for i, (name, own) in enumerate(anatomies.items())),
        ),
        tag(
            "footer",
            f"Key frequencies are the fewest that hold {100 * KEY_SHARE:.0f} % of the power of "
            "waves in a + b. Measures follow Nanda 2023 and Zhong 2023.",
        ),
    )
    LocalFiles(output.absolute().parent).replace(output.name, body)


def row(name: str, own: Anatomy) -> list[str]:
    """A trial in numbers, in the order of :data:`HEADER`."""
    return [
        name,
        words.NOTHING if own.first_99 is None else f"{own.first_99:,}",
        frequencies(own),
        f"{100 * own.explained[-1]:.0f} %",
        f"{own.restricted_loss[-1]:.3g}",
        f"{own.excluded_loss[-1]:.3g}",
        f"{own.gini[0]:.2f} → {own.gini[-1]:.2f}",
        f"{own.gradient_symmetry:.2f}",
        f"{own.distance_irrelevance:.2f}",
        own.resembles or words.NOTHING,
    ]


def frequencies(own: Anatomy, most: int = 8) -> str:
    """Key frequencies as a list, the strongest first."""
    shown = ", ".join(map(str, own.key[:most]))
    return shown if len(own.key) <= most else f"{shown} and {len(own.key) - most} more"


def _header(anatomies: Mapping[str, Anatomy]) -> Html:
    first = next(iter(anatomies.values()))
    said = f"{len(anatomies)} trials, looked into"
    if len(anatomies) == 1:
        count = words.counted(len(first.key), "wave")
        said = f"It answers with {count}" if first.first_99 is not None else "Not grokked yet"
    glance = {
        "99 % right": (
            words.NOTHING if first.first_99 is None else f"step {first.first_99:,}",
            f"of {int(first.steps[-1]):,}, looked at {len(first.steps)} times",
        ),
        "key waves explain": (f"{100 * first.explained[-1]:.0f} %", "of the logits' variance"),
        "restricted loss": (f"{first.restricted_loss[-1]:.2g}", "by the key waves alone"),
        "excluded loss": (f"{first.excluded_loss[-1]:.2g}", "without them"),
    }
    return top(join("Inside ", tag("b", ", ".join(anatomies))), said, glance)


def _section(place: int, name: str, own: Anatomy) -> Html:
    layers = own.attention.shape[0]
    alive = own.neuron_frequency > 0
    pure = int((own.neuron_share[alive] >= 0.85).sum())
    return tag(
        "section",
        tag("h2", name),
        tag(
            "p",
            f"Trial {words.short(own.trial_id)} of genome {words.short(own.genome_id)}, seed "
            f"{own.seed}, a + b mod {own.modulus}. Key frequencies: {frequencies(own)}.",
        ),
        tag("h3", "Progress"),
        keys(LINES),
        plot(
            draw_progress(own),
            f"progress-{place}",
            "Train, validation, restricted and excluded loss over training.",
            "Restricted: the constant and the final key waves alone, over all pairs. Excluded: "
            "everything else, over train pairs. Both use the key waves of the end. A dotted "
            "line marks 99 % of the validation pairs.",
        ),
        tag("h3", "Waves"),
        keys(_KEYED),
        plot(
            draw_spectrum(own),
            f"spectrum-{place}",
            "Norm of the embeddings by frequency over training, and final power of the logits.",
            "Left: how strongly the token embeddings swing at each frequency while it trained. "
            "Right: the logits' power in waves of a + b at the end.",
        ),
        tag("h3", "Attention" + (f" of layer {layers}" if layers > 1 else "")),
        plot(
            draw_attention(own),
            f"attention-{place}",
            "Attention from the last position to a, for every a and b, a square a head.",
            "How much of its attention the last position gives to a: from none (faint) to all "
            "(strong), for every pair.",
        ),
        tag("h3", "Neurons"),
        keys(_KEYED),
        plot(
            draw_neurons(own),
            f"neurons-{place}",
            "Each neuron's best frequency and the share of its variance that it explains.",
            f"{pure} of {int(alive.sum())} neurons that are ever active are explained to 85 % "
            "or more by one frequency.",
        ),
    )
