"""Crosses: planted breakdown is found, and its interval knows of children and of seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from speciation.analysis.crosses import (
    CrossesError,
    breed,
    crossed_mean,
    crosses,
    crosses_of,
)
from speciation.genome.genome import HYPER17, Genome
from tests.cluster.synthetic import genome

H = 2500


def changed(own: Genome, *genes: str) -> Genome:
    """A genome with its least values of some genes."""
    low = {gene.name: gene.low for gene in HYPER17.genes}
    return Genome(own.kind, tuple({**dict(own.genes), **{g: low[g] for g in genes}}.items()))


# -- Breeding -----------------------------------------------------------------------------


def test_a_child_has_every_gene_of_one_parent_or_the_other():
    first, second = genome(1), genome(2)
    for child in breed(first, second, 24):
        for name, value in child.genes:
            assert value in (first.gene(name), second.gene(name))


def test_half_of_the_children_have_each_gene_group_from_one_parent():
    first, second = genome(1), genome(2)

    def whole(child: Genome) -> bool:
        """Whether no gene group is mixed."""
        of_first = np.array([child.gene(name) == first.gene(name) for name in HYPER17.columns])
        return all(len(set(of_first[list(own)])) == 1 for own in HYPER17.groups.values())

    told = [whole(child) for child in breed(first, second, 24)]
    assert told[:12] == [True] * 12
    assert not any(told[12:])


@given(st.integers(3, 30), st.integers(0, 30))
def test_children_belong_to_their_parents_and_more_are_these_and_more(count, more):
    first, second = genome(1), genome(2)
    few = breed(first, second, count)
    assert breed(second, first, count) == few
    assert set(few) <= set(breed(first, second, count + more))


def test_another_pair_is_crossed_by_other_coins():
    first, second, third = (genome(i) for i in range(3))

    def coins(other: Genome) -> list[bool]:
        """Whether each gene of each child is the first genome's."""
        bred = breed(first, other, 24)
        return [
            value == own
            for child in bred
            for (_, value), (_, own) in zip(child.genes, first.genes, strict=True)
        ]

    assert coins(second) != coins(third)


def test_every_two_genomes_are_crossed():
    crossed = crosses_of([genome(i) for i in range(4)], 5)
    assert len(crossed) == 6
    assert all(len(own.children) == 5 for own in crossed)
    assert all(0 < own.distance < 1 for own in crossed)


def test_what_cannot_be_crossed_is_told():
    with pytest.raises(CrossesError, match="two different genomes or more, got 1"):
        crosses_of([genome(0)], 5)
    with pytest.raises(CrossesError, match="51 genomes have 1,275 crosses"):
        crosses_of([genome(0)] * 51, 5)
    near = changed(genome(0), "dropout")
    with pytest.raises(CrossesError, match="differ in dropout alone"):
        crosses_of([genome(0), near], 5)
    assert len(crosses_of([genome(0), changed(genome(0), "dropout", "beta1")], 5)) == 1


# -- What trials show ---------------------------------------------------------------------


def tried(crossed, levels, seeds: int = 20, noise: float = 0.0) -> pd.DataFrame:
    """Rows of trials: genome id → its level, luck of a seed, luck of a trial."""
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 100, seeds)
    rows = []
    for own, level in levels.items():
        for seed in range(seeds):
            time = level + luck[seed] + noise * rng.normal()
            rows.append((own, seed, time if time <= H else np.nan, min(time, H)))
    return pd.DataFrame(rows, columns=["genome_id", "seed", "steps_to_grok", "steps"])


@pytest.fixture(scope="module")
def one():
    """A cross, of parents of 600 and 800 steps, whose children take 900 and 1,100."""
    (cross,) = crosses_of([genome(1), genome(2)], 4)
    levels = {own.id: 900.0 + 200 * (i % 2) for i, own in enumerate(cross.children)}
    return cross, levels | {cross.first.id: 600.0, cross.second.id: 800.0}


NAMES = {genome(i).id: f"g{i}" for i in range(5)}


def test_the_figures_of_a_cross_are_those_that_were_planted(one):
    cross, levels = one
    (row,) = crosses([cross], NAMES, tried([cross], levels), H).pairs.to_dict("records")
    assert (row["first"], row["second"], row["seeds"]) == ("g1", "g2", 20)
    assert row["breakdown"] == pytest.approx(300)
    assert row["children"] - row["mid_parent"] == pytest.approx(300)
    assert row["mid_parent"] - row["better"] == pytest.approx(100)
    assert row["children"] - row["best"] == pytest.approx(100)
    # Four children of ±100, seeds that shift all alike: Student's of the four.
    half = stats.t.ppf(0.975, 3) * np.std([900, 1100, 900, 1100], ddof=1) / 2
    assert (row["low"], row["high"]) == pytest.approx((300 - half, 300 + half))


