"""Diversity over the generations."""

from __future__ import annotations

import pandas as pd
import pytest

from dashboards.figures.diversity import diversity_history, draw_diversity
from speciation.genome.diversity import diversity_index
from speciation.genome.genome import HYPER17, Genomes
from tests.dashboards.rows import genomes, verdict


def history(rows: list[dict], born: pd.DataFrame) -> pd.DataFrame:
    return diversity_history(pd.DataFrame(rows, columns=list(verdict(0, 0))), born)


def test_diversity_is_that_of_each_generations_genomes():
    born = genomes("g00", "g01", "g02", "g10")
    rows = [verdict(0, rank) for rank in range(3)] + [verdict(1, 0), verdict(1, 1)]
    told = history(rows, born)
    three = Genomes("hyper17", born[list(HYPER17.columns)].to_numpy()[:3])
    assert told["generation"].tolist() == [0, 1]
    assert told["genomes"].tolist() == [3, 1]  # g11 was lost
    assert told["diversity"].tolist() == [pytest.approx(diversity_index(three)), 0.0]


def test_without_genomes_there_is_no_diversity():
    assert history([verdict(0, 0)], genomes()).empty


def test_the_drawing_says_of_how_many_genomes():
    figure = draw_diversity(history([verdict(4, 0)], genomes("g40")))
    assert list(figure.data[0].customdata) == ["1 genome"]
    assert figure.data[0].x.tolist() == [5]
