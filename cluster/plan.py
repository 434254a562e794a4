"""Who is tried in a generation, and on which seeds: settled and stored before work begins.

A plan is a pure function of the configuration and of the generation before, so two drivers, or
one that was killed and started again, write the same bytes. Once stored it is read, not made
again: what was planned is what is done.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.config import HALL_OF_FAME, RUN_PREFIX, Ancestor, ConfigError, RunConfig
from speciation import seeds
from speciation.evolution.fitness import JUDGED_BY, champion, fitness_table
from speciation.evolution.generation import (
    Offspring,
    deaths,
    found,
    newcomers,
    next_generation,
)
from speciation.evolution.hall_of_fame import hall_of_fame
from speciation.evolution.racing import ranked_by_rung
from speciation.evolution.search import (
    EVOLUTION,
    LEARNING,
    Asked,
    History,
    overall_rank,
    propose,
)
from speciation.genome.genome import KINDS, Genome, GenomeError, Genomes
from speciation.seeds import Purpose
from speciation.tables.readers import (
    generations_frame,
    genome_of_row,
    genomes_frame,
    read,
)
from speciation.tables.schema import genome_row
from speciation.tables.store import Store
from speciation.trial.trial import Trial

Row = dict[str, Any]
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Plan:
    """One generation, before it is tried.

    Args:
        generation: Counted from 0.
        genomes: P different genomes.
        elite_age: Shape ``(P,)``: generations that a genome has been an elite; 0 if none.
        seeds: S trial seeds, shared by all genomes, so that comparisons are paired.
        horizon: Steps.
        trials: Every genome from every seed, S * P of them, seed by seed.
    """

    generation: int
    genomes: Genomes
    elite_age: NDArray[np.int64]
    seeds: tuple[int, ...]
    horizon: int
    trials: tuple[Trial, ...]

    @classmethod
    def of(
        cls,
        config: RunConfig,
        generation: int,
        genomes: Genomes,
        elite_age: NDArray[np.int64],
        seeds: tuple[int, ...],
    ) -> Plan:
        """The plan of these genomes and seeds."""
        trials = config.trials(list(genomes), seeds)
        return cls(generation, genomes, elite_age, seeds, config.the_horizon(), trials)

    def trials_of(self, genome_ids: Iterable[str], start: int, end: int) -> list[Trial]:
        """Trials of some genomes on the seeds number ``start`` to ``end``.

        Genome by genome: so an actor gets few genomes, and a poison genome meets few actors.
        """
        place = {own: position for position, own in enumerate(self.genomes.ids)}
        count = len(self.genomes)
        within = slice(start * count, end * count)
        of = self.trials[within]
        return list(
            itertools.chain.from_iterable(of[place[own] :: count] for own in genome_ids)
        )

    def by_genome(self) -> list[Trial]:
        """All trials, as :meth:`trials_of` orders them."""
        return self.trials_of(self.genomes.ids, 0, len(self.seeds))

    def ages(self) -> dict[str, int]:
        """Genome id → generations that it has been an elite."""
        return dict(zip(self.genomes.ids, self.elite_age.tolist(), strict=True))


@dataclass(frozen=True)
class Judged:
    """One generation after it was tried."""

    plan: Plan
    fitness: pd.DataFrame

    def parents(self) -> Parents:
        """Those of the next generation, where one follows the other."""
        return Parents(self.plan.genomes, self.fitness, self.plan.ages())


@dataclass(frozen=True)
class Parents:
    """Who may have children: all that a new plan depends on.

    Args:
        genomes: P different ones.
        fitness: Their fitness table.
        ages: Genome id → generations that it has been an elite.
    """

    genomes: Genomes
    fitness: pd.DataFrame
    ages: dict[str, int]


@dataclass(frozen=True)
class Tried:
    """A generation with the rows of its trials, or what fitness needs of them."""

    plan: Plan
    trials: pd.DataFrame


def parents_among(config: RunConfig, tried: Sequence[Tried]) -> Parents:
    """In steady state: all genomes of some broods, judged anew on all their trials there.

    Args:
        config: The run.
        tried: The last broods that were judged, in order, at least one.
    """
    evolution = config.evolution
    genomes = {genome.id: genome for own in tried for genome in own.plan.genomes}
    ages: dict[str, int] = {}
    for own in tried:
        ages |= own.plan.ages()
    rows = pd.concat([own.trials for own in tried], ignore_index=True)
    fitness = fitness_table(rows, config.the_horizon(), evolution.landscape, evolution.gate)
    return Parents(Genomes.of(list(genomes.values())), fitness, ages)


def new_plan(config: RunConfig, store: Store, generation: int, parents: Parents | None) -> Plan:
    """Make the plan of a generation and store it.

    Args:
        config: The run.
        store: Where its tables are.
        generation: Counted from 0.
        parents: Who may have children; None for founders.

    Raises:
        ConfigError: The founders cannot be found.
        StoreError: The store cannot be read or written.
    """
    run, born = config.run_id(), _made(config, store, generation, parents)
    chosen = seeds.pool_a(config.seed, generation, config.evolution.seeds)
    plan = Plan.of(config, generation, born.genomes, born.elite_age, chosen)
    # Genomes first: where a plan stands, its genomes do.
    store.append("genomes", _birth_rows(run, generation, born))
    store.append("plans", _plan_rows(run, plan))
    return plan


def stored_plan(config: RunConfig, store: Store, generation: int) -> Plan | None:
    """A plan as it was stored; None if it was not, or can no longer be read in full."""
    plans = store.select("plans", [config.run_id()]).table
    rows = plans.filter(pc.field("generation") == generation).to_pylist()
    if not rows:
        return None
    wanted = [row["genome_id"] for row in rows]
    found = store.select("genomes", wanted).table.to_pylist()
    genomes = {row["genome_id"]: row for row in found}
    if not genomes.keys() >= set(wanted):
        return None
    return Plan.of(
        config,
        generation,
        Genomes.of([genome_of_row(genomes[own]) for own in wanted]),
        np.array([row["elite_age"] for row in rows], dtype=np.int64),
        tuple(rows[0]["seeds"]),
    )


def _made(
    config: RunConfig, store: Store, generation: int, parents: Parents | None
) -> Offspring:
    evolution = config.evolution
    if evolution.search != EVOLUTION:
        return _searched(config, store, generation)
    if parents is not None:
        rng = seeds.generator(config.seed, Purpose.OFFSPRING, generation)
        params = evolution.params_of(generation)
        return next_generation(parents.genomes, parents.fitness, parents.ages, params, rng)
    rng = seeds.generator(config.seed, Purpose.FOUNDERS)
    ancestors = ancestors_of(config, store)
    try:
        founders = found(evolution.params(), KINDS[config.kind], ancestors, rng)
    except (GenomeError, ValueError) as error:
        raise ConfigError(f"the run {config.run_id()} cannot be founded: {error}") from error
    return _some(
        founders, slice(generation * evolution.born, (generation + 1) * evolution.born)
    )


def _searched(config: RunConfig, store: Store, generation: int) -> Offspring:
    """A generation by another search than evolution."""
    evolution, kind = config.evolution, KINDS[config.kind]
    history = History(kind.random(0, np.random.default_rng(0)), _NONE, _NONE)
    if evolution.search in LEARNING and generation:
        history = _history(config, store, generation)
    asked = Asked(kind, evolution.population, generation, config.seed, history)
    genomes = propose(evolution.search, asked)
    rng = seeds.generator(config.seed, Purpose.OFFSPRING, generation)
    return newcomers(genomes, evolution.search, evolution.params(), rng)


def _history(config: RunConfig, store: Store, generation: int) -> History:
    """All generations before one, as the store has them: so to go on is to read them again."""
    frame = generations_frame(store, config.run_id())
    frame = frame[frame["generation"] < generation].reset_index(drop=True)
    genes = genomes_frame(store, genome_ids=frame["genome_id"].unique()).set_index("genome_id")
    values = genes.loc[frame["genome_id"], list(KINDS[config.kind].columns)]
    return History(
        Genomes(config.kind, values.to_numpy(np.float64)),
        frame["generation"].to_numpy(np.int64),
        overall_rank(frame, config.evolution.landscape),
    )


def _some(born: Offspring, places: slice) -> Offspring:
    return Offspring(
        born.genomes[places],
        born.origin[places],
        born.mothers[places],
        born.fathers[places],
        born.donor_genes[places],
        born.elite_age[places],
    )


def _birth_rows(run: str, generation: int, born: Offspring) -> list[Row]:
    return [
        genome_row(
            born.genomes[int(i)],
            origin=born.origin[i],
            run=run,
            generation=generation,
            mother=born.mothers[i],
            father=born.fathers[i],
            donor_genes=born.donor_genes[i],
        )
        for i in np.flatnonzero(born.newborn)
    ]


def _plan_rows(run: str, plan: Plan) -> list[Row]:
    return [
        {
            "run": run,
            "generation": plan.generation,
            "position": position,
            "genome_id": genome.id,
            "elite_age": int(plan.elite_age[position]),
            "seeds": list(plan.seeds),
            "horizon": plan.horizon,
            "trial_ids": [trial.id for trial in plan.trials[position :: len(plan.genomes)]],
        }
        for position, genome in enumerate(plan.genomes)
    ]


# -- Ancestors ----------------------------------------------------------------------------


def ancestors_of(config: RunConfig, store: Store) -> Genomes | None:
    """The genomes that a run begins with, each once; None if it begins with chance alone.

    Raises:
        ConfigError: The Hall of Fame is empty, or a run that is named has no generation.
    """
    found: dict[str, Genome] = {}
    for ancestor in config.ancestors:
        for genome in _named(ancestor, config, store):
            found.setdefault(genome.id, genome)
    return Genomes.of(list(found.values())) if found else None


def _named(ancestor: Ancestor | str, config: RunConfig, store: Store) -> list[Genome]:
    if isinstance(ancestor, Ancestor):
        return [ancestor.genome()]
    # Half of the places, so that there is room for their children.
    places = max(config.evolution.population // 2, 1)
    if ancestor == HALL_OF_FAME:
        ids = admitted(config, store)
        if not ids:
            raise ConfigError(
                f"ancestors: the Hall of Fame of {store.uri} has no {config.kind} genome for "
                "this task, model and strictness; leave it away, or lower evolution.strictness"
            )
    else:
        run = ancestor.removeprefix(RUN_PREFIX)
        ids = last_generation(run, store)
        if not ids:
            raise ConfigError(
                f"ancestors: {store.uri} has no closed generation of a run {run!r}; "
                f"its runs are {', '.join(store.runs()) or 'none'}"
            )
    rows = store.select("genomes", ids[:places]).table.to_pylist()
    genomes = {row["genome_id"]: genome_of_row(row) for row in rows}
    return [genomes[own] for own in ids[:places] if own in genomes]


def admitted(config: RunConfig, store: Store) -> list[str]:
    """Genome ids of the store's Hall of Fame for this task and model, best first."""
    task, model = config.the_task(), config.the_model()
    wanted = task.as_dict() | {"batch": task.batch or 0} | model.as_dict()
    wanted |= {"precision": config.engine.precision}
    chosen = pc.field("kind") == config.kind
    for column, value in wanted.items():
        chosen &= pc.field(column) == value
    trials = read(store, "trials", filters=chosen).to_pandas()
    hall = hall_of_fame(
        trials, config.the_horizon(), config.evolution.landscape, config.evolution.strictness
    )
    return [str(own) for own in hall["genome_id"]]


