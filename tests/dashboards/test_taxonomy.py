"""The page of a taxonomy: species with their ids, lineage, a second opinion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboards.taxonomy import lineage_report, report
from speciation.analysis.lineage import Lived, ancestry, species_stream
from speciation.analysis.taxonomy import TaxonomyError, classify
from speciation.genome.genome import HYPER17
from tests.dashboards.figures.test_lineage import BIRTHS
from tests.dashboards.reading import Page

FOUND = classify(HYPER17.random(60, np.random.default_rng(0)))


def test_every_species_of_the_rank_stands_with_its_ids(tmp_path):
    report(FOUND, "phylum", tmp_path / "t.html")
    page = Page((tmp_path / "t.html").read_text())
    for species in FOUND.at("phylum"):
        assert species.name in page.text
    assert all(own in page.text for own in FOUND.ids)
    assert len(page.data) == 2
    assert "by its lights there are no species" in page.text


def test_lineage_is_told_where_there_is_any(tmp_path):
    rows = pd.DataFrame({"generation": [0, 1], "genome_id": [FOUND.ids[0], FOUND.ids[1]]})
    names = {own: FOUND.at("domain")[0].name for own in FOUND.ids}
    lived = Lived("<run>", species_stream(rows, names), ancestry(BIRTHS, "d"))
    report(FOUND, "domain", tmp_path / "t.html", [lived, Lived("young", None, None)])
    page = Page((tmp_path / "t.html").read_text())
    assert "Lineage in <run>" in page.text
    assert len(page.data) == 4


def test_an_ancestry_has_a_page_of_its_own(tmp_path):
    lineage_report(ancestry(BIRTHS, "d"), tmp_path / "l.html")
    page = Page((tmp_path / "l.html").read_text())
    assert "From 2 founders to d" in page.text
    assert "4 genomes back to 2 founders" in page.text


def test_a_rank_that_is_none_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TaxonomyError, match="is no rank"):
        report(FOUND, "tribe", tmp_path / "t.html")
    assert not list(tmp_path.iterdir())
