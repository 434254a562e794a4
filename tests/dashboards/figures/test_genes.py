"""The champion's genes."""

from __future__ import annotations

import pytest

from dashboards.figures.genes import gene_places, gene_table
from speciation.genome.genes import GENES, GROUPS
from tests.dashboards.rows import genomes


def places(**values: float) -> dict:
    row = genomes("g").assign(**values).iloc[0].to_dict()
    return {place.gene.name: place for group in gene_places(row).values() for place in group}


def test_every_gene_stands_in_its_group():
    found = gene_places(genomes("g").iloc[0].to_dict())
    assert list(found) == list(GROUPS)
    assert [len(group) for group in found.values()] == [len(c) for c in GROUPS.values()]


def test_a_position_is_on_the_genes_own_scale():
    found = places(dropout=0.125, weight_decay=3.0, init_ffn=0.1)
    assert found["dropout"].position == pytest.approx(0.25)
    assert found["weight_decay"].position == 1.0
    assert found["init_ffn"].position == pytest.approx(0.5)


def test_the_table_shows_names_values_and_positions():
    row = genomes("g").assign(dropout=0.125, warmup_steps=420.0, adam_epsilon=1.09e-7)
    page = gene_table(gene_places(row.iloc[0].to_dict()))
    assert page.count("<table") == len(GROUPS)
    assert page.count('role="img"') == len(GENES)
    assert 'aria-label="at 25 % of its range, 0 to 0.5"' in page
    assert "<td>420</td>" in page
    assert "<td>1.09 × 10⁻⁷</td>" in page
    assert "Adam&#x27;s epsilon" in page
