from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.tables.schema import TABLES
from speciation.tables.union import digests, union
from tests.speciation.tables import facts

TRIALS, CURVES, GENOMES, PLANS = (TABLES[t] for t in ("trials", "curves", "genomes", "plans"))

outcomes = st.sampled_from(["grokked", "diverged", "censored", "failed"])
reals = st.sampled_from([None, 0.0, -0.0, 1.5, -2.0, math.inf, math.nan])
trial_rows = st.builds(
    facts.row, st.sampled_from("abc"), outcomes, st.integers(0, 3), reals
).flatmap(lambda row: st.sampled_from([None, "x", ""]).map(lambda why: {**row, "reason": why}))
plan_rows = st.fixed_dictionaries(
    {
        "run": st.sampled_from("rs"),
        "generation": st.integers(0, 1),
        "position": st.integers(0, 1),
        "genome_id": st.sampled_from("gh"),
        "seeds": st.none() | st.lists(st.none() | st.integers(0, 2), max_size=2),
        "trial_ids": st.none() | st.lists(st.none() | st.sampled_from("tu"), max_size=2),
    }
)


@pytest.mark.parametrize(("spec", "rows"), [(TRIALS, trial_rows), (PLANS, plan_rows)])
@given(data=st.data())
def test_any_order_and_any_grouping_give_the_same_table(spec, rows, data):
    told = data.draw(st.lists(rows, max_size=12))
    shuffled = data.draw(st.permutations(told))
    cut = data.draw(st.integers(0, len(told)))
    whole = union([facts.as_table(told, spec.name)], spec)
    first = union([facts.as_table(shuffled[:cut], spec.name)], spec)
    grouped = union([facts.as_table(shuffled[cut:], spec.name), first], spec)
    # repr, since NaN does not equal itself
    assert repr(grouped.to_pylist()) == repr(whole.to_pylist())
    assert repr(union([whole, grouped], spec).to_pylist()) == repr(whole.to_pylist())


@given(st.lists(trial_rows, max_size=12))
def test_a_key_has_one_row_and_it_is_one_that_was_told(told):
    rows = union([facts.as_table(told)], TRIALS).to_pylist()
    assert [row["trial_id"] for row in rows] == sorted({row["trial_id"] for row in told})
    known = [repr({**dict.fromkeys(TRIALS.columns), **row}) for row in told]
    in_order = [{c: row[c] for c in TRIALS.columns} for row in rows]
    assert all(repr(row) in known for row in in_order)


@given(st.lists(trial_rows, min_size=1, max_size=12))
def test_a_request_that_any_row_answers_is_answered_by_the_one_that_is_kept(told):
    from speciation.trial.trial import answers

    kept = union([facts.as_table(told)], TRIALS).to_pylist()
    for horizon in range(5):
        for best in kept:
            mine = [row for row in told if row["trial_id"] == best["trial_id"]]
            grok = {"grokked": 0}
            answered = [
                answers(r["outcome"], grok.get(r["outcome"]), r["steps_run"], horizon)
                for r in mine
            ]
            assert answers(
                best["outcome"], grok.get(best["outcome"]), best["steps_run"], horizon
            ) == any(answered)


def best_of(*rows):
    return union([facts.as_table(rows)], TRIALS).to_pylist()[0]


def test_science_comes_before_a_failure_however_long_that_took():
    assert best_of(facts.row("a", "failed", 900), facts.row("a", "censored", 50))[
        "outcome"
    ] == ("censored")


def test_an_end_comes_before_a_horizon_and_the_longer_before_the_shorter():
    short, long = facts.row("a", "censored", 100), facts.row("a", "censored", 200)
    assert best_of(long, short)["steps_run"] == 200
    assert best_of(long, facts.row("a", "grokked", 50))["outcome"] == "grokked"
    assert (
        best_of(facts.row("a", "grokked", 50), facts.row("a", "grokked", 90))["steps_run"] == 90
    )


def test_of_curves_the_longest_is_kept():
    rows = [
        {"trial_id": "a", "step": list(range(n)), "train_loss": [float(n)] * n}
        for n in (2, 5, 3)
    ]
    kept = union([facts.as_table(rows, "curves")], CURVES).to_pylist()
    assert len(kept) == 1
    assert kept[0]["step"] == list(range(5))


def test_equally_long_curves_are_told_apart_by_what_they_hold_and_where():
    def curve(*loss):
        return {"trial_id": "a", "step": [1, 2], "train_loss": list(loss)}

    pair = [curve(1.0, 2.0), curve(2.0, 1.0)]
    kept = [union([facts.as_table(rows, "curves")], CURVES) for rows in (pair, pair[::-1])]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 1


def test_a_genome_is_born_once_a_run_at_its_first_generation():
    def birth(run, generation, origin):
        genome = {"genome_id": "g", "kind": "hyper17", "run": run}
        return {**genome, "generation": generation, "origin": origin}

    told = [birth("r", 5, "clone"), birth("r", 2, "random"), birth("s", 9, "ancestor")]
    kept = union([facts.as_table(told, "genomes")], GENOMES).to_pylist()
    assert [(row["run"], row["origin"]) for row in kept] == [("r", "random"), ("s", "ancestor")]


def test_no_rows_make_an_empty_table_with_every_column():
    assert union([], TRIALS) == TRIALS.empty()


def test_sorted_rows_without_rivals_pass_unchanged():
    told = facts.as_table([facts.row(name) for name in "abc"])
    assert union([told], TRIALS) == told


def test_ids_that_share_their_beginning_stay_apart():
    told = [facts.row("a" * 40 + end) for end in ("b", "a", "")]
    assert facts.ids(union([facts.as_table(told)], TRIALS)) == sorted(
        row["trial_id"] for row in told
    )


@pytest.mark.slow
def test_a_million_rows_half_of_them_told_twice_take_seconds():
    rng = np.random.default_rng(0)
    names = [rng.bytes(16).hex() for _ in range(500_000)]
    rows = {
        "trial_id": names * 2,
        "genome_id": names * 2,
        "seed": np.zeros(1_000_000, dtype=np.int64),
        "outcome": ["grokked"] * 1_000_000,
        "steps_run": np.full(1_000_000, 100, dtype=np.int32),
        "wall_seconds": rng.random(1_000_000),
    }
    table = pa.table(
        {c: rows.get(c, pa.nulls(1_000_000, t)) for c, t in TRIALS.columns.items()}
    ).cast(TRIALS.schema)
    from time import process_time

    begin = process_time()
    kept = union([table], TRIALS)
    assert len(kept) == 500_000
    assert process_time() - begin < 20


def test_a_digest_depends_on_its_text_alone():
    texts = ["", "a", "é", "a-run-with-a-long-name-0123abcd", "0" * 32, "1" + "0" * 31]
    together = digests(pa.array(texts)).to_pylist()
    assert together == [digests(pa.array([text])).to_pylist()[0] for text in texts]
    assert len(set(together)) == len(texts)


def test_digests_of_cut_and_chunked_texts_are_those_of_the_texts():
    texts = pa.array([f"{n:032x}" for n in range(100)] + [None])
    whole = digests(texts)
    assert digests(texts.slice(40)) == whole.slice(40)
    assert digests(pa.chunked_array([texts.slice(0, 7), texts.slice(7)])) == whole
    assert len(digests(pa.array([], pa.string()))) == 0
