"""The look of every page and figure: colours, type, and how a plot is set.

Marks have fixed colours that stand out on light and on dark paper alike (at least 3 : 1) and
that people with any common colour vision tell apart: they begin from Okabe and Ito's palette
(2008). Paper, ink and lines are CSS variables, so that one page follows the reader's choice of
light or dark, and is printed light; a plot's texts and grid lines take them from the page.
"""

from __future__ import annotations

import plotly.graph_objects as go

SANS = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, "
    "sans-serif"
)
SERIF = "ui-serif, 'Iowan Old Style', 'Palatino Linotype', Palatino, Georgia, serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"

BLUE, VERMILION, GREEN, PURPLE = "#1f83c6", "#d55e00", "#00926b", "#b9649a"
GREY = "#808993"

SPECIES = (
    BLUE,
    VERMILION,
    GREEN,
    PURPLE,
    "#a97f00",
    "#7b6bd6",
    "#2f9aa8",
    "#b0524f",
    "#6b8e23",
    "#9a6a3c",
)
"""Colours that species are told apart by; from the eleventh on, shapes differ as well."""
PATTERNS = ("", "/", ".", "x", "-", "\\", "+")
SHAPES = ("circle", "diamond", "square", "cross", "x", "circle-open", "diamond-open")

OUTCOMES = {
    "grokked": BLUE,
    "censored": GREY,
    "diverged": VERMILION,
    "failed": PURPLE,
    "unanswered": GREEN,
}
"""How a trial ended → its colour, in the order in which bars are stacked."""

LIGHT = {
    "paper": "#fdfcf9",
    "raised": "#ffffff",
    "ink": "#1b2026",
    "muted": "#59626d",
    "line": "#e3dfd6",
    "accent": "#11659e",
    "warn": "#a84300",
}
DARK = {
    "paper": "#14171b",
    "raised": "#1b1f25",
    "ink": "#eae7e1",
    "muted": "#a5adb7",
    "line": "#2d333b",
    "accent": "#6fb8ea",
    "warn": "#f2a06a",
}

_AXIS = {
    "automargin": True,
    "gridcolor": LIGHT["line"],
    "showline": False,
    "ticks": "",
    "title": {"standoff": 10, "font": {"size": 12}},
    "zeroline": False,
    "spikethickness": 1,
    "spikedash": "solid",
}

TEMPLATE = go.layout.Template(
    layout={
        "colorway": [BLUE, VERMILION, GREEN, PURPLE, GREY],
        "font": {"family": SANS, "size": 12, "color": LIGHT["muted"]},
        "hoverlabel": {"align": "left", "font": {"family": SANS, "size": 12}},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "margin": {"l": 44, "r": 12, "t": 30, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "xaxis": _AXIS | {"showgrid": False},
        "yaxis": _AXIS,
    }
)


def canvas(height: int) -> go.Figure:
    """An empty figure of so many pixels; as wide as the page has room."""
    return go.Figure(layout={"template": TEMPLATE, "height": height})


def panel(figure: go.Figure, title: str, top: float = 1.0) -> None:
    """Write a panel's title above its upper left corner, where a narrow screen has room.

    Args:
        figure: Where.
        title: What the vertical axis measures.
        top: The upper end of the panel, as a share of the figure.
    """
    figure.add_annotation(
        text=title,
        x=0,
        y=top,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        yshift=6,
        showarrow=False,
        font={"size": 13},
    )


def generation_axis(last: int) -> dict[str, object]:
    """An axis of generations, which people count from 1, up to a last one."""
    return {
        "title": {"text": "generation"},
        "range": [0.4, last + 0.6],
        "dtick": 1 if last <= 12 else None,
        "tickformat": ",d",
    }


def species_colour(number: int) -> str:
    """The colour of a species, by the number that stays with it."""
    return SPECIES[number % len(SPECIES)]


def species_pattern(number: int) -> str:
    """The pattern of its areas: another for every ten species; the first ten have none."""
    return PATTERNS[number // len(SPECIES) % len(PATTERNS)]


def species_shape(number: int) -> str:
    """The shape of its marks: another for every ten species."""
    return SHAPES[number // len(SPECIES) % len(SHAPES)]


def see_through(colour: str, share: float) -> str:
    """A ``#rrggbb`` colour with an opacity."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def css_variables() -> str:
    """Paper and ink as CSS, for light, dark and print."""

    def block(colours: dict[str, str]) -> str:
        return ":root{" + "".join(f"--{name}:{value};" for name, value in colours.items()) + "}"

    fonts = f":root{{--sans:{SANS};--serif:{SERIF};--mono:{MONO};color-scheme:light dark}}"
    dark = f"@media screen and (prefers-color-scheme:dark){{{block(DARK)}}}"
    return fonts + block(LIGHT) + dark
