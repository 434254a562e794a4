from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from speciation.genome.genome import HYPER17
from speciation.tables import readers
from speciation.tables.schema import TABLES, genome_row, result_rows
from speciation.tables.store import Store, StoreError
from speciation.trial.task import Task
from speciation.trial.trial import (
    Milestones,
    ModelShape,
    Outcome,
    Streams,
    Trial,
    TrialResult,
    failed,
)
from tests.speciation.tables import facts


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def tell(store, *results, run="r", generation=0, pool="A"):
    trials, curves = result_rows(results, run, generation, pool)
    store.append("trials", trials)
    store.append("curves", curves)


def plan(run, generation, position, *trials):
    return {
        "run": run,
        "generation": generation,
        "position": position,
        "genome_id": trials[0].genome.id,
        "elite_age": 0,
        "seeds": [trial.seed for trial in trials],
        "horizon": trials[0].horizon,
        "trial_ids": [trial.id for trial in trials],
    }


# -- Tables ------------------------------------------------------------------------------


def test_read_gives_the_asked_columns_of_the_asked_rows(store):
    store.append("trials", [facts.row("a"), facts.row("b", "failed")])
    rows = readers.read(
        store, "trials", ["outcome", "trial_id"], pc.field("outcome") == "failed"
    )
    assert rows.to_pylist() == [{"outcome": "failed", "trial_id": "b"}]
    assert readers.read(store, "trials").column_names == list(TABLES["trials"].columns)


def test_an_unknown_column_or_table_is_named(store):
    with pytest.raises(StoreError, match="'trials' has no column 'speed'"):
        readers.read(store, "trials", ["speed"])
    with pytest.raises(StoreError, match="no table 'tests'"):
        readers.read(store, "tests")


# -- Frames ------------------------------------------------------------------------------


FRAMES = (
    readers.trials_frame,
    readers.curves_frame,
    readers.genomes_frame,
    readers.generations_frame,
    readers.plans_frame,
)


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_of_an_empty_store_are_empty_with_all_columns(store, frame):
    table = frame.__name__.removesuffix("_frame")
    empty = frame(store)
    assert len(empty) == 0
    assert list(empty.columns) == list(TABLES[table].columns)


def test_a_frames_types_do_not_depend_on_what_happened(store):
    types = [readers.trials_frame(store).dtypes]
    told = facts.result(milestones=Milestones(300, 250, 275, 250, 100))
    tell(store, told)
    types.append(readers.trials_frame(store).dtypes)
    tell(store, facts.result(facts.trial(1), Outcome.CENSORED), generation=None, pool="B")
    types.append(readers.trials_frame(store).dtypes)
    for column in ("seed", "horizon", "generation", "steps_to_grok", "first_99", "steps_run"):
        assert len({str(each[column]) for each in types}) == 1, column


def test_what_was_not_reached_is_nan_and_no_generation_is_minus_one(store):
    tell(store, facts.result(outcome=Outcome.CENSORED), generation=None, pool="B")
    row = readers.trials_frame(store).iloc[0]
    assert np.isnan(row["steps_to_grok"])
    assert (row["generation"], row["pool"]) == (-1, "B")


def test_trials_and_curves_can_be_asked_for_by_id(store):
    results = [facts.result(facts.trial(genome)) for genome in range(3)]
    tell(store, *results)
    wanted = [results[1].trial.id]
    assert list(readers.trials_frame(store, trial_ids=wanted)["trial_id"]) == wanted
    frame = readers.curves_frame(store, trial_ids=wanted)
    assert list(frame["trial_id"]) == wanted
    np.testing.assert_array_equal(frame["step"].iloc[0], results[1].curves.step)
    assert len(readers.curves_frame(store)) == 3


def test_a_runs_trials_are_those_it_asked_for_whoever_computed_them(store):
    shared, own, other = (facts.trial(genome) for genome in range(3))
    tell(store, facts.result(shared), facts.result(other), run="first", generation=7)
    tell(store, facts.result(own), run="second", generation=1)
    store.append("plans", [plan("first", 7, 0, shared), plan("first", 7, 1, other)])
    store.append("plans", [plan("second", 0, 0, shared), plan("second", 1, 0, own)])

    frame = readers.trials_frame(store, run="second").set_index("trial_id")
    assert set(frame.index) == {shared.id, own.id}
    assert dict(frame["generation"]) == {shared.id: 0, own.id: 1}
    assert set(frame["run"]) == {"second"}
    assert frame["generation"].dtype == np.int32
    assert len(readers.trials_frame(store)) == 3
    assert len(readers.trials_frame(store, run="third")) == 0


