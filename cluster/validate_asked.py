"""What is to be validated: genomes, arms, seeds and the experiment, read from what was typed.

Seeds are those of pool B, from its start, so all genomes share them; ``fresh`` begins beyond
every seed that the store has seen, for figures of a genome that was itself chosen by
validation. Groups are looked at as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.config import RUN_PREFIX, RunConfig, make_config
from cluster.manifest import config_of, find_run
from cluster.naming import Named, named
from speciation.genome.genome import Genome
from speciation.seeds import pool_b
from speciation.tables.groups import check_name
from speciation.tables.store import Store
from speciation.trial.trial import Trial, same_but_seed

MOST_SEEDS = 1_000_000  # of each genome
RUN = "validation"  # what rows of validations carry in place of a run


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
        models: Id → shape of the model that a genome's file says it was found in.
    """

    config: RunConfig
    genomes: dict[str, Genome]
    arms: dict[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    blocks: int = 0
    member_of: dict[str, str] = field(default_factory=dict)
    defined: dict[str, tuple[str, ...]] = field(default_factory=dict)
    models: dict[str, object] = field(default_factory=dict)
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
    if any(word.endswith(".csv") for word in words):
        raise ValidateError("a CSV of published figures is judged alone; name it by itself")
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
    models = _models(found)
    return Asked(config, genomes, arms, pool_b(seeds, start), blocks, member_of, saved, models)


def _defined(text: str, store: Store, config: RunConfig) -> Named:
    name, words = _definition(text)
    check_name(name)
    members = [named(word, store, config) for word in words]
    genomes = {k: g for member in members for k, g in member.genomes.items()}
    return Named(genomes, name, _models(members))


def _models(found: Sequence[Named]) -> dict[str, object]:
    return {own: model for one in found for own, model in one.models.items()}


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
