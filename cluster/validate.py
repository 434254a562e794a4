"""Validate genomes: plan what is missing, train it, and say what all of it shows.

    asked 200 seeds of 3 genomes: found 150, will compute 450, about 310,000 steps

What any run in the store already answers is not computed again; a longer horizon computes only
trials that were censored. Seeds are those of pool B, from its start, so all genomes share
them; ``fresh`` begins beyond every seed that the store has seen, for figures of a genome that
was itself chosen by validation. Groups are looked at as one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.campaign import Campaign
from cluster.config import RUN_PREFIX, RunConfig, make_config
from cluster.executor import Executor
from cluster.manifest import config_of, find_run
from cluster.naming import Named, named
from cluster.parcel import sown
from cluster.training import StoppedEarlyError, Trainer, Work
from speciation.analysis import sequential, validation
from speciation.analysis.components import Components, crossed
from speciation.analysis.sequential import Rule, Separated
from speciation.analysis.validation import ROWS
from speciation.genome.genome import Genome
from speciation.seeds import pool_b
from speciation.tables.groups import check_name
from speciation.tables.readers import answered, known_answers
from speciation.tables.schema import genome_row
from speciation.tables.store import Store
from speciation.trial.trial import Outcome, Trial, same_but_seed

MOST_SEEDS = 1_000_000  # of each genome
RUN = "validation"  # what rows of validations carry in place of a run

Tell = Callable[[str, int, int], None]


class ValidateError(ValueError):
    """A validation that cannot be made: one sentence."""


@dataclass(frozen=True)
class Asked:
    """What is to be validated.

    Args:
        config: The experiment, and where it trains.
        genomes: Id → genome, in order.
        arms: Name → ids of its genomes.
        seeds: Of pool B, shared by all genomes.
        blocks: Blocks of the crossed design, for variance components; 0 for none.
        member_of: Arm → named group that it belongs to, where arms are single genomes.
        defined: Name → ids of each group that is defined by it, and saved when it is begun.
    """

    config: RunConfig
    genomes: dict[str, Genome]
    arms: dict[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    blocks: int = 0
    member_of: dict[str, str] = field(default_factory=dict)
    defined: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _ids: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False)

    @property
    def passed_over(self) -> int:
        """Seeds of pool B before the first that is asked for."""
        return self.seeds[0] // 2

    @property
    def crossed_seeds(self) -> tuple[int, ...]:
        """Two for each block, from the start of pool B."""
        return pool_b(2 * self.blocks)

    def trial(self, genome_id: str) -> Trial:
        """A genome's trial of the first seed: all others differ in the seed alone."""
        return self.config.trials([self.genomes[genome_id]], self.seeds[:1])[0]

    def ids(self, genome_id: str) -> list[str]:
        """Of a genome's trials, in the order of the seeds."""
        if genome_id not in self._ids:
            self._ids[genome_id] = same_but_seed(self.trial(genome_id), self.seeds)
        return self._ids[genome_id]

    def upto(self, count: int) -> Asked:
        """The same on the first so many seeds."""
        return replace(self, seeds=self.seeds[:count])


@dataclass(frozen=True)
class Plan:
    """What is known and what is missing.

    Args:
        asked: Trials in all, but for those of crossed blocks.
        found: Of those, answered by the store.
        extended: Of the missing ones, known to a shorter horizon.
        crossed: Trials of crossed blocks that are not among those asked for.
        crossed_found: Of those, answered by the store.
        steps: Training steps that all missing ones will take, about.
        slot_seconds: Seconds that they will occupy a slot, about; None if nothing is known.
        missing: Genome id → seeds that are missing.
        found_rows: Rows that answer.
    """

    asked: int
    found: int
    extended: int
    crossed: int
    crossed_found: int
    steps: int
    slot_seconds: float | None
    missing: dict[str, tuple[int, ...]]
    found_rows: pa.Table = field(repr=False)

    @property
    def to_compute(self) -> int:
        """Trials that are missing, but for those of crossed blocks."""
        return self.asked - self.found

    @property
    def to_train(self) -> int:
        """All trials that are missing."""
        return self.to_compute + self.crossed - self.crossed_found


