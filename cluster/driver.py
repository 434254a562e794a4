"""The loop: plan a generation, have its trials run, store rows, judge, plan the next.

The driver decides nothing about science (that is ``speciation.evolution``) and nothing about
failures (that is the campaign); it carries events to the campaign and commands to executor and
store. A run is replayed from its tables on every start: closed generations are read, an open
one is filled up with what the store lacks. So starting, resuming and extending are one code
path, and of a run only the generation at hand is ever in memory.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from cluster import rows
from cluster.campaign import Campaign
from cluster.config import RacingSettings, RunConfig
from cluster.executor import Executor
from cluster.manifest import check_same_science, manifest_of, write_manifest
from cluster.plan import (
    Judged,
    Parents,
    Plan,
    Tried,
    champion_among,
    closed_generations,
    generations_in,
    generations_without_genomes,
    incomplete_generations,
    judge,
    judged,
    new_plan,
    parents_among,
    spent_in,
    steps_spent,
    stored_plan,
    tried,
)
from cluster.summary import (
    Champion,
    GenerationSummary,
    RunSummary,
    Snapshot,
    figures,
    summarise,
)
from cluster.training import NOTHING, StoppedEarlyError, Trainer, Work, few_collections
from speciation import seeds
from speciation.evolution.fitness import JUDGED_BY, fitness_table
from speciation.evolution.racing import rungs, survivors
from speciation.genome.genome import Genome
from speciation.tables.readers import genome_of
from speciation.tables.store import Store, StoreError
from speciation.trial.trial import Trial

REPORT_SECONDS = 0.1
FIRST_PATIENCE = 60.0  # seconds, with a store that has not answered yet and perhaps never will

READ = ("trials", "genomes", "plans", "generations")

Row = dict[str, Any]
Progress = Snapshot | GenerationSummary | RunSummary


def run(
    config: RunConfig,
    store: Store,
    executor: Executor,
    report_progress: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    *,
    patience: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RunSummary:
    """Begin a run or go on with it, until its last generation is closed and its champion known.

    Args:
        config: The run. One of the same id in the store is continued.
        store: Where everything is kept.
        executor: Where trials are trained. It is closed if ``stop`` asks to stop.
        report_progress: Told about ten times a second, and at each generation's close.
        stop: Asked as often; once it says yes, what has finished is stored and this returns.
        patience: Seconds that a store is waited for which is full or does not answer; by
            default ``PATIENCE_SECONDS``.
        clock: Seconds, never going back.

    Raises:
        RunError: No trial can be finished.
        ConfigError: The run in the store is another one, or its founders cannot be found.
        ExecutorError: There is nowhere to train.
        StoreError: The store cannot be read or written.
    """
    patience = rows.PATIENCE_SECONDS if patience is None else patience
    driver = _Driver(config, store, executor, report_progress, stop, patience, clock)
    try:
        with few_collections():
            driver.check()
            summary = driver.run()
    except BaseException:
        driver.save()
        raise
    report_progress(summary)
    return summary


class _Driver:
    def __init__(
        self,
        config: RunConfig,
        store: Store,
        executor: Executor,
        report_progress: Callable[[Progress], None],
        stop: Callable[[], bool],
        patience: float,
        clock: Callable[[], float],
    ) -> None:
        self._config, self._run = config, config.run_id()
        self._store, self._executor = store, executor
        self._report, self._stop, self._clock = report_progress, stop, clock
        self._trainer = Trainer(
            store,
            executor,
            self._run,
            self._report_snapshot,
            stop,
            patience=patience,
            clock=clock,
        )
        self._generations = config.evolution.generations
        self._plans: dict[int, Plan] = {}  # of open generations
        self._stored: frozenset[int] = frozenset()  # planned before this process
        self._tried: dict[int, Tried] = {}  # in steady state, whose genomes may be parents
        self._last: Judged | None = None
        self._spent = 0  # trial-steps of closed generations
        self._began = clock()
        self._reported = -REPORT_SECONDS

    def check(self) -> None:
        """A newer program's store, or another run's, is refused before it is written to."""
        store, run = self._store, self._run
        for table in READ:
            self._trainer.insist(partial(store.select, table, ()), FIRST_PATIENCE)
        manifest = self._trainer.insist(lambda: manifest_of(store, run), FIRST_PATIENCE)
        if manifest is not None:
            check_same_science(self._config, manifest, f"run {run} in {store.uri}")

    def run(self) -> RunSummary:
        closed = 0
        champion = None
        try:
            closed = self._trainer.insist(self._replay)
            self._generations = max(self._generations, closed)
            while closed < self._generations and not self._is_spent():
                generation = closed
                plan = self._planned(generation)
                # Not sooner: there may have been no founders.
                self._write_manifest("running", closed)
                self._close(plan, self._try(plan, self._bred_ahead(generation)))
                closed = generation + 1
            champion = self._trainer.insist(self._champion)
        except StoppedEarlyError:
            self._write_manifest("stopped", closed)
            return self._summary(closed, None, stopped=True)
        self._write_manifest("finished", closed, champion)
        return self._summary(closed, champion, stopped=False)

    def save(self) -> None:
        """Store what has finished, if that is still possible."""
        self._trainer.save()

    # -- Generations --------------------------------------------------------------------

    def _replay(self) -> int:
        """How many generations are closed. What a damaged part took is made again."""
        self._stored = generations_in("plans", self._run, self._store)
        closed = closed_generations(self._run, self._store)
        while closed and judged(self._config, self._store, closed - 1) is None:
            closed -= 1
        if closed:
            self._heal(closed)
            spent = spent_in(self._run, self._store, self._config.the_horizon())
            self._spent = sum(spent[:closed])
            self._last = judged(self._config, self._store, closed - 1)
        return closed

    def _is_spent(self) -> bool:
        """Whether the trial-steps of closed generations have used the budget up."""
        budget = self._config.evolution.budget
        return budget is not None and self._spent >= budget

    def _planned(self, generation: int) -> Plan:
        """The plan of a generation, if it can be bred yet."""
        if generation not in self._plans:
            self._plans[generation] = self._trainer.insist(partial(self._plan, generation))
        return self._plans[generation]

    def _plan(self, generation: int) -> Plan:
        """What was planned is what is done; what was not is planned now."""
        plan = None
        if generation in self._stored:
            plan = stored_plan(self._config, self._store, generation)
        return plan or self._new_plan(generation)

    def _new_plan(self, generation: int) -> Plan:
        parents = self._parents(generation)
        return new_plan(self._config, self._store, generation, parents)

    def _parents(self, generation: int) -> Parents | None:
        """Who may have children in a generation; None if it is one of founders."""
        evolution = self._config.evolution
        if generation < evolution.broods:
            return None
        if evolution.steady is not None:
            end = generation - evolution.ahead
            start = max(end - evolution.broods, 0)
            return parents_among(self._config, [self._tried_in(g) for g in range(start, end)])
        before = self._last
        if before is None or before.plan.generation != generation - 1:
            before = judged(self._config, self._store, generation - 1)
        if before is None:
            raise StoreError(
                f"generation {generation - 1} of run {self._run} cannot be read in "
                f"{self._store.uri}; start the run again, so that it is made again"
            )
        return before.parents()

    def _tried_in(self, generation: int) -> Tried:
        if generation not in self._tried:
            found = tried(self._config, self._store, generation)
            if found is None:
                raise StoreError(
                    f"generation {generation} of run {self._run} cannot be read in "
                    f"{self._store.uri}; start the run again, so that it is made again"
                )
            self._tried[generation] = found
        return self._tried[generation]

    def _heal(self, closed: int) -> None:
        """Plans, genomes and trials of closed generations that the store has lost."""
        lost = set(range(closed)) - self._stored
        lost |= set(generations_without_genomes(self._run, self._store)) & set(range(closed))
        lost |= set(incomplete_generations(self._run, self._store)) & set(range(closed))
        for generation in sorted(lost):  # a plan may depend on trials of those before
            self._try(self._plan(generation), {})

    def _bred_ahead(self, generation: int) -> dict[int, list[Trial]]:
        """Trials of the generations that may begin before this one is judged."""
        end = min(generation + 1 + self._config.evolution.ahead, self._generations)
        return {own: self._planned(own).by_genome() for own in range(generation + 1, end)}

    def _try(self, plan: Plan, ahead: Mapping[int, Sequence[Trial]]) -> pd.DataFrame:
        """Rows of a plan's trials; in a race, of those that it came to."""
        if self._config.evolution.racing is not None:
            return self._race(plan, self._config.evolution.racing)
        return self._run_trials(plan.by_genome(), plan.generation, "A", ahead)

    def _race(self, plan: Plan, racing: RacingSettings) -> pd.DataFrame:
        """Rung by rung. Empty slots are lent to the next rung, those that lead first."""
        evolution, params = self._config.evolution, racing.params()
        ends = rungs(len(plan.seeds), params)
        ids, rows = plan.genomes.ids, pd.DataFrame(columns=list(JUDGED_BY))
        for start, end, later in zip((0, *ends), ends, (*ends[1:], ends[-1]), strict=False):
            tried = self._run_trials(
                plan.trials_of(ids, start, end),
                plan.generation,
                "A",
                {plan.generation: plan.trials_of(ids, end, later)} if racing.fill else {},
            )
            rows = pd.concat([rows, tried], ignore_index=True) if start else tried
            met = rows[rows["genome_id"].isin(ids)]
            table = fitness_table(met, plan.horizon, evolution.landscape, evolution.gate)
            ids = survivors(table, params)
        return rows

    def _close(self, plan: Plan, trials: pd.DataFrame) -> None:
        """Judge a generation and store the verdict: from now on it is never tried again."""
        verdict = self._trainer.insist(lambda: judge(self._config, self._store, plan, trials))
        self._report(summarise(verdict, self._config))
        self._last = verdict
        self._spent += steps_spent(trials, plan.horizon)
        evolution = self._config.evolution
        if evolution.steady is not None:
            self._tried[plan.generation] = Tried(plan, trials)
            self._tried.pop(plan.generation - evolution.broods - evolution.ahead, None)
        del self._plans[plan.generation]

    def _champion(self) -> Champion | None:
        """The best of all generations, on the seeds it was selected on and on fresh ones."""
        plans = self._store.select("plans", [self._run], ("trial_ids",)).table
        asked = pc.list_flatten(plans["trial_ids"])
        trials = self._store.select("trials", asked, JUDGED_BY).table.to_pandas()
        chosen, famous = champion_among(trials, self._config)
        if chosen is None:
            return None
        selected = figures(trials[trials["genome_id"] == chosen], self._config)
        if selected is None:
            return None
        genome = genome_of(self._store, chosen)
        confirmed = figures(self._confirm(genome), self._config)
        return Champion(genome, famous, selected, confirmed)

    def _confirm(self, genome: Genome) -> pd.DataFrame:
        fresh = seeds.pool_b(self._config.confirm.seeds)
        trials = self._config.trials([genome], fresh)
        return self._run_trials(trials, self._generations - 1, "B")

    # -- Trials -------------------------------------------------------------------------

    def _run_trials(
        self,
        trials: Sequence[Trial],
        generation: int,
        pool: str,
        spare: Mapping[int, Sequence[Trial]] = NOTHING,
    ) -> pd.DataFrame:
        """Rows of these trials: those that the store has, and the others once they are run."""
        return self._trainer.train(trials, generation, pool, spare).to_pandas()

    # -- Saying so ----------------------------------------------------------------------

    def _report_snapshot(self, campaign: Campaign, work: Work) -> None:
        now = self._clock()
        if now - self._reported < REPORT_SECONDS:
            return
        self._reported = now
        self._report(
            Snapshot(
                phase="evolve" if work.pool == "A" else "confirm",
                generation=work.generation or 0,
                generations=self._generations,
                trials=work.trials,
                done=work.trials - campaign.total + campaign.done,
                under_way=self._under_way(),
                known=work.trials - campaign.total,
                failed=campaign.failed,
                suspects=campaign.suspects,
                capacity=self._executor.capacity,
                occupied=self._executor.occupied,
                finished=self._trainer.tally.finished,
                trial_steps=self._executor.trial_steps,
                seconds=now - self._began,
                eta_seconds=self._eta(campaign, work),
                store_is_full=self._trainer.store_is_full,
                waiting=self._executor.waiting,
                outcomes=dict(self._trainer.tally.outcomes),
            )
        )

    def _under_way(self) -> float:
        """Trials' worth of steps that were trained in trials that have not finished."""
        steps = max(self._executor.trial_steps - self._trainer.tally.steps, 0)
        return min(steps / self._config.the_horizon(), self._executor.occupied)

    def _eta(self, campaign: Campaign, work: Work) -> float | None:
        """Seconds to the end, at the pace of this campaign or of the one before."""
        pace = self._trainer.seconds_a_trial
        trained = work.trained + self._under_way()
        if trained >= campaign.total / 10:
            pace = (self._clock() - work.began) / trained
        if pace is None:
            return None
        left = campaign.total - work.trained - self._under_way()
        if work.pool == "A":
            left += min(self._trials_to_come(work), self._trials_to_afford())
            left += self._config.confirm.seeds
        return pace * max(left, 0.0)

    def _trials_to_come(self, work: Work) -> float:
        """Trials of the generations after the one at hand."""
        evolution = self._config.evolution
        generations = self._generations - (work.generation or 0) - 1
        return generations * evolution.born * evolution.seeds

    def _trials_to_afford(self) -> float:
        """Trials that the rest of the budget is enough for, at what one has cost so far."""
        budget, tally = self._config.evolution.budget, self._trainer.tally
        if budget is None or not tally.finished:
            return math.inf
        return max(budget - self._spent, 0) / max(tally.steps / tally.finished, 1.0)

    def _summary(self, closed: int, champion: Champion | None, stopped: bool) -> RunSummary:
        return RunSummary(
            run=self._run,
            stopped=stopped,
            generations=closed,
            champion=champion,
            finished=self._trainer.tally.finished,
            known=self._trainer.tally.known,
            failed=self._trainer.tally.failed,
            trial_steps=self._executor.trial_steps,
            seconds=self._clock() - self._began,
            faults=dict(sorted(self._trainer.tally.faults.items())),
            outcomes=dict(self._trainer.tally.outcomes),
        )

    def _write_manifest(
        self, status: str, closed: int, champion: Champion | None = None
    ) -> None:
        devices = self._trainer.tally.devices
        self._trainer.insist(
            lambda: write_manifest(self._store, self._config, status, closed, champion, devices)
        )
