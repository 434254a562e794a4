"""Genomes in three dimensions: their principal components, coloured by species at one rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboards import theme, words
from dashboards.markup import in_figure
from dashboards.thinning import evenly
from speciation.analysis.taxonomy import RANKS, Species, Taxonomy

MOST_POINTS = 6000
"""A page stays light; what is left out is every so-manieth genome of a species."""

ASPECT = (1.25, 1.25, 0.85)  # of the axes, in lengths of the scene
EYE, CENTER = (1.4, 1.3, 0.8), (0.0, 0.0, -0.12)  # where the camera stands and looks
NAMED = 10  # species with a key; the rest are drawn, and told under the cursor


@dataclass(frozen=True, eq=False)
class Cloud:
    """The genomes of one species.

    Args:
        species: Which.
        places: ``(M, 3)``.
        ids: M genome ids.
    """

    species: Species
    places: NDArray[np.float64]
    ids: tuple[str, ...]


def clouds(taxonomy: Taxonomy, rank: str, most: int = MOST_POINTS) -> list[Cloud]:
    """Species at a rank, the largest first, thinned alike if there are too many genomes."""
    labels = taxonomy.labels_at(rank)
    share = min(1.0, most / len(labels))
    found = []
    for number, species in enumerate(taxonomy.at(rank)):
        members = np.flatnonzero(labels == number)
        members = members[evenly(len(members), max(1, round(share * len(members))))]
        ids = tuple(taxonomy.ids[i] for i in members)
        found.append(Cloud(species, taxonomy.places[members], ids))
    return found


def draw_space(taxonomy: Taxonomy, rank: str, most: int = MOST_POINTS) -> go.Figure:
    """Points in a scene that can be turned."""
    figure = theme.canvas(620)
    shown = clouds(taxonomy, rank, most)
    size = 5 if sum(len(own.ids) for own in shown) < 800 else 3
    for own in shown:
        number = own.species.colour
        figure.add_trace(
            go.Scatter3d(
                x=own.places[:, 0].round(4),
                y=own.places[:, 1].round(4),
                z=own.places[:, 2].round(4),
                customdata=list(own.ids),
                name=in_figure(own.species.name),
                mode="markers",
                marker={
                    "size": size,
                    "color": theme.species_colour(number),
                    "symbol": theme.species_shape(number),
                    "opacity": 0.86,
                    "line": {"width": 0},
                },
                hovertemplate="%{customdata}<extra>%{fullData.name}</extra>",
            )
        )
    return figure.update_layout(
        hovermode="closest",
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        scene=scene(taxonomy),
    )


def scene(taxonomy: Taxonomy) -> dict[str, object]:
    """Axes, camera and manners of a view in three dimensions."""
    return {
        "dragmode": "turntable",
        "aspectmode": "manual",  # lower than wide, as windows are
        "aspectratio": dict(zip("xyz", ASPECT, strict=True)),
        "camera": {
            "eye": dict(zip("xyz", EYE, strict=True)),
            "center": dict(zip("xyz", CENTER, strict=True)),
        },
        **{
            f"{axis}axis": _axis(f"PC {i + 1}")  # short: WebGL's letters are slow to make
            for i, axis in enumerate("xyz")
        },
    }


def axes_in_words(taxonomy: Taxonomy) -> str:
    """What the axes are, and how much of the variance each explains."""
    shares = [f"{100 * own:.0f} %" for own in taxonomy.space.explained]
    return (
        "The axes are principal components of all genes and explain "
        f"{', '.join(shares[:-1])} and {shares[-1]} of the variance."
    )


def keys_of(taxonomy: Taxonomy, rank: str) -> dict[str, str]:
    """Species → colour, of the largest ones."""
    own = taxonomy.at(rank)[:NAMED]
    return {
        f"{species.name} ({words.counted(species.size, 'genome')})": theme.species_colour(
            species.colour
        )
        for species in own
    }


def draw_ranks(taxonomy: Taxonomy) -> go.Figure:
    """Seven ranks as rings of one tree: what is inside contains what is outside of it."""
    ids, labels, parents, values, colours, said = [], [], [], [], [], []
    root = f"{words.counted(len(taxonomy.ids), 'genome')}"
    for level, rank in enumerate(RANKS):
        for number, own in enumerate(taxonomy.species[level]):
            ids.append(f"{rank}-{number}")
            labels.append(in_figure(own.name))
            parents.append(f"{RANKS[level - 1]}-{own.parent}" if level else "all")
            values.append(own.size)
            colours.append(theme.see_through(theme.species_colour(own.colour), 0.42))
            sure = "not resampled" if own.stability is None else f"{own.stability:.2f}"
            said.append(f"{rank}, {words.counted(own.size, 'genome')}, stability {sure}")
    figure = theme.canvas(560)
    figure.add_trace(
        go.Icicle(
            ids=["all", *ids],
            labels=[root, *labels],
            parents=["", *parents],
            values=[len(taxonomy.ids), *values],
            branchvalues="total",
            customdata=["", *said],
            marker={"colors": ["rgba(0,0,0,0)", *colours], "line": {"width": 1}},
            tiling={"orientation": "v"},
            pathbar={"visible": False},
            textfont={"size": 11},
            hovertemplate="<b>%{label}</b><br>%{customdata}<extra></extra>",
        )
    )
    return figure.update_layout(margin={"l": 0, "r": 0, "t": 4, "b": 4}, hovermode="closest")


def _axis(name: str) -> dict[str, object]:
    line = theme.see_through(theme.GREY, 0.6)
    return {
        "title": {"text": name, "font": {"size": 12, "color": theme.GREY}},
        "tickfont": {"size": 10, "color": theme.GREY},
        "gridcolor": line,
        "zerolinecolor": line,
        "showbackground": False,
        "showspikes": False,
        "nticks": 5,
    }
