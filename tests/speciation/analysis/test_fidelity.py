"""The verdict on two arms: what passes, what is accused, and what is left open."""

from __future__ import annotations

import numpy as np
import pytest

from speciation.analysis.fidelity import (
    Answer,
    Arms,
    Fidelity,
    Planted,
    verdict,
)

HORIZON = 2500
MEDIANS = np.array([300.0, 520.0, 800.0, 1250.0])
SEED_SPREAD, NOISE = 0.2, 0.07  # of log steps: shared by the arms, and of each of them


def arms(
    seeds: int, *, factor: float = 1.0, lost: float = 0.0, stream: int = 0, medians=MEDIANS
) -> Arms:
    """Two arms as engines give them; the tested one slower by a factor, or losing trials."""
    rng = np.random.default_rng(stream)
    shape = (len(medians), seeds)
    shared = rng.normal(0, SEED_SPREAD, shape)

    def arm(own_factor: float) -> np.ndarray:
        steps = medians[:, None] * own_factor * np.exp(shared + rng.normal(0, NOISE, shape))
        steps = 25 * np.ceil(steps / 25)
        return np.where(steps > HORIZON, np.inf, steps)

    reference, tested = arm(1.0), arm(factor)
    tested = np.where(rng.random(shape) < lost, np.inf, tested)
    return Arms(tuple("abcdefgh"[: len(medians)]), reference, tested, HORIZON)


# -- Answers ------------------------------------------------------------------------------


def test_arms_that_differ_by_chance_alone_pass_with_enough_seeds():
    found = verdict(arms(400))
    assert [genome.answer for genome in found.genomes] == [Answer.SAME] * 4
    assert found.ranking is not None
    assert found.ranking.loss.answer == Answer.SAME
    assert found.answer == Answer.SAME


@pytest.mark.parametrize("seeds", [2, 6, 40])
def test_with_few_seeds_nothing_is_known(seeds):
    found = verdict(arms(seeds))
    assert found.answer == Answer.INCONCLUSIVE
    assert {genome.answer for genome in found.genomes} == {Answer.INCONCLUSIVE}


def test_even_identical_arms_have_to_be_long_enough():
    """Of few seeds that all succeeded, the success rate may still be anything."""
    for seeds, answer in ((132, Answer.INCONCLUSIVE), (133, Answer.SAME)):
        own = arms(seeds, medians=MEDIANS[:2])
        twice = Arms(own.names, own.reference, own.reference, HORIZON)
        found = verdict(twice)
        assert found.answer == answer
        assert [genome.identical for genome in found.genomes] == [seeds, seeds]


@pytest.mark.parametrize("change", [{"factor": 1.1}, {"factor": 0.92}, {"lost": 0.1}])
def test_a_difference_that_matters_is_found(change):
    found = verdict(arms(400, **change))
    assert {genome.answer for genome in found.genomes} == {Answer.DIFFERENT}
    assert found.answer == Answer.DIFFERENT


def test_one_genome_that_differs_is_enough_and_is_named():
    alike, other = arms(400), arms(400, factor=1.1)
    tested = np.where(np.arange(4)[:, None] == 2, other.tested, alike.tested)
    found = verdict(Arms(alike.names, alike.reference, tested, HORIZON))
    assert [genome.answer == Answer.DIFFERENT for genome in found.genomes] == [0, 0, 1, 0]
    assert found.answer == Answer.DIFFERENT


def test_a_drift_within_the_margins_that_all_genomes_share_is_not_overlooked():
    found = verdict(arms(1500, factor=1.02))
    assert [genome.ratio.answer for genome in found.genomes] == [Answer.SAME] * 4
    assert found.log_rank_p < 0.05
    assert found.log_rank.z < 0  # the tested arm is the slower one
    assert found.answer == Answer.DIFFERENT


def test_equal_engines_are_rarely_accused():
    for seeds in (12, 150):
        answers = [verdict(arms(seeds, stream=i).of("b")).answer for i in range(60)]
        assert answers.count(Answer.DIFFERENT) <= 4  # 5 % of them are 3


# -- Criteria -----------------------------------------------------------------------------


def test_each_criterion_says_what_it_measures():
    found = verdict(arms(300, factor=1.04)).genomes[2]
    difference = found.tested.rmst - found.reference.rmst
    assert found.steps.estimate == pytest.approx(difference)
    assert found.ratio.margin == pytest.approx(np.log(1.05))
    assert found.ratio.estimate == pytest.approx(np.log(1.04), abs=0.01)
    assert found.success.margin == 0.02
    assert found.success.estimate == 0
    assert found.seeds == found.steps.pairs == found.success.pairs == 300


def test_the_margin_of_steps_is_25_or_more_where_2_per_cent_are_more():
    short, long = verdict(arms(20, medians=np.array([300.0, 2000.0]))).genomes
    assert short.steps.margin == 25
    assert long.steps.margin == pytest.approx(0.02 * long.reference.rmst)
    assert long.steps.margin > 25


def test_the_ratio_is_of_the_seeds_on_which_both_grokked():
    reference = np.array([[100.0, 200.0, np.inf, 400.0]])
    tested = np.array([[200.0, np.inf, 300.0, 800.0]])
    found = verdict(Arms(("a",), reference, tested, HORIZON)).genomes[0]
    assert found.ratio.pairs == 2
    assert found.ratio.estimate == pytest.approx(np.log(2))
    assert (found.reference.successes, found.tested.successes) == (3, 3)
    assert found.reference.rmst == pytest.approx((100 + 200 + 2500 + 400) / 4)
    assert found.reference.median == 200


def test_a_genome_that_never_groks_is_not_the_same_but_unknown():
    never = np.full((1, 300), np.inf)
    found = verdict(Arms(("a",), never, never, HORIZON)).genomes[0]
    assert found.reference.median is None
    assert found.ratio.answer == found.answer == Answer.INCONCLUSIVE
    assert found.steps.answer == found.success.answer == Answer.SAME


def test_the_seeds_that_would_tell_do_tell():
    asked = verdict(arms(30)).genomes[3].steps
    assert asked.answer == Answer.INCONCLUSIVE
    assert asked.needed is not None
    answers = [
        verdict(arms(round(1.3 * asked.needed), stream=i)).genomes[3].steps.answer
        for i in range(5)
    ]
    assert answers.count(Answer.SAME) >= 4


def test_a_single_genome_is_not_ranked():
    assert verdict(arms(20).of("b")).ranking is None


@pytest.mark.parametrize(
    ("reference", "tested", "sentence"),
    [
        (np.ones((2, 5)), np.ones((2, 4)), "two arms of shape"),
        (np.ones((1, 5)), np.ones((1, 5)), "two arms of shape"),
        (np.ones((2, 1)), np.ones((2, 1)), "at least 2 shared seeds"),
        (np.ones((2, 5)), np.full((2, 5), HORIZON + 25.0), "beyond the horizon"),
    ],
)
def test_arms_that_do_not_fit_are_refused(reference, tested, sentence):
    with pytest.raises(ValueError, match=sentence):
        Arms(("a", "b"), reference, tested, HORIZON)


# -- Controls -----------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "caught"), [(1.2, True), (1.0, False)])
def test_a_comparison_passes_only_if_what_was_planted_was_caught(factor, caught):
    honest, faulty = arms(400), arms(400, factor=factor).of("c")
    planted = Planted("slow", "too slow", faulty, verdict(faulty).genomes[0])
    found = Fidelity("torch", "graph", honest, verdict(honest), (planted,))
    assert planted.caught is caught
    assert found.passed is caught
