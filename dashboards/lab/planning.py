"""What a validation would cost, and what the store shows of it already.

Asks and never does: nothing is trained here, and neither torch nor Ray is loaded. What is begun
is begun by ``launcher.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from cluster.config import ConfigError
from cluster.naming import NamingError
from cluster.validate import Outcomes, judged
from cluster.validate_asked import Asked, ValidateError, ask
from cluster.validate_plan import Plan, plan
from cluster.validate_text import document, plan_text
from dashboards.lab.choosing import State, spoken, state, store_at
from dashboards.lab.refusals import refused_as
from dashboards.lab.sources import Sources
from dashboards.lab.stress import Stress
from speciation.analysis.validation import Validation, ValidationError
from speciation.genome.envelope import GenomeError
from speciation.tables.files import StoreError
from speciation.trial.trial import Outcome

FAULTS = (ConfigError, GenomeError, NamingError, StoreError, ValidateError, ValidationError)


class PlanRefused(ValueError):  # noqa: N818 - an answer, not a fault
    """Something cannot be planned or shown: one sentence."""


@dataclass(frozen=True)
class Planned:
    """A validation, and what the store has of it."""

    asked: Asked
    plan: Plan

    @property
    def text(self) -> str:
        """It in a sentence."""
        return plan_text(self.asked, self.plan)


@dataclass(frozen=True)
class Shown:
    """What the store shows so far.

    Args:
        found: Of every arm that has a trial.
        told: Task, model, precision, seeds and plan, as ``validation.json`` has them.
        kind: Of the genomes.
        absent: Arms without a trial.
    """

    found: Validation
    told: dict[str, Any]
    kind: str
    absent: tuple[str, ...]


def planned(sources: Sources, stress: Stress) -> Planned:
    """What is missing of a validation, and about what it costs.

    Raises:
        PlanRefused: A word means no genome, or the store cannot be read.
    """
    if not stress.genomes:
        raise PlanRefused("Choose genomes to see what their validation would take.")
    with refused_as(PlanRefused, *FAULTS):
        words = tuple(spoken(sources, word) for word in stress.genomes)
        return _planned(sources.store, state(sources.store), replace(stress, genomes=words))


@lru_cache(maxsize=8)
def _planned(folder: Path, _: State, stress: Stress) -> Planned:
    """A plan holds as long as the store has not changed."""
    store = store_at(folder)
    asked = ask(
        stress.genomes,
        store,
        seeds=stress.seeds,
        by_group=stress.by_group,
        overrides={"track": stress.track or None, "horizon": stress.horizon or None},
    )
    return Planned(asked, plan(asked, store))


def shown(sources: Sources, own: Planned) -> Shown:
    """What those of its trials show that are in the store.

    Raises:
        PlanRefused: No trial has finished, or the store cannot be read.
    """
    rows = own.plan.found_rows
    rows = rows.filter(pc.not_equal(rows["outcome"], Outcome.FAILED.value))
    tried = set(rows["genome_id"].to_pylist())
    arms = {name: ids for name, ids in own.asked.arms.items() if not tried.isdisjoint(ids)}
    if not arms:
        raise PlanRefused("No trial of these genomes is in the store yet.")
    with refused_as(PlanRefused, *FAULTS):
        asked = replace(own.asked, arms=arms)
        found = judged(asked, store_at(sources.store), rows=own.plan.found_rows)
        told = document(asked, Outcomes(found, own.plan, 0))
    absent = tuple(name for name in own.asked.arms if name not in arms)
    return Shown(found, told, asked.config.kind, absent)
