"""Which search is better: medians, their intervals, and paired differences."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.analysis.searches import median_interval, of_records, signed_rank_p

H = 1000


def figures(steps: float, trials: int = 100, successes: int = 90) -> dict:
    return {
        "trials": trials,
        "successes": successes,
        "steps": steps,
        "steps_low": steps - 5,
        "steps_high": steps + 5,
        "spread": 50.0,
    }


def record(arm: str, repeat: int, *steps: float | None, failure: str | None = None) -> dict:
    """A repeat whose champion had so many steps at each checkpoint; None where it had none."""
    rows = []
    for place, own in enumerate(steps):
        row = {"checkpoint": 100 * (place + 1), "spent": 95 * (place + 1), "generations": place}
        if own is not None:
            row |= {"genome": "g", "selected": figures(own - 50), "confirmed": figures(own)}
        rows.append(row)
    return {"arm": arm, "repeat": repeat, "failure": failure, "rows": rows}


def compared(**arms: list[float]):
    """Arms by the steps of their repeats at the one checkpoint."""
    records = [
        record(arm, r, own) for arm, steps in arms.items() for r, own in enumerate(steps)
    ]
    return of_records(records, list(arms), H)


def test_arms_stand_by_their_medians_and_are_held_against_the_first():
    base = np.arange(300.0, 308.0)
    found = compared(a=list(base), b=list(base + 40), c=list(base - 100))
    assert list(found.final["arm"]) == ["c", "a", "b"]
    by = found.final.set_index("arm")
    assert by.loc["b", "difference"] == 40
    assert by.loc["c", "difference"] == -100
    assert (by.loc["b", "difference_low"], by.loc["b", "difference_high"]) == (40, 40)
    assert by.loc["a", "pairs"] == 0
    assert np.isnan(by.loc["a", "p"])
    # Eight of eight with one sign: 2 / 2**8, and twice that after Holm over two arms.
    assert by.loc["b", "p"] == pytest.approx(2 / 2**8)
    assert by.loc["b", "adjusted"] == pytest.approx(4 / 2**8)


def test_a_repeat_without_a_champion_counts_with_the_horizon():
    records = [record("a", r, None, 400.0) for r in range(3)]
    found = of_records(records, ["a", "b"], H)
    assert list(found.curves["median"]) == [H, 400]
    assert list(found.final["arm"]) == ["a"]


def test_a_failure_is_named_and_counts_for_nothing():
    records = [record("a", 0, 300.0), record("b", 0, failure="its process ended (-9)")]
    found = of_records(records, ["a", "b"], H)
    assert found.failures == {"b, repeat 1": "its process ended (-9)"}
    assert list(found.final["arm"]) == ["a"]


def test_only_repeats_of_both_arms_are_paired():
    records = [record("a", r, 300.0 + r) for r in range(6)]
    records += [record("b", r, 320.0 + r) for r in range(2, 6)]
    final = of_records(records, ["a", "b"], H).final.set_index("arm")
    assert (final.loc["b", "pairs"], final.loc["b", "difference"]) == (4, 20)


def test_what_is_selected_stands_beside_what_is_confirmed():
    final = compared(a=[300.0, 310.0], b=[400.0, 410.0]).final
    assert list(final["selected"]) == [255, 355]
    assert list(final["success"]) == [0.9, 0.9]


def test_nothing_at_all_is_a_table_without_rows():
    found = of_records([], ["a", "b"], H)
    assert found.final.empty
    assert found.curves.empty


@given(st.integers(0, 40))
def test_the_interval_of_a_median_covers_by_the_binomial(count):
    median, low, high = median_interval(np.arange(count, dtype=float))
    if count < 6:
        assert np.isnan([low, high]).all()
        return
    outside = int(low) + 1
    miss = 2 * sum(comb(count, k) for k in range(outside)) / 2**count
    wider = 2 * sum(comb(count, k) for k in range(outside + 1)) / 2**count
    assert miss <= 0.05 < wider
    assert (median, low + high) == ((count - 1) / 2, count - 1)


def test_a_test_of_no_difference_at_all_is_sure_of_nothing():
    assert signed_rank_p([0.0, 0.0, 0.0]) == 1
    assert np.isnan(signed_rank_p([3.0]))