def last_generation(run: str, store: Store) -> list[str]:
    """Genome ids of a run's last closed generation, best first."""
    frame = generations_frame(store, run)
    if frame.empty:
        return []
    last = frame[frame["generation"] == frame["generation"].max()].sort_values("rank")
    return [str(own) for own in last["genome_id"]]


# -- Verdicts -----------------------------------------------------------------------------


def judge(config: RunConfig, store: Store, plan: Plan, trials: pd.DataFrame) -> Judged:
    """Close a generation: compute fitness from its trials' rows, and store the verdict.

    Raises:
        StoreError: The store cannot be written.
    """
    evolution = config.evolution
    fitness = fitness_table(trials, plan.horizon, evolution.landscape, evolution.gate)
    if evolution.racing is not None:
        fitness = ranked_by_rung(fitness, trials)
    died = deaths(fitness, plan.ages()) if evolution.senescence else frozenset()
    store.append("generations", _verdict_rows(config.run_id(), plan, fitness, died))
    return Judged(plan, fitness)


def _verdict_rows(
    run: str, plan: Plan, fitness: pd.DataFrame, died: frozenset[str]
) -> list[Row]:
    """In the order of the plan."""
    told = fitness.drop(columns="unanswered").to_dict("records")
    verdicts = {row["genome_id"]: {str(key): row[key] for key in row} for row in told}
    return [
        {
            **verdicts[own],
            "run": run,
            "generation": plan.generation,
            "position": position,
            "elite": bool(plan.elite_age[position] > 0),
            "elite_age": int(plan.elite_age[position]),
            "died": own in died,
        }
        for position, own in enumerate(plan.genomes.ids)
    ]


