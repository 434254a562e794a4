"""The page of a comparison says what is measured and what is only predicted."""

from __future__ import annotations

import numpy as np

from dashboards.forge import report, trust_in_words
from speciation.analysis.forge import Party, compare
from speciation.genome.genome import HYPER17
from tests.dashboards.reading import Page
from tests.speciation.analysis.test_surrogate import fitted


def page_of(tmp_path, **told) -> Page:
    genomes = HYPER17.random(2, np.random.default_rng(0))
    found = compare(Party("<one>", genomes[0]), [Party("two", genomes[1])])
    report(found, tmp_path / "f.html", **told)
    return Page((tmp_path / "f.html").read_text())


def test_a_comparison_names_its_genomes_and_draws_them(tmp_path):
    page = page_of(tmp_path)
    assert "<one> beside two" in page.text
    assert len(page.data) == 1
    assert "Predicted" not in page.text


def test_a_prediction_is_called_one(tmp_path):
    learned = fitted()
    (guess,) = learned.predict(HYPER17.random(1, np.random.default_rng(0)))
    page = page_of(tmp_path, surrogate=learned, predictions={"<one>": guess})
    assert "Predicted, not measured" in page.text
    assert trust_in_words(learned) in page.text
    assert f"{guess.median:,.0f}" in page.text
