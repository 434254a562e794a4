"""From rows to an answer: nothing is dropped, nothing is mixed, nothing is flattered."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from speciation.analysis import validation
from speciation.analysis.validation import ValidationError
from speciation.seeds import pool_a, pool_b
from speciation.tables.schema import result_rows
from speciation.tables.store import Store
from speciation.trial.trial import ModelShape, Outcome, Trial, failed
from tests.cluster.synthetic import MODEL, TASK, genome, result

HORIZON = 1000


def rows(genomes=(0, 1), seeds=None, pool="B", horizon=HORIZON, model=MODEL) -> pa.Table:
    seeds = pool_b(10) if seeds is None else seeds
    done = [
        result(Trial(genome(i), TASK, model, seed, horizon)) for i in genomes for seed in seeds
    ]
    return result_rows(done, "r", None, pool)[0]


def test_every_genome_is_an_arm_of_its_own_unless_told():
    found = validation.of_rows(rows(), HORIZON)
    assert {own.name for own in found.arms} == {genome(0).id, genome(1).id}
    both = {"both": [genome(0).id, genome(1).id]}
    grouped = validation.of_rows(rows(), HORIZON, both)
    assert [(own.trials, own.seeds) for own in grouped.summaries] == [(20, 10)]
    assert grouped.comparison is None


def test_failures_of_the_machine_are_shown_and_left_out():
    lost = [failed(Trial(genome(0), TASK, MODEL, s, HORIZON), "lost") for s in (101, 103)]
    every = pa.concat_tables([rows((0,)), result_rows(lost, "r", None, "B")[0]])
    found = validation.of_rows(every, HORIZON)
    clean = validation.of_rows(rows((0,)), HORIZON)
    assert found.summaries[0].failed == 2
    assert found.outcomes["failed"].tolist() == [2]
    assert found.summaries[0].rmst == clean.summaries[0].rmst


def test_a_genome_that_the_machine_always_failed_does_not_silence_the_others():
    lost = [failed(Trial(genome(5), TASK, MODEL, s, HORIZON), "lost") for s in (1, 3)]
    every = pa.concat_tables([rows((0, 1)), result_rows(lost, "r", None, "B")[0]])
    groups = {"a": [genome(0).id], "b": [genome(1).id], "lost": [genome(5).id]}
    found = validation.of_rows(every, HORIZON, groups)
    assert [own.name for own in found.summaries] == ["a", "b"]
    assert found.unfinished == ("lost",)
    assert found.outcomes.set_index("name").loc["lost", "failed"] == 2


def test_failures_of_science_are_never_left_out():
    found = validation.of_rows(rows(range(6), pool_b(40)), HORIZON)
    assert found.outcomes["diverged"].sum() > 0
    assert sum(own.trials for own in found.summaries) == 240
    assert found.outcomes.drop(columns="name").to_numpy().sum() == 240


def test_a_trial_that_was_cut_short_shortens_everything():
    """Leaving it out would leave out the slow ones."""
    every = pa.concat_tables([rows((0,)), rows((1,), horizon=500)])
    found = validation.of_rows(every, HORIZON)
    assert (found.horizon, found.asked) == (500, HORIZON)
    short = validation.of_rows(rows(horizon=500), 500)
    assert found.table().drop(columns="p_best").equals(short.table().drop(columns="p_best"))


def test_several_experiments_are_not_put_together():
    other = rows((1,), model=ModelShape(d_ff=32))
    with pytest.raises(ValidationError, match="d_ff is 32 and 64; name one of them"):
        validation.of_rows(pa.concat_tables([rows((0,)), other]), HORIZON)


def test_selected_and_confirmed_stand_side_by_side(tmp_path):
    store = Store(tmp_path)
    store.append("trials", rows())
    store.append("trials", rows(seeds=pool_a(1, 0, 6), pool="A"))
    found = validation.of_store(store)
    assert len(found.shrinkage) == 2
    for own in found.shrinkage:
        assert (own.selected.seeds, own.confirmed.seeds) == (6, 10)
        gap = own.confirmed.rmst.value - own.selected.rmst.value
        assert own.steps.value == pytest.approx(gap)
        assert own.steps.low <= gap <= own.steps.high


def test_a_selection_at_a_shorter_horizon_is_compared_at_that_one():
    seen = rows((0,), seeds=pool_a(1, 0, 6), pool="A", horizon=500)
    found = validation.of_rows(rows((0,)), HORIZON, selected=seen)
    assert found.horizon == HORIZON
    assert {own.horizon for own in found.shrinkage} <= {500, HORIZON}
    assert found.shrinkage[0].confirmed.rmst.value <= found.shrinkage[0].horizon


def test_the_order_of_rows_changes_nothing():
    every = rows()
    shuffled = every.take(pa.array(np.random.default_rng(0).permutation(len(every))))
    one, other = (validation.of_rows(own, HORIZON) for own in (every, shuffled))
    assert one.table().equals(other.table())


def test_a_store_without_fresh_trials_is_a_sentence(tmp_path):
    store = Store(tmp_path)
    store.append("trials", rows(pool="A"))
    with pytest.raises(ValidationError, match="no trial on seeds of pool B"):
        validation.of_store(store)


def test_of_failures_alone_nothing_is_said():
    lost = [failed(Trial(genome(0), TASK, MODEL, 1, HORIZON), "lost")]
    with pytest.raises(ValidationError, match="no finished trial"):
        validation.of_rows(result_rows(lost, "r", None, "B")[0], HORIZON)


def test_what_happened_after_the_horizon_has_not_happened():
    found = validation.of_rows(rows(range(4)), 200)
    late = found.outcomes
    grokked = sum(own.successes for own in found.summaries)
    assert late[Outcome.GROKKED.value].sum() == grokked
    assert late[Outcome.CENSORED.value].sum() > 0
    assert (found.trials.grokked_at[np.isfinite(found.trials.grokked_at)] > 200).any()
