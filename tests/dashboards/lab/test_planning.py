"""A validation is planned from the store alone, and what is there is shown at any time."""

from __future__ import annotations

import shutil

import pytest

from dashboards.lab.choosing import store_at
from dashboards.lab.planning import PlanRefused, planned, shown
from dashboards.lab.sources import Sources
from dashboards.lab.stress import Stress
from speciation.tables.readers import trials_frame


@pytest.fixture
def sources(finished, tmp_path) -> Sources:
    """A finished run, whose champion was confirmed on six seeds of pool B."""
    shutil.copytree(finished, tmp_path / "store")
    (tmp_path / "genomes").mkdir()
    return Sources(tmp_path / "store", tmp_path / "genomes")


def asked(sources: Sources, seeds: int = 10, **told) -> Stress:
    """The champion and one more, on the run's own task and horizon."""
    store = store_at(sources.store)
    trials = trials_frame(store)
    champion = trials.loc[trials["pool"] == "B", "genome_id"].iloc[0]
    other = trials.loc[trials["genome_id"] != champion, "genome_id"].iloc[0]
    run = f"run:{store.runs()[0]}"
    return Stress((champion, other, run), seeds, **told)


def test_what_the_store_knows_is_found_and_the_rest_has_a_price(sources):
    own = planned(sources, asked(sources))
    assert own.plan.found == 6
    assert own.plan.to_compute == own.plan.asked - 6
    assert f"found 6, will compute {own.plan.to_compute:,}, about" in own.text


def test_arms_without_a_trial_are_left_out_of_figures_and_named(sources):
    own = planned(sources, asked(sources))
    found = shown(sources, own)
    assert len(found.found.arms) == 1
    assert len(found.absent) == len(own.asked.arms) - 1
    assert found.told["plan"]["found"] == 6


def test_a_plan_is_made_once_for_each_state_of_the_store(sources):
    stress = asked(sources)
    before = planned(sources, stress)
    assert planned(sources, stress) is before
    store_at(sources.store).write_group("any", stress.genomes[:1])
    assert planned(sources, stress) is not before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Choose genomes"),
        (("f" * 32,), "is no genome"),
        (("group:none",), "there is no group 'none'"),
        (("group:../../etc",), "cannot be the name of a group"),
        (("run:../../etc",), "no run"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(sources, words, sentence):
    with pytest.raises(PlanRefused, match=sentence):
        planned(sources, Stress(words))


def test_where_nothing_was_tried_nothing_is_shown(sources):
    stress = asked(sources)
    with pytest.raises(PlanRefused, match="No trial of these genomes is in the store yet"):
        shown(sources, planned(sources, Stress(stress.genomes[:1], 10, "add113-full")))
