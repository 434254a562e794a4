"""What of a validation the store answers, what is missing, and about what that costs.

What any run in the store already answers is not computed again; a longer horizon computes only
trials that were censored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.parcel import sown
from cluster.validate_asked import Asked
from speciation.analysis.components import crossed
from speciation.analysis.validation import ROWS
from speciation.tables.readers import answered, known_answers
from speciation.tables.store import Store
from speciation.trial.trial import Outcome, Trial


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


# -- The trials -------------------------------------------------------------------------------


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
