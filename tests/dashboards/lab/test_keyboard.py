"""The Lab without a mouse: every part is come to by Tab, seen to be there, and left again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.species import taxonomy_of
from dashboards.lab.choosing import store_at
from dashboards.lab.sources import Sources
from speciation.analysis.taxonomy import Taxonomy
from speciation.genome.library import read_stored, save_genome
from speciation.tables.readers import genome_of
from tests.cluster.runs import carry_out, config
from tests.dashboards.lab.browser import serving, until

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

MOST = 150  # parts of a page
KEY = 60  # milliseconds between two keys; a person is slower
STOP = """() => {
  const own = document.activeElement, label = own.id || own.innerText || own.type || "";
  if (own === document.body) return null;
  const above = own.parentElement;
  const near = [own, above, above.parentElement, own.previousElementSibling];
  const look = () => near.map((part) => {
    const {outline, boxShadow, borderColor} = part ? getComputedStyle(part) : {};
    return [outline, boxShadow, borderColor].join();
  }).join();
  const there = look();
  own.blur();
  const gone = look();
  own.focus({focusVisible: true});
  window.stops ??= [];
  const before = window.stops.indexOf(own);
  window.stops.push(own);
  return {label: label.slice(0, 60), seen: there !== gone, before};
}"""
PARTS = {
    "/evolution": ["export", "look", "run", "Start a run", "resume", "more"],
    "/forge": ["recipient", "donors", "child-name", "save", "validate-child", "seed-run"],
    "/stress": ["genomes", "seeds", "track", "horizon"],
    "/speciation": ["classify", "whose", "copy-whose"],
    "/runs": ["Watch"],
    "/library": ["search", "Take in …", "take"],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[tuple[str, Path, Taxonomy]]:
    """A Lab of a finished run that was classified, and of two genomes."""
    folder = tmp_path_factory.mktemp("keyboard")
    carry_out(config(), folder)
    taxonomy_of(store_at(folder))
    with serving(folder, folder / "genomes") as address:
        (folder / "genomes" / "custom").mkdir(parents=True)
        taxonomy = Sources(folder, folder).taxonomy()
        for name, own in zip(("Ada", "Bob"), taxonomy.ids[:2], strict=True):
            path = folder / "genomes" / "custom" / f"{name.lower()}.json"
            save_genome(path, genome_of(store_at(folder), own), {}, name)
        yield address, folder, taxonomy


def opened(page, lab, path: str) -> None:
    page.goto(lab[0] + path)
    page.wait_for_selector("#page h1")
    page.add_style_tag(content="*{transition:none!important}")
    page.wait_for_timeout(2500)


def to(page, selector: str, key: str = "Tab") -> None:
    """Go from part to part until one is reached."""
    for _ in range(MOST):
        page.keyboard.press(key)
        if page.evaluate(f"document.activeElement.matches({selector!r})"):
            return
    raise AssertionError(f"nobody comes to {selector}")


def chosen(page, name: str) -> None:
    """Type what a menu shall find, and take the first that it shows."""
    page.keyboard.type(name[0])  # which opens it
    until(page, "document.activeElement.matches('.dash-dropdown-search')")
    page.keyboard.type(name[1:], delay=KEY)
    first = "document.querySelector('.dash-dropdown-content .dash-options-list-option')"
    until(page, f"{first}?.innerText.startsWith({name!r})")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def copied(page) -> str:
    until(page, "navigator.clipboard.readText().then((text) => text !== '')")
    return page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize("path", PARTS)
def test_tab_goes_through_a_page_to_its_end_and_is_seen_wherever_it_is(page, lab, path):
    both = "?recipient={}&donors={}".format(*lab[2].ids[:2]) if path == "/forge" else ""
    opened(page, lab, path + both)
    stops = []
    for _ in range(MOST):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None or stop["before"] >= 0:
            break
        stops.append(stop)
    assert stop is None or stop["before"] == 0, f"a trap at {stop}"  # it may begin again
    assert [own["label"] for own in stops if not own["seen"]] == []
    labels = [own["label"] for own in stops]
    assert [own for own in PARTS[path] if own not in labels] == []


def test_pages_and_looks_are_chosen_by_keys(page, lab):
    opened(page, lab, "/library")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    to(page, "#look")
    page.keyboard.press("Enter")
    until(page, f"{paper} !== '{light}'")
    to(page, "nav a[href='/forge']", "Shift+Tab")
    page.keyboard.press("Enter")
    until(page, "location.pathname === '/forge'")


def test_ranks_species_and_single_ids_are_had_by_keys(page, lab):
    opened(page, lab, "/speciation?rank=domain")
    page.evaluate("navigator.clipboard.writeText('')")
    to(page, "#rank [role=slider]")
    page.keyboard.press("ArrowRight")
    until(page, "location.search.includes('rank=kingdom')")
    to(page, ".one")
    page.keyboard.press("Enter")
    own = lab[2].at("kingdom")[0]
    assert tuple(copied(page).split()) == lab[2].members("kingdom", own.name)
    page.evaluate("navigator.clipboard.writeText('')")
    to(page, "#whose")
    chosen(page, "Bob")
    until(page, "document.querySelector('#whose').innerText.startsWith('Bob')")
    to(page, "#copy-whose")
    page.keyboard.press("Enter")
    assert copied(page) == lab[2].ids[1]


def test_a_genome_is_found_named_and_taken_in_by_keys(page, lab):
    asked: list[object] = []
    page.on(
        "filechooser", lambda chooser: asked.append(chooser)
    )  # long before: a browser learns of it some time later
    opened(page, lab, "/library")
    to(page, "#search")
    page.keyboard.type("ada", delay=KEY)
    until(page, "document.querySelectorAll('.item').length === 1")
    to(page, ".item")
    page.keyboard.press("Enter")
    page.wait_for_selector("#name")
    to(page, "#name")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Lovelace", delay=KEY)
    to(page, "#keep")
    page.keyboard.press("Enter")
    until(page, "document.body.innerText.includes('Lovelace')")
    page.wait_for_timeout(800)
    assert read_stored(lab[1] / "genomes" / "custom" / "ada.json").name == "Lovelace"
    to(page, "#give button", "Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_timeout(2000)
    assert len(asked) == 1


def test_a_child_is_made_and_kept_by_keys(page, lab):
    opened(page, lab, f"/forge?recipient={lab[2].ids[0]}&donors={lab[2].ids[1]}")
    to(page, "#child-name")
    page.keyboard.type("By hand", delay=KEY)
    to(page, "tbody tr:not(.group) .take:not(.now)")
    own, before = page.evaluate("document.activeElement.id"), page.evaluate("location.search")
    page.keyboard.press("Enter")
    until(page, f"location.search !== {before!r}")
    until(page, f"document.getElementById({own!r}).classList.contains('now')")
    assert page.evaluate("document.activeElement.id") == own  # though it was drawn anew
    before = page.evaluate("location.search")
    to(page, ".splice input[type=range]")
    page.keyboard.press("ArrowRight")
    until(page, f"location.search !== {before!r}")
    to(page, "#save", "Shift+Tab")
    page.keyboard.press("Enter")
    path = lab[1] / "genomes" / "custom"
    until(page, "document.body.innerText.includes('By hand')")
    page.wait_for_timeout(1500)
    assert "By hand" in [read_stored(own).name for own in path.glob("*.json")]


def test_genomes_are_put_to_the_test_by_keys(page, lab):
    opened(page, lab, "/stress")
    to(page, "#genomes")
    chosen(page, "Bob")
    page.keyboard.press("Escape")
    until(page, f"location.search.includes('{lab[2].ids[1][:8]}')")
    to(page, "#fill")


def test_a_log_a_run_and_its_form_are_opened_by_keys(page, lab):
    opened(page, lab, "/runs")
    to(page, ".runs th a")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.runs tr.chosen') !== null")
    opened(page, lab, "/evolution")
    to(page, "summary")
    page.keyboard.press("Enter")
    to(page, "#start")
    assert page.evaluate("document.activeElement.getBoundingClientRect().height") > 0
