"""What `speciation bench` found, as a picture: a bar a way, its length the cost on a log scale.

An SVG that needs nothing else, for a README: it follows the reader's choice of light or dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from dashboards.markup import Html, join, tag
from dashboards.theme import BLUE, DARK, GREY, LIGHT, SANS

WIDTH, LEFT, RIGHT = 760, 210, 120
BAR, PITCH = 16, 24
TITLE, AXIS = 44, 34

_UNITS = (("s", 1e6), ("ms", 1e3), ("µs", 1.0), ("ns", 1e-3))


class Bar(NamedTuple):
    """One way with the size of pack that suits it best."""

    name: str
    slots: int
    microseconds: float
    ours: bool


class Panel(NamedTuple):
    """The bars of one batch, the dearest first, and the least that arithmetic allows."""

    batch: int
    bars: list[Bar]
    ceiling: float | None  # microseconds
    numbers: str = ""  # the format that the ceiling is of


def panels(found: dict[str, Any]) -> list[Panel]:
    """What is shown of a benchmark's plain values; ways that were not timed are left away."""
    limits = {each["batch"]: each["ceilings"] for each in found["roofline"]["batches"]}
    rows = [row for row in found["rows"] if row["microseconds"] is not None]
    shown = []
    for batch in dict.fromkeys(row["batch"] for row in rows):
        best: dict[str, dict[str, Any]] = {}
        for row in (row for row in rows if row["batch"] == batch):
            name = row["way"] if row["backend"] else f"{row['way']}, {row['algebra']}"
            if name not in best or row["microseconds"] < best[name]["microseconds"]:
                best[name] = row
        bars = [
            Bar(name, row["slots"], row["microseconds"], row["backend"] is not None)
            for name, row in best.items()
        ]
        limit = limits.get(batch, {})
        bars.sort(key=lambda bar: -bar.microseconds)
        numbers = "tf32" if "tf32" in limit else "fp32"
        shown.append(Panel(batch, bars, limit.get(numbers), numbers))
    return shown


def picture(found: dict[str, Any]) -> Html:
    """The SVG file of a benchmark's plain values."""
    shown = panels(found)
    parts, top = [], 0
    ends = decades([bar.microseconds for panel in shown for bar in panel.bars])
    for panel in shown:
        parts.append(_panel(panel, top, ends))
        top += TITLE + PITCH * len(panel.bars) + AXIS
    words = f"{found['device']['name']}, commit {found['commit'][:7]}"
    parts.append(tag("text", words, x=LEFT, y=top + 12, class_="faint"))
    height = top + 24
    return tag(
        "svg",
        tag("style", _style()),
        tag("rect", width=WIDTH, height=height, class_="paper"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label="Cost of a trial-step by way of training, on a logarithmic scale",
    )


def decades(costs: Sequence[float]) -> tuple[int, int]:
    """Powers of ten that a logarithmic axis of costs begins and ends with."""
    if not costs:
        return 0, 1
    low, high = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)))
    return low - 1, max(high, low + 1)


def time_text(microseconds: float) -> str:
    """A duration with the unit that suits it, three digits."""
    unit, size = next((u for u in _UNITS if microseconds >= u[1]), _UNITS[-1])
    return f"{microseconds / size:.3g} {unit}"


def _panel(panel: Panel, top: int, ends: tuple[int, int]) -> Html:
    height = PITCH * len(panel.bars)
    base = top + TITLE
    title = f"Time of a trial-step, batch {panel.batch:,} (logarithmic; less is better)"
    return join(
        tag("text", title, x=LEFT, y=top + 24, class_="title"),
        *(_decade(power, base, height, ends) for power in range(ends[0], ends[1] + 1)),
        *(_bar(bar, base + PITCH * i, ends) for i, bar in enumerate(panel.bars)),
        _ceiling(panel, base, height, ends),
    )


def _decade(power: int, base: int, height: int, ends: tuple[int, int]) -> Html:
    x = _place(10.0**power, ends)
    return join(
        tag("line", x1=x, x2=x, y1=base, y2=base + height, class_="grid"),
        tag("text", time_text(10.0**power), x=x, y=base + height + 15, class_="tick"),
    )


def _bar(bar: Bar, y: int, ends: tuple[int, int]) -> Html:
    end = _place(bar.microseconds, ends)
    many = f"{bar.slots:,} slots" if bar.slots > 1 else "1 slot"
    kind = "ours" if bar.ours else "peer"
    middle = y + BAR / 2 + 4
    return join(
        tag("text", bar.name, x=LEFT - 8, y=middle, class_=f"name {kind}-name"),
        tag("rect", x=LEFT, y=y, width=round(end - LEFT, 1), height=BAR, class_=kind),
        tag("text", f"{time_text(bar.microseconds)} · {many}", x=end + 6, y=middle),
    )


def _ceiling(panel: Panel, base: int, height: int, ends: tuple[int, int]) -> Html | None:
    if panel.ceiling is None or panel.ceiling < 10.0 ** ends[0]:
        return None
    x = _place(panel.ceiling, ends)
    return join(
        tag("line", x1=x, x2=x, y1=base - 6, y2=base + height, class_="ceiling"),
        tag("text", f"least, in {panel.numbers}", x=x + 4, y=base - 8, class_="faint"),
    )


def _place(microseconds: float, ends: tuple[int, int]) -> float:
    share = (math.log10(microseconds) - ends[0]) / (ends[1] - ends[0])
    return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)


def _style() -> Html:
    def colours(of: dict[str, str]) -> str:
        return (
            f".paper{{fill:{of['paper']}}}text{{fill:{of['muted']}}}"
            f".title,.ours-name{{fill:{of['ink']}}}"
            f".grid{{stroke:{of['line']}}}.ceiling{{stroke:{of['ink']};stroke-dasharray:3 3}}"
        )

    return Html(
        f"text{{font:12px {SANS}}}.title{{font-weight:600}}.ours-name{{font-weight:600}}"
        f".name{{text-anchor:end}}.tick{{text-anchor:middle;font-size:10px}}"
        f".faint{{font-size:10px}}.peer{{fill:{GREY}}}.ours{{fill:{BLUE}}}"
        f"{colours(LIGHT)}@media (prefers-color-scheme:dark){{{colours(DARK)}}}"
    )
