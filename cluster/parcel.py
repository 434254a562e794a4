"""Trials on their way to an actor, and many trials made at once.

Most trials of a parcel differ in their seed alone. So a parcel holds each genome once, in the
first of its trials, and of the others where they stand and their seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speciation.trial.trial import Trial, same_but_seed


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
    heads: dict[tuple[object, ...], int] = {}
    first: list[Trial] = []
    kind = np.empty(len(trials), dtype=np.int32)
    for place, trial in enumerate(trials):
        number = heads.setdefault(_but_seed(trial), len(first))
        if number == len(first):
            first.append(trial)
        kind[place] = number
    seeds = np.fromiter((trial.seed for trial in trials), np.int64, len(trials))
    return Parcel(tuple(first), kind, seeds)


def unpacked(parcel: Parcel) -> list[Trial]:
    """The trials of a parcel, in their order."""
    trials: list[Trial] = [parcel.heads[0]] * len(parcel.kind)
    order = np.argsort(parcel.kind, kind="stable")
    ends = np.cumsum(np.bincount(parcel.kind, minlength=len(parcel.heads)))
    for head, places in zip(parcel.heads, np.split(order, ends[:-1]), strict=True):
        if head.streams is not None:  # its seeds are more than one
            trials[places[0]] = head
            continue
        like = sown(head, parcel.seeds[places].tolist())
        for place, trial in zip(places.tolist(), like, strict=True):
            trials[place] = trial
    return trials


def sown(head: Trial, seeds: Sequence[int]) -> list[Trial]:
    """The plain trials that differ from one in their seed: ``seeded``, but fast.

    What a trial is checked for at birth, its extreme seeds are checked for here; and ids are
    known at once.
    """
    if not seeds:
        return []
    for extreme in (min(seeds), max(seeds)):
        Trial(head.genome, head.task, head.model, extreme, head.horizon)
    common = {name: value for name, value in vars(head).items() if name != "id"}
    common["streams"] = None
    trials = []
    for seed, own in zip(seeds, same_but_seed(head, seeds), strict=True):
        trial = object.__new__(Trial)
        vars(trial).update(common, seed=seed, id=own)
        trials.append(trial)
    return trials


def _but_seed(trial: Trial) -> tuple[object, ...]:
    """What trials of one kind have in common; genomes by their ids, which are at hand."""
    return (
        trial.genome.id,
        id(trial.task),
        id(trial.model),
        trial.horizon,
        trial.to_horizon,
        trial.precision,
        trial.streams,
    )
