"""Validate genomes: plan what is missing, train it, and say what all of it shows.

asked 200 seeds of 3 genomes: found 150, will compute 450, about 310,000 steps
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from cluster.campaign import Campaign
from cluster.executor import Executor
from cluster.training import StoppedEarlyError, Trainer, Work
from cluster.validate_asked import RUN, Asked, ValidateError
from cluster.validate_plan import Plan, crossed_trials, missing_crossed, missing_trials, plan
from speciation.analysis import sequential, validation
from speciation.analysis.components import Components
from speciation.analysis.sequential import Rule, Separated
from speciation.analysis.validation import ROWS
from speciation.tables.schema import genome_row
from speciation.tables.store import Store
from speciation.trial.trial import Trial

MOST_NAMED = 10  # arms, in a sentence

Tell = Callable[[str, int, int], None]


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
        ValidateError: See :func:`check`.
        RunError: No trial can be finished.
        ExecutorError: There is nowhere to train.
        StoreError: The store cannot be read or written.
    """
    check(asked, until, reference)
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
        valid = {
            arm.name: {own: sequential.always_valid(arm, own) for own in sequential.MEASURES}
            for arm in found.arms
        }
        found = replace(found, always_valid=valid)
    return Outcomes(found, begun, _trained(trainer), tuple(said))


def check(asked: Asked, until: Rule | None, reference: str | None) -> None:
    """Check that arms can be compared as is wanted.

    Raises:
        ValidateError: No arm of the reference's name, or only one to be told apart.
    """
    if reference is not None and reference not in asked.arms:
        known = ", ".join(islice(asked.arms, MOST_NAMED))
        more = ", …" if len(asked.arms) > MOST_NAMED else ""
        raise ValidateError(f"--against is {reference!r}, but the arms are {known}{more}")
    if isinstance(until, Separated) and len(asked.arms) < 2:
        raise ValidateError("--until separated compares genomes; name at least two of them")


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
