"""The page of a validation: every figure as numbers, drawing and file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cluster.validate import Outcomes, judged
from cluster.validate_plan import plan
from cluster.validate_text import document
from dashboards import export
from dashboards.figures import arms as traces
from dashboards.figures import speed, steps, success, survival
from dashboards.importance import genes_of
from dashboards.validation import charts_of, report
from speciation.analysis import validation
from speciation.tables.store import Store
from tests.cluster.validations import asked, carry_out, genome_files
from tests.speciation.analysis.arms import arm, draw

FIGURES = {
    *("grokked-by-step", "differences", "speed", "success", "steps", "phase", "classes"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[validation.Validation, Store, dict, Path]:
    folder = tmp_path_factory.mktemp("validated")
    store = Store(folder / "store")
    files = genome_files(folder / "mine", 10)
    carry_out(asked(store, files, seeds=20), store)
    wanted = asked(store, files, seeds=20, blocks=3)
    done = carry_out(wanted, store)
    out = folder / "out"
    out.mkdir()
    told = document(wanted, done)
    written = report(done.found, store, told, "hyper17", out)
    assert all(path.is_file() for path in written)
    return done.found, store, told, out


def figures_of(page: str) -> dict[str, dict]:
    pattern = r'<script type="application/json" id="([a-z-]+)-data">(.*?)</script>'
    return {name: json.loads(data) for name, data in re.findall(pattern, page, re.S)}


def test_every_figure_has_its_numbers_and_its_drawing(made):
    _, _, _, out = made
    drawn = figures_of((out / "validation.html").read_text())
    assert set(drawn) >= FIGURES | {"components"}
    for name in drawn:
        assert len(pd.read_csv(out / f"{name}.csv")) > 0


def test_plotly_knows_every_property(made):
    found, store, _, _ = made
    order = sorted(found.summaries, key=lambda own: own.rmst.value)
    colour = traces.colours([own.name for own in order])
    for chart in charts_of(found, store, colour):
        assert traces.checked(chart.drawing).data


def test_every_trace_says_which_arm_and_layer_it_is_of(made):
    found, _, _, out = made
    names = {own.name for own in found.arms}
    for figure in figures_of((out / "validation.html").read_text()).values():
        for trace in figure["data"]:
            assert trace["meta"]["layer"]
            assert trace["meta"]["arm"] in names | {None}


def test_the_page_asks_nothing_of_the_network(made):
    _, _, _, out = made
    page = (out / "validation.html").read_text().partition("</main>")[0]
    assert "default-src &#x27;none&#x27;" in page
    assert not re.search(r'(src|href)="https?:', page)


def test_the_page_opens_with_the_fastest_arms(made):
    found, _, _, out = made
    page = (out / "validation.html").read_text()
    told = json.loads(re.search(r'id="arms">(.*?)</script>', page, re.S)[1])
    best = min(found.summaries, key=lambda own: own.rmst.value).name
    assert told["arms"][0]["name"] == best
    assert len(told["hidden"]) == 2
    assert best not in told["hidden"]


def test_a_hostile_name_is_only_text(made, tmp_path):
    found, store, told, _ = made
    evil = '<img src=x onerror="alert(1)">=1+1'
    groups = {evil: found.arms[0].genomes, "other": found.arms[1].genomes}
    renamed = validation.of_store(store, groups=groups)
    report(renamed, store, told, "hyper17", tmp_path)
    page = (tmp_path / "validation.html").read_text()
    assert "<img src=x" not in page


def test_a_cell_is_no_formula(made, tmp_path):
    found, store, told, _ = made
    renamed = validation.of_store(store, groups={"=cmd()": found.arms[0].genomes})
    report(renamed, store, told, "hyper17", tmp_path)
    assert pd.read_csv(tmp_path / "arms.csv")["name"].tolist() == ["'=cmd()"]


def test_importance_waits_for_enough_genomes_and_says_so(made):
    found, store, _, out = made
    genes = genes_of(store, found, "hyper17")
    assert genes.charts == ()
    assert genes.unsaid in (out / "validation.html").read_text()
    assert "takes 40 genomes of this experiment to learn from, and the store has 10" in (
        genes.unsaid
    )


@pytest.mark.slow
def test_importance_is_drawn_of_many_genomes(tmp_path):
    """Sixty genomes whose steps follow from their learning rate."""
    made_up, store = Store(tmp_path / "made up"), Store(tmp_path / "store")
    files = genome_files(tmp_path / "mine", 60)
    carry_out(asked(made_up, files, seeds=4), made_up)
    genomes, rows = (made_up.scan(name).table for name in ("genomes", "trials"))
    rate = genomes.select(["genome_id", "learning_rate"]).to_pandas().set_index("genome_id")
    steps = 25 * rate["learning_rate"].rank()[rows["genome_id"].to_pylist()].astype("int64")
    same = {"steps_to_grok": steps, "steps_run": steps}
    for name, values in same.items():
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(values))
    grokked = pa.array(["grokked"] * len(rows))
    rows = rows.set_column(rows.column_names.index("outcome"), "outcome", grokked)
    store.append("genomes", genomes)
    store.append("trials", rows)
    found = validation.of_store(store, horizon=1000)
    genes = genes_of(store, found, "hyper17")
    names = [chart.name for chart in genes.charts]
    assert names == ["importance", "complexes", "slices", "parallel"]
    assert genes.charts[0].numbers["genes"][0] == "learning rate"
    for chart in genes.charts:
        assert traces.checked(chart.drawing).data


def test_what_the_terminal_says_stands_in_the_page(made):
    _, _, told, out = made
    page = (out / "validation.html").read_text()
    assert any(own.startswith("log-rank test of all 10 curves") for own in told["sentences"])
    assert "Log-rank test of all 10 curves at once" in page


def test_arms_stand_fastest_first_in_every_figure(made):
    found, store, _, _ = made
    order = [o.name for o in sorted(found.summaries, key=lambda o: (o.rmst.value, o.name))]
    charts = {c.name: c for c in charts_of(found, store, traces.colours(order))}
    for name in ("grokked-by-step", "speed", "success", "components"):
        seen = list(dict.fromkeys(charts[name].numbers["arm"]))
        assert seen == [own for own in order if own in seen], name


def test_where_nothing_grokked_and_nothing_varied_no_frame_stands_empty(made):
    found, store, _, _ = made
    none = [
        replace(own, steps=np.full(own.size, np.inf), spent=np.full(own.size, found.horizon))
        for own in found.arms
    ]
    same = {name: replace(own, deviation=0.0) for name, own in found.components.items()}
    order = traces.colours([own.name for own in found.arms])
    still = replace(found, arms=tuple(none), components=same)
    names = {chart.name for chart in charts_of(still, store, order)}
    assert not names & {"steps", "components"}
    assert {"grokked-by-step", "speed", "success"} <= names


# -- Numbers ----------------------------------------------------------------------------------


def two():
    rng = np.random.default_rng(0)
    return [arm(draw(rng, (50,), rate=0.8), "a"), arm(draw(rng, (50,), mean=600), "b")]


def test_spans_hold_every_trial_that_grokked():
    own = two()
    table = steps.steps_table(own)
    counts = table.groupby("arm")["count"].sum()
    assert counts.to_dict() == {one.name: int(one.grokked.sum()) for one in own}
    on_edge = table[(table["end"] == own[0].steps[own[0].grokked].min())]
    assert on_edge[on_edge["arm"] == "a"]["count"].iloc[0] > 0


def test_boxes_are_quantiles_of_all_trials():
    own = two()
    table = speed.speed_table(own).set_index("arm")
    assert table.loc["a", "median"] == np.median(own[0].capped)
    assert table.loc["b", "q95"] == np.quantile(own[1].capped, 0.95)


def test_curves_end_where_the_success_rate_is():
    own = two()
    table = survival.survival_table(own).groupby("arm").last()
    assert table.loc["a", "share"] == pytest.approx(own[0].grokked.mean())


def test_arms_of_one_time_can_be_drawn():
    own = [arm(np.full(5, 500.0), "same"), arm(np.full(5, np.inf), "never")]
    colour = traces.colours(["same", "never"])
    assert traces.checked(speed.draw_speed(own, colour)).data
    from speciation.analysis.estimates import summarise

    table = success.success_table(summarise(own))
    assert table["rate"].tolist() == [1, 0]


# -- In a browser -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, made):
    own = browser.new_page(viewport={"width": 1280, "height": 900})
    errors = []
    own.on("pageerror", lambda error: errors.append(str(error)))
    own.on("console", lambda said: said.type == "error" and errors.append(said.text))
    own.goto((made[3] / "validation.html").resolve().as_uri())
    own.wait_for_selector(".switches button")
    yield own
    own.close()
    assert errors == []


def visible(page, figure: str) -> set[tuple[str, str]]:
    script = """(id) => document.getElementById(id).data.filter((t) => t.visible !== false)
      .map((t) => [t.meta.arm, t.meta.layer])"""
    return {tuple(own) for own in page.evaluate(script, figure)}


@pytest.mark.browser
def test_arms_and_layers_are_switched_independently(page, made):
    best = min(made[0].summaries, key=lambda own: own.rmst.value).name
    before = visible(page, "grokked-by-step")
    assert (best, "lines") in before
    page.locator(".arms label", has_text=best).click()
    after = visible(page, "grokked-by-step")
    assert {own for own in before if own[0] != best} == after
    page.locator("#grokked-by-step + .switches label", has_text="bands").click()
    assert {own for own in after if own[1] == "lines"} == visible(page, "grokked-by-step")
    assert any(layer == "violins" for _, layer in visible(page, "speed"))
    page.get_by_role("button", name="none").click()
    assert visible(page, "success") == set()
    page.get_by_role("button", name="all", exact=True).click()
    assert len({arm for arm, _ in visible(page, "success")}) == 10


@pytest.mark.browser
def test_hidden_arms_leave_no_holes(page, made):
    names = [own.name for own in sorted(made[0].summaries, key=lambda own: own.rmst.value)]
    page.get_by_role("button", name="none").click()
    for name in (names[4], names[1]):
        page.locator(".arms label", has_text=name).click()
    for figure in ("speed", "success", "classes"):
        axis = page.evaluate(
            "(id) => document.getElementById(id).layout.yaxis.ticktext",
            figure,
        )
        assert axis == [names[1], names[4]]


@pytest.mark.browser
def test_what_was_chosen_survives_a_reload_and_an_export(page, made, tmp_path):
    best = min(made[0].summaries, key=lambda own: own.rmst.value).name
    page.locator(".arms label", has_text=best).click()
    page.locator("#grokked-by-step + .switches label", has_text="bands").click()
    chosen = visible(page, "grokked-by-step")
    page.reload()
    page.wait_for_selector(".switches button")
    assert visible(page, "grokked-by-step") == chosen
    saved = {}
    for form in ("SVG", "PNG", "CSV"):
        with page.expect_download() as download:
            page.locator("#grokked-by-step + .switches").get_by_role(
                "button", name=form
            ).click()
        saved[form] = tmp_path / f"figure.{form.lower()}"
        download.value.save_as(saved[form])
    assert saved["PNG"].read_bytes().startswith(b"\x89PNG")
    drawn = saved["SVG"].read_text()
    assert drawn.startswith("<svg")
    assert best not in drawn
    table = pd.read_csv(saved["CSV"])
    assert {tuple(own) for own in table[["arm", "layer"]].itertuples(index=False)} == chosen


@pytest.mark.browser
def test_a_page_that_is_saved_opens_with_what_was_chosen(page, browser, made, tmp_path):
    best = min(made[0].summaries, key=lambda own: own.rmst.value).name
    page.locator(".arms label", has_text=best).click()
    page.locator("#speed + .switches label", has_text="violins").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="save page").click()
    saved = tmp_path / "saved.html"
    download.value.save_as(saved)
    assert saved.read_text().startswith("<!doctype html>")
    again, errors = browser.new_page(), []
    again.on("pageerror", lambda error: errors.append(str(error)))
    again.on("console", lambda said: said.type == "error" and errors.append(said.text))
    again.goto(saved.resolve().as_uri())
    again.wait_for_selector(".switches button")
    for figure in ("speed", "success"):
        assert visible(again, figure) == visible(page, figure)
    assert again.locator(".switches").count() == page.locator(".switches").count()
    again.close()
    assert errors == []


@pytest.mark.browser
def test_a_figure_without_anything_shown_says_so(page):
    said = (
        "getComputedStyle(document.querySelector('#success + .switches'), '::before').content"
    )
    assert page.evaluate(said) == "none"
    page.get_by_role("button", name="none").click()
    assert "Nothing that is shown" in page.evaluate(said)
    page.get_by_role("button", name="all", exact=True).click()
    assert page.evaluate(said) == "none"


@pytest.mark.browser
def test_numbers_of_two_axes_are_told_apart(page, tmp_path):
    with page.expect_download() as download:
        page.locator("#phase + .switches").get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "phase.csv")
    layers = set(pd.read_csv(tmp_path / "phase.csv")["layer"])
    assert {"validation lines of accuracy", "validation lines of loss"} <= layers


@pytest.mark.browser
def test_saved_bounds_stand_on_the_axis_that_they_are_bounds_of(page, made, tmp_path):
    with page.expect_download() as download:
        page.locator("#differences + .switches").get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "shown.csv")
    shown = pd.read_csv(tmp_path / "shown.csv")
    whole = pd.read_csv(made[3] / "differences.csv").set_index("arm")
    for end in ("low", "high"):
        bound = shown[shown["layer"] == f"intervals {end}"].set_index("arm")["x"]
        assert len(bound) > 1
        assert np.allclose(bound, whole[end][bound.index])


@pytest.mark.browser
@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_program_saves_every_figure_by_an_installed_browser(made, tmp_path, form):
    written = export.pictures(made[3] / "validation.html", tmp_path, form)
    assert {path.stem for path in written} >= FIGURES
    start = b"\x89PNG" if form == "png" else b"<svg"
    assert all(path.read_bytes().startswith(start) for path in written)


def test_without_a_browser_a_sentence_says_what_to_do(made, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(export.ExportError, match="press SVG or PNG below a figure"):
        export.pictures(made[3] / "validation.html", tmp_path, "svg")


def test_a_browser_that_does_not_draw_is_a_sentence(made, tmp_path):
    with pytest.raises(export.ExportError, match=r"did not draw validation\.html"):
        export.pictures(made[3] / "validation.html", tmp_path, "svg", browser="/bin/true")


def test_a_validation_can_be_told_again_from_its_store(made):
    found, store, _, _ = made
    groups = {own.name: own.genomes for own in found.arms}
    again = validation.of_store(store, groups=groups)
    pd.testing.assert_frame_equal(again.table(), found.table())
    wanted = asked(store, list(groups["genome-0"]), seeds=20)
    planned = plan(wanted, store)
    assert Outcomes(judged(wanted, store), planned, 0).found.summaries[0].trials == 20