def ask(
    words: Sequence[str],
    store: Store,
    *,
    seeds: int,
    start: int = 0,
    fresh: bool = False,
    groups: Sequence[str] = (),
    by_group: bool = False,
    blocks: int = 0,
    overrides: Mapping[str, Any] | None = None,
) -> Asked:
    """Read what somebody typed.

    Args:
        words: Genomes; see ``cluster.naming``.
        store: Where ids are looked up and groups are kept.
        seeds: How many of pool B.
        start: How many of pool B are passed over.
        fresh: Pass over all that the store has seen.
        groups: ``NAME=WORD,WORD,…`` each: a group.
        by_group: Look at groups as one; a genome in none stands alone.
        blocks: Of a crossed design.
        overrides: Values of a configuration by dotted key; ``track`` and ``horizon`` among
            them.

    Raises:
        ValidateError: A number or a definition cannot be used.
        NamingError: A word means no genome.
        ConfigError: An override cannot be used, or there is no such run.
        StoreError: The store cannot be read, or a group cannot have its name.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise ValidateError(f"--seeds must be from 1 to {MOST_SEEDS:,}, got {seeds:,}")
    if blocks == 1:
        raise ValidateError("--components must be 0 or at least 2 blocks, got 1")
    if start < 0:
        raise ValidateError(f"--skip must be at least 0, got {start}")
    config = _experiment([*words, *_members(groups)], store, dict(overrides or {}))
    found = [named(word, store, config) for word in words]
    defined = [_defined(text, store, config) for text in groups]
    found += defined
    if not found:
        raise ValidateError("name at least one genome; see: speciation validate --help")
    genomes = {g.id: g for own in found for g in own.genomes.values()}
    if fresh:
        start = max(start, _first_fresh(store))
    arms = _by_group(found) if by_group else _by_genome(found)
    member_of = {} if by_group else _memberships(found, arms)
    saved = {str(own.group): _ids_of(own) for own in defined}
    return Asked(config, genomes, arms, pool_b(seeds, start), blocks, member_of, saved)


def _defined(text: str, store: Store, config: RunConfig) -> Named:
    name, words = _definition(text)
    check_name(name)
    members = [named(word, store, config) for word in words]
    return Named({k: g for member in members for k, g in member.genomes.items()}, name)


def _ids_of(own: Named) -> tuple[str, ...]:
    return tuple(dict.fromkeys(genome.id for genome in own.genomes.values()))


def _members(groups: Sequence[str]) -> list[str]:
    return [word for text in groups for word in _definition(text)[1]]


def _definition(text: str) -> tuple[str, tuple[str, ...]]:
    name, mark, words = text.partition("=")
    members = tuple(filter(None, words.split(",")))
    if not mark or not name or not members:
        raise ValidateError(f"--group is {text!r}, but must be NAME=GENOME,GENOME,…")
    return name, members


def _experiment(words: Sequence[str], store: Store, overrides: dict[str, Any]) -> RunConfig:
    """Task, model and horizon: those of the run that is named, if one is; else a track's."""
    runs = {
        find_run(store, word.removeprefix(RUN_PREFIX))
        for word in words
        if word.startswith(RUN_PREFIX)
    }
    if runs and "track" not in {key for key, value in overrides.items() if value is not None}:
        configs = {run: config_of(store, run, {}) for run in runs}
        tasks = {(c.the_task(), c.the_model(), c.the_horizon()) for c in configs.values()}
        if len(tasks) > 1:
            raise ValidateError(
                f"the runs {' and '.join(sorted(runs))} are of different tasks, models or "
                "horizons; say which by --track and --horizon"
            )
        first = configs[min(runs)]
        places = {k: v for k, v in overrides.items() if k != "store" and v is not None}
        horizon = places.pop("horizon", None)
        base = first.model_dump(mode="json", include={"track", "task", "model", "kind"})
        base |= {"horizon": horizon or first.the_horizon(), "store": store.uri}
        base["engine"] = {"precision": first.engine.precision}
        return make_config({"name": RUN, **base}, "validate", places)
    return make_config({"name": RUN, "store": store.uri}, "validate", overrides)


