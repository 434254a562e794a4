"""A picture has what is in front where the camera sees it, in the colours of its rank."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from dashboards.lab import picture
from dashboards.lab.camera import Camera, camera_of
from dashboards.lab.marks import kin, looks
from dashboards.lab.picture import TooNear, projected, seen
from speciation.analysis.taxonomy import Taxonomy, classify
from speciation.genome.genome import HYPER17

SMALL = {"HEIGHT": 64, "WIDTH": 136, "FINE": 1}


@pytest.fixture(scope="module")
def found() -> Taxonomy:
    return classify(HYPER17.random(60, np.random.default_rng(0)))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(picture, name, value)
    seen.cache_clear()


def test_every_pixel_of_a_picture_is_inside_of_a_splinter_of_its_kin(found):
    corners, _ = projected(found, Camera())
    owner = np.repeat(np.arange(len(kin(found))), [len(own) for own in kin(found)])
    shown = seen(found, Camera())
    for y, x in np.argwhere(shown >= 0):
        own = corners[owner == shown[y, x]]
        low, high = own.min(axis=1), own.max(axis=1)
        assert ((low <= (x + 0.5, y + 0.5)) & (high >= (x + 0.5, y + 0.5))).all(axis=1).any()


def test_what_is_nearer_hides_what_is_farther():
    square = np.array([[[0, 0], [9, 0], [0, 9]], [[9, 9], [9, 0], [0, 9]]], dtype=np.float32)
    front = picture._foremost(np.concatenate([square + 10, square + 14]))
    assert front[12, 12] == 0
    assert front[20, 20] == 1
    assert front[16, 16] == 1  # both cover it
    assert front[40, 40] == -1


def test_a_point_that_the_camera_looks_at_is_in_the_middle(found, monkeypatch):
    monkeypatch.setattr(picture, "splinters", lambda _: np.zeros((1, 4, 3), np.float32))
    monkeypatch.setattr(picture, "box_of", lambda _: (-np.ones(3), np.ones(3)))
    corners, depth = projected(found, Camera((1.0, 2.0, 2.0), (0.0, 0.0, 0.0)))
    np.testing.assert_allclose(corners[0], np.tile([68.0, 32.0], (4, 1)))
    assert depth == pytest.approx([3.0])


def test_what_is_behind_the_camera_is_not_drawn(found):
    assert (seen(found, Camera((9.0, 0.0, 0.0), (10.0, 0.0, 0.0))) == -1).all()


def test_a_camera_among_the_genomes_has_no_picture(found, monkeypatch):
    monkeypatch.setattr(picture, "LARGEST", 4)
    with pytest.raises(TooNear):
        seen(found, Camera((0.1, 0.1, 0.1), (0.0, 0.0, 0.0)))


def test_a_picture_is_a_png_in_the_colours_of_its_rank(found):
    data = picture.picture(found, 2, Camera())
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (136, 64)
    chunks, at = {}, 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert zlib.crc32(name + body) == int.from_bytes(data[at + 8 + size : at + 12 + size])
        chunks[name], at = body, at + 12 + size
    palette = [
        f"#{chunks[b'PLTE'][i : i + 3].hex()}" for i in range(3, len(chunks[b"PLTE"]), 3)
    ]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(64, 137)[:, 1:]
    shown = seen(found, Camera())
    assert ((rows > 0) == (shown >= 0)).all()
    own = looks(found, 2)
    y, x = np.argwhere(shown >= 0)[0]
    assert palette[rows[y, x] - 1] == own[shown[y, x]].colour


@pytest.mark.parametrize(
    "told", ["", "1,2,3", "nan,1,1,0,0,0,0,0,1", "1e9,1,1,0,0,0,0,0,1", "0,0,2,0,0,0,0,0,1"]
)
def test_an_address_that_makes_no_sense_has_the_usual_camera(told):
    assert camera_of({"camera": told}) == Camera()


def test_a_camera_is_told_by_an_address_and_read_from_it():
    camera = Camera((1.0, -2.5, 0.25), (0.0, 0.5, 0.0))
    assert camera_of({"camera": camera.query()}) == camera