def champion_among(trials: pd.DataFrame, config: RunConfig) -> tuple[str | None, bool]:
    """The best genome of all generations, and whether the Hall of Fame admits it.

    Where it admits none, the best of all by its rows is only the luckiest of few seeds, but
    there is nothing better to go by.

    Args:
        trials: Rows of all that were tried, with the columns that fitness reads.
        config: The run.
    """
    evolution, horizon = config.evolution, config.the_horizon()
    hall = hall_of_fame(trials, horizon, evolution.landscape, evolution.strictness)
    if not hall.empty:
        return champion(hall), True
    return champion(fitness_table(trials, horizon, evolution.landscape, evolution.gate)), False


# -- Trial-steps --------------------------------------------------------------------------


def steps_spent(trials: pd.DataFrame, horizon: int) -> int:
    """Training steps that rows of trials took, each trial once, none beyond the horizon."""
    longest = trials.groupby("trial_id")["steps_run"].max()
    return int(longest.clip(upper=horizon).sum())


def spent_in(run: str, store: Store, horizon: int) -> list[int]:
    """Training steps of each generation of a run that is planned, in order."""
    plans = store.select("plans", [run], ("generation", "trial_ids")).table.combine_chunks()
    asked = pc.list_flatten(plans["trial_ids"])
    generation = plans["generation"].take(pc.list_parent_indices(plans["trial_ids"]))
    of = dict(zip(asked.to_pylist(), generation.to_pylist(), strict=True))
    columns = ("trial_id", "steps_run")
    rows = store.select("trials", asked, columns, ordered=False).table.to_pandas()
    own = rows["trial_id"].map(of)
    spent = {number: steps_spent(part, horizon) for number, part in rows.groupby(own)}
    return [spent.get(number, 0) for number in range(max(of.values(), default=-1) + 1)]


