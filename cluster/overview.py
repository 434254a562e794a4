"""A store at a glance: its runs and its queue, as numbers from tables, queue and pulses.

What was found is counted in the tables, so that everybody who looks counts the same, and a
trial that two runs asked for counts for both. How fast it goes is what the run's own process
says (``pulse.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cluster.job_queue import Job, State
from cluster.manifest import manifest_of
from cluster.pulse import Pulse, read_pulse
from speciation.evolution.fitness import LANDSCAPES
from speciation.tables.files import StoreError, open_files
from speciation.tables.readers import generations_frame
from speciation.tables.store import Store
from speciation.trial.trial import Outcome


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it stands. Times are seconds since 1970."""

    run: str
    state: str  # a job's, or what the manifest says: "running", "stopped", "finished"
    landscape: str
    generation: int  # closed
    generations: int  # wanted
    trials: int  # that it asked for and that have ended, by the tables
    outcomes: Mapping[str, int]
    best: float | None  # fitness of the last closed generation's best
    best_error: float | None
    best_genome: str | None
    history: tuple[float, ...]  # best fitness of every closed generation
    pulse: Pulse | None
    job: Job | None

    def alive(self, now: float) -> bool:
        """Whether its process has been heard of lately."""
        return self.pulse is not None and self.pulse.is_alive(now)


def overview(store: Store, jobs: list[Job], runs: list[str] | None = None) -> list[RunView]:
    """Every run of a store, or some of them; one of several jobs is shown by its latest.

    Args:
        store: The store.
        jobs: Its queue.
        runs: Ids; None is all that there are, asked for or begun.

    Raises:
        StoreError: The store cannot be read.
    """
    by_run = latest_jobs(jobs)
    wanted = runs if runs is not None else sorted({*store.runs(), *by_run})
    outcomes, closed = _outcomes(store), generations_frame(store)
    files = open_files(store.uri)
    return [
        run_view(
            run,
            by_run.get(run),
            manifest_or_nothing(store, run),
            outcomes.get(run, {}),
            closed[closed["run"] == run],
            read_pulse(files, run),
        )
        for run in wanted
    ]


def run_view(
    run: str,
    job: Job | None,
    manifest: Mapping[str, Any],
    outcomes: Mapping[str, int],
    closed: pd.DataFrame,
    pulse: Pulse | None,
) -> RunView:
    """One run, of what was read of it.

    Args:
        run: Its id.
        job: The latest that asked for it, if any did.
        manifest: Its manifest, or nothing.
        outcomes: How many of its trials ended how.
        closed: Rows of ``generations``, at least those of the best genomes.
        pulse: What its process says.
    """
    settings = job.settings if job else manifest.get("config")
    settings = settings if isinstance(settings, Mapping) else {}
    landscape = _landscape(settings)
    best = _best(closed, landscape)
    latest = best.iloc[-1] if len(best) else None
    return RunView(
        run=run,
        state=job.state.value if job else str(manifest.get("status", "unknown")),
        landscape=landscape,
        generation=len(best),
        generations=wanted_generations(settings),
        trials=sum(outcomes.values()),
        outcomes=outcomes,
        best=_number(latest, landscape),
        best_error=_number(latest, f"{landscape}_se"),
        best_genome=None if latest is None else str(latest["genome_id"]),
        history=tuple(float(value) for value in best[landscape] if pd.notna(value)),
        pulse=pulse,
        job=job,
    )


def wanted_generations(settings: Mapping[str, Any]) -> int:
    """How many generations a run's settings ask for; 0 where they cannot be read."""
    evolution = settings.get("evolution")
    count = evolution.get("generations") if isinstance(evolution, dict) else None
    return count if isinstance(count, int) else 0


def _landscape(settings: Mapping[str, Any]) -> str:
    evolution = settings.get("evolution")
    named = evolution.get("landscape") if isinstance(evolution, dict) else None
    return named if named in LANDSCAPES else "sprinter"


def latest_jobs(jobs: Iterable[Job]) -> dict[str, Job]:
    """Run → of several jobs, the one that is shown."""
    return {job.run: job for job in sorted(jobs, key=_recency)}


def _recency(job: Job) -> tuple[bool, float]:
    """Sorts jobs of a run: what runs last, else what was asked for last."""
    return job.state is State.RUNNING, job.submitted


def manifest_or_nothing(store: Store, run: str) -> dict[str, Any]:
    """A run's manifest; nothing if there is none that can be read."""
    try:
        return manifest_of(store, run) or {}
    except StoreError:
        return {}


def _outcomes(store: Store) -> dict[str, dict[str, int]]:
    """How the trials that each run asked for have ended, whoever computed them.

    A trial that came to something only after the run's horizon is censored there.
    """
    trials = store.scan("trials").table
    known = trials.select(["trial_id", "outcome", "steps_to_grok", "steps_run"]).to_pandas()
    told = _asked_for(store, trials).merge(known, on="trial_id")
    grokked, diverged = told["outcome"] == Outcome.GROKKED, told["outcome"] == Outcome.DIVERGED
    late = (grokked & (told["steps_to_grok"] > told["horizon"])) | (
        diverged & (told["steps_run"] > told["horizon"])
    )
    told.loc[late, "outcome"] = Outcome.CENSORED.value
    found: dict[str, dict[str, int]] = {}
    counts = told.groupby(["run", "outcome"], as_index=False).size()
    for run, outcome, count in counts.itertuples(index=False):
        found.setdefault(run, {})[outcome] = int(count)
    return found


def _asked_for(store: Store, trials: pa.Table) -> pd.DataFrame:
    """Run, horizon and id of every trial that a plan names or that a run confirmed with."""
    plans = store.scan("plans").table
    ids = plans["trial_ids"].combine_chunks()
    row = pc.list_parent_indices(ids)
    planned = pd.DataFrame(
        {
            "run": plans["run"].take(row).to_pandas(),
            "horizon": plans["horizon"].take(row).to_pandas(),
            "trial_id": pc.list_flatten(ids).to_pandas(),
        }
    )
    horizons = planned.groupby("run", as_index=False)["horizon"].max()
    confirmed = trials.filter(pc.field("pool") == "B").select(["run", "trial_id"]).to_pandas()
    return pd.concat([planned, confirmed.merge(horizons, on="run")]).drop_duplicates()


def _best(closed: pd.DataFrame, landscape: str) -> pd.DataFrame:
    """The best genome of each closed generation of a run."""
    first = closed[closed["rank"] == 0] if landscape in closed else closed.iloc[:0]
    return first.drop_duplicates("generation").sort_values("generation", ignore_index=True)


def _number(row: pd.Series | None, name: str) -> float | None:
    return None if row is None or pd.isna(row[name]) else float(row[name])
