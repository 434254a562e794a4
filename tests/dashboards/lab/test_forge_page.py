"""The forge as a person uses it, in a real browser; and what moves a child."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cluster.yaml_text import read_yaml
from dashboards.lab.forge_page import USUAL, done, moved, opening
from dashboards.lab.forge_view import Scene
from dashboards.lab.sources import Sources
from dashboards.lab.splicing import Splicing, position, steps
from dashboards.lab.works import FOLDER
from speciation.analysis.forge import Party
from speciation.genome.collection import read_collection
from speciation.genome.genome import HYPER17, GenomeError
from speciation.genome.library import save_genome
from tests.dashboards.lab.browser import ended, serving, until
from tests.dashboards.lab.hostile import JUNK

ADA, BOB, CYD = HYPER17.random(3, np.random.default_rng(0))
PARTIES = {g.id: Party(n, g) for n, g in (("Ada", ADA), ("Bob", BOB), ("Cyd", CYD))}
MADE = Splicing().among(ADA.id, [BOB.id, CYD.id])
RATE, DROPOUT = (HYPER17.genes[HYPER17.columns.index(n)] for n in ("learning_rate", "dropout"))


def scene(made: Splicing = MADE) -> Scene:
    donors = tuple(PARTIES[own] for own in made.donors)
    return Scene(made, PARTIES[made.recipient], donors, made.child(PARTIES))


# -- What moves a child -----------------------------------------------------------------------


def test_a_click_transfers_a_gene_or_a_group_and_the_recipients_takes_it_back():
    taken = moved(scene(), {"kind": "take", "donor": 1, "genes": "sensory"}, 1)
    assert taken.taken == {"init_embed": CYD.id, "embed_ratio": CYD.id}
    back = moved(scene(taken), {"kind": "take", "donor": -1, "genes": "init_embed"}, 1)
    assert back.taken == {"embed_ratio": CYD.id}


def test_a_slider_that_only_stands_where_the_child_is_moves_nothing():
    for gene in HYPER17.genes:
        place = position(gene, ADA.gene(gene.name))
        assert moved(scene(), {"kind": "slide", "gene": gene.name}, place) == MADE
        text = f"{ADA.gene(gene.name):.6g}"
        assert moved(scene(), {"kind": "value", "gene": gene.name}, text) == MADE


def test_a_slider_and_a_box_set_a_gene_by_hand():
    end = moved(scene(), {"kind": "slide", "gene": "learning_rate"}, str(steps(RATE)))
    assert end.values == {"learning_rate": RATE.high}
    typed = moved(scene(), {"kind": "value", "gene": "dropout"}, " 0.125 ")
    assert typed.values == {"dropout": 0.125}


@pytest.mark.parametrize("text", ["", "fast", "0.7", "-1", "nan", "1e999"])
def test_a_box_that_says_no_value_of_the_gene_is_one_sentence(text):
    with pytest.raises(GenomeError, match=r"dropout must be a number in \[0, 0\.5\], got"):
        moved(scene(), {"kind": "value", "gene": "dropout"}, text)


@pytest.mark.parametrize("junk", [own for own in JUNK if own not in (1e308, -1, True)])
def test_what_a_browser_cannot_mean_moves_nothing(junk):
    assert moved(scene(), {"kind": "slide", "gene": "dropout"}, junk) == MADE
    assert moved(scene(), {"kind": junk, "gene": junk}, 1) == MADE
    assert moved(scene(), {"kind": "take", "donor": junk, "genes": "beta1"}, 1) == MADE


def test_all_that_was_done_since_the_last_answer_counts_once(library):
    acts = [
        {"count": k, "by": {"kind": "take", "donor": 0, "genes": gene}, "value": 1}
        for k, gene in ((4, "beta2"), (5, "beta1"), (6, "nothing"), (7, "grad_clip"))
    ]
    after, told = done(library, MADE, acts, {"count": 4})
    assert after.taken == {"beta1": BOB.id, "grad_clip": BOB.id}
    assert (told["count"], told["by"]) == (7, "take")
    assert "nothing" in told["trouble"]
    assert done(library, after, acts, told)[0] == after


@pytest.mark.parametrize("junk", JUNK)
def test_what_a_browser_cannot_have_done_changes_nothing(library, junk):
    assert done(library, MADE, junk, junk)[0] == MADE
    assert done(library, MADE, [junk, {"count": 1, "by": junk, "value": junk}], {})[0] == MADE


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Sources:
    folder = tmp_path_factory.mktemp("library")
    (folder / "custom").mkdir()
    for own in PARTIES.values():
        save_genome(folder / "custom" / f"{own.name}.json", own.genome, {}, own.name)
    return Sources(folder, folder)


# -- Before anybody chose ---------------------------------------------------------------------


def test_the_forge_opens_with_the_usual_genome_beside_a_champion(tmp_path):
    for shelf, name, genome in (("hall_of_fame", "best", BOB), ("reference", USUAL, ADA)):
        (tmp_path / shelf).mkdir()
        save_genome(tmp_path / shelf / f"{name}.json", genome, {}, name)
    assert opening(Sources(tmp_path, tmp_path)) == Splicing().among(ADA.id, [BOB.id])


@pytest.mark.parametrize("shelf", ["", "hall_of_fame"])
def test_a_library_without_them_leaves_the_forge_empty(tmp_path, shelf):
    (tmp_path / "hall_of_fame").mkdir()
    if shelf:
        save_genome(tmp_path / shelf / "best.json", BOB, {}, "best")
    assert opening(Sources(tmp_path, tmp_path)) == Splicing()
    assert opening(Sources(tmp_path, tmp_path / "nowhere")) == Splicing()


# -- In a browser -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(finished, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A Lab on a finished run and a library of three."""
    folder = tmp_path_factory.mktemp("forge")
    shutil.copytree(finished, folder / "store")
    (folder / "genomes" / "custom").mkdir(parents=True)
    for own in PARTIES.values():
        path = folder / "genomes" / "custom" / f"{own.name.lower()}.json"
        save_genome(path, own.genome, {"source": "by hand"}, own.name)
    with serving(folder / "store", folder / "genomes") as address:
        yield address, folder


