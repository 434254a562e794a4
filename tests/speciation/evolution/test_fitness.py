"""Fitness: values, standard errors and ranks, from rows alone."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.evolution.fitness import COLUMNS, LANDSCAPES, champion, fitness_table, wilson
from tests.speciation.evolution.rows import H, frame, row, trials

landscapes = pytest.mark.parametrize("landscape", LANDSCAPES)
words = st.one_of(
    st.integers(1, 100).map(lambda k: 25 * k),
    st.sampled_from(["censored", "diverged", "failed"]),
)
populations = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(words, min_size=1, max_size=6), min_size=1
)


def table(rows: pd.DataFrame, landscape: str = "sprinter", gate: float = 0.5) -> pd.DataFrame:
    return fitness_table(rows, H, landscape, gate).set_index("genome_id")


def order(rows: pd.DataFrame, landscape: str, gate: float = 0.5) -> str:
    return "".join(fitness_table(rows, H, landscape, gate)["genome_id"])


# -- Wilson -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        (200, 200, 0.9812, 1.0),
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_wilson_bounds_are_the_published_ones(successes, count, low, high):
    assert np.round(wilson(successes, count), 4).tolist() == [low, high]


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_bounds_enclose_the_rate_and_rise_with_successes(successes, count):
    successes = min(successes, count)
    low, high = wilson(successes, count)
    assert 0 <= low <= successes / count <= high <= 1
    assert low < wilson(successes + 1, count + 1)[0]


def test_no_trials_have_no_bounds():
    assert np.isnan(wilson([0, 1], [0, 1])).tolist() == [[True, False]] * 2


# -- Values -----------------------------------------------------------------------------------


def test_a_genome_is_summed_up_as_on_paper():
    fitness = table(trials(a=[500, 700, 900, "censored", "failed"])).loc["a"]
    times = np.array([500, 700, 900, H])
    low, high = wilson(3, 4)
    assert (fitness["trials"], fitness["successes"], fitness["failed"]) == (4, 3, 1)
    assert fitness["rmst"] == fitness["sprinter"] == times.mean()
    assert fitness["rmst_se"] == pytest.approx(times.std(ddof=1) / 2)
    assert fitness["sprinter_se"] == fitness["rmst_se"]
    assert fitness["ert"] == (500 + 700 + 900 + H) / 3
    assert fitness["tank"] == low
    assert fitness["tank_se"] == pytest.approx((high - low) / 2 / 1.96)
    assert fitness["sniper"] == pytest.approx(np.diff(np.quantile(times, [0.1, 0.9]))[0])
    assert fitness["best_validation"] == pytest.approx((3 * 1.0 + 0.3) / 4)


def test_a_diverged_trial_counts_as_the_horizon_but_spent_only_what_it_ran():
    fitness = table(trials(a=[500, "diverged"])).loc["a"]
    assert (fitness["trials"], fitness["successes"]) == (2, 1)
    assert fitness["rmst"] == (500 + H) / 2
    assert fitness["ert"] == 500 + 300


def test_who_never_grokked_has_an_infinite_running_time_and_no_spread_to_be_proud_of():
    fitness = table(trials(a=["censored"] * 8)).loc["a"]
    assert (fitness["ert"], fitness["rmst"], fitness["sniper"]) == (np.inf, H, 0)
    assert not fitness["passes_gate"]


def test_one_trial_has_no_standard_error_and_no_spread():
    fitness = table(trials(a=[500]), gate=0.1).loc["a"]
    assert fitness[["rmst_se", "sniper", "sniper_se"]].isna().all()
    assert not fitness["passes_gate"]


def test_failed_trials_are_counted_and_say_nothing_else():
    fitness = table(trials(a=["failed", "failed"], b=["censored"]))
    assert fitness.loc["a", ["trials", "failed"]].tolist() == [0, 2]
    unknown = ["rmst", "rmst_se", "ert", "tank", "tank_se", "sniper", "best_validation"]
    assert fitness.loc["a", unknown].isna().all()
    assert fitness.index.tolist() == ["b", "a"]


def test_a_missing_best_validation_counts_as_nothing_learned():
    rows = frame([row("a", "diverged"), row("a", "censored", best=0.8)])
    rows.loc[0, "best_validation_accuracy"] = np.nan
    assert table(rows).loc["a", "best_validation"] == pytest.approx(0.4)


def test_no_rows_give_no_genomes():
    empty = fitness_table(frame([]), H)
    assert empty.empty
    assert tuple(empty.columns) == COLUMNS
    assert champion(empty) is None


# -- The horizon ------------------------------------------------------------------------------


def test_longer_trials_are_read_as_if_they_had_ended_at_the_horizon():
    long = frame([row("a", 900), row("a", 1800), row("a", "censored", ran=9000)])
    fitness = fitness_table(long, 1000).iloc[0]
    assert (fitness["trials"], fitness["successes"], fitness["rmst"]) == (3, 1, 2900 / 3)
    assert fitness["ert"] == 2900


def test_grokking_at_the_horizon_is_grokking_in_time():
    exact = frame([row("a", 1000), row("a", 1025)])
    assert fitness_table(exact, 1000)["successes"].tolist() == [1]


@given(populations, st.integers(1, 100).map(lambda k: 25 * k))
def test_a_horizon_says_what_trials_of_that_horizon_would_have_said(population, horizon):
    def cut(said):
        return "censored" if isinstance(said, int) and said > horizon else said

    long = trials(**population)
    short = long.copy()
    late = long["steps_to_grok"].gt(horizon).fillna(False)
    short.loc[late, "outcome"] = "censored"
    short.loc[late, "steps_to_grok"] = pd.NA
    short["steps_run"] = short["steps_run"].clip(upper=horizon + 75)
    pd.testing.assert_frame_equal(fitness_table(long, horizon), fitness_table(short, horizon))


def test_trials_that_ended_before_the_horizon_without_an_answer_are_left_out_and_counted():
    rows = frame([row("a", 500), row("a", "censored", ran=1000), row("a", "diverged")])
    fitness = table(rows).loc["a"]
    assert (fitness["trials"], fitness["unanswered"]) == (2, 1)
    assert fitness["rmst"] == (500 + H) / 2


# -- Order and copies of rows -----------------------------------------------------------------


@landscapes
@given(population=populations, random=st.randoms())
def test_neither_the_order_of_rows_nor_copies_matter(landscape, population, random):
    rows = trials(**population)
    rows["best_validation_accuracy"] = [random.random() for _ in range(len(rows))]
    shuffled = list(range(len(rows))) + random.choices(range(len(rows)), k=5)
    random.shuffle(shuffled)
    expected = fitness_table(rows, H, landscape)
    pd.testing.assert_frame_equal(
        fitness_table(rows.iloc[shuffled], H, landscape), expected, check_exact=True
    )


def test_of_two_rows_of_a_trial_the_scientific_and_then_the_longer_one_counts():
    rows = [
        row("a", "failed", trial="x", ran=5000),
        row("a", "censored", trial="x", ran=1000),
        row("a", 1500, trial="x"),
    ]
    for some in (rows, rows[::-1], [rows[1], rows[2], rows[0]]):
        fitness = table(frame(some)).loc["a"]
        assert fitness[["trials", "rmst", "failed", "unanswered"]].tolist() == [1, 1500, 0, 0]


def test_rows_of_a_trial_that_contradict_each_other_are_settled_by_themselves():
    rows = [row("a", 1500, trial="x", ran=2000), row("a", 1200, trial="x", ran=2000)]
    for some in (rows, rows[::-1]):
        assert table(frame(some)).loc["a", "rmst"] == 1200


def test_untyped_columns_are_understood_too():
    rows = trials(a=[500, "censored"]).astype(object)
    rows["steps_to_grok"] = [500, None]
    assert table(rows).loc["a", "rmst"] == 1500


# -- Ranking ----------------------------------------------------------------------------------


@landscapes
@given(population=populations)
def test_ranks_are_a_complete_order_and_who_has_no_trial_stands_last(landscape, population):
    ranked = fitness_table(trials(**population), H, landscape)
    assert ranked["rank"].tolist() == list(range(len(population)))
    assert ranked["trials"].gt(0).is_monotonic_decreasing


def test_sprinters_are_ranked_by_time_then_reliability_then_promise_then_id():
    rows = trials(
        f=["censored", "censored"], e=[900, 900], d=[H, H], c=[400, "censored"], b=[1450, 1450]
    )
    promising = frame([row("a", "censored", best=0.9), row("z", "censored", best=0.9)])
    assert order(pd.concat([rows, promising]), "sprinter") == "ebcdazf"


def test_tanks_are_ranked_by_reliability_then_time():
    rows = trials(a=[100, "censored"] * 2, b=[2000] * 4, c=[1000] * 4, d=[1000] * 5)
    assert order(rows, "tank") == "dcba"


def test_snipers_are_ranked_by_spread_behind_a_gate():
    rows = trials(
        a=[2000, 2010] * 4,  # steady
        b=[500, 900] * 4,  # fast
        c=["censored"] * 8,  # steadiest of all, and useless
        d=[500] * 4 + ["censored"] * 4,  # half
        e=[500] * 2,  # too few to be trusted
    )
    assert order(rows, "sniper") == "abedc"
    assert order(rows, "sniper", gate=0.2) == "eabdc"


def test_behind_the_gate_reliability_counts_before_time():
    rows = trials(a=[100, *["censored"] * 7], b=[2400, 2450, *["censored"] * 6])
    assert order(rows, "sprinter") == "ab"
    assert order(rows, "sniper") == "ba"


@landscapes
def test_the_champion_is_the_first_that_was_ever_tried(landscape):
    ranked = fitness_table(trials(a=["failed"], b=["censored"], c=[500, 600]), H, landscape)
    assert champion(ranked) == champion(ranked[::-1]) == "c"
    assert champion(fitness_table(trials(a=["failed"]), H, landscape)) is None


# -- Standard errors --------------------------------------------------------------------------


def test_the_sniper_error_is_what_repeating_the_trials_would_show():
    rng = np.random.default_rng(0)
    times = rng.normal(1000, 200, (300, 64)).astype(int)
    rows = frame([row(f"g{i}", int(t)) for i, own in enumerate(times) for t in own])
    fitness = fitness_table(rows, H)
    assert fitness["sniper_se"].mean() == pytest.approx(fitness["sniper"].std(), rel=0.2)


def test_the_bootstrap_is_the_same_every_time_and_zero_for_equal_times():
    rows = trials(a=[500] * 8, b=[500, 700, 900, 1100])
    first, second = fitness_table(rows, H), fitness_table(rows, H)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert first.set_index("genome_id")["sniper_se"]["a"] == 0
    assert first.set_index("genome_id")["sniper_se"]["b"] > 0


def test_the_bootstrap_agrees_with_a_plain_one():
    times = np.array([400, 600, 650, 700, 1300, 1500, 1900])
    draws = np.random.default_rng(1).choice(times, (20_000, 7))
    plain = (np.quantile(draws, 0.9, axis=1) - np.quantile(draws, 0.1, axis=1)).std()
    assert table(trials(a=times.tolist())).loc["a", "sniper_se"] == pytest.approx(
        plain, rel=0.1
    )


# -- Refusals and speed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"landscape": "sniperr"}, "'sniperr'; known landscapes: sprinter, tank, sniper"),
        ({"horizon": 0}, "at least 1 step, got 0"),
        ({"gate": 1.0}, r"within \(0, 1\), got 1.0"),
        ({"gate": float("nan")}, r"within \(0, 1\), got nan"),
        ({"trials": pd.DataFrame({"trial_id": []})}, "lack the columns genome_id, outcome"),
    ],
)
def test_a_bad_question_is_refused_in_a_sentence(changes, sentence):
    question = {"trials": trials(a=[500]), "horizon": H} | changes
    with pytest.raises(ValueError, match=sentence):
        fitness_table(**question)


def test_a_thousand_genomes_of_thirty_two_seeds_take_a_fraction_of_a_second():
    rng = np.random.default_rng(0)
    times = rng.integers(1, 110, 32_000) * 25
    rows = pd.DataFrame(
        {
            "trial_id": [f"{i:032x}" for i in rng.permutation(32_000)],
            "genome_id": [f"{i % 1000:032x}" for i in range(32_000)],
            "outcome": np.where(times <= H, "grokked", "censored"),
            "steps_to_grok": pd.array(times, dtype="Int64"),
            "steps_run": np.minimum(times + 75, H),
            "best_validation_accuracy": rng.random(32_000),
        }
    )
    rows.loc[times > H, "steps_to_grok"] = pd.NA
    fitness_table(rows, H, "sniper")
    best = np.inf
    for _ in range(5):
        start = time.process_time()
        fitness_table(rows, H, "sniper")
        best = min(best, time.process_time() - start)
    assert best < 0.2
