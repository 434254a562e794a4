"""The picture of a benchmark: valid, self-contained, and true to its numbers."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from dashboards.bench import Bar, decades, panels, picture, time_text

SVG = "{http://www.w3.org/2000/svg}"


def row(
    way: str, slots: int, cost: float | None, algebra: str = "plain", batch: int = 512
) -> dict:
    backend = way.removeprefix("engine, ") if way.startswith("engine, ") else None
    return {
        "batch": batch,
        "way": way,
        "algebra": algebra,
        "backend": backend,
        "slots": slots,
        "microseconds": cost,
    }


FOUND = {
    "device": {"name": "A card <b>"},
    "commit": "0123456789",
    "rows": [
        row("eager, one trial", 1, 4000.0),
        row("jax vmap + scan", 64, 8.0),
        row("jax vmap + scan", 512, 6.0),
        row("jax vmap + scan", 512, 3.0, "factored"),
        row("torch.func vmap", 512, None),
        row("engine, fused", 512, 0.5, "factored"),
        row("eager, one trial", 1, 4100.0, batch=4704),
    ],
    "roofline": {
        "batches": [
            {"batch": 512, "ceilings": {"fp32": 0.6, "tf32": 0.13, "memory": 0.1}},
            {"batch": 4704, "ceilings": {"fp32": 5.0, "memory": 0.1}},
        ]
    },
}


def test_each_way_shows_the_pack_that_suits_it_best():
    first, second = panels(FOUND)
    assert first.bars == [
        Bar("eager, one trial, plain", 1, 4000.0, ours=False),
        Bar("jax vmap + scan, plain", 512, 6.0, ours=False),
        Bar("jax vmap + scan, factored", 512, 3.0, ours=False),
        Bar("engine, fused", 512, 0.5, ours=True),
    ]
    assert (first.batch, first.ceiling) == (512, 0.13)
    assert (second.batch, len(second.bars), second.ceiling) == (4704, 1, 5.0)


def test_it_is_one_valid_file_that_asks_for_nothing():
    root = ElementTree.fromstring(picture(FOUND))
    assert root.tag == f"{SVG}svg"
    assert root.attrib["viewBox"].startswith("0 0 760 ")
    used = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert used <= {"svg", "style", "rect", "line", "text"}
    assert "http" not in picture(FOUND).replace("http://www.w3.org/2000/svg", "")
    assert any("A card <b>" in (text.text or "") for text in root.iter(f"{SVG}text"))


def test_bars_are_as_long_as_their_logarithms_and_ours_stand_out():
    rects = [r.attrib for r in ElementTree.fromstring(picture(FOUND)).iter(f"{SVG}rect")]
    bars = [bar for bar in rects if bar["class"] in ("peer", "ours")]
    assert [bar["class"] for bar in bars] == ["peer", "peer", "peer", "ours", "peer"]
    widths = [float(bar["width"]) for bar in bars]
    assert widths == sorted(widths[:4], reverse=True) + widths[4:]
    decade = (760 - 210 - 120) / 6  # 10 ns … 10 ms
    assert widths[1] - widths[3] == pytest.approx(decade * 1.0792, abs=0.2)  # log10(6 / 0.5)


def test_nothing_timed_is_an_empty_picture():
    ElementTree.fromstring(picture(FOUND | {"rows": [row("torch.func vmap", 1, None)]}))


def test_an_axis_has_whole_decades():
    assert decades([0.5, 4000.0]) == (-2, 4)
    assert decades([5.0]) == (-1, 1)


@pytest.mark.parametrize(
    ("microseconds", "words"),
    [(0.05, "50 ns"), (0.5, "500 ns"), (5.94, "5.94 µs"), (3769.0, "3.77 ms"), (2e6, "2 s")],
)
def test_times_have_the_unit_that_suits_them(microseconds, words):
    assert time_text(microseconds) == words
