"""The Lab as a person uses it, in a real browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dashboards.lab import marks
from speciation.analysis.taxonomy import RANKS, Taxonomy, classify
from speciation.analysis.taxonomy_file import encode
from speciation.genome.genome import HYPER17
from speciation.genome.library import read_stored, save_genome
from tests.cluster.runs import carry_out, config
from tests.dashboards.lab.browser import ended, serving, until

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

GENOMES = HYPER17.random(40, np.random.default_rng(0))
PROJECT = """([number, i]) => {
  const gd = document.querySelector("#space .js-plotly-plot");
  const scene = gd._fullLayout.scene._scene, trace = gd._fullData[number];
  const {model, view, projection} = scene.glplot.cameraParams;
  const at = (m, v) => [0, 1, 2, 3].map(
    (r) => m[r] * v[0] + m[4 + r] * v[1] + m[8 + r] * v[2] + m[12 + r] * v[3]);
  const own = (v) => [0, 1, 2, 3].map((k) => v[4 * i + k]);
  const middle = (v) => SPLINTER ? own(v).reduce((a, b) => a + b) / 4 : v[i];
  const p = ["x", "y", "z"].map((k, a) => middle(trace[k]) * scene.dataScale[a]);
  const clip = at(projection, at(view, at(model, [...p, 1])));
  const box = gd.querySelector(".gl-container canvas").getBoundingClientRect();
  return [box.left + (clip[0] / clip[3] + 1) / 2 * box.width,
          box.top + (1 - clip[1] / clip[3]) / 2 * box.height];
}"""
HOVERED = "document.querySelector('#space .js-plotly-plot').textContent"
CAMERA = """() => JSON.stringify(document.querySelector("#space .js-plotly-plot")
  ._fullLayout.scene._scene.getCamera())"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[tuple[str, Path, Taxonomy]]:
    """A Lab that listens: its address, its folder, what it shows."""
    folder = tmp_path_factory.mktemp("lab")
    found = classify(GENOMES)
    (folder / "taxonomy").mkdir()
    (folder / "taxonomy" / "hyper17.arrow").write_bytes(encode(found))
    (folder / "genomes" / "custom").mkdir(parents=True)
    save_genome(
        folder / "genomes/custom/ada.json", GENOMES[0], {"source": "by <b>hand</b>"}, "Ada"
    )
    save_genome(folder / "genomes/custom/bob.json", GENOMES[1], {}, "<i>Bob</i>")
    with serving(folder, folder / "genomes") as address:
        yield address, folder, found


def press(page, x: float, y: float) -> None:
    """A click as long as a person's: WebGL looks at buttons once a frame."""
    page.mouse.click(x, y, delay=120)


def clipboard(page, by) -> str:
    """What an action copies."""
    page.evaluate("navigator.clipboard.writeText('nothing yet')")
    by()
    until(page, "navigator.clipboard.readText().then((t) => t !== 'nothing yet')")
    return page.evaluate("navigator.clipboard.readText()")


def speciation(page, lab, rank: str = "phylum") -> Taxonomy:
    page.goto(f"{lab[0]}/speciation?rank={rank}")
    page.wait_for_selector("#space canvas")
    page.wait_for_timeout(1500)
    return lab[2]


@pytest.mark.parametrize("many", [5000, 10], ids=["points", "splinters"])
def test_clicking_a_genome_copies_its_id_ten_of_ten(page, lab, many, monkeypatch):
    monkeypatch.setattr(marks, "MANY", many)
    found = speciation(page, lab)
    project = PROJECT.replace("SPLINTER", str(many == 10).lower())
    places = {
        int(i): [trace, k]
        for trace, members in enumerate(marks.kin(found))
        for k, i in enumerate(members)
    }
    spots = [page.evaluate(project, places[i]) for i in range(len(found.ids))]
    apart = [
        i
        for i, a in enumerate(spots)
        if min(np.hypot(a[0] - b[0], a[1] - b[1]) for j, b in enumerate(spots) if j != i) > 14
    ][:10]
    assert len(apart) == 10
    right = 0
    for i in apart:
        page.mouse.move(*spots[i], steps=3)
        label = found.ids[i] if many == 5000 else "click to copy"
        until(page, f"{HOVERED}.includes('{label}')")  # as a person does: the label first
        right += clipboard(page, lambda i=i: press(page, *spots[i])) == found.ids[i]
    assert right == 10