def test_a_runs_validation_belongs_to_it_without_a_plan(store):
    tell(store, facts.result(), run="r", generation=None, pool="B")
    store.append("plans", [plan("r", 0, 0, facts.trial(1)) | {"trial_ids": None}])
    frame = readers.trials_frame(store, run="r")
    assert list(frame["generation"]) == [-1]


def test_generations_and_plans_are_sorted_and_can_be_of_one_run(store):
    def generation(run, number, position):
        return {
            "run": run,
            "generation": number,
            "position": position,
            "genome_id": f"g{9 - position}",
        }

    rows = [generation(*at) for at in (("s", 0, 0), ("r", 1, 0), ("r", 0, 1), ("r", 0, 0))]
    for row in rows:
        store.append("generations", [row])
        store.append("plans", [row])
    for frame in (readers.generations_frame, readers.plans_frame):
        told = frame(store)[["run", "generation", "position"]]
        assert list(told.itertuples(index=False, name=None)) == [
            ("r", 0, 0),
            ("r", 0, 1),
            ("r", 1, 0),
            ("s", 0, 0),
        ]
        assert len(frame(store, "r")) == 3
        assert list(frame(store, "r").index) == [0, 1, 2]


# -- Genomes ----------------------------------------------------------------------------


def born(genome, run="r", generation=0, origin="random"):
    return genome_row(genome, origin=origin, run=run, generation=generation)


def test_a_genome_stands_once_and_in_a_run_with_its_birth_there(store):
    twice, once = facts.genomes(2)
    store.append("genomes", [born(twice, "s", 3, "ancestor"), born(once, "s", 0)])
    store.append("genomes", [born(twice, "r", 1), born(twice, "r", 5, "clone")])
    everything = readers.genomes_frame(store).set_index("genome_id")
    assert sorted(everything.index) == sorted([twice.id, once.id])
    assert everything.loc[twice.id, "run"] == "r"
    in_s = readers.genomes_frame(store, "s").set_index("genome_id")
    assert in_s.loc[twice.id, "origin"] == "ancestor"
    in_r = readers.genomes_frame(store, "r")
    assert list(in_r["origin"]) == ["random"]
    assert list(readers.genomes_frame(store, genome_ids=[once.id])["genome_id"]) == [once.id]


def test_a_genome_is_found_by_the_beginning_of_its_id(store):
    genomes = facts.genomes(3)
    store.append("genomes", [born(genome) for genome in genomes])
    store.append("genomes", [born(genomes[0], "s")])
    for genome in genomes:
        assert readers.genome_of(store, genome.id[:10]) == genome
        assert readers.genome_of(store, genome.id).id == genome.id


def test_a_beginning_of_no_id_or_of_several_is_refused(store):
    store.append("genomes", [born(genome) for genome in facts.genomes(2)])
    with pytest.raises(StoreError, match=r"no genome in .* starts with 'xyz'"):
        readers.genome_of(store, "xyz")
    with pytest.raises(StoreError, match="2 genomes, such as"):
        readers.genome_of(store, "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"beta1": None}, "beta1"),
        ({"beta1": 7.0}, "beta1"),
        ({"beta1": 0.75}, "its genes have the id"),
        ({"kind": "martian"}, "unknown genome kind 'martian'"),
    ],
)
def test_a_row_that_is_not_its_genome_is_refused(store, change, said):
    genome = facts.genomes(1)[0]
    store.append("genomes", [born(genome) | change])
    with pytest.raises(StoreError, match=said) as caught:
        readers.genome_of(store, genome.id)
    assert genome.id in str(caught.value)


# -- What is known already ---------------------------------------------------------------


def known(store, outcome, steps, horizon, **told):
    tell(store, facts.result(facts.trial(), outcome, steps, **told))
    return facts.trial().id in readers.known_answers(store, [facts.trial(horizon=horizon)])