CHILD = "document.querySelector('#child code')?.textContent"
RADAR = "document.querySelector('#radar .js-plotly-plot')"


def opened(page, lab, made: Splicing) -> None:
    page.goto(f"{lab[0]}/forge?{made.query()}")
    until(page, f"{CHILD} === '{made.child(PARTIES).genome.id}'")


def drag(page, gene: str, share: float) -> None:
    """Take the slider of a gene by its thumb and pull it to a share of its length."""
    slider = page.locator(f"label:has-text('{gene}, ') input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    now = float(slider.input_value()) / float(slider.get_attribute("max"))
    page.mouse.move(box["x"] + 8 + now * (box["width"] - 16), middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 8 + share * (box["width"] - 16), middle, steps=6)
    page.mouse.up()


@pytest.mark.browser
def test_a_child_is_chosen_transferred_dragged_saved_and_found_in_the_library(page, lab):
    page.goto(f"{lab[0]}/forge")
    until(page, "document.querySelector('#forge-empty')?.textContent.includes('Choose')")
    page.click("#recipient")
    page.keyboard.type("ada")
    page.locator(".dash-dropdown-option").first.click()
    until(page, f"{CHILD} === '{ADA.id}'")
    page.click("#donors")
    page.keyboard.type(BOB.id[:6])
    page.locator(".dash-dropdown-option").first.click()
    page.keyboard.press("Escape")
    page.click("button[title='Transfer all sensory of Bob']")
    wanted = Splicing().among(ADA.id, [BOB.id]).taking(BOB.id, ["init_embed", "embed_ratio"])
    until(page, f"{CHILD} === '{wanted.child(PARTIES).genome.id}'")
    drag(page, "dropout", 1.0)
    wanted = wanted.setting("dropout", DROPOUT.high)
    until(page, f"{CHILD} === '{wanted.child(PARTIES).genome.id}'")
    until(page, "document.querySelector('#prediction').textContent.includes('not measured')")
    page.fill("#child-name", "Daughter")
    for said in ("Saved as Daughter.", "The library has it already, as Daughter."):
        page.click("#save")
        until(page, f"document.querySelector('#made').textContent === '{said}'")
    library = read_collection(lab[1] / "genomes")
    stored = library.holding(wanted.child(PARTIES).genome.id)
    assert stored.name == "Daughter"
    assert stored.provenance["parent_names"] == ["Ada", "Bob"]
    page.click("#made a")
    until(page, "document.querySelector('#name')?.value === 'Daughter'")
    stored.path.unlink()


@pytest.mark.browser
def test_validate_this_begins_a_validation_that_is_watched_and_stopped(page, lab):
    opened(page, lab, MADE.setting("dropout", 0.375))
    page.fill("#child-seeds", "3")
    page.click("#validate-child")
    page.click("#made a:has-text('watch it')")
    until(page, "location.pathname === '/stress' && location.search.includes('validation-')")
    until(page, "document.querySelector('#seeds')?.value === '3'")
    until(page, "document.querySelector('#stop-filling')?.hidden === false")
    page.click("#stop-filling")
    page.wait_for_selector("text=stops when")
    until(page, "document.querySelector('#stop-filling').hidden", 90)
    ended(lab[1] / "store")


@pytest.mark.browser
def test_seed_a_run_with_this_begins_a_run_that_is_watched_and_stopped(page, lab):
    opened(page, lab, MADE.setting("dropout", 0.25))
    page.click("#seed-run")
    page.click("#made a")
    until(page, "location.pathname === '/evolution' && location.search.includes('quickstart')")
    until(page, "document.querySelector('#stop')?.disabled === false")
    page.click("#stop")
    page.wait_for_selector("text=stops when")
    until(page, "document.querySelector('#stop').disabled", 90)
    ended(lab[1] / "store")
    (order,) = (lab[1] / "store" / FOLDER).glob("quickstart-*.yaml")
    ancestors = read_yaml(order)["ancestors"]
    child = MADE.setting("dropout", 0.25).child(PARTIES).genome
    assert [own["genes"] for own in ancestors] == [dict(child.genes)]


@pytest.mark.browser
def test_the_child_on_the_radar_follows_the_hand_before_the_server_knows(page, lab):
    opened(page, lab, MADE)
    until(page, f"{RADAR}?.data?.length === 4")
    page.route("**/_dash-update-component", lambda route: route.abort())
    drag(page, "learning rate", 1.0)
    until(page, f"[...{RADAR}._fullData[1].r].at(0) === 1")
    until(page, f"[...{RADAR}._fullData[1].r].at(-1) === 1")
    box = page.locator("label:has-text('learning rate, ') input[type=text]")
    assert float(box.input_value()) == RATE.high
    page.unroute("**/_dash-update-component")


@pytest.mark.browser
def test_the_address_carries_everything_and_back_takes_a_step_back(page, lab):
    made = MADE.taking(BOB.id, ["beta1"]).setting("dropout", 0.125)
    opened(page, lab, made)
    page.click("button[title='beta1 as the recipient has it']")
    after = made.without(["beta1"])
    until(page, f"{CHILD} === '{after.child(PARTIES).genome.id}'")
    until(page, "!location.search.includes('take=')")
    page.reload()
    until(page, f"{CHILD} === '{after.child(PARTIES).genome.id}'")
    page.go_back()
    until(page, f"{CHILD} === '{made.child(PARTIES).genome.id}'")


@pytest.mark.browser
def test_a_hand_may_be_faster_than_answers_that_come_late(page, lab):
    made = MADE.taking(BOB.id, ["beta1"]).taking(CYD.id, ["init_embed", "embed_ratio"])
    made = made.taking(BOB.id, ["beta2"])
    with serving(lab[1] / "store", lab[1] / "genomes", late=0.7) as address:
        opened(page, (address, lab[1]), MADE)
        page.click("button[title='Transfer beta1 of Bob']")
        page.click("button[title='Transfer all sensory of Cyd']")
        page.click("button[title='Transfer beta2 of Bob']")
        until(page, f"location.search === '?{made.query()}'")
        page.wait_for_timeout(2500)
        assert page.evaluate(CHILD) == made.child(PARTIES).genome.id
        assert page.evaluate("location.search") == f"?{made.query()}"


@pytest.mark.browser
def test_a_gene_is_transferred_with_the_keyboard_alone(page, lab):
    opened(page, lab, MADE)
    focused = "document.activeElement.title"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "Transfer learning rate of Cyd":
            break
    page.keyboard.press("Enter")
    made = MADE.taking(CYD.id, ["learning_rate"])
    until(page, f"{CHILD} === '{made.child(PARTIES).genome.id}'")


@pytest.mark.browser
def test_a_slider_moves_by_the_keyboard_and_a_wrong_value_is_told(page, lab):
    opened(page, lab, MADE)
    slider = page.locator("label:has-text('dropout, ') input[type=range]")
    place = int(slider.input_value())
    slider.focus()
    page.keyboard.press("ArrowRight" if place < steps(DROPOUT) else "ArrowLeft")
    until(page, "location.search.includes('set=dropout')")
    box = page.locator("label:has-text('dropout, ') input[type=text]")
    box.fill("lots")
    box.press("Enter")
    trouble = "document.querySelector('#forge-trouble').textContent"
    until(page, f"{trouble}.includes('dropout must be a number in [0, 0.5]')")


@pytest.mark.browser
def test_the_page_is_exported_and_opens_offline_without_an_error(page, chromium, lab, tmp_path):
    opened(page, lab, MADE.setting("dropout", 0.125))
    with page.expect_download() as file:
        page.click("#export")
    file.value.save_as(tmp_path / file.value.suggested_filename)
    with page.expect_download() as picture:
        page.click("[data-save=svg]")
    assert picture.value.suggested_filename == "radar.svg"
    page.context.set_offline(True)
    page.goto((tmp_path / "forge.html").as_uri())
    until(page, "document.querySelector('.plot').data?.length === 4")
    shown = "document.querySelector('.plot').data.map((own) => own.visible !== false)"
    page.click(".keys button:has-text('child')")
    until(page, f"JSON.stringify({shown}) === '[true,false,true,true]'")


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/forge", "/stress"])
def test_on_a_phone_nothing_is_wider_than_the_window(page, lab, path):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{lab[0]}{path}?{MADE.query()}&genomes={ADA.id},{BOB.id}")
    page.wait_for_selector("#page h1")
    page.wait_for_timeout(1500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