HALF = 7  # pixels, of a window around a genome
WINDOWS = f"""async ([data, spots]) => {{
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const shot = await createImageBitmap(new Blob([bytes], {{type: "image/png"}}));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [shot.width, shot.height];
  const pen = canvas.getContext("2d", {{willReadFrequently: true}});
  pen.drawImage(shot, 0, 0);
  const around = ([x, y]) => pen.getImageData(x - {HALF}, y - {HALF}, {2 * HALF}, {2 * HALF});
  return spots.map((spot) => [...around(spot).data]);
}}"""


def marks_at(page, spots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of what is in a window around each place: the middle of its ink, and its colour
    as it differs from the paper's, of length 1.

    NaN where nothing is: a splinter that is seen from its edge.
    """
    shot = base64.b64encode(page.screenshot()).decode()
    told = page.evaluate(WINDOWS, [shot, np.floor(spots).tolist()])
    colours = np.array(told, dtype=float).reshape(len(spots), 2 * HALF, 2 * HALF, 4)[..., :3]
    paper = np.median(colours, axis=(0, 1, 2))
    ink = np.abs(colours - paper).sum(axis=-1)
    ink[ink < 60] = 0  # grid lines, as good as invisible
    with np.errstate(invalid="ignore"):
        ink /= ink.sum(axis=(1, 2), keepdims=True)
    y, x = np.mgrid[: 2 * HALF, : 2 * HALF]
    middle = np.stack([(ink * x).sum(axis=(1, 2)), (ink * y).sum(axis=(1, 2))], axis=1)
    colour = (ink[..., None] * (colours - paper)).sum(axis=(1, 2))
    return middle, colour / np.linalg.norm(colour, axis=1, keepdims=True)


@pytest.mark.parametrize("size", [(1280, 900), (390, 800)], ids=["desk", "phone"])
@pytest.mark.parametrize("seen", ["", "&camera=-1.50,0.90,0.60,0.00,0.10,0.00,0.00,0.00,1.00"])
def test_the_first_picture_has_every_genome_where_webgl_draws_it(
    page, lab, monkeypatch, seen, size
):
    monkeypatch.setattr(marks, "MANY", 10)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    found = speciation(page, lab, f"class{seen}")
    until(page, "document.querySelector('#picture').hidden")
    page.locator("#space").scroll_into_view_if_needed()
    project = PROJECT.replace("SPLINTER", "true")
    places = [(trace, k) for trace, own in enumerate(marks.kin(found)) for k in range(len(own))]
    spots = np.array([page.evaluate(project, place) for place in places])
    gaps = np.abs(spots[:, None] - spots).max(axis=2) + 99 * np.eye(len(spots))
    spots = spots[gaps.min(axis=1) > HALF + 6]
    assert len(spots) > 10
    drawn, colour = marks_at(page, spots)
    page.evaluate("document.querySelector('#picture').hidden = false")
    page.evaluate("document.querySelector('#space').style.visibility = 'hidden'")
    pictured, same = marks_at(page, spots)
    apart = np.abs(drawn - pictured).max(axis=1)  # pixels
    assert np.isfinite(apart).mean() > 0.9
    assert np.nanmax(apart) < 1.5
    assert np.nanmedian(apart) < 0.8
    alike = (colour * same).sum(axis=1)
    assert np.nanmin(alike) > 0.9
    assert np.nanmedian(alike) > 0.99


def test_clicking_a_species_copies_all_of_its_ids(page, lab):
    found = speciation(page, lab, "order")
    own = found.at("order")[1]
    text = clipboard(page, lambda: page.click(f".one:has-text('{own.name}')"))
    assert tuple(text.split()) == found.members("order", own.name)


def test_another_rank_changes_colours_address_and_list_but_not_the_camera(page, lab):
    found = speciation(page, lab, "domain")
    assert page.locator(".one").count() == len(found.at("domain"))
    page.mouse.move(400, 500)
    page.mouse.down()
    page.mouse.move(520, 470, steps=5)
    page.mouse.up()
    page.wait_for_timeout(300)
    before = page.evaluate(CAMERA)
    handle = page.locator("#rank [role=slider]")
    handle.focus()
    for rank in RANKS[1:]:
        page.keyboard.press("ArrowRight")
        until(page, f"location.search.startsWith('?rank={rank}&camera=')")
        until(page, f"document.querySelectorAll('.one').length === {len(found.at(rank))}")
    for rank in RANKS[-2:1:-1]:  # ten updates in all
        page.keyboard.press("ArrowLeft")
        until(page, f"location.search.startsWith('?rank={rank}&camera=')")
    page.wait_for_timeout(500)
    assert page.evaluate(CAMERA) == before
    page.go_back()
    until(page, f"document.querySelectorAll('.one').length === {len(found.at(RANKS[3]))}")
    page.reload()
    page.wait_for_selector("#space canvas")
    assert page.locator(".one").count() == len(found.at(RANKS[3]))
    until(page, f"({CAMERA})() !== undefined")
    np.testing.assert_allclose(eye(page.evaluate(CAMERA)), eye(before), atol=0.02)


def eye(camera: str) -> list[float]:
    """Where a camera stands."""
    return list(json.loads(camera)["eye"].values())


def test_genomes_are_classified_here_and_the_camera_stays_when_there_are_more(page, tmp_path):
    carry_out(config(), tmp_path)
    with serving(tmp_path, tmp_path) as address:
        page.goto(f"{address}/speciation")
        page.click("button:has-text('Find species')")
        page.wait_for_selector("#space canvas", timeout=60_000)
        ended(tmp_path)
        page.wait_for_timeout(1500)
        page.mouse.move(400, 500)
        page.mouse.down()
        page.mouse.move(460, 480, steps=5)
        page.mouse.up()
        until(page, "location.search.includes('camera=')")
        before = page.evaluate(CAMERA)
        said = page.inner_text("#species-lead")
        carry_out(config(name="more", seed=5), tmp_path)
        page.click("button:has-text('Classify again')")
        until(
            page,
            f"document.querySelector('#species-lead').innerText !== {json.dumps(said)}",
            60,
        )
        page.wait_for_timeout(500)
        assert page.evaluate(CAMERA) == before
        ended(tmp_path)


def test_why_there_are_no_species_is_said_on_the_page(page, tmp_path):
    with serving(tmp_path, tmp_path) as address:
        page.goto(f"{address}/speciation")
        page.click("button:has-text('Find species')")
        sentence = "there is no store at"
        until(
            page, f"document.querySelector('#classifying').innerText.includes('{sentence}')", 60
        )
        ended(tmp_path)


def test_a_genome_is_renamed_and_tagged_and_stays_so(page, lab):
    url, folder, _ = lab
    page.goto(f"{url}/library")
    page.fill("#search", "ada")
    until(page, "document.querySelectorAll('.item').length === 1")
    page.click(".item")
    page.wait_for_selector("#name")
    assert page.locator("text=by <b>hand</b>").count() == 1
    page.fill("#name", "Lovelace")
    page.fill("#tags", "first fast")
    page.click("#keep")
    page.fill("#search", "")
    page.wait_for_selector(".item:has-text('Lovelace')")
    stored = read_stored(folder / "genomes/custom/ada.json")
    assert (stored.name, stored.tags) == ("Lovelace", ("fast", "first"))
    page.goto(f"{url}/library?genome={GENOMES[1].id[:8]}")
    page.wait_for_selector("#name")
    assert page.input_value("#name") == "<i>Bob</i>"


def test_the_look_is_chosen_and_remembered(page, lab):
    page.goto(f"{lab[0]}/library")
    page.wait_for_selector(".item")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("#look")
    until(page, f"{paper} !== '{light}'")
    page.reload()
    page.wait_for_selector(".item")
    assert page.evaluate(paper) != light


@pytest.mark.parametrize("path", ["/speciation", "/library", "/evolution", "/runs"])
def test_on_a_phone_nothing_is_wider_than_the_window(page, lab, path):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(lab[0] + path)
    page.wait_for_selector("#page h1")
    page.wait_for_timeout(800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
