"""Of a figure that grows, what a page lacks: the one in the browser is given that and no more.

Only numbers and words of traces are sent. Where the camera stands, what is zoomed and what was
hidden is the browser's, and stays. A page says by a digest which data it shows; data that were
sent not long ago are remembered, so whoever shows those is sent what has changed since, and
everybody else all of it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dash import Patch

Traces = Sequence[Mapping[str, Any]]
"""What each trace of a figure is drawn from: lists as long as the data, in dictionaries."""

MOST_KEPT = 32
Path = tuple[str | int, ...]


class Sent:
    """Data of figures that were sent, the latest ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Traces] = OrderedDict()

    def keep(self, data: Traces) -> str:
        """Remember data; returns their digest."""
        key = hashlib.blake2b(repr(data).encode(), digest_size=8).hexdigest()
        self._kept[key] = data
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return key

    def news(self, seen: Any, data: Traces) -> tuple[Patch | None, str]:
        """What turns a figure of the data that a page has seen into one of these.

        Args:
            seen: A digest, as a browser tells it.
            data: Of the same traces, in the same order.

        Returns:
            Nothing if it has seen them; and their digest.
        """
        before = self._kept.get(seen) if isinstance(seen, str) else None
        key = self.keep(data)
        return (None if key == seen else patch_of(before, data)), key


def patch_of(before: Traces | None, now: Traces) -> Patch:
    """What turns the one into the other; from nothing known, all of the other."""
    patch = Patch()
    known = dict(_lists(before)) if before is not None else {}
    for path, values in _lists(now):
        _amend(patch["data"], path, known.get(path), values)
    return patch


def _amend(place: Patch, path: Path, before: list[Any] | None, now: list[Any]) -> None:
    for name in path[:-1]:
        place = place[name]
    if before is None or len(before) > len(now):
        place[path[-1]] = now
        return
    changed = [i for i, (old, new) in enumerate(zip(before, now, strict=False)) if old != new]
    if 2 * len(changed) > len(now):
        place[path[-1]] = now
        return
    for i in changed:
        place[path[-1]][i] = now[i]
    if more := now[len(before) :]:
        place[path[-1]].extend(more)


def _lists(data: Traces) -> Iterator[tuple[Path, list[Any]]]:
    """Paths and values of all lists, trace by trace."""

    def inside(own: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, list[Any]]]:
        for name, value in own.items():
            if isinstance(value, Mapping):
                yield from inside(value, (*path, name))
            else:
                yield (*path, name), value

    for number, trace in enumerate(data):
        yield from inside(trace, (number,))
