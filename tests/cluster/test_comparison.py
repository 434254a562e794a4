"""A comparison's file: what becomes of it, and how a mistake is put into words."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from cluster.comparison import COMPARISONS, Entry, entries
from cluster.config import ConfigError, RunConfig
from speciation.evolution import peers

PLAIN: dict[str, Any] = {
    "repeats": 3,
    "budget": 40_000,
    "checkpoints": 4,
    "confirm": 5,
    "base": {
        "seed": 7,
        "horizon": 1000,
        "evolution": {"population": 8, "seeds": 3, "elites": 1, "aliens": 1},
    },
    "arms": {"evolution": {}, "random": {"evolution": {"search": "random"}}},
}


def made(folder, places: dict[str, Any] | None = None, **changes: Any) -> list[Entry]:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(PLAIN | changes), encoding="utf-8")
    plan = COMPARISONS.load(str(path), {})
    return entries(plan, "mine.yaml", str(folder / "out"), places or {})


@pytest.mark.parametrize("name", COMPARISONS.names())
def test_those_that_come_with_the_project_can_be_run(name, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "require", lambda module: None)
    plan = COMPARISONS.load(name, {})
    found = entries(plan, name, str(tmp_path), {})
    assert len(found) == plan.repeats * len(plan.arms)
    assert len({entry.config.run_id() for entry in found}) == len(found)
    assert plan.checkpoint_steps()[-1] == plan.budget


def test_an_arm_is_the_base_with_its_own_values_before(tmp_path):
    found = made(tmp_path)
    evolution, random = found[0].config.evolution, found[1].config.evolution
    assert (random.search, evolution.search) == ("random", "evolution")
    assert random.model_copy(update={"search": "evolution"}) == evolution
    assert (evolution.population, evolution.budget) == (8, 40_000)


def test_repeats_of_all_arms_are_paired_by_their_seeds_and_keep_their_own_stores(tmp_path):
    found = made(tmp_path)
    assert [(e.arm, e.repeat, e.config.seed) for e in found[:4]] == [
        ("evolution", 0, 7),
        ("random", 0, 7),
        ("evolution", 1, 8),
        ("random", 1, 8),
    ]
    assert len({entry.config.store for entry in found}) == len(found)


def test_what_the_answer_depends_on_is_asked_and_where_it_trains_is_not(tmp_path):
    question = made(tmp_path)[0].question()
    assert (
        made(tmp_path, {"engine.device": "cpu", "executor": "local"})[0].question() == question
    )
    assert made(tmp_path, confirm=6)[0].question() != question
    assert made(tmp_path, budget=50_000)[0].question() != question
    assert made(tmp_path, repeats=4)[0].question() == question


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"arms": {"one": {}}}, "must name at least two arms"),
        ({"budgett": 3}, "unknown key 'budgett'.*did you mean 'budget'"),
        ({"budget": 0}, "budget is 0, but must be"),
        ({"repeats": 0}, "repeats is 0"),
        (
            {"arms": {"a": {}, "b": {"evolution": {"search": "sobl"}}}},
            r"arms\.b: evolution\.search is 'sobl'.*did you mean 'sobol'",
        ),
        ({"arms": {"a": {}, "b": {"model": {"d_ff": 32}}}}, r"arms\.b needs another engine"),
        ({"arms": {"a": {}, "b": {"horizon": 500}}}, r"arms\.b has another horizon"),
    ],
)
def test_a_mistake_is_a_sentence(changes, sentence, tmp_path):
    with pytest.raises(ConfigError, match=sentence):
        made(tmp_path, **changes)


def test_a_name_that_is_none_is_told_with_those_there_are():
    with pytest.raises(ConfigError, match=r"nor a comparison of that name.*did you mean"):
        COMPARISONS.load("serches", {})


def test_an_arm_without_its_library_is_told_before_anything_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    arms = {"a": {}, "b": {"evolution": {"search": "cma-es"}}}
    with pytest.raises(peers.PeerError, match=re.escape("speciation-cluster[search]")):
        made(tmp_path, arms=arms)


def test_a_budget_does_not_end_by_the_number_of_generations(tmp_path):
    assert made(tmp_path)[0].config.evolution.generations > 10_000
    default = RunConfig().evolution.generations
    arms = {"a": {}, "b": {"evolution": {"generations": default}}}
    assert made(tmp_path, arms=arms)[1].config.evolution.generations == default
