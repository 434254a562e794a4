"""Who gets into the Hall of Fame."""

from __future__ import annotations

import pytest

from speciation.evolution.fitness import champion
from speciation.evolution.hall_of_fame import hall_of_fame
from tests.speciation.evolution.rows import H, trials


def test_reliability_opens_the_door_and_the_landscape_seats():
    rows = trials(
        fast=[400] * 20, steady=[900] * 20, lucky=[200] * 3, flaky=[300, "censored"] * 10
    )
    strict = hall_of_fame(rows, H, "sprinter", 0.8)
    assert strict["genome_id"].tolist() == ["fast", "steady"]
    assert strict["rank"].tolist() == [0, 1]
    relaxed = hall_of_fame(rows, H, "sprinter", 0.25)
    assert relaxed["genome_id"].tolist() == ["lucky", "fast", "steady", "flaky"]
    assert relaxed["rank"].tolist() == [0, 1, 2, 3]


def test_all_generations_count_together():
    once, twice = trials(a=[400] * 4), trials(a=[400] * 8)
    assert hall_of_fame(once, H, "tank", 0.6).empty
    assert hall_of_fame(twice, H, "tank", 0.6)["trials"].tolist() == [8]


def test_a_sniper_of_the_hall_passes_its_gate():
    rows = trials(wide=[400, 900] * 10, narrow=[2000, 2010] * 10)
    hall = hall_of_fame(rows, H, "sniper", 0.8)
    assert hall["passes_gate"].all()
    assert champion(hall) == "narrow"


def test_seeds_kept_for_confirmation_do_not_count():
    rows = trials(a=[400] * 20)
    assert len(hall_of_fame(rows.assign(pool="A"), H, "tank", 0.8)) == 1
    assert hall_of_fame(rows.assign(pool="B"), H, "tank", 0.8).empty


def test_failed_trials_keep_nobody_out():
    assert len(hall_of_fame(trials(a=[400] * 20 + ["failed"] * 20), H, "tank", 0.8)) == 1


def test_an_empty_hall_has_no_champion():
    assert champion(hall_of_fame(trials(a=["censored"]), H)) is None


@pytest.mark.parametrize("strictness", [0.0, 1.0, float("nan")])
def test_strictness_is_a_probability(strictness):
    with pytest.raises(ValueError, match="strictness must be within"):
        hall_of_fame(trials(a=[400]), H, strictness=strictness)
