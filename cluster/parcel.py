"""Trials on their way to an actor, and many trials made at once.

Most trials of a parcel differ in their seed alone. So a parcel holds each genome once, in the
first of its trials, and of the others where they stand and their seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from speciation.trial.trial import Trial, same_but_seed

# What trials of one kind have in common. Mostly the same objects, which compare fast.
_BUT_SEED = attrgetter(
    "genome", "task", "model", "horizon", "to_horizon", "precision", "streams"
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """See the module.

    Args:
        heads: One trial of each kind that differs in more than its seed; H of them.
        kind: Shape ``(N,)``: the head that a trial is like.
        seeds: Shape ``(N,)``.
    """

    heads: tuple[Trial, ...]
    kind: NDArray[np.int32]
    seeds: NDArray[np.int64]


def parcel(trials: Sequence[Trial]) -> Parcel:
    """Pack trials."""
    heads: dict[tuple[object, ...], tuple[int, Trial]] = {}
    kinds, lengths = [], []
    for _, run in groupby(trials, _BUT_SEED):
        alike = list(run)
        number, _ = heads.setdefault(_key(alike[0]), (len(heads), alike[0]))
        kinds.append(number)
        lengths.append(len(alike))
    return Parcel(
        tuple(head for _, head in heads.values()),
        np.repeat(np.array(kinds, dtype=np.int32), lengths),
        np.fromiter((trial.seed for trial in trials), np.int64, len(trials)),
    )


def unpacked(parcel: Parcel) -> list[Trial]:
    """The trials of a parcel, in their order."""
    trials = np.empty(len(parcel.kind), dtype=object)
    order = np.argsort(parcel.kind, kind="stable")
    ends = np.cumsum(np.bincount(parcel.kind, minlength=len(parcel.heads)))
    for head, places in zip(parcel.heads, np.split(order, ends), strict=False):
        alike = parcel.seeds[places].tolist()
        # In a design that crosses streams a trial has more than one seed, and is like no other.
        trials[places] = [head] * len(alike) if head.streams else sown(head, alike)
    unpacked: list[Trial] = trials.tolist()
    return unpacked


def sown(head: Trial, seeds: Sequence[int]) -> list[Trial]:
    """The plain trials that differ from one in their seed: ``seeded``, but fast.

    What a trial is checked for at birth, its extreme seeds are checked for here; and ids are
    known at once.
    """
    if not seeds:
        return []
    for extreme in (min(seeds), max(seeds)):
        Trial(head.genome, head.task, head.model, extreme, head.horizon)
    common = {**vars(head), "streams": None, "seed": 0, "id": ""}
    return [
        _trial(common, seed, own)
        for seed, own in zip(seeds, same_but_seed(head, seeds), strict=True)
    ]


def _trial(common: dict[str, object], seed: int, own: str) -> Trial:
    fields = common.copy()  # much faster than one field after the other
    fields["seed"], fields["id"] = seed, own
    trial = object.__new__(Trial)
    object.__setattr__(trial, "__dict__", fields)
    return trial


def _key(trial: Trial) -> tuple[object, ...]:
    """What trials of one kind have in common, to look up: genomes by ids, which are at hand."""
    genome, task, model, *rest = _BUT_SEED(trial)
    return (genome.id, id(task), id(model), *rest)
