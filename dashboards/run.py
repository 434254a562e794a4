"""One run as tables: all that its figures are made of, read once.

A run may be finished, stopped or under way, and some of its parts may be damaged. What is there
is read; the champion is the manifest's, or as long as there is none, the genome that would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from speciation.evolution.fitness import LANDSCAPES, champion
from speciation.evolution.hall_of_fame import hall_of_fame
from speciation.tables.files import StoreError
from speciation.tables.readers import (
    curves_frame,
    generations_frame,
    genomes_frame,
    plans_frame,
    read,
    trials_frame,
)
from speciation.tables.schema import QUESTION
from speciation.tables.store import Store

SAME = (*QUESTION, "eval_interval", "precision", "semantics")
"""What trials have in common that stand in one figure."""


@dataclass(frozen=True, slots=True)
class Rules:
    """By what a run judges.

    Args:
        landscape: The fitness landscape that ranks.
        gate: Success bound that a sniper needs.
        strictness: Success bound that the Hall of Fame asks for.
        confirm_seeds: How many seeds of pool B the champion is confirmed on.
        horizon: Steps; None as long as nothing was planned.
    """

    landscape: str
    gate: float
    strictness: float
    confirm_seeds: int
    horizon: int | None


@dataclass(frozen=True, eq=False)
class RunTables:
    """A run.

    Args:
        run: Its id.
        manifest: What it was told, and how far it got.
        rules: By what it judges.
        generations: Closed generations, a row a genome.
        trials: Trials of seed pool A that it asked for. In the column ``own`` stands whether
            it computed them itself, or the store had known the answer.
        genomes: Genomes born in it.
        champion: Id of the genome that it is about, if any.
        chosen: Whether the run itself named that genome; else it is the leader so far.
        confirmed: The champion's trials on seeds of pool B, likewise.
        curves: The champion's curves.
        damaged: A sentence for each part of the store that had to be left out.
    """

    run: str
    manifest: Mapping[str, Any]
    rules: Rules
    generations: pd.DataFrame
    trials: pd.DataFrame
    genomes: pd.DataFrame
    champion: str | None
    chosen: bool
    confirmed: pd.DataFrame
    curves: pd.DataFrame
    damaged: tuple[str, ...]

    @property
    def selected(self) -> pd.DataFrame:
        """The champion's trials on the seeds that it was selected on."""
        return self.trials[self.trials["genome_id"] == self.champion]


def read_run(store: Store, run: str) -> RunTables:
    """A run from a store.

    Raises:
        StoreError: There is no such run, or its manifest does not say how it judges.
    """
    manifest = store.read_manifest(run)
    trials = trials_frame(store, run)
    mine = read(store, "trials", ["trial_id"], pc.field("run") == run)["trial_id"].to_pylist()
    trials = trials[trials["pool"] == "A"].assign(own=trials["trial_id"].isin(mine))
    generations = generations_frame(store, run)
    rules = _rules(manifest, run, _horizon(plans_frame(store, run), trials))
    named = at(manifest, "champion", "genome", "id")
    about = str(named) if named else _leader(trials, generations, rules)
    confirmed = _confirmed(store, about, trials, rules.confirm_seeds)
    confirmed = confirmed.assign(own=confirmed["run"] == run)
    own = confirmed if len(confirmed) else trials[trials["genome_id"] == about]
    return RunTables(
        run=run,
        manifest=manifest,
        rules=rules,
        generations=generations,
        trials=trials,
        genomes=genomes_frame(store, run),
        champion=about,
        chosen=bool(named),
        confirmed=confirmed,
        curves=curves_frame(store, own["trial_id"]),
        damaged=tuple(str(bad) for bad in store.bad_parts),
    )


def at(settings: Any, *keys: str) -> Any:
    """What a nest of mappings holds at a path; None where it does not lead."""
    for key in keys:
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    return settings


def _horizon(plans: pd.DataFrame, trials: pd.DataFrame) -> int | None:
    """Of the plans; where they are lost, the longest of the trials."""
    asked = plans["horizon"] if len(plans) else trials["horizon"]
    return int(asked.max()) if len(asked) else None


def _rules(manifest: Mapping[str, Any], run: str, horizon: int | None) -> Rules:
    def share(key: str) -> float:
        value = at(manifest, "config", "evolution", key)
        if not isinstance(value, int | float) or not 0 < value < 1:
            raise _unreadable(run, f"evolution.{key}", value, "a number within (0, 1)")
        return float(value)

    landscape = at(manifest, "config", "evolution", "landscape")
    if landscape not in tuple(LANDSCAPES):
        raise _unreadable(
            run, "evolution.landscape", landscape, f"one of {', '.join(LANDSCAPES)}"
        )
    seeds = at(manifest, "config", "confirm", "seeds")
    if not isinstance(seeds, int):
        raise _unreadable(run, "confirm.seeds", seeds, "a whole number")
    return Rules(str(landscape), share("gate"), share("strictness"), seeds, horizon)


def _unreadable(run: str, key: str, value: object, right: str) -> StoreError:
    return StoreError(
        f"the manifest of run {run} cannot be reported on: config.{key} is "
        f"{str(value)[:60]!r}, but must be {right}"
    )


def _leader(trials: pd.DataFrame, generations: pd.DataFrame, rules: Rules) -> str | None:
    """Who would be champion if the run ended now."""
    if rules.horizon is None:
        return None
    hall = hall_of_fame(trials, rules.horizon, rules.landscape, rules.strictness)
    last = generations[generations["generation"] == generations["generation"].max()]
    return champion(hall) or champion(last)


def _confirmed(
    store: Store, genome: str | None, trials: pd.DataFrame, seeds: int
) -> pd.DataFrame:
    """Trials of pool B of a genome, on the run's question and its number of seeds."""
    chosen = (pc.field("genome_id") == (genome or "")) & (pc.field("pool") == "B")
    ids = read(store, "trials", ["trial_id"], chosen)["trial_id"].to_pylist()
    found = trials_frame(store, trial_ids=ids)
    for column in SAME if len(trials) else ():
        found = found[found[column] == trials[column].iloc[0]]
    # Pool B is the odd numbers, drawn from the first: another run may have drawn further.
    return found[found["seed"] < 2 * seeds].sort_values("seed", ignore_index=True)
