"""Groups and distance: what is planted is found, and where nothing can be said nothing is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from speciation.analysis import isolation as module
from speciation.analysis.isolation import between_groups, isolation, least_p, with_distance


def pairs(count: int, law, seed: int = 0) -> pd.DataFrame:
    """Every two of so many genomes at made-up places; breakdown is law(i, j, distance)."""
    rng = np.random.default_rng(seed)
    places = rng.random((count, 5))
    rows = []
    for i, j in combinations(range(count), 2):
        away = float(np.linalg.norm(places[i] - places[j]))
        rows.append((f"g{i}", f"g{j}", away, law(i, j, away) + rng.normal(0, 20)))
    return pd.DataFrame(rows, columns=["first", "second", "distance", "breakdown"])


def halves(count: int) -> dict[str, str]:
    return {f"g{i}": "low" if i < count / 2 else "high" for i in range(count)}


def test_crosses_between_groups_that_fail_are_told_from_those_within():
    strange = pairs(8, lambda i, j, _: 300.0 * ((i < 4) != (j < 4)))
    found = between_groups(strange, halves(8))
    assert (found.groups, found.genomes, found.within, found.between) == (2, 8, 12, 16)
    assert found.mean_between - found.mean_within == pytest.approx(300, abs=30)
    assert found.p == pytest.approx(found.least, abs=0.01)
    assert found.p < 0.05


def test_crosses_within_groups_that_fail_are_no_isolation():
    kin = pairs(8, lambda i, j, _: 300.0 * ((i < 4) == (j < 4)))
    assert between_groups(kin, halves(8)).p > 0.9


def test_few_genomes_cannot_show_more_than_their_labels_can_tell():
    strange = pairs(4, lambda i, j, _: 300.0 * ((i < 2) != (j < 2)))
    found = between_groups(strange, halves(4))
    assert found.p == found.least == pytest.approx(1 / 3)


def test_of_one_sort_of_pairs_nothing_is_said():
    all_alike = pairs(4, lambda *_: 0.0)
    assert between_groups(all_alike, dict.fromkeys(("g0", "g1", "g2", "g3"), "one")) is None
    assert between_groups(all_alike, {f"g{i}": str(i) for i in range(4)}) is None
    assert between_groups(all_alike, {}) is None


def test_a_genome_of_no_group_does_not_count():
    strange = pairs(6, lambda i, j, _: 300.0 * ((i < 2) != (j < 2)))
    known = {"g0": "low", "g1": "low", "g2": "high", "g3": "high"}
    assert between_groups(strange, known).genomes == 4


@pytest.mark.parametrize(
    ("sizes", "ways"), [([2, 2], 3), ([3, 3], 10), ([2, 3], 10), ([4, 4], 35), ([2, 2, 2], 15)]
)
def test_ways_to_divide_genomes_are_counted(sizes, ways):
    assert least_p(sizes) == pytest.approx(1 / ways)


def test_breakdown_that_grows_with_distance_is_found():
    found = with_distance(pairs(8, lambda i, j, away: 400 * away))
    assert 0.6 < found.low < found.value < found.high <= 1
    assert found.genomes == 8


def test_of_few_genomes_or_equal_breakdowns_no_correlation_is_said():
    assert with_distance(pairs(4, lambda i, j, away: away)) is None
    equal = pairs(6, lambda *_: 0.0).assign(breakdown=7.0)
    assert with_distance(equal) is None


def test_both_questions_are_asked_of_the_same_pairs():
    told = isolation(pairs(6, lambda i, j, away: away), halves(6), "made up")
    assert (told.groups, told.between.genomes, told.distance.genomes) == ("made up", 6, 6)


def made_up(rng, count: int, slope: float) -> pd.DataFrame:
    """Breakdown by distance, by what each genome brings to all its crosses, and by chance."""
    places, brought = rng.random((count, 17)), rng.normal(0, 0.6, count)
    i, j = np.triu_indices(count, 1)
    away = np.linalg.norm(places[i] - places[j], axis=1) / np.sqrt(17)
    breakdown = slope * (away - 0.4) / 0.05 + brought[i] + brought[j]
    breakdown += rng.normal(0, 0.7, len(i))
    names = np.array([f"g{own}" for own in range(count)])
    return pd.DataFrame(
        {"first": names[i], "second": names[j], "distance": away, "breakdown": breakdown}
    )


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_intervals_of_a_correlation_cover_the_truth(slope, monkeypatch):
    monkeypatch.setattr(module, "REPLICATES", 100)
    rng = np.random.default_rng(0)
    truth = made_up(rng, 400, slope)[["distance", "breakdown"]].corr("spearman").iloc[0, 1]
    found = [with_distance(made_up(rng, 10, slope)) for _ in range(100)]
    assert np.mean([own.low <= truth <= own.high for own in found]) >= 0.92
