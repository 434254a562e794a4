"""A figure of a page: its numbers, its drawing, and how to read it."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from dashboards.figures.arms import Drawing


class Chart(NamedTuple):
    """One figure.

    Args:
        name: Of its files, and its place in the page.
        title: What people read above it.
        numbers: A table, which is saved as CSV.
        drawing: Of them.
        label: For those who cannot see it.
        caption: How to read it.
    """

    name: str
    title: str
    numbers: pd.DataFrame
    drawing: Drawing
    label: str
    caption: str
