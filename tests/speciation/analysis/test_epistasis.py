"""Interactions of genes: planted ones are found, and with the right sign."""

from __future__ import annotations

import numpy as np
import pytest

from speciation.analysis.epistasis import (
    EpistasisError,
    Verdict,
    epistasis,
    factorial,
    factors_between,
    groups_of,
    substitutions,
)
from speciation.genome.genome import HYPER17, Genome
from tests.cluster.synthetic import genome

FOUR = {name: (name,) for name in "abcd"}
H = 2500


def tried(design, law, seeds: int = 60, noise: float = 20.0) -> np.ndarray:
    """Steps by a law of what is taken, with luck that a seed brings and luck of each trial."""
    rng = np.random.default_rng(0)
    names = list(design.factors)
    truth = [law({n for n, has in zip(names, row, strict=True) if has}) for row in design.taken]
    luck = rng.normal(0, 150, (seeds, 1)) + rng.normal(0, noise, (seeds, len(truth)))
    return np.array(truth) + luck


def law(taken: set[str]) -> float:
    """a gains 100 alone; b and c gain 300, but only together; d does nothing."""
    return 1000.0 - 100 * ("a" in taken) - 300 * ({"b", "c"} <= taken)


@pytest.mark.parametrize("make", [factorial, substitutions])
def test_a_gain_of_two_that_neither_has_alone_is_found_and_nothing_else(make):
    design = make(FOUR)
    found = epistasis(design, tried(design, law), H)
    strongest = found.pairs.iloc[0]
    assert (strongest["first"], strongest["second"]) == ("b", "c")
    assert strongest["verdict"] == Verdict.ONLY_TOGETHER
    assert strongest["low"] < -300 < strongest["high"]
    assert strongest["both_low"] < -300 < strongest["both_high"]
    assert strongest["first_alone_low"] < 0 < strongest["first_alone_high"]
    assert set(found.pairs["verdict"][1:]) == {Verdict.ADDITIVE}
    effect = found.effects.set_index("factor")
    assert effect.loc["a", "low"] < -100 < effect.loc["a", "high"]
    assert effect.loc["d", "adjusted"] > 0.05


def test_in_a_factorial_an_effect_is_its_mean_over_all_backgrounds():
    design = factorial(FOUR)
    found = epistasis(design, tried(design, law, noise=0.0), H)
    effect = found.effects.set_index("factor")["effect"]
    assert effect["b"] == pytest.approx(-150)  # 300 in the half of backgrounds that have c
    assert effect["a"] == pytest.approx(-100)
    assert effect["d"] == pytest.approx(0, abs=1e-9)
    assert found.means["steps"].idxmax() == 0 or found.means.loc[0, "taken"] == ""


def test_two_ways_to_the_same_gain_are_redundant_and_two_halves_of_more_are_synergy():
    design = factorial(FOUR)
    either = epistasis(design, tried(design, lambda t: 900 - 200 * bool({"a", "b"} & t)), H)
    worst = either.pairs.iloc[-1]
    assert (worst["first"], worst["second"], worst["verdict"]) == ("a", "b", Verdict.REDUNDANT)
    more = epistasis(
        design,
        tried(design, lambda t: 900 - 100 * len({"a", "b"} & t) - 200 * ({"a", "b"} <= t)),
        H,
    )
    assert more.pairs.iloc[0]["verdict"] == Verdict.SYNERGY


def test_luck_of_a_seed_that_all_share_costs_no_precision():
    design = factorial(FOUR)
    found = epistasis(design, tried(design, law, noise=1.0), H)
    assert (found.effects["high"] - found.effects["low"]).max() < 1


@pytest.mark.slow
def test_where_nothing_is_to_be_found_little_is():
    design = factorial({name: (name,) for name in "abcdefg"})
    found = [
        epistasis(design, np.random.default_rng(i).normal(1000, 100, (30, 128)), H)
        for i in range(40)
    ]
    wrong = sum((own.pairs["verdict"] != Verdict.ADDITIVE).any() for own in found)
    assert wrong <= 6  # 5 % of 40 are 2; more than 6 come once in 300 times


def test_a_seed_with_a_failed_trial_counts_for_nothing():
    design = factorial({"a": ("a",), "b": ("b",)})
    steps = tried(design, law, seeds=10)
    steps[3, 1] = np.nan
    assert epistasis(design, steps, H).seeds == 9
    with pytest.raises(EpistasisError, match="three seeds or more"):
        epistasis(design, steps[1:4], H)


def test_equal_trials_everywhere_show_no_effect_and_no_error():
    found = epistasis(factorial(FOUR), np.full((5, 16), float(H)), H)
    assert (found.pairs["epistasis"] == 0).all()
    assert (found.pairs["p"] == 1).all()


# -- Designs ------------------------------------------------------------------------------


def test_combinations_are_genomes_with_the_genes_of_either():
    first, second = genome(1), genome(2)
    factors = factors_between(first, second, groups_of("hyper17", "group"))
    assert list(factors) == list(HYPER17.groups)
    design = factorial(factors)
    bred = design.genomes(first, second)
    assert len({own.id for own in bred}) == 2**7
    assert (bred[0], bred[-1]) == (first, second)
    for own, row in zip(bred, design.taken, strict=True):
        for has, (_, genes) in zip(row, factors.items(), strict=True):
            parent = second if has else first
            assert all(own.gene(gene) == parent.gene(gene) for gene in genes)


def test_substitutions_begin_with_the_whole_and_lack_at_most_two():
    first, second = genome(1), genome(2)
    factors = factors_between(first, second, groups_of("hyper17", "gene"))
    design = substitutions(factors)
    assert design.taken.shape == (1 + 17 + 17 * 16 // 2, 17)
    assert design.genomes(first, second)[0] == second
    assert (~design.taken).sum(axis=1).max() == 2


def test_only_what_differs_is_a_factor():
    first = genome(1)
    changed = dict(first.genes) | {"dropout": 0.25}
    other = Genome("hyper17", tuple((changed | {"beta1": 0.7}).items()))
    factors = factors_between(first, other, groups_of("hyper17", "group"))
    assert factors == {"cognitive reflexes": ("beta1",), "signal modulation": ("dropout",)}
    lone = Genome("hyper17", tuple(changed.items()))
    with pytest.raises(EpistasisError, match=r"differ in signal modulation; .* two factors"):
        factors_between(first, lone, groups_of("hyper17", "group"))
    with pytest.raises(EpistasisError, match="differ in nothing"):
        factors_between(first, first, groups_of("hyper17", "gene"))


def test_too_many_factors_for_all_combinations_are_told():
    with pytest.raises(EpistasisError, match="17 factors have 131,072 combinations"):
        factorial({name: (name,) for name in HYPER17.columns})
