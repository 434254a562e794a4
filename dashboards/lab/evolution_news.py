"""What has changed of a run since a page last looked: only that is sent."""

from __future__ import annotations

from typing import Any

from dash import Patch, no_update

from dashboards import theme
from dashboards.figures import beats as pace
from dashboards.figures.population import cells, stacked, ticks
from dashboards.lab.evolution_view import (
    beats_of,
    colours_of,
    growing_of,
    height_of,
    population_of,
    rows_of,
    seen_of,
)
from dashboards.lab.live import RunNow
from dashboards.lab.patches import Sent


def news(now: RunNow, seen: dict[str, Any], follow: bool, sent: Sent) -> tuple[Any, ...]:
    """What is new of each part of the page.

    Args:
        now: The run; the caller holds the lock of ``live``.
        seen: What the page shows, as ``seen_of`` told it; it comes from a browser.
        follow: Whether the scrubber keeps to the latest generation.
        sent: Remembers the data of figures.

    Returns:
        Of fitness, outcomes, population, the rows of the latter, the pace, and of the
        scrubber's end and place; and what the page has seen then.
    """
    longer = now.generations != seen.get("generations")
    growing, keys = [], {}
    for name, data in growing_of(now).items():
        patch, keys[name] = sent.news(seen.get(name), data)
        growing.append(_grown(patch, now.generations if longer else None))
    closed = len(now.tally.closed)
    last: Any = max(closed, 1) if longer or closed != seen.get("closed") else no_update
    place = last if follow else no_update
    parts = *growing, *_population(now, seen, longer), _beats(now, seen), last, place
    return *parts, seen_of(now, keys)


def _grown(patch: Patch | None, generations: int | None) -> Any:
    """A patch, and an axis that goes up to so many generations, unless it stays as it is.

    The axis is left alone where it may, else whoever zoomed would lose that.
    """
    if generations is None:
        return no_update if patch is None else patch
    patch = Patch() if patch is None else patch
    patch["layout"]["xaxis"]["range"] = theme.generation_axis(max(generations, 1))["range"]
    return patch


def _population(now: RunNow, seen: dict[str, Any], longer: bool) -> tuple[Any, Any]:
    """All of the figure where it gets another size, else rows that it lacks."""
    before, shown = seen.get("rows"), rows_of(now)
    if before == shown and not longer:
        return no_update, no_update
    if longer or not before or not isinstance(before, list):
        return population_of(now), no_update
    return no_update, population_rows(now, before)


def population_rows(now: RunNow, before: list[int]) -> dict[str, Any]:
    """What turns a population of some generations into that of now; ``lab.rows`` does.

    Rows that stay are only moved, so that little is sent when half of them leave the figure.
    """
    shown = rows_of(now)
    names = stacked([colours_of(now, own) for own in shown[:2]], height_of(now))
    new = {}
    for generation in shown:
        if generation not in before:
            (colours,), (said,) = cells(colours_of(now, generation))
            new[generation] = {"z": colours, "customdata": said}
    return {"shown": shown, "rows": new, "ticktext": ticks(names)[1]}


def _beats(now: RunNow, seen: dict[str, Any]) -> Any:
    """Beats that the page has not, as what a graph is extended by."""
    at = seen.get("at")
    if not isinstance(at, int | float):
        return no_update
    new = [own for own in now.beats if own.at > at]
    if not new:
        return no_update
    count = len(beats_of(now))
    data = pace.traces(beats_of(now)[max(count - len(new), 0) :])
    keys = ("x", "y", "customdata")
    return [{key: [own[key] for own in data] for key in keys}, [0, 1], 600]
