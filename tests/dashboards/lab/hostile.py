"""What a browser might send in place of what it should."""

from __future__ import annotations

from typing import Any

JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    "",
    "../../etc/passwd",
    "\x00\ud800",
    "group:../../secret",
    "x" * 5000,
    [],
    [[]],
    [None, 1, {"a": []}],
    {},
    {"recipient": {"donors": []}, "kind": ["take"]},
)
