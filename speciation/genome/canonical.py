"""One text for one value, and one hash for one text: the identity of everything stored.

Two processes, machines or years that mean the same value must hash the same bytes. So keys are
sorted, strings are in Unicode's composed form (NFC), floats are written by ``repr`` (the
shortest text that reads back as the same float), and NaN, which equals nothing, is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

# Made once: a generation hashes tens of thousands of trials.
_ENCODER = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
)


def canonical_json(value: Any) -> str:
    """The one JSON text of a value made of mappings, lists, strings, numbers, bools and None.

    ``1`` and ``1.0`` are different values with different texts: an int is not a float. Minus
    zero is written as zero. NumPy scalars count as the Python number that they hold.

    Raises:
        ValueError: A number is NaN or infinite, or two keys are one after composition.
        TypeError: A key is not a string, or a value has no JSON form.
    """
    try:
        return _ENCODER.encode(_canonical(value))
    except _RefusedError as error:
        raise error.kind(f"${error.path} {error.sentence}") from None


def content_hash(value: Any) -> str:
    """blake2b-128 of :func:`canonical_json`, as 32 hexadecimal digits."""
    return hash_of_text(canonical_json(value))


def hash_of_text(canonical: str) -> str:
    """blake2b-128 of a text that is canonical already, as 32 hexadecimal digits."""
    return hashlib.blake2b(canonical.encode("utf-8"), digest_size=16).hexdigest()


class _RefusedError(Exception):
    """What is wrong, and on the way up, where."""

    def __init__(self, kind: type[Exception], sentence: str) -> None:
        super().__init__(sentence)
        self.kind, self.sentence, self.path = kind, sentence, ""


def _canonical(value: Any) -> Any:
    """The value in built-in types only."""
    if value is None or isinstance(value, bool):
        return value
    # Numbers first: they are most of what is hashed, and whether something is a mapping takes
    # long to ask.
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _RefusedError(
                ValueError, f"is {value}: canonical JSON holds finite numbers only"
            )
        return float(value) + 0.0  # minus zero becomes zero
    if isinstance(value, str):
        return _composed(value)
    if isinstance(value, Mapping):
        return _canonical_mapping(value)
    if isinstance(value, list | tuple):
        return [_canonical_at(f"[{i}]", item) for i, item in enumerate(value)]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return _canonical(value.item())  # a NumPy scalar
    raise _RefusedError(
        TypeError, f"is a {type(value).__name__}, which has no canonical JSON form"
    )


def _canonical_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _RefusedError(
                TypeError, f"has the key {key!r}: keys of canonical JSON are strings"
            )
        composed = _composed(key)
        if composed in result:
            raise _RefusedError(
                ValueError, f"has the key {composed!r} twice in different Unicode forms"
            )
        result[composed] = _canonical_at(f".{composed}", item)
    return result


def _canonical_at(place: str, item: Any) -> Any:
    try:
        return _canonical(item)
    except _RefusedError as error:
        error.path = place + error.path
        raise


def _composed(text: str) -> str:
    return str.__str__(text) if text.isascii() else unicodedata.normalize("NFC", text)
