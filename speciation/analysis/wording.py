"""Differences as people read them, in sentences, tables and figures alike."""

from __future__ import annotations


def signed(value: float, decimals: int = 0) -> str:
    """A difference: with a plus, or a true minus."""
    return f"{value:+,.{decimals}f}".replace("-", "−")
