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


def canonical_json(value: Any) -> str:
    """The one JSON text of a value made of mappings, lists, strings, numbers, bools and None.

    ``1`` and ``1.0`` are different values with different texts: an int is not a float. Minus
    zero is written as zero. NumPy scalars count as the Python number that they hold.

    Raises:
        ValueError: A number is NaN or infinite, or two keys are one after composition.
        TypeError: A key is not a string, or a value has no JSON form.
    """
    return json.dumps(
        _canonical(value, "$"),
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )


def content_hash(value: Any) -> str:
    """blake2b-128 of :func:`canonical_json`, as 32 hexadecimal digits."""
    text = canonical_json(value).encode("utf-8")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _canonical(value: Any, path: str) -> Any:
    """The value in built-in types only. ``path`` says where we are, for the error messages."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        return _canonical_mapping(value, path)
    if isinstance(value, list | tuple):
        return [_canonical(item, f"{path}[{i}]") for i, item in enumerate(value)]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return _canonical(value.item(), path)  # a NumPy scalar
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{path} is {value}: canonical JSON holds finite numbers only")
        return float(value) + 0.0  # minus zero becomes zero
    raise TypeError(f"{path} is a {type(value).__name__}, which has no canonical JSON form")


def _canonical_mapping(value: Mapping[Any, Any], path: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"{path} has the key {key!r}: keys of canonical JSON are strings")
        composed = unicodedata.normalize("NFC", key)
        if composed in result:
            raise ValueError(
                f"{path} has the key {composed!r} twice in different Unicode forms"
            )
        result[composed] = _canonical(item, f"{path}.{composed}")
    return result
