"""Steady state: broods are bred while others are tried, and it shows in nothing but time."""

from __future__ import annotations

import random

import pandas as pd
import pytest

from cluster.config import EvolutionSettings
from cluster.driver import run
from speciation.tables.readers import plans_frame, trials_frame
from speciation.tables.store import Store
from tests.cluster.chaos import ChaosExecutor
from tests.cluster.runs import assert_same_tables, carry_out, config, tables
from tests.cluster.synthetic import Behaviour
from tests.cluster.test_driver import Killed, MortalStore

STEADY = {
    "population": 12,
    "generations": 9,
    "elites": 2,
    "aliens": 1,
    "steady": {"brood": 4, "ahead": 2},
}
OWN = config(evolution=STEADY)


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steady")
    carry_out(OWN, folder)
    return folder


@pytest.fixture
def often(monkeypatch):
    """Rows are stored at every turn, so that there is much to interrupt."""
    monkeypatch.setattr("cluster.rows.FLUSH_SECONDS", 0.0)


def test_every_trial_of_every_brood_is_there_under_the_brood_that_asked(steady):
    plans = plans_frame(Store(steady))
    assert plans.groupby("generation").size().to_dict() == dict.fromkeys(range(9), 4)
    asked = plans.explode("trial_ids").set_index("trial_ids")["generation"]
    stored = trials_frame(Store(steady)).query("pool == 'A'").set_index("trial_id")
    pd.testing.assert_series_equal(
        stored["generation"].sort_index(), asked.sort_index(), check_names=False
    )


def test_children_come_of_broods_that_were_judged_and_of_no_others(steady):
    found = tables(steady)
    first = found["plans"].groupby("genome_id")["generation"].min()
    bred = found["genomes"].query("generation >= 3").dropna(subset="mother")
    assert len(bred) > 0
    assert (first[bred["mother"]].to_numpy() < bred["generation"].to_numpy() - 2).all()


def test_founders_are_the_population_of_a_run_without_broods(steady, tmp_path):
    plain = config(evolution={**STEADY, "generations": 1, "steady": None})
    carry_out(plain, tmp_path)
    founders = plans_frame(Store(steady)).query("generation < 3")["genome_id"]
    assert founders.tolist() == plans_frame(Store(tmp_path))["genome_id"].tolist()


@pytest.mark.parametrize("slots", [1, pytest.param(3, marks=pytest.mark.slow), 500])
def test_tables_do_not_depend_on_the_number_of_slots(steady, tmp_path, slots):
    carry_out(OWN, tmp_path, Behaviour(slots=slots))
    assert_same_tables(steady, tmp_path)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    "lives", [pytest.param(n, marks=pytest.mark.slow) for n in (5, 13, 22, 40)]
)
def test_killed_and_resumed_the_tables_are_the_same(steady, tmp_path, lives):
    with pytest.raises(Killed):
        carry_out(OWN, MortalStore(tmp_path, lives, after=True))
    carry_out(OWN, tmp_path)
    assert_same_tables(steady, tmp_path)


def test_an_extended_run_is_the_longer_run(steady, tmp_path):
    carry_out(config(evolution={**STEADY, "generations": 4}), tmp_path)
    carry_out(OWN, tmp_path)
    survivors = tables(tmp_path)
    for name in ("plans", "generations", "genomes"):
        pd.testing.assert_frame_equal(survivors[name], tables(steady)[name], obj=name)


@pytest.mark.parametrize(
    "table",
    [
        "plans",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("genomes", "trials", "generations")
        ),
    ],
)
def test_a_damaged_part_is_made_again(steady, tmp_path, table):
    Store(tmp_path).merge(Store(steady))
    part = sorted((tmp_path / table).glob("*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:-9])
    carry_out(OWN, tmp_path)
    assert_same_tables(steady, tmp_path)


@pytest.mark.parametrize("seed", [1, 2])
def test_actors_that_are_lost_change_no_table(steady, tmp_path, seed, monkeypatch):
    monkeypatch.setattr("cluster.training.LEAST_IN_FLIGHT", 16)
    run(OWN, Store(tmp_path), ChaosExecutor(random.Random(seed), trouble=0.02))
    assert_same_tables(steady, tmp_path)


def test_slots_are_not_idle_while_a_brood_ends(tmp_path):
    """More than a brood is ever in the slots at once; without breeding ahead, never."""

    def most(ahead: int) -> int:
        occupied = []

        class Watched(ChaosExecutor):
            def wait(self, timeout_s):
                events = super().wait(timeout_s)
                occupied.append(sum(len(self._roster.hand(n)) for n in self._engines))
                return events

        own = config(evolution={**STEADY, "steady": {"brood": 4, "ahead": ahead}})
        run(own, Store(tmp_path / str(ahead)), Watched(random.Random(1), trouble=0.0))
        return max(occupied[: len(occupied) * 3 // 4])  # not of the confirmation

    assert most(2) > most(1) > 0


def test_elites_and_aliens_of_a_population_are_shared_out_over_its_broods():
    evolution = EvolutionSettings(
        population=24, elites=5, aliens=4, steady={"brood": 4, "ahead": 1}
    )
    params = [evolution.params_of(generation) for generation in range(6)]
    assert {p.population for p in params} == {4}
    assert (sum(p.elites for p in params), sum(p.aliens for p in params)) == (5, 4)
    assert max(p.elites + p.aliens for p in params) <= 2
