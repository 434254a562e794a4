"""Who is tried in a generation: a pure function, stored before work begins, and read back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import plan as planning
from cluster.plan import (
    ancestors_of,
    closed_generations,
    incomplete_generations,
    judge,
    judged,
    new_plan,
    stored_plan,
)
from speciation.tables.readers import generations_frame, plans_frame, trials_frame
from speciation.tables.store import Store
from tests.cluster.runs import carry_out, config
from tests.cluster.synthetic import genome

RUN = config().run_id()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run of three generations."""
    folder = tmp_path_factory.mktemp("finished")
    carry_out(config(), folder)
    return folder


def parts(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.parquet")}


def test_a_plan_is_read_back_as_it_was_made(tmp_path):
    made = new_plan(config(), Store(tmp_path), 0, None)
    read = stored_plan(config(), Store(tmp_path), 0)
    assert read.trials == made.trials
    assert read.genomes.ids == made.genomes.ids
    assert read.ages() == made.ages()
    assert (read.seeds, read.horizon) == (made.seeds, made.horizon)


def test_two_drivers_write_the_same_bytes(finished, tmp_path):
    before = judged(config(), Store(finished), 1)
    for name in ("one", "two"):
        new_plan(config(), Store(tmp_path / name), 0, None)
        new_plan(config(), Store(tmp_path / name), 2, before.parents())
    assert parts(tmp_path / "one") == parts(tmp_path / "two")
    assert parts(tmp_path / "one") <= parts(finished)


def test_a_plan_names_the_trials_of_each_genome_in_the_order_of_the_seeds(tmp_path):
    plan = new_plan(config(), Store(tmp_path), 0, None)
    trials = {trial.id: trial for trial in plan.trials}
    for row in plans_frame(Store(tmp_path)).itertuples():
        named = [trials[own] for own in row.trial_ids]
        assert [t.seed for t in named] == list(plan.seeds)
        assert {t.genome.id for t in named} == {row.genome_id}
    assert len(trials) == 8 * 2


def test_a_plan_of_which_a_genome_is_lost_is_none(tmp_path):
    store = Store(tmp_path)
    new_plan(config(), store, 0, None)
    assert stored_plan(config(), store, 1) is None
    shutil.rmtree(tmp_path / "genomes")
    assert stored_plan(config(), Store(tmp_path), 0) is None


def test_a_verdict_that_is_read_back_breeds_the_same_children(finished, tmp_path):
    store = Store(finished)
    plan = stored_plan(config(), store, 0)
    trials = trials_frame(store, trial_ids=[trial.id for trial in plan.trials])
    fresh = judge(config(), Store(tmp_path), plan, trials)
    read = judged(config(), store, 0)
    children = [
        new_plan(config(), Store(tmp_path / name), 1, before.parents()).genomes.ids
        for name, before in (("a", fresh), ("b", read))
    ]
    assert children[0] == children[1]


def test_a_verdict_that_lacks_a_genome_is_none(finished, tmp_path):
    store = Store(finished)
    rows = store.scan("generations").table
    partial = Store(tmp_path)
    for table in ("plans", "genomes"):
        partial.append(table, store.scan(table).table)
    partial.append("generations", rows.slice(0, len(rows) - 1))
    assert judged(config(), partial, 0) is not None
    assert judged(config(), partial, 2) is None


@given(st.sets(st.integers(0, 6)))
def test_generations_are_closed_up_to_the_first_gap(closed):
    patch = pytest.MonkeyPatch()
    with patch.context() as changed:
        changed.setattr(planning, "generations_in", lambda *_: frozenset(closed))
        count = closed_generations(RUN, Store("unused"))
    assert set(range(count)) <= closed
    assert count not in closed


def test_a_generation_with_a_lost_trial_is_incomplete(finished, tmp_path):
    assert incomplete_generations(RUN, Store(finished)) == []
    plans = plans_frame(Store(finished), RUN)
    lost = plans[plans["generation"] == 1]["trial_ids"].iloc[0][0]
    again = {own for own, row in _generations_of(plans).items() if lost in row}
    store, partial = Store(finished), Store(tmp_path)
    partial.append("plans", store.scan("plans").table)
    trials = store.scan("trials").table
    partial.append("trials", trials.filter(np.array(trials["trial_id"].to_pylist()) != lost))
    assert incomplete_generations(RUN, partial) == sorted(again)


def _generations_of(plans) -> dict[int, set[str]]:
    """Generation → trials it asks for."""
    return {g: set(rows["trial_ids"].explode()) for g, rows in plans.groupby("generation")}


# -- Ancestors ----------------------------------------------------------------------------


def test_an_ancestor_that_is_named_twice_counts_once(tmp_path):
    twice = [{"genes": dict(genome(1).genes)}] * 2 + [{"genes": dict(genome(2).genes)}]
    found = ancestors_of(config(ancestors=twice), Store(tmp_path))
    assert found.ids == (genome(1).id, genome(2).id)
    assert ancestors_of(config(), Store(tmp_path)) is None


def test_of_an_earlier_run_the_best_half_of_a_population_is_taken(finished):
    small = config(ancestors=[f"run:{RUN}"], evolution={"population": 5})
    last = generations_frame(Store(finished), RUN).query("generation == 2").sort_values("rank")
    found = ancestors_of(small, Store(finished))
    assert list(found.ids) == list(last["genome_id"][:2])


@pytest.mark.parametrize("other", [{"track": "add97-full"}, {"model": {"layers": 2}}], ids=str)
def test_fame_in_another_task_or_model_is_no_fame_here(finished, other):
    famous = {"ancestors": ["hall_of_fame"], "evolution": {"strictness": 0.3}}
    assert ancestors_of(config(**famous), Store(finished)) is not None
    with pytest.raises(ValueError, match=r"Hall of Fame of .* has no hyper17 genome for this"):
        ancestors_of(config(**famous, **other), Store(finished))
