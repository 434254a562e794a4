"""The first picture of very many genomes: what WebGL is going to draw, drawn here already.

A browser takes seconds until it has read Plotly and compiled its shaders, so a page begins with
a picture of the same splinters from the same camera in the same colours, and takes it away when
WebGL has drawn. It is as high as the view and wider; a view shows its middle. Its ground is
transparent, so that it lies on light and on dark paper.

The camera is that of Plotly's scenes: the box of the axes is scaled to the aspect ratio and
stands around 0; the field of view is 45° high.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dashboards.figures.space import ASPECT
from dashboards.lab.camera import Camera
from dashboards.lab.marks import FACES, box_of, kin, looks, splinters
from speciation.analysis.taxonomy import Taxonomy

HEIGHT = 640  # pixels of the view; a lower one shows the same, smaller
WIDTH = 1344  # no view is more than 2.1 times as wide as it is high
FINE = 2  # pixels of the picture by one of the view, each way
LARGEST = 64  # pixels of the picture that a splinter may be wide or high
NEAREST = 0.01  # that is drawn, in lengths of the scene


class TooNear(Exception):  # noqa: N818 - an answer, not a fault
    """The camera stands among the genomes, and some are too large to be drawn here."""


def picture(taxonomy: Taxonomy, level: int, camera: Camera) -> bytes:
    """A PNG of all genomes, painted by the species of a rank.

    Raises:
        TooNear: The camera stands among them.
    """
    colours = [look.colour for look in looks(taxonomy, level)]
    palette = sorted(set(colours))
    by_kin = np.array([0, *(1 + palette.index(own) for own in colours)], dtype=np.uint8)
    return _png(by_kin[1 + seen(taxonomy, camera)], palette)


@lru_cache(maxsize=4)
def seen(taxonomy: Taxonomy, camera: Camera) -> NDArray[np.int64]:
    """The kin that is in front in each pixel, −1 where nothing is; the same at all ranks.

    Raises:
        TooNear: The camera stands among the genomes.
    """
    corners, depth = projected(taxonomy, camera)
    order = np.argsort(-depth)[: np.isfinite(depth).sum()]  # the farthest first
    front = _foremost(corners[order][:, FACES].reshape(-1, 3, 2))
    members = kin(taxonomy)
    own = np.repeat(np.arange(len(members)), [len(each) for each in members])[order]
    return np.append(own, -1)[front]


def projected(
    taxonomy: Taxonomy, camera: Camera
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corners of splinters in pixels of the picture and their mean depths, kin by kin.

    Returns:
        Shapes ``(G, 4, 2)`` and ``(G,)``; those behind the camera are nowhere, NaN.
    """
    low, high = box_of(taxonomy)
    scene = (splinters(taxonomy) - (low + high) / 2) * (np.array(ASPECT) / (high - low))
    x, y, z = np.moveaxis((scene - camera.eye) @ _turned(camera).T, -1, 0)
    depth = np.where(-z > NEAREST, -z, np.nan)
    reach = FINE * HEIGHT / 2 / np.tan(np.pi / 8)
    across, down = FINE * WIDTH / 2 + reach * x / depth, FINE * HEIGHT / 2 - reach * y / depth
    placed = np.stack([across, down], axis=-1).astype(np.float32)
    return placed, depth.mean(axis=1).astype(np.float32)


def _turned(camera: Camera) -> NDArray[np.float64]:
    """Rows: what is right, up and backwards for a camera."""
    back = np.subtract(camera.eye, camera.center)
    right = np.cross(camera.up, back)
    rows = np.stack([right, np.cross(back, right), back])
    turned: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return turned


def _foremost(faces: NDArray[np.float32]) -> NDArray[np.int64]:
    """Of each pixel the last splinter that covers its middle, −1 where none does.

    All faces are small, so one step looks at one pixel of each: at the same place in the
    box around it.

    Args:
        faces: Corners in pixels, shape ``(F, 3, 2)``, those of a splinter in a row.

    Raises:
        TooNear: A face is not small.
    """
    wide, high = FINE * WIDTH, FINE * HEIGHT
    first = np.maximum(np.ceil(faces.min(axis=1) - 0.5), 0).astype(np.int64)
    last = np.minimum(np.floor(faces.max(axis=1) - 0.5), (wide - 1, high - 1)).astype(np.int64)
    span = last - first
    if span.max(initial=0) > LARGEST:
        raise TooNear
    edges, front = _edges(faces), np.full(high * wide, -1)
    for down in range(span[:, 1].max(initial=-1) + 1):
        rows = np.flatnonzero(span[:, 1] >= down)
        for across in range(span[rows, 0].max(initial=-1) + 1):
            some = rows[span[rows, 0] >= across]
            x, y = first[some, 0] + across, first[some, 1] + down
            a, b, c = edges[:, :, some]
            inside = (a * (x + 0.5) + b * (y + 0.5) + c >= 0).all(axis=0)
            np.maximum.at(front, (y * wide + x)[inside], some[inside] // len(FACES))
    return front.reshape(high, wide)


def _edges(faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """Factors a, b, c of each edge, so that ax + by + c ≥ 0 inside; shape ``(3, 3, F)``."""
    x, y = faces.T
    a, b = y - np.roll(y, -1, axis=0), np.roll(x, -1, axis=0) - x
    c = -(a * x + b * y)
    turn = np.sign(c.sum(axis=0))  # twice the area, and its sense
    return turn * np.stack([a, b, c])


def _png(pixels: NDArray[np.uint8], palette: list[str]) -> bytes:
    """Numbers of colours as a picture; 0 is transparent."""
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), dtype=np.uint8)  # each begins with "no filter"
    rows[:, 1:] = pixels
    colours = bytes.fromhex("000000" + "".join(own.lstrip("#") for own in palette))
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": colours,
        b"tRNS": b"\0",
        b"IDAT": zlib.compress(rows.tobytes(), 5),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