def _by_genome(found: Sequence[Named]) -> dict[str, tuple[str, ...]]:
    arms: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for own in found:
        for name, genome in own.genomes.items():
            if genome.id not in seen:
                seen.add(genome.id)
                arms[_free(name, genome.id, arms)] = (genome.id,)
    return arms


def _by_group(found: Sequence[Named]) -> dict[str, tuple[str, ...]]:
    arms: dict[str, tuple[str, ...]] = {}
    grouped: set[str] = set()
    for own in found:
        if own.group is not None:
            ids = _ids_of(own)
            arms[own.group] = tuple(dict.fromkeys((*arms.get(own.group, ()), *ids)))
            grouped.update(ids)
    alone = [own for own in found if own.group is None]
    rest = {n: i for n, i in _by_genome(alone).items() if i[0] not in grouped}
    return arms | rest


def _memberships(found: Sequence[Named], arms: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Arm → the first group that its genome was named in."""
    groups: dict[str, str] = {}
    for own in found:
        for genome in own.genomes.values():
            if own.group is not None:
                groups.setdefault(genome.id, own.group)
    return {name: groups[ids[0]] for name, ids in arms.items() if ids[0] in groups}


def _free(name: str, genome_id: str, taken: Mapping[str, object]) -> str:
    return name if name not in taken else f"{name}-{genome_id[:8]}"


def _first_fresh(store: Store) -> int:
    """How many seeds of pool B lie before the first that no trial in the store has."""
    seeds = store.scan("trials", ["seed"]).table["seed"].to_numpy()
    odd = seeds[seeds % 2 == 1]
    return int(odd.max()) // 2 + 1 if len(odd) else 0


# -- Planning ---------------------------------------------------------------------------------


def plan(asked: Asked, store: Store, only: Sequence[str] | None = None) -> Plan:
    """What the store answers, and what is missing.

    Args:
        asked: What is wanted.
        store: Where to look.
        only: Ids of genomes; all by default.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = tuple(only if only is not None else asked.genomes)
    every = pa.array([trial for own in wanted for trial in asked.ids(own)], pa.string())
    rows = store.select("trials", every, ROWS, ordered=False).table
    horizon = asked.config.the_horizon()
    known = answered(rows, horizon)
    have = pc.is_in(every, value_set=rows["trial_id"].filter(pa.array(known)).combine_chunks())
    lacking = ~np.asarray(have.to_numpy(zero_copy_only=False))
    seeds = np.asarray(asked.seeds)
    parts = np.split(lacking, len(wanted)) if wanted else []
    missing = {
        own: tuple(seeds[part].tolist()) for own, part in zip(wanted, parts, strict=True)
    }
    crossed = _crossed_beside(asked, store) if only is None else _NO_BLOCKS
    steps, slot_seconds = _cost(missing, crossed.missing, rows, known, horizon)
    science = pc.not_equal(rows["outcome"], Outcome.FAILED.value).to_numpy()
    return Plan(
        asked=len(every),
        found=int((~lacking).sum()),
        extended=int((~known & science).sum()),
        crossed=crossed.asked,
        crossed_found=crossed.asked - len(crossed.missing),
        steps=steps,
        slot_seconds=slot_seconds,
        missing={own: part for own, part in missing.items() if part},
        found_rows=rows.filter(pa.array(known)),
    )


class _Crossed(NamedTuple):
    """Trials of crossed blocks, and the genome of each that is missing."""

    asked: int
    missing: tuple[str, ...]


_NO_BLOCKS = _Crossed(0, ())


def _crossed_beside(asked: Asked, store: Store) -> _Crossed:
    """Trials of crossed blocks that are not among those asked for anyway."""
    if not asked.blocks:
        return _NO_BLOCKS
    plain = {trial for own in asked.genomes for trial in asked.ids(own)}
    beside = [trial for trial in crossed_trials(asked) if trial.id not in plain]
    known = known_answers(store, beside)
    return _Crossed(len(beside), tuple(t.genome.id for t in beside if t.id not in known))


def _cost(
    missing: Mapping[str, Sequence[int]],
    crossed: Sequence[str],
    rows: pa.Table,
    known: NDArray[np.bool_],
    horizon: int,
) -> tuple[int, float | None]:
    """Steps and slot-seconds of what is missing.

    A trial takes what its genome's others took, if there are any, else what all did, else the
    horizon. One that was censored sooner is a slow one: it counts with the full horizon.

    Args:
        missing: Genome id → seeds.
        crossed: Genome id of each trial of crossed blocks that is missing.
        rows: What the store has, whether it answers or not.
        known: Whether each row answers.
        horizon: H, in steps.
    """
    science = pc.not_equal(rows["outcome"], Outcome.FAILED.value)
    rows, known = rows.filter(science), known[science.to_numpy()]
    took = rows["steps_run"].to_numpy()
    ran = np.where(known, np.minimum(took, horizon), horizon)
    usual = float(ran.mean()) if len(ran) else float(horizon)
    ids = rows["genome_id"].combine_chunks().dictionary_encode()
    places, names = ids.indices.to_numpy(), ids.dictionary.to_pylist()
    trials, again = (np.bincount(places[own], minlength=len(names)) for own in (..., ~known))
    mean = dict(zip(names, np.bincount(places, ran, len(names)) / trials, strict=True))
    fresh = Counter({own: len(seeds) for own, seeds in missing.items()}) + Counter(crossed)
    fresh.subtract(dict(zip(names, again.tolist(), strict=True)))
    steps = sum(count * float(mean.get(own, usual)) for own, count in fresh.items())
    steps += horizon * int(again.sum())
    seconds = float(pc.fill_null(rows["wall_seconds"], 0.0).to_numpy().sum())
    paced = seconds and took.sum()
    return round(steps), steps * seconds / float(took.sum()) if paced else None


# -- Training ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcomes:
    """How a validation ended.

    Args:
        found: What it shows; None if it was stopped.
        plan: What was missing at the beginning.
        trained: Trials trained now.
        said: What a sequential rule decided at each look.
    """

    found: validation.Validation | None
    plan: Plan
    trained: int
    said: tuple[str, ...] = ()


def validate(
    asked: Asked,
    store: Store,
    executor: Executor | None,
    *,
    begun: Plan | None = None,
    until: Rule | None = None,
    reference: str | None = None,
    tell: Tell = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcomes:
    """Fill up what is missing, and say what all of it shows.

    Args:
        asked: What is wanted.
        store: Where rows are and go.
        executor: Where trials are trained, closed if ``stop`` asks to stop. None will do where
            the plan misses nothing.
        begun: What is missing, where it has been planned just now.
        until: Stop at fewer seeds, once this is known.
        reference: Arm that others are held against.
        tell: Told a phase, how many of its trials have ended, and of how many.
        stop: Asked about twice a second; what has finished by then is stored.

    Raises:
        ValidateError: No arm of the reference's name.
        RunError: No trial can be finished.
        ExecutorError: There is nowhere to train.
        StoreError: The store cannot be read or written.
    """
    if reference is not None and reference not in asked.arms:
        known = ", ".join(asked.arms)
        raise ValidateError(f"--against is {reference!r}, but the arms are {known}")
    if isinstance(until, Separated) and len(asked.arms) < 2:
        raise ValidateError("--until separated compares genomes; name at least two of them")
    begun = begun or plan(asked, store)
    register(asked, store)
    phase = [""]

    def watch(campaign: Campaign, work: Work) -> None:
        tell(phase[0], work.trials - campaign.total + campaign.done, work.trials)

    trainer = None if executor is None else Trainer(store, executor, RUN, watch, stop)

    def fill(missing: Sequence[Trial], pool: str, name: str) -> None:
        if not missing:
            return
        if trainer is None:
            raise ValidateError("trials are missing, and there is nowhere to train them")
        phase[0] = name
        trainer.train(missing, None, pool)
        tell(name, len(missing), len(missing))

    said: list[str] = []
    try:
        if until is None:
            fill(missing_trials(asked, begun), "B", "trials")
            counts = dict.fromkeys(asked.arms, len(asked.seeds))
        else:
            counts = _race(asked, store, until, fill, said)
        if asked.blocks:
            fill(missing_crossed(asked, store), "C", "crossed")
    except StoppedEarlyError:
        return Outcomes(None, begun, _trained(trainer), tuple(said))
    except BaseException:
        if trainer is not None:
            trainer.save()
        raise
    complete = until is None and not begun.to_compute
    rows = begun.found_rows if complete else None
    found = judged(asked, store, counts, reference, rows=rows)
    if until is not None:
        valid = {arm.name: sequential.always_valid(arm) for arm in found.arms}
        found = replace(found, always_valid=valid)
    return Outcomes(found, begun, _trained(trainer), tuple(said))


def _trained(trainer: Trainer | None) -> int:
    return 0 if trainer is None else trainer.tally.finished


def _race(
    asked: Asked,
    store: Store,
    until: Rule,
    fill: Callable[[Sequence[Trial], str, str], None],
    said: list[str],
) -> dict[str, int]:
    """Seeds of each arm when the rule had enough of it; looks come ever further apart."""
    counts: dict[str, int] = {}
    racing = tuple(asked.arms)
    for count in sequential.looks(len(asked.seeds)):
        own = asked.upto(count)
        ids = list(dict.fromkeys(i for name in racing for i in asked.arms[name]))
        lacking = plan(own, store, ids)
        fill(missing_trials(own, lacking), "B", f"up to seed {count:,}")
        counts |= dict.fromkeys(racing, count)
        arms = judged(asked, store, counts, None, compared=False).arms
        decided = sequential.look(until, arms, racing)
        said.append(f"after {count:,} seeds: {decided.said}")
        racing = decided.open
        if not racing:
            break
    return counts


def missing_trials(asked: Asked, lacking: Plan) -> list[Trial]:
    """The trials that a plan misses; seed by seed, so that all genomes get on together."""
    own = [sown(asked.trial(genome), seeds) for genome, seeds in lacking.missing.items()]
    turns = zip_longest(*own)
    return [trial for turn in turns for trial in turn if trial is not None]


def crossed_trials(asked: Asked) -> list[Trial]:
    """The trials of the crossed design, genome by genome."""
    return [
        replace(asked.trial(own), seed=streams.split, streams=streams)
        for own in asked.genomes
        for streams in crossed(asked.crossed_seeds)
    ]


def missing_crossed(asked: Asked, store: Store) -> list[Trial]:
    """Those of :func:`crossed_trials` that the store does not answer."""
    trials = crossed_trials(asked) if asked.blocks else []
    known = known_answers(store, trials) if trials else {}
    return [trial for trial in trials if trial.id not in known]


def register(asked: Asked, store: Store) -> None:
    """Put genomes that the store does not know among its genomes, and save groups.

    So an id finds each genome, and ``group:NAME`` those that were named together.
    """
    known = store.select("genomes", list(asked.genomes)).table["genome_id"].to_pylist()
    rows = [
        genome_row(genome, origin="given", run=RUN, generation=0)
        for own, genome in asked.genomes.items()
        if own not in known
    ]
    store.append("genomes", rows)
    for name, ids in asked.defined.items():
        store.write_group(name, ids)


# -- What it shows ----------------------------------------------------------------------------


def judged(
    asked: Asked,
    store: Store,
    counts: Mapping[str, int] | None = None,
    reference: str | None = None,
    *,
    rows: pa.Table | None = None,
    compared: bool = True,
) -> validation.Validation:
    """What the store shows of what is asked.

    Args:
        asked: Genomes, arms, seeds and experiment.
        store: Where rows are.
        counts: Arm → how many of the seeds it has; all by default.
        reference: Arm that others are held against.
        rows: Of ``trials``, where they are known already.
        compared: Compare arms, and look at pool A.

    Raises:
        ValidationError: An arm has no finished trial.
        StoreError: The store cannot be read.
    """
    wanted: list[str] = []
    for name, ids in asked.arms.items():
        count = (counts or {}).get(name, len(asked.seeds))
        wanted += [trial for own in ids for trial in asked.ids(own)[:count]]
    if rows is None:
        rows = store.select("trials", wanted, ROWS, ordered=False).table
    found = validation.of_rows(
        rows,
        asked.config.the_horizon(),
        asked.arms,
        reference=reference,
        selected=_selected(asked, store) if compared else None,
        compared=compared,
    )
    found = replace(found, member_of=asked.member_of)
    if asked.blocks and compared:
        found = replace(found, components=_components(asked, store))
    return found


def _selected(asked: Asked, store: Store) -> pa.Table:
    """Trials of the same genomes and experiment on seeds of pool A."""
    task = asked.config.the_task()
    model, precision = asked.config.the_model(), asked.config.engine.precision
    wanted = task.as_dict() | {"batch": task.batch or 0} | model.as_dict()
    wanted |= {"precision": precision, "pool": "A"}
    chosen = pc.is_in(pc.field("genome_id"), value_set=pa.array(list(asked.genomes)))
    for column, value in wanted.items():
        chosen &= pc.field(column) == value
    return store.scan("trials", ROWS).table.filter(chosen)


def _components(asked: Asked, store: Store) -> dict[str, Components]:
    """By the name of the arm that has the genome alone, or else by the genome's id."""
    ids = [trial.id for trial in crossed_trials(asked)]
    rows = store.select("trials", ids, ROWS).table
    names = {ids[0]: name for name, ids in asked.arms.items() if len(ids) == 1}
    found = validation.components_of(rows, asked.crossed_seeds, asked.config.the_horizon())
    return {names.get(own, own[:8]): parts for own, parts in found.items()}


# -- Words ------------------------------------------------------------------------------------


def plan_text(asked: Asked, planned: Plan, *, sooner: bool = False) -> str:
    """The plan in a sentence, before anything is computed.

    Args:
        asked: What is wanted.
        planned: What is missing of it.
        sooner: Whether a rule may stop before all of it is computed.
    """
    seeds, genomes = _counted(len(asked.seeds), "seed"), _counted(len(asked.genomes), "genome")
    if asked.passed_over:
        seeds += f" after the first {asked.passed_over:,}"
    parts = [
        f"asked {seeds} of {genomes} to {asked.config.the_horizon():,} steps: found "
        f"{planned.found:,}, will compute {planned.to_compute:,}"
    ]
    if planned.extended:
        parts.append(f"{planned.extended:,} of them censored at a shorter horizon")
    if planned.crossed:
        lacking = planned.crossed - planned.crossed_found
        parts.append(
            f"and of {planned.crossed:,} trials in crossed blocks found "
            f"{planned.crossed_found:,}, will compute {lacking:,}"
        )
    if planned.to_train:
        cost = f"{'at most' if sooner else 'about'} {planned.steps:,} training steps"
        if planned.slot_seconds:
            cost += (
                f" ({_hours(planned.slot_seconds)} of one slot, by the pace of known trials)"
            )
        parts.append(cost)
    return ", ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:,.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
