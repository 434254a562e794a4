"""Looking while results come: errors are held, and what can be known is found."""

from __future__ import annotations

import numpy as np
import pytest

from speciation.analysis.sequential import (
    ALPHA,
    RuleError,
    Separated,
    Width,
    always_valid,
    confidence_sequence,
    evidence,
    look,
    looks,
    rule,
)
from tests.speciation.analysis.arms import HORIZON, arm, draw, truth


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


def test_identical_arms_are_never_told_apart():
    assert evidence(np.zeros(1000), HORIZON) == 0


@pytest.mark.long
@pytest.mark.parametrize("rate", [1.0, 0.97, 0.6])
def test_a_confidence_sequence_misses_at_any_look_in_at_most_one_of_twenty(rate):
    rng = np.random.default_rng(3)
    true = truth(rate=rate)["rmst"] / HORIZON
    missed = 0
    for steps in draw(rng, (1000, 400), rate=rate):
        values = np.minimum(steps, HORIZON) / HORIZON
        for n in looks(400):
            low, high = confidence_sequence(values[:n])
            if not low <= true <= high:
                missed += 1
                break
    assert missed / 1000 <= ALPHA


@pytest.mark.long
@pytest.mark.parametrize("rate", [1.0, 0.97, 0.6])
def test_equal_arms_are_told_apart_at_any_look_in_at_most_one_of_twenty(rate):
    """Looked at after every fifth seed; a usual test, after every seed, errs far more often."""
    rng = np.random.default_rng(4)
    wrong = usual = 0
    for _ in range(2000):
        one, other = (np.minimum(draw(rng, (200,), rate=rate), HORIZON) for _ in range(2))
        gained = other - one
        n = np.arange(1, 201)
        total, squares = np.cumsum(gained), np.cumsum(gained**2)
        seen = [evidence(gained[:k], HORIZON) for k in range(5, 201, 5)]
        wrong += max(seen) >= np.log(1 / ALPHA)
        z = total[20:] / np.sqrt(np.maximum(squares[20:] - total[20:] ** 2 / n[20:], 1))
        usual += bool((np.abs(z) > 1.96).any())
    assert wrong / 2000 <= ALPHA
    assert usual / 2000 > 2 * ALPHA


@pytest.mark.long
def test_a_race_drops_the_best_arm_in_at_most_one_of_twenty():
    rng = np.random.default_rng(5)
    dropped = 0
    for _ in range(300):
        steps = [draw(rng, (120,), rate=0.95) for _ in range(5)]
        racing = [f"g{i}" for i in range(5)]
        for n in looks(120):
            arms = [arm(own[:n], f"g{i}") for i, own in enumerate(steps)]
            racing = list(look(Separated(), arms, racing).open)
            if "g0" not in racing:  # all are equally good, so no arm may go
                dropped += 1
                break
            if not racing:
                break
    assert dropped / 300 <= ALPHA


def test_a_clear_difference_is_found_with_few_seeds():
    rng = np.random.default_rng(6)
    needed = []
    for _ in range(50):
        gained = draw(rng, (200,), mean=600) - draw(rng, (200,), mean=800)
        found = (n for n in looks(200) if evidence(gained[:n], HORIZON) >= np.log(20))
        needed.append(next(found, 200))
    assert np.median(needed) <= 36