@pytest.mark.parametrize(
    ("outcome", "steps", "horizon", "answered"),
    [
        (Outcome.GROKKED, 375, 2500, True),
        (Outcome.GROKKED, 375, 300, True),  # and says: not by then
        (Outcome.CENSORED, 2500, 2500, True),
        (Outcome.CENSORED, 2500, 1000, True),
        (Outcome.CENSORED, 1000, 2500, False),
        (Outcome.DIVERGED, 50, 2500, True),
        (Outcome.FAILED, 2500, 1000, False),
    ],
)
def test_a_row_answers_a_request_by_the_rule_of_the_trial(
    store, outcome, steps, horizon, answered
):
    assert known(store, outcome, steps, horizon) == answered


def test_an_answer_is_the_stored_row(store):
    tell(store, facts.result(wall_seconds=1.25), failed(facts.trial(1), "power cut"))
    asked = [facts.trial(genome) for genome in range(3)]
    answers = readers.known_answers(store, asked)
    assert list(answers) == [facts.trial().id]
    answer = answers[facts.trial().id]
    assert answer.keys() == set(TABLES["trials"].columns)
    assert (answer["steps_to_grok"], answer["first_95"]) == (300, None)
    assert (answer["wall_seconds"], answer["outcome"]) == (1.25, "grokked")


def test_a_row_never_answers_for_another_precision(store):
    tell(store, facts.result())
    asked = facts.trial(precision="float64")
    assert not readers.known_answers(store, [asked])
    tell(store, facts.result(asked))
    assert readers.known_answers(store, [asked])[asked.id]["precision"] == "float64"


def test_a_trial_that_failed_and_then_worked_is_known(store):
    tell(store, failed(facts.trial(), "power cut"))
    assert not readers.known_answers(store, [facts.trial()])
    tell(store, facts.result())
    assert readers.known_answers(store, [facts.trial()])


def test_nothing_asked_is_nothing_known(store):
    assert readers.known_answers(store, []) == {}
    tell(store, facts.result())
    assert readers.known_answers(store, []) == {}


@pytest.mark.slow
def test_a_hundred_thousand_requests_to_a_large_store_take_seconds(store):
    from time import process_time

    rng = np.random.default_rng(0)
    count = 300_000
    names = [rng.bytes(16).hex() for _ in range(count)]
    schema = TABLES["trials"].schema
    filled = {
        "trial_id": pa.array(names),
        "genome_id": pa.array(names),
        "seed": pa.array(np.zeros(count, dtype=np.int64)),
        "outcome": pa.array(["diverged"] * count),
        "steps_run": pa.array(np.full(count, 100, dtype=np.int32)),
    }
    columns = [filled.get(f.name, pa.nulls(count, f.type)) for f in schema]
    rows = pa.table(columns, schema=schema)
    for begin in range(0, count, 10_000):
        store.append("trials", rows.slice(begin, 10_000))

    class Request:
        def __init__(self, name: str) -> None:
            self.id, self.horizon = name, 2500

    begin = process_time()
    answers = readers.known_answers(store, [Request(name) for name in names[:100_000]])
    assert len(answers) == 100_000
    assert process_time() - begin < 20
    assert isinstance(readers.trials_frame(store, trial_ids=names[:5]), pd.DataFrame)


# -- Trials to train again --------------------------------------------------------------------


def again(store, streams=None, **changes):
    """A trial whose row, changed perhaps, stands in the store."""
    genome = HYPER17.random(1, np.random.default_rng(0))[0]
    trial = Trial(genome, Task(batch=None), ModelShape(), 3, horizon=100, streams=streams)
    rows, _ = result_rows([TrialResult(trial, Outcome.CENSORED, steps_run=100)], "r", 0, "A")
    store.append("trials", [rows.to_pylist()[0] | changes])
    store.append("genomes", [genome_row(genome, origin="random", run="r", generation=0)])
    return trial


@pytest.mark.parametrize("streams", [None, Streams(3, 5, 7, 9)])
def test_a_stored_trial_can_be_asked_for_again(store, streams):
    trial = again(store, streams)
    assert readers.trial_of(store, trial.id[:9]) == trial
    assert readers.trial_of(store, "nothing") is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"modulus": 53}, "its row describes"), ({"modulus": 4}, "must be a prime")],
)
def test_a_row_that_describes_another_trial_is_not_trained_again(store, changes, sentence):
    trial = again(store, **changes)
    with pytest.raises(StoreError, match=sentence):
        readers.trial_of(store, trial.id)
