"""The report of a comparison says what was found, and needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from dashboards.fidelity import headline, report
from speciation.analysis.fidelity import Arms, Fidelity, Planted, verdict
from speciation.tables.files import StoreError
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape
from tests.dashboards.reading import Page

DOCUMENT = {
    "seeds": 200,
    "horizon": 2500,
    "slots": 100,
    "device": "a <GPU>",
    "task": Task().as_dict(),
    "model": ModelShape().as_dict(),
    "commit": "0123456",
    "sources": "89abcdef",
    "versions": {"torch": "2.9"},
}


def arms(factor: float, seeds: int = 200, names: tuple[str, ...] = ("fast", "slow")) -> Arms:
    rng = np.random.default_rng(1)
    reference = 25.0 * (rng.integers(10, 30, (2, seeds)) + np.array([[0], [20]]))[-len(names) :]
    return Arms(names, reference, reference * factor, 2500)


def found(factor: float = 1.0, fault: float = 1.5, seeds: int = 200) -> Fidelity:
    both, faulty = arms(factor, seeds), arms(fault, seeds, ("slow",))
    planted = Planted("late", "it groks <late>", faulty, verdict(faulty).genomes[0])
    return Fidelity("torch", "graph", both, verdict(both), (planted,))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "graph is the same experiment as torch"),
        ({"factor": 1.3}, "graph is not the same experiment as torch"),
        ({"seeds": 20}, "graph is not yet shown to be the same experiment as torch"),
        (
            {"fault": 1.0},
            "graph is the same experiment as torch, and 1 planted fault went unseen",
        ),
    ],
)
def test_the_headline_is_the_verdict(settings, sentence):
    assert headline(found(**settings)) == sentence


@pytest.fixture
def page(tmp_path) -> Page:
    report(found(), DOCUMENT, tmp_path / "fidelity.html")
    return Page((tmp_path / "fidelity.html").read_text(encoding="utf-8"))


def test_the_page_says_what_was_found_of_whom(page):
    assert "2 of 2" in page.text
    assert "1 of 1" in page.text
    for words in ("fast", "slow", "+0.0", "200 of 200", "late", "it groks <late>", "caught"):
        assert words in page.text
    assert "a <GPU>" in page.text
    assert "89abcdef" in page.text


def test_the_page_needs_nothing_else_and_every_figure_is_described(page):
    assert len(page.data) == 3
    plots = [given for _, given in page.elements if given.get("class") == "plot"]
    assert all(given["aria-label"] for given in plots)
    sources = [given for name, given in page.elements if name in ("img", "link", "iframe")]
    assert sources == []


def test_what_was_not_shown_says_how_many_seeds_would_tell(tmp_path):
    report(found(factor=1.0, seeds=20), DOCUMENT, tmp_path / "fidelity.html")
    read = Page((tmp_path / "fidelity.html").read_text(encoding="utf-8"))
    assert re.search(r"about 133 seeds would tell", read.text)


def test_without_controls_there_is_no_section_of_them(tmp_path):
    both = arms(1.0)
    report(Fidelity("a", "b", both, verdict(both), ()), DOCUMENT, tmp_path / "f.html")
    assert "Planted faults" not in (tmp_path / "f.html").read_text(encoding="utf-8")


def test_genomes_that_never_grok_have_no_ratio_to_tell(tmp_path):
    never = np.full((1, 20), np.inf)
    both = Arms(("never",), never, never, 2500)
    report(Fidelity("a", "b", both, verdict(both), ()), DOCUMENT, tmp_path / "f.html")
    assert "nan" not in Page((tmp_path / "f.html").read_text(encoding="utf-8")).text


def test_a_report_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        report(found(), DOCUMENT, Path(tmp_path / "file" / "fidelity.html"))
