"""Every page is exported as one file, of the very view that its address tells."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from dashboards.lab.app import make_app
from dashboards.lab.choosing import store_at
from dashboards.lab.sources import Sources
from dashboards.lab.stress_page import hidden
from dashboards.validation import AS_USUAL, Hidden
from speciation.analysis.taxonomy import classify
from speciation.analysis.taxonomy_file import encode
from speciation.genome.genome import HYPER17
from speciation.genome.library import save_genome
from speciation.tables.readers import trials_frame
from tests.dashboards.lab.browser import serving
from tests.dashboards.lab.hostile import JUNK
from tests.dashboards.reading import Page

ADA, BOB = HYPER17.random(2, np.random.default_rng(0))
BASE = "http://127.0.0.1:8050"


@pytest.fixture(scope="module")
def sources(finished, tmp_path_factory) -> Sources:
    folder = tmp_path_factory.mktemp("exports")
    shutil.copytree(finished, folder / "store")
    (folder / "store" / "taxonomy").mkdir()
    found = classify(HYPER17.random(30, np.random.default_rng(1)))
    (folder / "store" / "taxonomy" / "hyper17.arrow").write_bytes(encode(found))
    (folder / "genomes" / "custom").mkdir(parents=True)
    for genome, name in ((ADA, "Ada <i>"), (BOB, "Bob")):
        save_genome(folder / f"genomes/custom/{name[:3].lower()}.json", genome, {}, name)
    return Sources(folder / "store", folder / "genomes")


@pytest.fixture(scope="module")
def get(sources):
    client = make_app(sources, 8050).server.test_client()
    return lambda path, **wanted: client.get(path, base_url=BASE, query_string=wanted or None)


def page_of(answer) -> Page:
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    return Page(answer.get_data(as_text=True))


def test_the_forge_exports_recipient_child_and_donors(get):
    told = {"recipient": ADA.id, "donors": BOB.id, "take": "beta1:1"}
    page = page_of(get("/export/forge", **told))
    assert "Ada <i> beside child, Bob" in page.text
    assert "Predicted, not measured" in page.text


def test_the_stress_test_exports_its_figures_with_what_is_hidden(get, sources):
    trials = trials_frame(store_at(sources.store))
    champion = trials.loc[trials["pool"] == "B", "genome_id"].iloc[0]
    run = store_at(sources.store).runs()[0]
    chosen = {"arms": ["nobody"], "groups": ["g"], "layers": ["success/bars"]}
    told = {"genomes": f"{champion},run:{run}", "seeds": "6", "chosen": json.dumps(chosen)}
    page = page_of(get("/export/stress", **told))
    assert "How sure they are" in page.text
    arms = json.loads(page.data[0])
    assert (arms["hidden"], arms["groups"], arms["layers"]) == tuple(chosen.values())


@pytest.mark.parametrize("path", ["/export/evolution", "/export/"])
def test_a_run_is_exported_as_its_report(get, path):
    page = page_of(get(path, run="nobody"))
    assert "How it learned" in page.text


def test_species_and_library_are_exported(get):
    assert "In space" in page_of(get("/export/speciation", rank="genus")).text
    assert "In space" in page_of(get("/export/speciation", rank="none")).text
    library = page_of(get("/export/library", text="ada"))
    assert "1 genome" in library.text
    assert "Ada <i>" in library.text
    assert "Bob" not in library.text


def test_runs_are_exported_with_the_log_that_is_open(get, sources):
    run = store_at(sources.store).runs()[0]
    page = page_of(get("/export/runs", name=run))
    assert f"Log of {run}" in page.text
    assert "3 of 3" in page.text


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/export/forge", "Choose a recipient first"),
        (f"/export/forge?recipient={'f' * 32}", "is no genome"),
        ("/export/stress", "Choose genomes"),
        ("/export/library?text=nobody", "No genome matches"),
        ("/export/..%2f..%2fetc", ""),
        ("/export/nothing", "nothing to export"),
    ],
)
def test_where_there_is_nothing_to_export_a_sentence_says_so(get, path, sentence):
    answer = get(path)
    assert "Content-Disposition" not in answer.headers
    assert sentence in answer.get_data(as_text=True)


@pytest.mark.parametrize("junk", JUNK)
def test_what_was_hidden_is_the_pages_own_choice_if_it_is_told_wrongly(junk):
    assert hidden({"chosen": str(junk)}) == AS_USUAL
    assert hidden({"chosen": json.dumps({"arms": junk, "groups": [], "layers": []})}) in (
        AS_USUAL,
        Hidden([], [], []),
    )


@pytest.mark.browser
@pytest.mark.parametrize(
    "path",
    ["evolution", "speciation?rank=genus", "runs", "library", f"forge?recipient={ADA.id}"],
)
def test_every_page_is_saved_and_opens_offline(page, sources, tmp_path, path):
    with serving(sources.store, sources.library) as address:
        page.goto(f"{address}/{path}")
        page.wait_for_selector("#page h1")
        with page.expect_download(timeout=120_000) as file:
            page.click("#export")
        file.value.save_as(tmp_path / "saved.html")
    page.context.set_offline(True)
    page.goto((tmp_path / "saved.html").as_uri())
    page.wait_for_selector("h1")
    page.wait_for_timeout(800)
    assert page.evaluate("[...document.querySelectorAll('.plot')].every((own) => own.data)")
