"""The queue and every run as one HTML page, and what the one that is open says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboards import words
from dashboards.markup import Html, join, tag
from dashboards.page import page, top


def whole(tables: Mapping[str, Sequence[Sequence[str]]], title: str, log: str) -> bytes:
    """The page.

    Args:
        tables: Title → rows of texts, the first of which is the header.
        title: Whose log it is; "" for none.
        log: What that says.
    """
    count = sum(len(rows) - 1 for rows in tables.values())
    return page(
        "Runs",
        top(join("Queue and ", tag("b", "runs")), words.counted(count, "run")),
        tag(
            "main",
            *(tag("section", tag("h2", name), _table(rows)) for name, rows in tables.items()),
            tag("section", tag("h2", title), tag("pre", log)) if title else None,
        ),
        tag("footer", "As the store told it when this page was saved."),
        script=None,
    )


def _table(rows: Sequence[Sequence[str]]) -> Html:
    head, *others = rows
    body = (
        tag("tr", tag("th", name, scope="row"), *(tag("td", text) for text in cells))
        for name, *cells in others
    )
    top = tag("tr", *(tag("th", name, scope="col") for name in head))
    return tag("div", tag("table", tag("thead", top), tag("tbody", *body)), class_="scroll")
