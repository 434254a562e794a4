"""The whole step, for two kinds of genome that share nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.evolution.generation import (
    EvolutionParams,
    Offspring,
    deaths,
    found,
    next_generation,
)
from speciation.genome.genome import HYPER17, KINDS, GenomeError, Genomes
from tests.contracts.toy_kind import TOY

PARAMS = EvolutionParams(population=40, elites=3, aliens=5, clone_share=0.1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(KINDS, TOY.name, TOY)


@pytest.fixture(params=[HYPER17, TOY], ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def genomes(kind) -> Genomes:
    return found(PARAMS, kind, None, rng()).genomes


def fitness(genomes: Genomes, **changes: list) -> pd.DataFrame:
    """All grokked in all of four trials, and the first is the best."""
    columns = {"trials": 4, "successes": 4, "rank": np.arange(len(genomes))}
    return pd.DataFrame({"genome_id": genomes.ids} | columns | changes)


def step(genomes, table=None, ages=None, params=PARAMS, seed=1) -> Offspring:
    table = fitness(genomes) if table is None else table
    return next_generation(genomes, table, ages or {}, params, rng(seed))


def same(a: Offspring, b: Offspring) -> bool:
    return (
        (a.genomes, a.origin, a.mothers, a.fathers, a.donor_genes)
        == (b.genomes, b.origin, b.mothers, b.fathers, b.donor_genes)
    ) and np.array_equal(a.elite_age, b.elite_age)


# -- Laws of a step ----------------------------------------------------------------------------


def test_a_step_is_a_function_of_its_arguments(genomes):
    before = genomes.values.copy()
    assert same(step(genomes), step(genomes))
    assert not same(step(genomes), step(genomes, seed=2))
    assert np.array_equal(genomes.values, before)


def test_genomes_are_known_by_id_and_not_by_place(genomes):
    shuffled = fitness(genomes).sample(frac=1, random_state=0)
    assert same(step(genomes, shuffled), step(genomes))
    assert same(step(genomes[::-1], fitness(genomes)), step(genomes))


def test_the_population_keeps_its_size_and_has_no_genome_twice(genomes):
    offspring = step(genomes)
    assert len(offspring) == len(set(offspring.genomes.ids)) == PARAMS.population


def test_each_way_of_being_born_has_its_share(genomes):
    born = Counter(step(genomes).origin)
    # 40 - 3 elites - 5 aliens = 32 children: 60 % of two parents, half of these in groups.
    assert (born["elite"], born["alien"]) == (3, 5)
    assert born["crossover"] + born["group_crossover"] == 19
    assert born["group_crossover"] == 10
    # A second clone of the same genome is radiated, so there may be fewer than 3.
    assert born["clone"] <= 3
    assert born["clone"] + born["radiation"] == 13


def test_elites_come_first_as_they_are_and_a_generation_older(genomes):
    ages = {genomes.ids[1]: 4}
    offspring = step(genomes, ages=ages)
    assert offspring.genomes.ids[:3] == genomes.ids[:3]
    assert offspring.elite_age[:3].tolist() == [1, 5, 1]
    assert not offspring.elite_age[3:].any()
    assert offspring.newborn[:3].tolist() == [False] * 3
    assert offspring.newborn[-5:].all()


def test_family_trees_are_true(genomes):
    offspring = step(genomes)
    known = dict(zip(genomes.ids, genomes.values, strict=True))
    for i, origin in enumerate(offspring.origin):
        mother, father = offspring.mothers[i], offspring.fathers[i]
        donated = offspring.donor_genes[i]
        if origin == "alien":
            assert (mother, father, donated) == (None, None, ())
        elif origin in ("elite", "clone"):
            assert (mother, father, donated) == (offspring.genomes.ids[i], None, ())
        elif origin == "radiation":
            assert mother in known
            assert (father, donated) == (None, ())
            assert offspring.genomes.ids[i] != mother
        else:
            assert mother != father
            assert mother in known
            assert father in known
            assert set(donated) <= set(genomes.columns)


def test_without_much_radiation_children_show_whose_genes_they_have():
    params = EvolutionParams(
        population=40, elites=0, aliens=0, crossover_share=1.0, radiation_rate=0.0
    )
    genomes = HYPER17.random(40, rng())
    offspring = step(genomes, params=params)
    known = dict(zip(genomes.ids, genomes.values, strict=True))
    for i, child in enumerate(offspring.genomes.values):
        donated = np.isin(genomes.columns, offspring.donor_genes[i])
        mother, father = known[offspring.mothers[i]], known[offspring.fathers[i]]
        assert (child != np.where(donated, father, mother)).sum() == 1  # the one gene hit


def test_better_genomes_have_more_children(genomes):
    mothers = Counter(m for seed in range(20) for m in step(genomes, seed=seed).mothers if m)
    rank = {own: i for i, own in enumerate(genomes.ids)}
    best = sum(count for mother, count in mothers.items() if rank[mother] < 10)
    worst = sum(count for mother, count in mothers.items() if rank[mother] >= 30)
    assert best > 4 * worst


@given(
    kind=st.sampled_from([HYPER17, TOY]),
    population=st.integers(1, 24),
    elites=st.integers(0, 4),
    foreign=st.integers(0, 4),
    crossover=st.floats(0, 1),
    dose=st.floats(0.001, 1),
    strategy=st.sampled_from(["tournament2", "tournament3", "spartan"]),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_generations_go_on_whatever_happens(
    kind, population, elites, foreign, crossover, dose, strategy, seed, data
):
    params = EvolutionParams(
        population=max(population, elites + foreign),
        elites=elites,
        aliens=foreign,
        crossover_share=crossover,
        clone_share=1 - crossover,
        radiation_dose=dose,
        strategy=strategy,
    )
    source = rng(seed)
    offspring = found(params, kind, None, source)
    for _ in range(3):
        count = len(offspring)
        trials = data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
        table = fitness(offspring.genomes, trials=trials, successes=np.minimum(trials, 1))
        ages = dict(zip(offspring.genomes.ids, offspring.elite_age.tolist(), strict=True))
        offspring = next_generation(offspring.genomes, table, ages, params, source)
        assert len(set(offspring.genomes.ids)) == params.population


# -- Senescence --------------------------------------------------------------------------------


def test_an_elite_that_falls_once_dies_childless(genomes):
    fallen, fresh = genomes.ids[0], genomes.ids[1]
    successes = [3, 3] + [4] * 38
    table = fitness(genomes, successes=successes)
    ages = {fallen: 1}
    assert deaths(table, ages) == {fallen}
    offspring = step(genomes, table, ages)
    assert fallen not in offspring.genomes.ids
    assert fallen not in offspring.mothers + offspring.fathers
    assert offspring.genomes.ids[0] == fresh  # was no elite yet: may fall, and be carried


def test_a_failure_of_the_machine_kills_nobody(genomes):
    table = fitness(genomes, trials=[0] + [4] * 39, successes=[0] + [4] * 39)
    assert deaths(table, {genomes.ids[0]: 2}) == frozenset()


def test_genomes_that_were_never_tried_have_no_future(genomes):
    tried = 10
    table = fitness(genomes).iloc[:tried]
    offspring = step(genomes, table)
    assert set(offspring.mothers + offspring.fathers) <= {*genomes.ids[:tried], None}
    carried = {offspring.genomes.ids[i] for i in np.flatnonzero(~offspring.newborn)}
    assert carried <= set(genomes.ids[:tried])


def test_where_nobody_is_left_aliens_take_over(genomes):
    table = fitness(genomes, trials=0, successes=0)
    offspring = step(genomes, table)
    assert set(offspring.origin) == {"alien"}
    assert len(offspring) == PARAMS.population


def test_a_last_survivor_founds_a_clan(genomes):
    table = fitness(genomes).iloc[[7]]
    offspring = step(genomes, table)
    assert set(offspring.mothers) == {genomes.ids[7], None}
    assert len(set(offspring.genomes.ids)) == PARAMS.population


def test_a_population_of_twins_is_one_parent(genomes):
    twins = genomes[np.zeros(40, dtype=int)]
    offspring = step(twins, fitness(genomes).iloc[:1])
    assert Counter(offspring.origin)["elite"] == 1
    assert len(set(offspring.genomes.ids)) == PARAMS.population


def test_a_kind_with_too_few_genomes_is_told_so(monkeypatch):
    params = EvolutionParams(population=600, elites=0, aliens=0)  # 550 toys exist
    with pytest.raises(ValueError, match="could not find 600 different toy genomes"):
        found(params, TOY, None, rng())


# -- Founding ----------------------------------------------------------------------------------


def test_without_ancestors_everybody_is_random(kind):
    founders = found(PARAMS, kind, None, rng())
    assert set(founders.origin) == {"random"}
    assert len(set(founders.genomes.ids)) == PARAMS.population
    assert not founders.elite_age.any()


def test_ancestors_come_first_then_their_mutants_then_strangers(kind):
    ancestors = kind.random(4, rng(9))
    founders = found(PARAMS, kind, ancestors, rng())
    assert founders.genomes.ids[:4] == ancestors.ids
    assert founders.origin == ("ancestor",) * 4 + ("radiation",) * 18 + ("random",) * 18
    assert founders.mothers[4:22] == tuple(ancestors.ids[i % 4] for i in range(18))
    assert set(founders.mothers[:4] + founders.mothers[22:]) == {None}
    assert founders.newborn.all()


def test_an_ancestor_given_twice_is_one(kind):
    ancestors = kind.random(2, rng(9))[[0, 1, 0]]
    founders = found(PARAMS, kind, ancestors, rng())
    assert Counter(founders.origin)["ancestor"] == 2
    assert len(set(founders.genomes.ids)) == PARAMS.population


def test_ancestors_alone_may_fill_the_population(kind):
    ancestors = kind.random(8, rng(9))
    params = EvolutionParams(population=8, elites=1, aliens=1)
    assert found(params, kind, ancestors, rng()).genomes == ancestors
    with pytest.raises(ValueError, match="9 ancestors do not fit into a population of 8"):
        found(params, kind, kind.random(9, rng()), rng())


def test_ancestors_of_another_kind_are_refused():
    with pytest.raises(GenomeError, match="toy ancestors cannot found a population of hyper17"):
        found(PARAMS, HYPER17, TOY.random(3, rng()), rng())


# -- Parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"population": 6, "elites": 4, "aliens": 3},
            "a population of 6 has no room for 4 elites and 3 aliens; it must be at least 7",
        ),
        ({"population": 0}, "population must be a whole number ≥ 1, got 0"),
        ({"elites": -1}, "elites must be a whole number ≥ 0, got -1"),
        ({"aliens": 1.5}, "aliens must be a whole number ≥ 0, got 1.5"),
        ({"population": True}, "population must be a whole number ≥ 1, got True"),
        ({"crossover_share": 1.1}, r"crossover_share must be in \[0, 1\], got 1.1"),
        ({"crossover_share": 0.8, "clone_share": 0.3}, "0.8 and 0.3 are more than 1 together"),
        ({"radiation_rate": float("nan")}, r"radiation_rate must be in \[0, 1\], got nan"),
        ({"radiation_dose": 0.0}, r"radiation_dose must be in \(0, 1\], got 0.0"),
        ({"radiation_dose": float("nan")}, "radiation_dose must be"),
        ({"gate": 0}, r"gate must be within \(0, 1\), got 0"),
        ({"strategy": "roulette"}, "strategy must be one of tournament2, .* got 'roulette'"),
        ({"landscape": "tanks"}, "landscape must be one of sprinter, .* got 'tanks'"),
    ],
)
def test_impossible_parameters_are_refused_in_one_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        EvolutionParams(**changes)


def test_no_room_for_children_is_allowed():
    params = EvolutionParams(population=8, elites=3, aliens=5)
    genomes = HYPER17.random(8, rng())
    offspring = step(genomes, params=params)
    assert Counter(offspring.origin) == {"elite": 3, "alien": 5}


def test_offspring_with_missing_fields_is_refused(kind):
    with pytest.raises(ValueError, match="2 genomes with fields of lengths 1, 2, 2, 2, 2"):
        Offspring(
            kind.random(2, rng()), ("x",), (None,) * 2, (None,) * 2, ((),) * 2, np.zeros(2, int)
        )