# -- Replay -------------------------------------------------------------------------------


def generations_in(table: str, run: str, store: Store) -> frozenset[int]:
    """Generations of a run that ``plans`` or ``generations`` speaks of."""
    rows = store.select(table, [run], ("generation",), ordered=False).table
    return frozenset(rows["generation"].unique().to_pylist())


def closed_generations(run: str, store: Store) -> int:
    """How many generations of a run are closed, counted from the first without a gap."""
    closed = generations_in("generations", run, store)
    return next(count for count in itertools.count() if count not in closed)


def incomplete_generations(run: str, store: Store) -> list[int]:
    """Planned generations of which the store lacks the row of a trial."""
    plans = store.select("plans", [run], ("generation", "trial_ids")).table.combine_chunks()
    asked = pc.list_flatten(plans["trial_ids"])
    generation = plans["generation"].take(pc.list_parent_indices(plans["trial_ids"]))
    known = store.select("trials", asked, ("trial_id",), ordered=False).table["trial_id"]
    lacking = pc.invert(pc.is_in(asked, value_set=known.combine_chunks()))
    return sorted(generation.filter(lacking).unique().to_pylist())


def generations_without_genomes(run: str, store: Store) -> list[int]:
    """Planned generations of which the store lacks the row of a genome."""
    plans = store.select("plans", [run]).table
    asked = plans["genome_id"]
    known = store.select("genomes", asked.to_pylist()).table["genome_id"]
    lacking = plans.filter(pc.invert(pc.is_in(asked, value_set=known.combine_chunks())))
    return sorted(set(lacking["generation"].to_pylist()))


def tried(config: RunConfig, store: Store, generation: int) -> Tried | None:
    """A generation with what the store has of it; None if its plan cannot be read in full."""
    plan = stored_plan(config, store, generation)
    if plan is None:
        return None
    rows = store.select("trials", [trial.id for trial in plan.trials], JUDGED_BY).table
    return Tried(plan, rows.select(JUDGED_BY).to_pandas())


def judged(config: RunConfig, store: Store, generation: int) -> Judged | None:
    """A closed generation as it was; None if its tables can no longer be read in full."""
    plan = stored_plan(config, store, generation)
    frame = generations_frame(store, config.run_id())
    fitness = frame[frame["generation"] == generation]
    if plan is None or len(fitness) != len(plan.genomes):
        return None
    return Judged(plan, fitness)
