"""Genomes as marks in three dimensions, so that another rank paints them and moves none.

Ranks nest: genomes of one genus are of one species at every rank above. So each such kin is a
trace, and a rank is a colour, a shape and a name for each trace. Some thousand genomes are
points. Very many are splinters of a mesh, two triangles with a common edge, so that one of them
is seen from wherever: a point of Plotly's has five or more, which takes seconds without a GPU.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from dash import Patch
from numpy.typing import NDArray

from dashboards import theme
from dashboards.figures.space import scene
from dashboards.markup import in_figure
from speciation.analysis.taxonomy import Taxonomy

FEW, MANY = 800, 5000  # genomes
RADIUS = 0.006  # of a splinter, as a share of the longest axis
CORNERS = 4  # of a splinter: those of a tetrahedron, of which two faces are drawn
FACES = ((0, 1, 2), (0, 1, 3))
_TETRAHEDRON = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]) / np.sqrt(3)


class Look(NamedTuple):
    """How the marks of a kin look, and the name of its species."""

    colour: str
    shape: str
    name: str


def figure(taxonomy: Taxonomy, level: int) -> dict[str, Any]:
    """All genomes, painted by the species of a rank: a figure as the browser takes it."""
    empty = theme.canvas(560)
    empty.layout.height = None
    empty.update_layout(
        autosize=True,
        hovermode="closest",
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        scene=scene(taxonomy),
        uirevision="camera",
    )
    if many(taxonomy):
        for axis, ends in zip("xyz", np.transpose(box_of(taxonomy)).tolist(), strict=True):
            empty.layout.scene[f"{axis}axis"].range = ends
    shapes = zip(_shapes(taxonomy, many(taxonomy)), looks(taxonomy, level), strict=True)
    data = [_painted(dict(shape), look) for shape, look in shapes]
    return {"data": data, "layout": empty.layout.to_plotly_json()}


def repainted(taxonomy: Taxonomy, level: int) -> Patch:
    """What turns such a figure into that of another rank."""
    patch = Patch()
    for number, look in enumerate(looks(taxonomy, level)):
        trace = patch["data"][number]
        trace["name"] = look.name
        if not many(taxonomy):
            trace["marker"]["color"] = look.colour
            trace["marker"]["symbol"] = look.shape
        else:
            trace["color"] = look.colour
    return patch


@lru_cache(maxsize=1)
def kin(taxonomy: Taxonomy) -> list[NDArray[np.int64]]:
    """Positions of genomes that share their species at every rank, kin by kin."""
    number = np.zeros(len(taxonomy.ids), dtype=np.int64)
    for labels in taxonomy.labels.T.astype(np.int64):  # one number for seven
        _, number = np.unique(number * (labels.max() + 1) + labels, return_inverse=True)
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1)


def looks(taxonomy: Taxonomy, level: int) -> list[Look]:
    """How each kin looks at a rank."""
    found = []
    for members in kin(taxonomy):
        own = taxonomy.species[level][taxonomy.labels[members[0], level]]
        colour, shape = theme.species_colour(own.colour), theme.species_shape(own.colour)
        found.append(Look(colour, shape, in_figure(own.name)))
    return found


@lru_cache(maxsize=1)
def _shapes(taxonomy: Taxonomy, splintered: bool) -> tuple[dict[str, Any], ...]:
    """Every kin without its look: the same at all ranks."""
    return tuple((_splinters if splintered else _points)(taxonomy))


def many(taxonomy: Taxonomy) -> bool:
    """Whether the genomes are splinters."""
    return len(taxonomy.ids) >= MANY


def _painted(shape: dict[str, Any], look: Look) -> dict[str, Any]:
    shape["name"] = look.name
    if "marker" in shape:
        shape["marker"] = {**shape["marker"], "color": look.colour, "symbol": look.shape}
    else:
        shape["color"] = look.colour
    return shape


def _points(taxonomy: Taxonomy) -> Iterator[dict[str, Any]]:
    places, ids = taxonomy.places.astype("float32"), np.asarray(taxonomy.ids)
    for members in kin(taxonomy):
        yield {
            "type": "scatter3d",
            **_axes(places[members]),
            "customdata": ids[members].tolist(),
            "mode": "markers",
            "marker": {
                "size": 5 if len(ids) < FEW else 3,
                "opacity": 0.88,
                "line": {"width": 0},
            },
            "hovertemplate": "%{fullData.name}<br>%{customdata}<extra></extra>",
        }


def _splinters(taxonomy: Taxonomy) -> Iterator[dict[str, Any]]:
    """Meshes. Ids stand one after the other in ``meta``, since Plotly counts corners."""
    ids, corners = np.asarray(taxonomy.ids), splinters(taxonomy)
    ends = np.cumsum([len(members) for members in kin(taxonomy)])
    for members, own in zip(kin(taxonomy), np.split(corners, ends[:-1]), strict=True):
        faces = CORNERS * np.arange(len(members))[:, None, None] + FACES
        short = "uint16" if CORNERS * len(members) <= 2**16 else "int32"
        sides = faces.reshape(-1, 3).astype(short)
        yield {
            "type": "mesh3d",
            **_axes(own.reshape(-1, 3)),
            **{side: _typed(sides[:, i]) for i, side in enumerate("ijk")},
            "meta": "".join(ids[members]),
            "flatshading": True,
            "lighting": {"ambient": 1, "diffuse": 0, "specular": 0, "fresnel": 0},
            "hovertemplate": "%{fullData.name}<br>click to copy its id<extra></extra>",
        }


@lru_cache(maxsize=1)
def splinters(taxonomy: Taxonomy) -> NDArray[np.float32]:
    """Corners of every genome's splinter, kin by kin; shape ``(G, CORNERS, 3)``."""
    places = taxonomy.places[np.concatenate(kin(taxonomy))]
    radius = RADIUS * float(np.ptp(places, axis=0).max())
    turned = _angles(len(places), np.random.default_rng(0))  # angles only
    return (places[:, None] + radius * turned).astype(np.float32)


def box_of(taxonomy: Taxonomy) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the axes of splinters begin and end, as Plotly would choose it; shapes ``(3,)``."""
    corners = splinters(taxonomy)
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    room = (high - low) / 32
    return low - room, high + room


def _angles(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Corners of tetrahedra around 0, turned at random; shape ``(count, CORNERS, 3)``."""
    u, other = rng.normal(size=(2, count, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(u, other)
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    frame = np.stack([u, v, np.cross(u, v)], axis=1)
    turned: NDArray[np.float64] = _TETRAHEDRON @ frame
    return turned


def _axes(places: NDArray[Any]) -> dict[str, dict[str, str]]:
    return {axis: _typed(places[:, i]) for i, axis in enumerate("xyz")}


def _typed(values: NDArray[Any]) -> dict[str, str]:
    """Numbers as Plotly takes them without reading text."""
    data = base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
    return {"dtype": f"{values.dtype.kind}{values.dtype.itemsize}", "bdata": data}
