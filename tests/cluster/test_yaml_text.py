"""Settings are plain YAML; what is not is refused in a sentence, quickly."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.yaml_text import MAX_BYTES, YamlError, parse_yaml, read_yaml

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


def parse(text: str) -> object:
    return parse_yaml(text.encode(), "x.yaml")


@given(plain)
def test_values_survive_being_written_and_read(value):
    assert parse(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1e-3", {"a": 0.001}),
        ("a: 1_000", {"a": 1000}),
        ("a: no", {"a": "no"}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: 010", {"a": "010"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: .inf", {"a": ".inf"}),
        ("a:", {"a": None}),
        ("<<: {b: 1}", {"<<": {"b": 1}}),
    ],
)
def test_scalars_mean_what_they_look_like(text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: &x [1]\nb: *x", "x.yaml, line 1: anchors and aliases"),
        ("a: !!python/object:os.system x", "x.yaml, line 1: tags (!)"),
        ("a: 1\nb: 2\na: 3", "x.yaml, line 3: the key 'a' stands twice"),
        ("[" * 40 + "]" * 40, "nested deeper than 32"),
        ("a: 1\n---\nb: 2", "line 2: a second document"),
        ("a: [1, 2", "not valid YAML"),
        ("a: 1\n b: 2", "line 2: not valid YAML"),
        ("1: 2", "the key 1 is not text"),
        ("[1, 2]: 3", "is not text"),
        ("a: \x01", "not valid YAML"),
        ("a: " + "9" * 5000, "not valid YAML"),
    ],
)
def test_what_is_not_plain_is_refused(text, sentence):
    with pytest.raises(YamlError, match=r"^x\.yaml") as error:
        parse(text)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_bytes_that_are_not_text_are_refused():
    with pytest.raises(YamlError, match="byte 3 is not UTF-8"):
        parse_yaml(b"a: \xff", "x.yaml")


def test_large_files_are_refused_before_they_are_parsed(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: 1\n" * MAX_BYTES)
    with pytest.raises(YamlError, match="larger than 256 kB"):
        read_yaml(path)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(YamlError, match=r"none\.yaml: cannot be read \(No such file"):
        read_yaml(tmp_path / "none.yaml")


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(YamlError):
        parse_yaml(data, "x.yaml")


@pytest.mark.parametrize("character", ["[", "{", "- ", "? ", "a: {", '"', "'", "|", "#\n"])
def test_a_full_file_of_one_thing_takes_no_time(character):
    data = (character * MAX_BYTES)[:MAX_BYTES].encode()
    began = time.monotonic()
    with contextlib.suppress(YamlError):
        parse_yaml(data, "x.yaml")
    assert time.monotonic() - began < 5
