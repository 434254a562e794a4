"""Validation computes what is missing and nothing else, and says the same whatever happened."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.config import PROJECT
from cluster.validate_asked import RUN, ValidateError, ask
from cluster.validate_plan import missing_crossed, missing_trials, plan
from cluster.validate_text import document, other_models, plan_text, rows, sentences
from speciation.analysis.sequential import rule
from speciation.seeds import pool_b
from speciation.tables.readers import trials_frame
from speciation.tables.store import Store
from speciation.trial.trial import Outcome, Trial, failed, same_but_seed, seeded
from tests.cluster.runs import config as run_config
from tests.cluster.synthetic import MODEL, TASK, genome, result
from tests.cluster.validations import FAST, asked, carry_out, genome_files

COLUMNS = ["name", "seeds", "successes", "rmst", "rmst_low", "rmst_high", "ert", "median"]


@pytest.fixture
def files(tmp_path):
    return genome_files(tmp_path / "mine", 3)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def table(done):
    return done.found.table()[COLUMNS]


# -- Planning ---------------------------------------------------------------------------------


def test_the_plan_counts_before_anything_is_computed(store, files):
    wanted = asked(store, files)
    first = plan(wanted, store)
    assert (first.asked, first.found, first.to_compute) == (36, 0, 36)
    assert first.steps == 36 * 1000
    carry_out(asked(store, files, seeds=5), store)
    more = plan(asked(store, files), store)
    assert (more.asked, more.found, more.to_compute) == (36, 15, 21)
    assert more.steps < 21 * 1000
    assert more.slot_seconds is not None
    assert "asked 12 seeds of 3 genomes to 1,000 steps: found 15, will compute 21" in plan_text(
        wanted, more
    )


@pytest.mark.parametrize("word", ["sprinter-heads", "genomes/hall_of_fame/sprinter-heads.json"])
def test_a_champion_of_another_shape_is_told_of(store, word):
    path = str(PROJECT / word) if word.endswith(".json") else word
    note = other_models(ask([path, "tank", "tuned-adamw"], store, seeds=1))
    assert note is not None
    assert note.startswith("note: sprinter-heads: found in a model of another shape")
    assert note.endswith(
        "1 layer, 32 columns, 4 heads and 64 hidden units; --model names another"
    )
    group = ask([path], store, seeds=1, groups=[f"mine=tank,{path}"], by_group=True)
    assert str(other_models(group)).startswith("note: mine: ")


def test_champions_of_the_same_shape_are_not(store):
    assert other_models(ask(["tank", "tuned-adamw"], store, seeds=1)) is None


def test_what_any_run_has_answered_is_not_computed_again(tmp_path, finished):
    """A run of this store confirmed its champion on the first six seeds of pool B."""
    shutil.copytree(finished, tmp_path / "copy")
    store = Store(tmp_path / "copy")
    champion = store.read_manifest(store.runs()[0])["champion"]["genome"]["id"]
    wanted = ask([champion], store, seeds=10, overrides={"horizon": 1000, "executor": "local"})
    assert (plan(wanted, store).found, plan(wanted, store).to_compute) == (6, 4)
    done = carry_out(wanted, store)
    assert done.trained == 4
    assert done.found.shrinkage[0].selected.seeds >= 2
    assert done.found.shrinkage[0].confirmed.seeds == 10


def test_a_longer_horizon_computes_only_what_was_censored(store, files):
    short = carry_out(asked(store, files, overrides={"horizon": 500}), store)
    censored = short.found.outcomes["censored"].sum()
    assert 0 < censored < 36
    longer = plan(asked(store, files), store)
    assert (longer.to_compute, longer.extended) == (censored, censored)
    assert longer.steps == censored * 1000  # the slow ones: nothing says they end sooner
    assert carry_out(asked(store, files), store).trained == censored


def test_a_shorter_horizon_computes_nothing(store, files):
    carry_out(asked(store, files), store)
    assert plan(asked(store, files, overrides={"horizon": 300}), store).to_compute == 0


def test_a_failure_of_the_machine_is_tried_again(store, files):
    wanted = asked(store, files[:1])
    trial = wanted.trial(genome(0).id)
    from speciation.tables.schema import result_rows

    store.append("trials", result_rows([failed(trial, "out of memory")], RUN, None, "B")[0])
    assert plan(wanted, store).to_compute == 12
    assert carry_out(wanted, store).found.summaries[0].failed == 0


def test_a_hundred_thousand_missing_seeds_are_planned_at_once(store, files):
    wanted = asked(store, files[:1], seeds=100_000)
    began = time.process_time()
    assert plan(wanted, store).to_compute == 100_000
    assert time.process_time() - began < 2


def test_ids_and_trials_made_together_are_those_made_one_by_one():
    trial = Trial(genome(), TASK, MODEL, seed=5, horizon=100)
    seeds = (0, 1, 7, 2**62 + 1)
    alone = [replace(trial, seed=seed) for seed in seeds]
    assert same_but_seed(trial, seeds) == [own.id for own in alone]
    together = seeded(trial, seeds)
    assert together == alone
    assert [own.id for own in together] == [own.id for own in alone]


def test_missing_trials_get_on_seed_by_seed(store, files):
    wanted = asked(store, files, seeds=2)
    trials = missing_trials(wanted, plan(wanted, store))
    assert [own.seed for own in trials] == [1, 1, 1, 3, 3, 3]


# -- What is asked ----------------------------------------------------------------------------


def test_seeds_are_those_of_pool_b_and_rows_say_so(store, files):
    carry_out(asked(store, files[:1]), store)
    frame = trials_frame(store)
    assert tuple(sorted(frame["seed"])) == pool_b(12)
    assert set(frame["pool"]) == {"B"}
    assert set(frame["run"]) == {RUN}


def test_fresh_seeds_are_beyond_all_that_were_seen(store, files):
    carry_out(asked(store, files[:1]), store)
    fresh = asked(store, files, seeds=4, fresh=True)
    assert fresh.seeds == pool_b(4, 12)
    assert plan(fresh, store).found == 0
    assert "asked 4 seeds after the first 12 of 3 genomes" in plan_text(
        fresh, plan(fresh, store)
    )
    carry_out(fresh, store)
    again = asked(store, files, seeds=4, start=fresh.passed_over)
    assert again.seeds == fresh.seeds
    assert plan(again, store).to_compute == 0


def test_a_run_brings_its_own_experiment(finished):
    store = Store(finished)
    wanted = ask(["run:test"], store, seeds=3, overrides={"executor": "local"})
    assert wanted.config.the_horizon() == run_config().the_horizon()
    other = ask(["run:test"], store, seeds=3, overrides={"track": "add97-full"})
    assert other.config.the_horizon() == 2500
    assert other.config.the_task().batch is None


def test_groups_are_saved_and_looked_at_as_one(store, files):
    groups = [f"pair={files[0]},{files[1]}"]
    wanted = asked(store, [files[2]], groups=groups, by_group=True)
    assert list(wanted.arms) == ["pair", "genome-2"]
    plan(wanted, store)
    assert store.groups() == ()  # a plan alone leaves nothing behind
    done = carry_out(wanted, store)
    assert [own.trials for own in done.found.summaries] == [24, 12]
    assert [own.seeds for own in done.found.summaries] == [12, 12]
    assert set(store.read_group("pair")) == {genome(0).id, genome(1).id}
    apart = asked(store, ["group:pair"])
    assert list(apart.arms) == [own[:8] for own in store.read_group("pair")]
    assert set(apart.member_of.values()) == {"pair"}


def test_a_validated_genome_is_found_by_its_id(store, files):
    carry_out(asked(store, files[:1]), store)
    assert asked(store, [genome(0).id[:10]]).genomes[genome(0).id] == genome(0)


@pytest.mark.parametrize(
    ("words", "rest", "sentence"),
    [
        ([], {}, "name at least one genome"),
        (["tuned-adamw"], {"seeds": 0}, "--seeds must be from 1 to 1,000,000, got 0"),
        (["tuned-adamw"], {"groups": ["a"]}, "must be NAME=GENOME,GENOME"),
        (["tuned-adamw"], {"blocks": 1}, "--components must be 0 or at least 2 blocks"),
        (["tuned-adamw"], {"start": -1}, "--skip must be at least 0, got -1"),
        (["tuned-adamw"], {"overrides": {"track": "nowhere"}}, "track"),
        (["tuned-adamw"], {"overrides": {"horizon": 30}}, "multiple of the evaluation"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(store, words, rest, sentence):
    with pytest.raises(ValueError, match=sentence):
        asked(store, words, **rest)


def test_an_unknown_reference_is_refused_before_the_work(store, files):
    with pytest.raises(ValidateError, match="--against is 'g', but the arms are genome-0"):
        carry_out(asked(store, files), store, reference="g")
    assert store.scan("trials").table.num_rows == 0


# -- Whatever happened, the same answer -------------------------------------------------------


def test_interrupted_and_gone_on_it_is_the_same(tmp_path, store, files):
    calls = iter([False] * 6 + [True] * 100)
    stopped = carry_out(asked(store, files), store, stop=lambda: next(calls))
    assert stopped.found is None
    rest = plan(asked(store, files), store)
    assert 0 < rest.found < 36
    gone_on = carry_out(asked(store, files), store)
    assert gone_on.trained == rest.to_compute
    clean = Store(tmp_path / "clean")
    pd.testing.assert_frame_equal(
        table(gone_on), table(carry_out(asked(clean, files), clean)), check_exact=True
    )


GENOMES = [genome(i) for i in range(3)]
HORIZONS = (300, 600, 1000, 1500)


def mixtures(examples):
    """Any mixture; a test of few of them is quick, and one of many is thorough."""
    relaxed = settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    return lambda test: relaxed(given(data=st.data())(test))


@mixtures(4)
def test_a_mixture_of_rows_gives_the_answer_of_the_clean_store(tmp_path_factory, data):
    the_answer_is_that_of_the_clean_store(tmp_path_factory, data)


@pytest.mark.long
@pytest.mark.timeout(900)
@mixtures(60)
def test_any_mixture_of_rows_gives_the_answer_of_the_clean_store(tmp_path_factory, data):
    the_answer_is_that_of_the_clean_store(tmp_path_factory, data)


def the_answer_is_that_of_the_clean_store(tmp_path_factory, data):
    """Other horizons, failures, copies, other stores merged in, and a fill that was stopped."""
    from speciation.tables.schema import result_rows

    folder = tmp_path_factory.mktemp("mixture")
    files = genome_files(folder / "mine", 3)
    stores = [Store(folder / "a"), Store(folder / "b")]
    facts = st.tuples(
        st.sampled_from(GENOMES),
        st.sampled_from(pool_b(8)),
        st.sampled_from(HORIZONS),
        st.sampled_from(["result", "failed"]),
        st.sampled_from([0, 1]),
    )
    for own, seed, horizon, what, place in data.draw(st.lists(facts, max_size=30)):
        trial = Trial(own, TASK, MODEL, seed, horizon)
        found = result(trial) if what == "result" else failed(trial, "lost")
        trials, curves = result_rows([found], "other", 0, "B")
        stores[place].append("curves", curves)
        stores[place].append("trials", trials)
    stores[0].merge(stores[1])
    stops = data.draw(st.integers(0, 12))
    calls = iter([False] * stops + [True] * 1000)
    carry_out(asked(stores[0], files, seeds=8), stores[0], stop=lambda: next(calls))
    mixed = carry_out(asked(stores[0], files, seeds=8), stores[0])
    clean = Store(folder / "clean")
    expected = carry_out(asked(clean, files, seeds=8), clean)
    pd.testing.assert_frame_equal(table(mixed), table(expected), check_exact=True)
    pd.testing.assert_frame_equal(mixed.found.outcomes, expected.found.outcomes)
    pd.testing.assert_frame_equal(mixed.found.classes, expected.found.classes)
    assert plan(asked(stores[0], files, seeds=8), stores[0]).to_compute == 0


# -- Sequential, crossed ----------------------------------------------------------------------


def test_a_race_gives_seeds_to_those_that_are_still_in_it(store, files):
    done = carry_out(asked(store, files, seeds=200), store, until=rule("separated"))
    seeds = {own.name: own.seeds for own in done.found.summaries}
    assert max(seeds.values()) < 200
    assert done.trained == sum(seeds.values())
    assert done.said[-1].endswith("0 not told apart from it yet")
    assert set(done.found.always_valid) == set(seeds)


def test_a_rule_that_stops_shows_the_intervals_that_it_looked_at(store, files):
    until = rule("ci-width success < 0.2")
    found = carry_out(asked(store, files[:1], seeds=200), store, until=until).found
    own = found.summaries[0]
    assert own.seeds < 200
    assert own.success.width < found.told(own, "success").width < 0.2
    assert found.told(own, "rmst").width > own.rmst.width
    assert f"({100 * found.told(own, 'success').low:.1f}–" in rows(found)[0][3]


def test_a_width_that_is_never_reached_takes_all_seeds(store, files):
    done = carry_out(asked(store, files[:1], seeds=20), store, until=rule("ci-width rmst < 1"))
    assert done.found.summaries[0].seeds == 20
    assert len(done.said) == 2


def test_a_crossed_design_reuses_plain_trials_and_is_no_part_of_the_rest(store, files):
    wanted = asked(store, files[:1], seeds=12, blocks=4)
    carry_out(asked(store, files[:1], seeds=12), store)
    assert len(missing_crossed(wanted, store)) == 4 * 14
    begun = plan(wanted, store)
    assert (begun.to_compute, begun.crossed, begun.crossed_found) == (0, 56, 0)
    assert 0 < begun.steps < 56 * 1000
    assert "of 56 trials in crossed blocks found 0, will compute 56" in plan_text(wanted, begun)
    done = carry_out(wanted, store)
    assert done.trained == 4 * 14
    assert done.found.summaries[0].trials == 12
    assert done.found.components["genome-0"].blocks == 4
    assert missing_crossed(wanted, store) == []
    assert plan(wanted, store).to_train == 0
    pools = trials_frame(store)["pool"].value_counts().to_dict()
    assert pools == {"C": 56, "B": 12}


# -- Words ------------------------------------------------------------------------------------


def test_the_document_is_json_and_says_what_was_found(store, files):
    wanted = asked(store, files)
    done = carry_out(wanted, store)
    found = json.loads(json.dumps(document(wanted, done), allow_nan=False))
    assert found["plan"]["to_compute"] == found["trained"] == 36
    assert len(found["arms"]) == 3
    assert found["comparison"]["advice"] in sentences(done.found)
    fastest = rows(done.found)[0]
    assert float(fastest[2].split(" ")[0].replace(",", "")) == min(
        round(own.rmst.value) for own in done.found.summaries
    )


def test_without_anything_missing_no_engine_is_needed(store, files):
    from cluster.validate import validate

    carry_out(asked(store, files), store, FAST)
    assert validate(asked(store, files), store, None).found is not None
    with pytest.raises(ValidateError, match="nowhere to train"):
        validate(asked(store, files, seeds=20), store, None)


def test_outcomes_are_those_at_the_horizon(store, files):
    done = carry_out(asked(store, files, overrides={"horizon": 300}), store)
    again = carry_out(asked(store, files), store)
    assert again.trained
    short = carry_out(asked(store, files, overrides={"horizon": 300}), store)
    assert short.trained == 0
    pd.testing.assert_frame_equal(short.found.outcomes, done.found.outcomes)
    assert set(short.found.outcomes.columns) == {"name", *(own.value for own in Outcome)}
