"""Genomes across settings: cells, classes, and rank correlations with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from speciation.analysis.sweep import cell_table, rank_correlation, swept, transfer_table
from speciation.evolution.fitness import wilson

H = 1000


def trials(**genomes: list[int | str]) -> pd.DataFrame:
    """Trials that grokked at a step, "censored" ones and those that the machine "failed"."""
    rows = []
    for genome, said in genomes.items():
        for own in said:
            grokked = isinstance(own, int)
            steps = float(own) if grokked else np.nan if own == "failed" else float(H)
            learning = "Grokker" if grokked else None if own == "failed" else "Memoriser"
            rows.append((genome, learning, float(own) if grokked else np.nan, steps))
    return pd.DataFrame(rows, columns=["genome_id", "learning_class", "steps_to_grok", "steps"])


def test_a_cell_counts_what_finished():
    rows = trials(a=[400, 600, "censored", "failed"], b=["censored", "censored"])
    cells, classes = cell_table(rows, {"b": "Beta", "a": "Alpha"}, H)
    assert list(cells["genome"]) == ["Beta", "Alpha"]
    alpha = cells.set_index("genome").loc["Alpha"]
    assert (alpha["seeds"], alpha["successes"], alpha["steps"]) == (3, 2, 2000 / 3)
    assert (alpha["success_low"], alpha["success_high"]) == wilson(2, 3)
    assert (alpha["learning"], alpha["share"]) == ("Grokker", 2 / 3)
    counts = classes.set_index(["genome", "learning_class"])["count"].to_dict()
    assert counts == {
        ("Alpha", "Grokker"): 2,
        ("Alpha", "Memoriser"): 1,
        ("Beta", "Memoriser"): 2,
    }


def test_a_genome_that_the_machine_always_failed_has_no_cell():
    cells, _ = cell_table(trials(a=["failed"], b=[300]), {"a": "a", "b": "b"}, H)
    assert list(cells["genome"]) == ["b"]


def test_the_correlation_is_spearmans_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    one = rng.normal(size=16)
    other = one + rng.normal(size=16)
    value, low, high = rank_correlation(one, other)
    assert value == pytest.approx(stats.spearmanr(one, other).statistic)
    assert -1 <= low < value < high <= 1


def test_the_same_order_is_one_and_all_ties_are_nothing():
    steps = np.arange(8.0)
    assert rank_correlation(steps, steps**3) == (1, 1, 1)
    assert rank_correlation(steps, -steps)[0] == -1
    assert np.isnan(rank_correlation(steps, np.full(8, 5.0))).all()


@pytest.mark.slow
def test_intervals_of_rank_correlations_cover():
    rng = np.random.default_rng(1)
    truth = 6 / np.pi * np.arcsin(0.7 / 2)  # Spearman's of a normal pair with Pearson's 0.7
    hit = []
    for _ in range(400):
        one = rng.normal(size=24)
        other = 0.7 * one + np.sqrt(1 - 0.49) * rng.normal(size=24)
        _, low, high = rank_correlation(one, other)
        hit.append(low <= truth <= high)
    assert 0.90 <= np.mean(hit) <= 0.98


def test_every_two_settings_are_held_against_each_other_over_what_both_have():
    def setting(name: str, steps: dict[str, int]):
        cells, classes = cell_table(trials(**{g: [s] for g, s in steps.items()}), IDENTITY, H)
        return ({"row": name, "column": "", "setting": name}, cells, classes)

    up = {"a": 100, "b": 200, "c": 300, "d": 400, "e": 500}
    down = {"a": 500, "b": 400, "c": 300, "d": 200}
    few = {"a": 100, "b": 200}
    found = swept([setting("up", up), setting("down", down), setting("few", few)])
    (row,) = found.transfer.itertuples()
    assert (row.first, row.second, row.genomes, row.rank_correlation) == ("up", "down", 4, -1)
    assert len(found.cells) == 11
    assert transfer_table(found.cells[found.cells["setting"] == "up"]).empty


IDENTITY = {name: name for name in "abcde"}
