"""Differences as people read them, in sentences, tables and figures alike."""

from __future__ import annotations


def signed(value: float, decimals: int = 0) -> str:
    """A difference: with a plus, or a true minus."""
    return f"{value:+,.{decimals}f}".replace("-", "−")


def spanned(value: float, low: float, high: float) -> str:
    """A difference and its interval."""
    return f"{signed(value)} ({signed(low)} to {signed(high)})"
