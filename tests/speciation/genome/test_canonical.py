"""One value, one text, one hash."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.genome.canonical import canonical_json, content_hash

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcde"), inner)
    ),
    max_leaves=8,
)


@given(values)
def test_the_text_reads_back_as_the_text_it_was(value):
    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.sampled_from("abcdefgh"), values, min_size=2), st.randoms())
def test_the_order_of_keys_does_not_matter(mapping, random):
    items = list(mapping.items())
    random.shuffle(items)
    assert content_hash(dict(items)) == content_hash(mapping)


def test_the_form_is_the_published_one():
    value = {"b": [1, 1.0, True, None], "a": {"é": 1e-5}}
    assert canonical_json(value) == '{"a":{"é":1e-05},"b":[1,1.0,true,null]}'


def test_the_hash_is_blake2b_of_sixteen_bytes():
    # printf '{"a":1}' | b2sum --length=128
    assert content_hash({"a": 1}) == "2c6b113b8dd15ffbded9860b43eb0c6c"


def test_an_int_is_not_a_float():
    assert content_hash(1) != content_hash(1.0)


def test_minus_zero_is_zero():
    assert canonical_json(-0.0) == "0.0"


def test_unicode_is_composed():
    assert content_hash({"e\u0301": "e\u0301"}) == content_hash({"\u00e9": "\u00e9"})


def test_numpy_numbers_count_as_the_number_they_hold():
    assert canonical_json([np.float64(0.1), np.int64(3), np.bool_(True)]) == "[0.1,3,true]"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_numbers_that_are_none_are_refused_with_their_place(number):
    with pytest.raises(ValueError, match=r"\$\.genes\[1\] is (nan|inf|-inf)"):
        canonical_json({"genes": [0, number]})


def test_what_json_cannot_say_is_refused():
    with pytest.raises(TypeError, match=r"\$\.a is a set"):
        canonical_json({"a": {1}})
    with pytest.raises(TypeError, match="key 1"):
        canonical_json({1: "a"})
    with pytest.raises(ValueError, match="twice"):
        canonical_json({"e\u0301": 1, "\u00e9": 2})
