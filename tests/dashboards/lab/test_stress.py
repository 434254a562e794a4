"""What is put to the test survives the address, and no path gets in."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.lab.stress import SEEDS, Stress, of_query, stress, words
from speciation.trial.task import TRACKS
from tests.dashboards.lab.hostile import JUNK

known = st.sampled_from(
    [
        "a" * 32,
        "0123456789abcdef" * 2,
        "hall_of_fame",
        "run:mine-0f",
        "group:fast",
        "species:A / B",
    ]
)


@given(
    st.lists(known, max_size=5, unique=True),
    st.integers(1, 1_000_000),
    st.sampled_from(["", *TRACKS]),
    st.integers(0, 10_000_000),
    st.booleans(),
    st.sampled_from(["", "validation-0f"]),
)
def test_a_stress_test_survives_its_address(genomes, seeds, track, horizon, by_group, work):
    own = Stress(tuple(genomes), seeds, track, horizon, by_group, work)
    assert of_query(dict(parse_qsl(own.query()))) == own


@pytest.mark.parametrize("junk", JUNK)
def test_what_is_of_no_right_type_is_as_if_it_had_not_been_told(junk):
    own = stress(junk, junk, junk, junk, junk == "never", junk)
    assert own.genomes == ()
    assert own.track == own.work == ""
    assert own.seeds == SEEDS or own.seeds == junk


@pytest.mark.parametrize(
    "word",
    ["genomes/reference", "/etc/passwd", "champion.json", "tuned-adamw", "run:", "run:a,b"],
)
def test_a_word_that_might_be_a_path_is_no_word(word):
    assert words([word, "a" * 32]) == ("a" * 32,)


def test_what_fills_it_up_is_no_part_of_what_is_asked():
    one = Stress(("a" * 32,), work="validation-0f")
    assert one.asks_as(Stress(("a" * 32,)))
    assert not one.asks_as(Stress(("b" * 32,)))


def test_an_order_leaves_to_the_track_what_was_not_said():
    order = Stress(("a" * 32,), 50).order()
    assert (order.seeds, order.track, order.horizon, order.by_group) == (50, None, None, False)
