"""A mistake becomes a sentence that somebody can act on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cluster.config_sentences import hint, sentence, shown


class Inner(BaseModel):
    """A section."""

    model_config = ConfigDict(extra="forbid")

    below: int = Field(1, strict=True, ge=1, lt=10)
    above: float | None = Field(1.0, strict=True, gt=0)
    mode: Literal["a", "b"] = "a"
    free: dict[str, float] = {}


class Outer(BaseModel):
    """The root."""

    model_config = ConfigDict(extra="forbid")

    inner: Inner = Inner()
    maybe: Inner | None = None
    several: tuple[Annotated[Inner | str, Field(union_mode="left_to_right")], ...] = ()
    needed: str


def said(raw: dict[str, Any], overridden: set[str] | None = None) -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"needed": "x"} | raw)
    return sentence(Outer, "file", caught.value, overridden or set())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            {"inner": {"below": 0}},
            "inner.below is 0, but must be an integer from 1 and below 10",
        ),
        ({"inner": {"above": 0}}, "inner.above is 0, but must be a number above 0 or null"),
        (
            {"maybe": {"below": "x"}},
            "maybe.below is 'x', but must be an integer from 1 and bel",
        ),
        ({"inner": {"mode": "c"}}, "inner.mode is 'c', but must be one of a, b"),
        ({"inner": {"free": 3}}, "inner.free is 3, but must hold keys and values"),
        ({"inner": {"free": {"k": "v"}}}, "inner.free.k is 'v', but must be a valid number"),
        ({"inner": 3}, "inner is 3, but must hold keys and values"),
        ({"maybe": 3}, "maybe is 3, but must hold keys and values or null"),
        ({"needed": 3}, "needed is 3, but must be text, not empty"),
        (
            {"inner": {"bellow": 1}},
            "unknown key 'inner.bellow'; known here are below, above, m",
        ),
        ({"zzz": 1}, "unknown key 'zzz'; known here are inner, maybe, several, needed"),
    ],
)
def test_a_mistake_names_its_place_its_value_and_what_would_do(raw, expected):
    assert said(raw).startswith(f"file: {expected}")


def test_what_is_missing_is_said_to_be_missing():
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({})
    assert sentence(Outer, "file", caught.value, set()) == "file: needed is missing"


def test_a_value_from_the_command_line_is_blamed_on_its_option():
    assert said({"inner": {"below": 0}}, {"inner.below"}).startswith(
        "--below: inner.below is 0"
    )


def test_a_close_name_is_offered_and_a_far_one_is_not():
    assert said({"inner": {"bellow": 1}}).endswith("free; did you mean 'below'?")
    assert hint("zzz", ["below"]) == ""


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_a_value_is_shown_in_one_short_line(value):
    assert "\n" not in shown(value)
    assert len(shown(value)) <= 60


def test_values_are_shown_as_yaml_has_them():
    assert [shown(v) for v in (None, True, False, 1, "a")] == [
        "null",
        "true",
        "false",
        "1",
        "'a'",
    ]
