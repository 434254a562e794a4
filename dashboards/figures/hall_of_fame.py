"""The Hall of Fame of a run: genomes that have shown how reliably they grok."""

from __future__ import annotations

import pandas as pd

from dashboards import words
from dashboards.figures.population import colours_of
from dashboards.markup import Html, tag
from dashboards.run import Rules
from speciation.evolution.fitness import wilson
from speciation.evolution.hall_of_fame import hall_of_fame

MOST_GENOMES = 25


def hall_table(trials: pd.DataFrame, genomes: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The admitted genomes with their births, best first.

    Args:
        trials: Trials of one run.
        genomes: Its genomes with their births.
        rules: By which it judges. Without a horizon nothing was planned, and nobody is in.

    Returns:
        A row a genome: the columns of a fitness table, and ``low, high`` (Wilson), ``origin``,
        ``born`` (a generation) and ``colour`` (``#rrggbb``). What cannot be read is
        "unknown", -1 and transparent.
    """
    hall = hall_of_fame(trials, rules.horizon or 1, rules.landscape, rules.strictness)
    low, high = wilson(hall["successes"], hall["trials"])
    ids = hall["genome_id"].tolist()
    births = genomes[genomes["genome_id"].isin(ids)]
    origin = dict(zip(births["genome_id"], births["origin"], strict=True))
    born = dict(zip(births["genome_id"], births["generation"], strict=True))
    colours = {own: "#{:02x}{:02x}{:02x}".format(*c) for own, c in colours_of(births).items()}
    return hall.assign(
        low=low,
        high=high,
        origin=[origin.get(own, "unknown") for own in ids],
        born=[born.get(own, -1) for own in ids],
        colour=[colours.get(own, "transparent") for own in ids],
    )


def draw_hall(hall: pd.DataFrame) -> Html:
    """The first of them as a table."""
    head = ("", "genome", "grokked", "mean steps", "steps a success", "origin", "born in")
    rows = (
        tag(
            "tr",
            tag("td", f"{row['rank'] + 1}"),
            tag("td", swatch(row["colour"]), tag("code", words.short(row["genome_id"]))),
            tag(
                "td", f"{row['successes']} of {row['trials']}", _bound(row["low"], row["high"])
            ),
            tag("td", words.plus_minus(row["rmst"], row["rmst_se"])),
            tag("td", words.number(row["ert"])),
            tag("td", str(row["origin"]).replace("_", " ")),
            tag("td", f"generation {row['born'] + 1}" if row["born"] >= 0 else "unknown"),
        )
        for row in hall.head(MOST_GENOMES).to_dict("records")
    )
    names = tag("tr", *(tag("th", name, scope="col") for name in head))
    table = tag("table", tag("thead", names), tag("tbody", *rows), class_="hall")
    return tag(
        "div", table, class_="scroll", tabindex=0, role="region", aria_label="Hall of Fame"
    )


def swatch(colour: str) -> Html:
    """A genome's colour as a dot."""
    return tag("i", class_="swatch", style=f"background:{colour}", aria_hidden="true")


def _bound(low: float, high: float) -> Html:
    return tag("small", f"95 % {100 * low:.0f}–{100 * high:.0f} %")
