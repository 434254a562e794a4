"""A store at a glance: its runs and its queue, as numbers from tables, queue and pulses.

What was found is counted in the tables, so that everybody who looks counts the same; how fast
it goes is what the run's own process says (``pulse.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cluster.job_queue import Job, State
from cluster.manifest import manifest_of
from cluster.pulse import Pulse, read_pulse
from speciation.evolution.fitness import LANDSCAPES
from speciation.tables.files import StoreError, open_files
from speciation.tables.readers import generations_frame
from speciation.tables.store import Store

SILENT_SECONDS = 30.0  # a run that has not been heard of for so long is not running


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it stands. Times are seconds since 1970."""

    run: str
    state: str  # a job's, or what the manifest says: "running", "stopped", "finished"
    landscape: str
    generation: int  # closed
    generations: int  # wanted
    trials: int  # in the tables, by this run
    outcomes: Mapping[str, int]
    best: float | None  # fitness of the last closed generation's best
    best_error: float | None
    best_genome: str | None
    history: tuple[float, ...]  # best fitness of every closed generation
    pulse: Pulse | None
    job: Job | None

    def alive(self, now: float) -> bool:
        """Whether its process has been heard of lately."""
        return self.pulse is not None and (
            self.pulse.state in ("starting", "running") and now - self.pulse.at < SILENT_SECONDS
        )


def overview(store: Store, jobs: list[Job], runs: list[str] | None = None) -> list[RunView]:
    """Every run of a store, or some of them; one of several jobs is shown by its latest.

    Args:
        store: The store.
        jobs: Its queue.
        runs: Ids; None is all that there are, asked for or begun.

    Raises:
        StoreError: The store cannot be read.
    """
    by_run = {job.run: job for job in sorted(jobs, key=_recency)}
    wanted = runs if runs is not None else sorted({*store.runs(), *by_run})
    outcomes, closed = _outcomes(store), generations_frame(store)
    files = open_files(store.uri)
    views = []
    for run in wanted:
        job = by_run.get(run)
        manifest = _manifest(store, run)
        settings = job.settings if job else manifest.get("config")
        settings = settings if isinstance(settings, Mapping) else {}
        landscape = _landscape(settings)
        best = _best(closed[closed["run"] == run], landscape)
        latest = best.iloc[-1] if len(best) else None
        views.append(
            RunView(
                run=run,
                state=job.state.value if job else str(manifest.get("status", "unknown")),
                landscape=landscape,
                generation=len(best),
                generations=wanted_generations(settings),
                trials=sum(outcomes.get(run, {}).values()),
                outcomes=outcomes.get(run, {}),
                best=_number(latest, landscape),
                best_error=_number(latest, f"{landscape}_se"),
                best_genome=None if latest is None else str(latest["genome_id"]),
                history=tuple(float(value) for value in best[landscape] if pd.notna(value)),
                pulse=read_pulse(files, run),
                job=job,
            )
        )
    return views


def wanted_generations(settings: Mapping[str, Any]) -> int:
    """How many generations a run's settings ask for; 0 where they cannot be read."""
    evolution = settings.get("evolution")
    count = evolution.get("generations") if isinstance(evolution, dict) else None
    return count if isinstance(count, int) else 0


def _landscape(settings: Mapping[str, Any]) -> str:
    evolution = settings.get("evolution")
    named = evolution.get("landscape") if isinstance(evolution, dict) else None
    return named if named in LANDSCAPES else "sprinter"


def _recency(job: Job) -> tuple[bool, float]:
    """Sorts jobs of a run: what runs last, else what was asked for last."""
    return job.state is State.RUNNING, job.submitted


def _manifest(store: Store, run: str) -> dict[str, Any]:
    try:
        return manifest_of(store, run) or {}
    except StoreError:
        return {}


def _outcomes(store: Store) -> dict[str, dict[str, int]]:
    """How the trials of each run ended."""
    trials = store.scan("trials").table.select(["run", "outcome"])
    counted = trials.group_by(["run", "outcome"]).aggregate([([], "count_all")]).to_pylist()
    found: dict[str, dict[str, int]] = {}
    for row in sorted(counted, key=lambda row: (str(row["run"]), row["outcome"])):
        found.setdefault(row["run"], {})[row["outcome"]] = row["count_all"]
    return found


def _best(closed: pd.DataFrame, landscape: str) -> pd.DataFrame:
    """The best genome of each closed generation of a run."""
    first = closed[closed["rank"] == 0] if landscape in closed else closed.iloc[:0]
    return first.drop_duplicates("generation").sort_values("generation", ignore_index=True)


def _number(row: pd.Series | None, name: str) -> float | None:
    return None if row is None or pd.isna(row[name]) else float(row[name])
