"""Small synthetic runs, and what is left of them in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from cluster.config import RunConfig, make_config
from cluster.driver import run
from cluster.local_executor import LocalExecutor
from cluster.summary import RunSummary
from speciation.tables.readers import (
    curves_frame,
    generations_frame,
    genomes_frame,
    plans_frame,
    trials_frame,
)
from speciation.tables.store import Store
from tests.cluster.synthetic import PLAN, Behaviour

FAST = Behaviour(slots=8)


def config(**changes: Any) -> RunConfig:
    """A run of a few synthetic generations; changes by section, such as ``evolution={…}``."""
    small: dict[str, Any] = {
        "name": "test",
        "horizon": 1000,
        "evolution": {"population": 8, "generations": 3, "seeds": 2, "aliens": 1},
        "confirm": {"seeds": 6},
    }
    for key, value in changes.items():
        small[key] = {**small.get(key, {}), **value} if isinstance(value, dict) else value
    return make_config(small, "test")


def carry_out(
    config: RunConfig, store: Store | Path, behaviour: Behaviour = FAST, **options: Any
) -> RunSummary:
    """Drive a run to its end in this process."""
    if isinstance(store, Path):
        store = Store(store)
    return run(config, store, LocalExecutor(PLAN, behaviour), **options)


def tables(store: Store | Path) -> dict[str, pd.DataFrame]:
    """Everything a store says but for timings, in an order of its own."""
    if isinstance(store, Path):
        store = Store(store)
    trials = trials_frame(store).drop(columns=["wall_seconds", "versions"])
    return {
        "trials": trials,
        "curves": curves_frame(store),
        "genomes": genomes_frame(store),
        "generations": generations_frame(store),
        "plans": plans_frame(store),
    }


def assert_same_tables(
    one: Store | Path | dict[str, pd.DataFrame], other: Store | Path
) -> None:
    """Row for row."""
    expected, found = one if isinstance(one, dict) else tables(one), tables(other)
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame, check_exact=True, obj=name)
