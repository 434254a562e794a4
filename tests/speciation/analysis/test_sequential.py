"""Looking while results come: errors are held, and what can be known is found."""

from __future__ import annotations

import re

import numpy as np
import pytest

from speciation.analysis.betting import against_being_best
from speciation.analysis.pairs import times_by_seed
from speciation.analysis.sequential import (
    LIMIT,
    RuleError,
    Separated,
    Width,
    always_valid,
    look,
    looks,
    rule,
)
from tests.speciation.analysis.arms import HORIZON, arm, draw


def test_rules_are_read_as_they_are_said():
    assert rule("ci-width rmst < 25") == Width("rmst", 25)
    assert rule(" ci-width success<0.05 ") == Width("success", 0.05)
    assert rule("separated") == Separated()


@pytest.mark.parametrize("text", ["", "soon", "ci-width ert < 3", "ci-width rmst < -1", "rmst"])
def test_what_is_no_rule_is_refused_in_a_sentence(text):
    with pytest.raises(RuleError, match="must be 'separated'"):
        rule(text)


def test_looks_come_ever_further_apart_and_end_at_the_last_seed():
    assert looks(10) == (10,)
    assert looks(100) == (16, 24, 36, 54, 81, 100)


def test_an_interval_that_is_always_valid_is_wider_and_narrows():
    own = arm(draw(np.random.default_rng(0), (1000,), rate=0.95))
    early = always_valid(arm(own.steps[:50]))
    late = always_valid(own)
    assert early.low <= early.value <= early.high
    assert late.width < early.width / 2
    assert late.width > 2 * 1.96 * own.capped.std() / np.sqrt(1000)


def test_a_width_is_reached_by_some_arms_before_others():
    rng = np.random.default_rng(1)
    arms = [
        arm(draw(rng, (800,), spread=20), "steady"),
        arm(draw(rng, (800,), rate=0.5), "chancy"),
    ]
    found = look(Width("rmst", 60), arms, ["steady", "chancy"])
    assert found.open == ("chancy",)
    assert "1 of 2 go on" in found.said


def test_the_leader_is_told_apart_from_who_is_behind():
    rng = np.random.default_rng(2)
    arms = [
        arm(draw(rng, (60,), mean=mean), name)
        for name, mean in (("slow", 1500), ("fast", 600), ("close", 610))
    ]
    found = look(Separated(), arms, ["slow", "fast", "close"])
    assert set(found.open) == {"fast", "close"}
    gone = look(Separated(), arms[:2], ["slow", "fast"])
    assert gone.open == ()


def test_separation_of_one_arm_is_refused():
    with pytest.raises(RuleError, match="at least two"):
        look(Separated(), [arm(np.full(5, 500.0))], ["arm"])


def test_the_seeds_that_a_race_will_take_are_guessed_by_its_pace():
    names, steps = ("one", "other"), (400.0, 500.0)
    arms = [arm(np.full(60, own), name) for name, own in zip(names, steps, strict=True)]
    said = look(Separated(), arms, names).said
    guess = int(re.search("some ([0-9]+) seeds in all", said)[1])
    arms = [arm(np.full(200, own), name) for name, own in zip(names, steps, strict=True)]
    fortune = against_being_best(times_by_seed(arms) / HORIZON)[1]
    assert guess == pytest.approx(int((fortune < LIMIT).sum()), rel=0.2)
    early = [arm(own.steps[:16], own.name) for own in arms]
    assert look(Separated(), early, names).said.endswith("apart from it yet")


def test_arms_with_the_same_times_go_on_to_the_end():
    own = draw(np.random.default_rng(7), (1000,))
    found = look(Separated(), [arm(own, "one"), arm(own, "other")], ["one", "other"])
    assert set(found.open) == {"one", "other"}


def test_who_leads_is_never_dropped_though_it_was_behind_before():
    slow, fast = np.full(60, 2000.0), np.full(60, 400.0)
    arms = [
        arm(np.concatenate([slow, fast, fast, fast, fast]), "turned"),
        arm(np.concatenate([fast, slow, slow, slow, slow]), "other"),
    ]
    found = look(Separated(), arms, ["turned", "other"])
    assert found.open == ()
    assert found.said.startswith("turned leads")


def test_an_arm_that_was_dropped_is_not_raced_again():
    rng = np.random.default_rng(8)
    arms = [arm(draw(rng, (20,), mean=600), name) for name in ("one", "other", "gone")]
    assert set(look(Separated(), arms, ["one", "other"]).open) == {"one", "other"}


@pytest.mark.slow
def test_a_race_of_equal_arms_ends_with_one_in_at_most_one_of_twenty():
    rng = np.random.default_rng(5)
    ended = 0
    for _ in range(300):
        steps = [draw(rng, (120,), rate=0.95) for _ in range(3)]
        racing = tuple(f"g{i}" for i in range(3))
        for n in looks(120):
            arms = [arm(own[:n], f"g{i}") for i, own in enumerate(steps)]
            racing = look(Separated(), arms, racing).open
        ended += not racing
    assert ended / 300 <= 0.05
