"""Where a camera stands in a scene of Plotly's, as an address tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dashboards.figures.space import CENTER, EYE
from dashboards.lab.splicing import number

FARTHEST = 100.0  # that a camera may stand, in lengths of the scene
MOST_LETTERS = 200


class Camera(NamedTuple):
    """Where it stands, what it looks at, and what is up, in lengths of the scene."""

    eye: tuple[float, ...] = EYE
    center: tuple[float, ...] = CENTER
    up: tuple[float, ...] = (0.0, 0.0, 1.0)

    def told(self) -> dict[str, dict[str, float]]:
        """The same as Plotly takes it."""
        return {
            key: dict(zip("xyz", point, strict=True)) for key, point in self._asdict().items()
        }

    def query(self) -> str:
        """The same as an address tells it."""
        return ",".join(f"{own:.2f}" for point in self for own in point)


def camera_of(wanted: Mapping[str, str]) -> Camera:
    """The camera of an address: ``camera`` is nine numbers; the usual one if they are not."""
    told = [number(own) for own in wanted.get("camera", "")[:MOST_LETTERS].split(",")]
    own = tuple(each for each in told if each is not None and abs(each) < FARTHEST)
    if len(told) != 9 or len(own) != 9:
        return Camera()
    found = Camera(own[:3], own[3:6], own[6:])
    upright = np.cross(found.up, np.subtract(found.eye, found.center))
    return found if np.linalg.norm(upright) > 1e-3 else Camera()
