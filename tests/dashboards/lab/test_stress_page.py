"""The stress test as a person uses it: planned, filled up by real training, drawn, exported."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.species import taxonomy_of
from dashboards.lab.choosing import store_at
from speciation.genome.library import save_genome
from speciation.tables.readers import genome_of, trials_frame
from tests.dashboards.lab.browser import ended, serving, until

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

SAID = "document.querySelector('#plan-text')?.textContent"
STEPS = 50  # a trial of two evaluations


@pytest.fixture(scope="module")
def lab(finished, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A Lab on a finished run: its address and its store."""
    folder = tmp_path_factory.mktemp("stress")
    shutil.copytree(finished, folder / "store")
    store = store_at(folder / "store")
    trials = trials_frame(store)
    confirmed = trials.loc[trials["pool"] == "B", "genome_id"]
    newcomer = trials.loc[~trials["genome_id"].isin(confirmed), "genome_id"].iloc[0]
    (folder / "genomes" / "custom").mkdir(parents=True)
    path = folder / "genomes" / "custom" / "newcomer.json"
    save_genome(path, genome_of(store, newcomer), {}, "Newcomer")
    with serving(folder / "store", folder / "genomes") as address:
        yield address, folder / "store"
    ended(folder / "store")  # what was filled up last may still be writing its page


def drawn(page, figure: str) -> str:
    """What is true once a figure is drawn."""
    return f"document.querySelector('#{figure}')?.data?.length > 0"


def test_a_plan_is_filled_up_and_drawn_and_survives_a_reload(page, lab):
    address, store = lab
    page.goto(f"{address}/stress")
    page.click("#genomes")
    page.keyboard.type("newcom")
    page.locator(".dash-dropdown-option", has_text="Newcom").first.click()
    page.keyboard.press("Escape")
    until(page, "location.search.includes('genomes=')")
    page.fill("#seeds", "3")
    page.fill("#horizon", str(STEPS))
    planned = f"sked 3 seeds of 1 genome to {STEPS} steps: found 0, will compute 3"
    until(page, f"{SAID}?.includes('{planned}')")
    page.click("#fill")
    until(page, "location.search.includes('work=validation-')")
    until(page, f"{SAID}.includes('found 3, will compute 0')", 180)
    until(page, drawn(page, "success"), 60)
    until(page, "document.querySelector('#fill').textContent === 'Nothing is missing'")
    page.reload()
    until(page, drawn(page, "success"), 30)
    assert page.input_value("#seeds") == "3"
    assert len(trials_frame(store_at(store))[lambda own: own["run"] == "validation"]) == 3


def test_answers_that_come_late_leave_a_form_as_it_was_filled_in(page, lab):
    with serving(lab[1], lab[1].parent / "genomes", late=0.7) as address:
        page.goto(f"{address}/stress?genomes=run:{store_at(lab[1]).runs()[0]}")
        page.wait_for_selector("#plan-text")
        for seeds, horizon in ((4, 75), (5, 100), (6, 125)):
            page.fill("#seeds", str(seeds))
            page.wait_for_timeout(600)
            page.fill("#horizon", str(horizon))
            page.wait_for_timeout(600)
        until(page, f"{SAID}?.includes('sked 6 seeds') && {SAID}.includes('to 125 steps')")
        page.wait_for_timeout(2500)
        asked = "location.search.includes('seeds=6') && location.search.includes('horizon=125')"
        assert page.evaluate(asked)
        assert (page.input_value("#seeds"), page.input_value("#horizon")) == ("6", "125")


def test_a_species_is_chosen_by_its_name(page, lab):
    address, folder = lab
    taxonomy = taxonomy_of(store_at(folder))
    species = taxonomy.at(taxonomy.clearest)[0]
    page.goto(f"{address}/stress")
    page.click(f".offers a:has-text('{species.name}')")
    until(page, f"{SAID}?.includes('seeds of {species.size} genomes')")
    page.reload()
    page.click("#genomes")
    page.keyboard.type("species")
    option = page.locator(".dash-dropdown-option", has_text=f"{species.name} · species")
    assert option.locator("input").is_checked()
    page.keyboard.press("Escape")
    until(page, "decodeURIComponent(location.search).includes('species:')")


@pytest.fixture(scope="module")
def answered(lab) -> str:
    """An address that the store answers, of the task and model of its run."""
    address, store = lab
    return f"{address}/stress?genomes=run:{store_at(store).runs()[0]}&seeds=6"


def test_what_is_hidden_stays_so_when_figures_change_when_reloaded_and_when_exported(
    page, answered, tmp_path
):
    page.goto(answered)
    until(page, drawn(page, "success"), 30)
    page.click(".switches label:has-text('violins') input")
    page.click(".panel .arms label input")
    name = page.locator(".panel .arms label").first.inner_text().strip()
    until(page, "decodeURIComponent(location.hash).includes('speed/violins')")
    hidden = (
        "document.querySelector('#speed').data.every((own) => own.visible === false ||"
        f" (own.meta.layer !== 'violins' && own.meta.arm !== '{name}'))"
    )
    assert page.evaluate(hidden)
    page.reload()
    until(page, drawn(page, "success"), 30)
    assert page.evaluate(hidden)
    with page.expect_download() as file:
        page.click("#export")
    file.value.save_as(tmp_path / "validation.html")
    page.context.set_offline(True)
    page.goto((tmp_path / "validation.html").as_uri())
    until(page, drawn(page, "success"))
    assert page.evaluate(hidden)


def zoom(page, figure: str) -> None:
    """Drag over the middle of a figure."""
    page.locator(figure).scroll_into_view_if_needed()
    box = page.locator(figure).bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=8)
    page.mouse.up()
    page.wait_for_timeout(500)


def test_new_numbers_leave_a_zoom_and_what_is_hidden_as_they_are(page, answered):
    page.goto(answered)
    until(page, drawn(page, "success"), 30)
    page.click(".switches label:has-text('violins') input")
    zoom(page, "#grokked-by-step")
    before = page.evaluate("document.querySelector('#grokked-by-step').layout.xaxis.range")
    assert before[1] < 900
    page.evaluate("document.querySelector('#grokked-by-step').same = true")
    page.fill("#seeds", "5")
    until(page, "document.querySelector('#every td')?.textContent === '5'", 20)
    after = "document.querySelector('#grokked-by-step')"
    assert page.evaluate(f"{after}.same") is True
    assert page.evaluate(f"{after}.layout.xaxis.range") == before
    speed = "document.querySelector('#speed').data"
    assert not page.evaluate(
        f"{speed}.some((own) => own.meta.layer === 'violins' && own.visible)"
    )


def test_a_wrong_address_is_one_sentence_and_back_goes_back(page, lab, answered):
    page.goto(f"{lab[0]}/stress?genomes=group:nobody&seeds=4")
    trouble = "document.querySelector('#plan .trouble')?.textContent"
    until(page, f"{trouble}?.includes(\"There is no group 'nobody'\")")
    page.fill("#seeds", "7")
    until(page, "location.search.includes('seeds=7')")
    page.go_back()
    until(page, "document.querySelector('#seeds').value === '4'")
    assert page.is_disabled("#fill")
