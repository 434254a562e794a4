"""The population as colours."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboards.figures import population
from dashboards.figures.population import colours_of, draw_population, population_colours
from speciation.genome.diversity import rgb
from speciation.genome.genome import HYPER17, Genomes
from tests.dashboards.rows import genomes, verdict


def colours(rows: list[dict], born: pd.DataFrame) -> population.Population:
    return population_colours(pd.DataFrame(rows, columns=list(verdict(0, 0))), born, "sprinter")


def test_a_cell_has_its_genomes_colour_best_first():
    born = genomes("g00", "g01", "g10")
    shown = colours([verdict(0, 1), verdict(0, 0), verdict(1, 0)], born)
    expected = rgb(Genomes("hyper17", born[list(HYPER17.columns)].to_numpy()))
    assert shown.generation.tolist() == [0, 1]
    assert shown.colours[0, :, :3].tolist() == expected[:2].tolist()
    assert shown.colours[1, 0].tolist() == [*expected[2], 255]
    assert not shown.thinned


def test_where_there_is_no_genome_the_paper_shows():
    shown = colours([verdict(0, 0), verdict(0, 1), verdict(1, 0)], genomes("g00", "g01", "g10"))
    assert shown.colours[1, 1].tolist() == [0, 0, 0, 0]
    assert shown.said[1][1] == ("",) * 5


def test_a_genome_that_was_lost_keeps_its_place_and_its_words():
    shown = colours([verdict(0, 0), verdict(0, 1)], genomes("g01"))
    assert shown.colours[0, 0].tolist() == [0, 0, 0, 0]
    assert shown.colours[0, 1, 3] == 255
    assert shown.said[0][0][-1] == "unknown"


def test_a_cell_says_rank_id_fitness_successes_and_origin():
    shown = colours(
        [verdict(0, 0, genome_id="0123456789")], genomes("0123456789", origin="group_crossover")
    )
    assert shown.said[0][0] == (
        "1",
        "01234567",
        "mean steps to grok 500 ± 10",
        "2 of 4",
        "group crossover",
    )


def test_of_many_genomes_the_best_and_the_worst_stay(monkeypatch):
    monkeypatch.setattr(population, "MOST_COLUMNS", 3)
    monkeypatch.setattr(population, "MOST_ROWS", 2)
    rows = [verdict(generation, rank) for generation in range(4) for rank in range(9)]
    shown = colours(rows, genomes())
    assert shown.generation.tolist() == [0, 3]
    assert [cell[0] for cell in shown.said[0]] == ["1", "5", "9"]
    assert (shown.genomes, shown.generations) == (9, 4)
    assert shown.thinned


def test_no_generation_has_no_cells():
    assert colours([], genomes()).colours.shape == (0, 0, 4)


def test_colours_are_by_id():
    born = genomes("b", "a")
    assert colours_of(born)["a"] != colours_of(born)["b"]
    assert colours_of(genomes()) == {}


def test_an_origin_with_markup_is_drawn_as_words():
    shown = colours([verdict(0, 0)], genomes("g00", origin="<b>&"))
    figure = draw_population(shown)
    assert np.asarray(figure.data[0].customdata).ravel()[-1] == "&lt;b&gt;&amp;"


def test_cells_are_drawn_with_generations_from_one_downwards():
    figure = draw_population(colours([verdict(0, 0), verdict(1, 0)], genomes("g00", "g10")))
    assert list(figure.layout.yaxis.ticktext) == ["1", "2"]
    assert list(figure.layout.yaxis.range) == [1.5, -0.5]
