"""Searches compared at equal cost: which arms, how often, and how many trial-steps each.

A file says what all arms have in common, and of each arm what is different. Every repeat of
every arm is an ordinary run: durable, resumable, with its own seed, and in a store of its own,
since dozens of runs that write to one would read through each other's parts. The seed of a
repeat is the same in all arms, so repeats are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from cluster.config import PRESETS, ConfigError, RunConfig, make_config
from cluster.executor import engine_plan
from cluster.experiment_file import ExperimentFile
from speciation.evolution import peers
from speciation.genome.canonical import content_hash

MANY_GENERATIONS = 100_000  # the budget ends an arm, not their number
LIBRARIES = {"tpe": "optuna", "cma-es": "cmaes"}


def _some(arms: dict[str, Any]) -> dict[str, Any]:
    if len(arms) < 2:
        raise ValueError("must name at least two arms")
    return arms


class Comparison(BaseModel):
    """What a file says. The first arm is the one that others are held against."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("comparison", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    repeats: int = Field(10, strict=True, ge=1, le=1000)
    budget: int = Field(strict=True, ge=1, description="trial-steps of a repeat")
    checkpoints: int = Field(8, strict=True, ge=1, le=100, description="looks at the champion")
    confirm: int = Field(200, strict=True, ge=2, le=100_000, description="seeds of a champion")
    base: dict[str, Any] = Field(default_factory=dict)
    arms: Annotated[dict[str, dict[str, Any]], AfterValidator(_some)]

    def checkpoint_steps(self) -> tuple[int, ...]:
        """Trial-steps at which the champion is looked at; the last is the budget."""
        count = self.checkpoints
        return tuple(self.budget * place // count for place in range(1, count + 1))


@dataclass(frozen=True)
class Entry:
    """One repeat of one arm.

    Args:
        arm: Its name.
        repeat: Counted from 0.
        config: The run, with a store of its own.
        checkpoints: Trial-steps.
        confirm: Seeds that each champion is confirmed on.
    """

    arm: str
    repeat: int
    config: RunConfig
    checkpoints: tuple[int, ...]
    confirm: int

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{self.arm}-{self.repeat:03d}"

    def question(self) -> str:
        """Hash of all that the answer depends on."""
        asked = {"checkpoints": self.checkpoints, "confirm": self.confirm}
        generations = self.config.evolution.generations
        return content_hash(
            {**asked, "generations": generations, "run": self.config.config_hash()}
        )


COMPARISONS = ExperimentFile(
    "comparison", PRESETS / "comparisons", Comparison, "budget: ..., arms: ..."
)


def entries(
    comparison: Comparison, where: str, root: str, places: Mapping[str, Any]
) -> list[Entry]:
    """Every repeat of every arm; repeat by repeat, so that a part of them is all arms.

    Args:
        comparison: What is compared.
        where: Names its source in errors.
        root: URI of the folder that their stores are in.
        places: Where and on what they train, by dotted key.

    Raises:
        ConfigError: An arm cannot be run, or needs another engine than the others.
        PeerError: An arm's library is not installed.
    """
    found = [
        _entry(comparison, arm, repeat, where, root, places)
        for repeat in range(comparison.repeats)
        for arm in comparison.arms
    ]
    for entry in found[: len(comparison.arms)]:
        _check(entry, found[0], where)
    return found


def _entry(
    comparison: Comparison,
    arm: str,
    repeat: int,
    where: str,
    root: str,
    places: Mapping[str, Any],
) -> Entry:
    own = laid_over(comparison.base, comparison.arms[arm])
    evolution = own.get("evolution")
    evolution = {"generations": MANY_GENERATIONS} | (evolution or {})
    own |= {
        "name": arm,
        "seed": int(own.get("seed", 1)) + repeat,
        "store": f"{root}/{arm}/{repeat:03d}",
        "evolution": evolution | {"budget": comparison.budget},
        "confirm": {"seeds": comparison.confirm},
    }
    config = make_config(own, f"{where}: arms.{arm}", places)
    return Entry(arm, repeat, config, comparison.checkpoint_steps(), comparison.confirm)


def laid_over(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with another's values before its own, section by section."""
    merged = dict(base)
    for key, value in change.items():
        inner = merged.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            value = laid_over(inner, value)
        merged[key] = value
    return merged


def _check(entry: Entry, first: Entry, where: str) -> None:
    if engine_plan(entry.config) != engine_plan(first.config):
        raise ConfigError(
            f"{where}: arms.{entry.arm} needs another engine than arms.{first.arm}; task, "
            "model and engine belong into base"
        )
    if entry.config.the_horizon() != first.config.the_horizon():
        raise ConfigError(
            f"{where}: arms.{entry.arm} has another horizon than arms.{first.arm}, so that "
            "their means would not compare; it belongs into base"
        )
    library = LIBRARIES.get(entry.config.evolution.search)
    if library is not None:
        peers.require(library)