def test_trials_that_never_grok_count_with_the_horizon_and_as_failures_to_grok(one):
    cross, levels = one
    stuck = levels | {own.id: 9000.0 for own in cross.children[:2]}
    found = crosses([cross], NAMES, tried([cross], stuck), H)
    (row,) = found.pairs.to_dict("records")
    assert (row["grokked"], row["parents_grokked"]) == (0.5, 1.0)
    assert list(found.children["steps"][:2]) == [H, H]
    assert list(found.children["grokked"]) == [0, 0, 1, 1]
    assert list(found.parents["genome"]) == ["g1", "g2"]


def test_a_child_that_was_drawn_twice_counts_twice_and_a_parent_may_be_one(one):
    cross, levels = one
    again = replace(cross, children=(cross.children[1], cross.children[1], cross.first))
    (row,) = crosses([again], NAMES, tried([cross], levels), H).pairs.to_dict("records")
    assert row["breakdown"] == pytest.approx((1100 + 1100 + 600) / 3 - 700)


def test_a_seed_with_a_failed_trial_counts_for_nothing_in_its_cross(one):
    cross, levels = one
    rows = tried([cross], levels, seeds=5)
    rows.loc[(rows["genome_id"] == cross.first.id) & (rows["seed"] == 2), "steps"] = np.nan
    assert crosses([cross], NAMES, rows, H).pairs["seeds"].item() == 4
    rows.loc[rows["seed"] < 3, "steps"] = np.nan
    with pytest.raises(CrossesError, match=r"3 seeds or more .* got 2 of g1 × g2"):
        crosses([cross], NAMES, rows, H)


def test_p_is_after_holm_over_pairs_and_the_worst_cross_stands_first():
    crossed = crosses_of([genome(i) for i in range(3)], 6)
    levels = {own.id: 700.0 for cross in crossed for own in (cross.first, cross.second)}
    levels |= {
        child.id: 700.0 + 150 * place
        for place, cross in enumerate(crossed)
        for child in cross.children
    }
    found = crosses(crossed, NAMES, tried(crossed, levels, noise=50), H).pairs
    assert list(found["first"] + found["second"]) == ["g1g2", "g0g2", "g0g1"]
    assert list(found["adjusted"] < 0.05) == [True, True, False]
    assert (found["adjusted"] >= found["p"]).all()


# -- Both children and seeds are samples --------------------------------------------------


def table(rng, shape, seeds: float, children: float, rest: float) -> np.ndarray:
    """A mean of 50, with spreads of rows, of columns and of each cell."""
    rows = rng.normal(0, seeds, (shape[0], 1))
    return 50 + rows + rng.normal(0, children, shape[1]) + rng.normal(0, rest, shape)


def test_where_only_one_side_varies_the_interval_is_students():
    columns = np.array([1.0, 4.0, 2.0, 9.0])
    found = crossed_mean(np.tile(columns, (30, 1)))
    student = stats.ttest_1samp(columns, 0)
    assert found.p == pytest.approx(student.pvalue)
    interval = student.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert crossed_mean(np.tile(columns, (30, 1)).T) == pytest.approx(found)


def test_no_number_of_seeds_makes_up_for_few_children():
    rng = np.random.default_rng(0)
    few, many = (crossed_mean(table(rng, (n, 6), 0, 100, 100)) for n in (20, 2000))
    assert many.high - many.low > 0.4 * (few.high - few.low)
    assert many.high - many.low > 50


def test_without_any_spread_a_difference_is_sure_and_none_is_none():
    assert crossed_mean(np.full((3, 4), 7.0)) == (7, 7, 7, 0)
    assert crossed_mean(np.zeros((3, 4))) == (0, 0, 0, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spreads", [(0, 0, 1), (1, 0, 1), (0, 1, 1), (0.5, 0.5, 1), (0.2, 2, 1)]
)
@pytest.mark.parametrize("shape", [(20, 24), (5, 8)])
def test_intervals_cover_the_truth(shape, spreads):
    rng = np.random.default_rng(1)
    found = [crossed_mean(table(rng, shape, *spreads)) for _ in range(1500)]
    covered = np.mean([own.low <= 50 <= own.high for own in found])
    assert covered >= 0.93  # 0.95 less 3.5 standard errors
