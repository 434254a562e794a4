"""The query of an address, as pages read it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs


def query_of(address: Any) -> dict[str, str]:
    """What stands behind the question mark, the first value of each key.

    Args:
        address: A whole address, or what begins with its question mark; may be anything.
    """
    if not isinstance(address, str):
        return {}
    text = address.partition("?")[2].partition("#")[0]
    return {key: values[0] for key, values in parse_qs(text).items()}
