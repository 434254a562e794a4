"""What genome documents of every kind share, and the error that refuses them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FORMAT = "speciation-genome"
VERSION = 1
MOST_TAGS = 32

_TAG = re.compile(r"[\w][\w.-]{0,39}")


class GenomeError(ValueError):
    """A genome that cannot be: the sentence names the gene, its value, and what would do."""


def check_envelope(document: Mapping[str, Any]) -> None:
    """Check what documents of every kind share: format, version, and the types of the keys.

    Raises:
        GenomeError: A key is missing, unknown, or holds the wrong thing.
    """
    if not isinstance(document, Mapping):
        raise GenomeError(f"expected a JSON object, got {short(document)}")
    for key in document:
        if key not in _ENVELOPE:
            raise GenomeError(f"unknown key {short(key)}; known keys: {', '.join(_ENVELOPE)}")
    for key, wanted in _ENVELOPE.items():
        if key not in document and key in _REQUIRED:
            raise GenomeError(f"key {key!r} is missing; it should be {wanted[0]}")
        if key in document and not wanted[1](document[key]):
            got = short(document[key])
            raise GenomeError(f"key {key!r} should be {wanted[0]}, got {got}")


def is_tag(value: Any) -> bool:
    """Whether a value can be a tag: up to 40 letters, digits, dots, dashes, underscores."""
    return isinstance(value, str) and _TAG.fullmatch(value) is not None


def _is_version(value: Any) -> bool:
    return type(value) is int and value == VERSION


def _is_name(value: Any) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= 200)


# Key → what it should be in words, and the test for it.
_ENVELOPE: dict[str, tuple[str, Any]] = {
    "format": (f'"{FORMAT}"', lambda value: value == FORMAT),
    "version": (f"{VERSION}, the newest that this program reads", _is_version),
    "kind": ("the name of a genome kind", lambda value: isinstance(value, str)),
    "name": ("null or a string of at most 200 characters", _is_name),
    "genes": ("an object of gene values", lambda value: isinstance(value, Mapping)),
    "provenance": ("an object", lambda value: isinstance(value, Mapping)),
    "tags": (
        f"a list of at most {MOST_TAGS} words of letters, digits, dots, dashes, underscores",
        lambda value: (
            isinstance(value, list) and len(value) <= MOST_TAGS and all(map(is_tag, value))
        ),
    ),
}
_REQUIRED = ("format", "version", "kind", "genes")


def short(value: Any) -> str:
    """``repr`` for an error message, however large the value is."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
