"""What is remembered of trials that were lost with an actor: rows of the table ``suspects``.

A trial has a row for every actor that was lost with it; the last one counts. So a driver that
is started again goes on where the dead one was, and a poison costs no more actors than it would
have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from cluster.campaign import MAX_STRIKES, Pack
from speciation.genome.genome import content_hash
from speciation.tables.store import Store
from speciation.trial.trial import Trial

Row = dict[str, Any]


def rows_of(packs: Iterable[Pack], run: str) -> list[Row]:
    """Rows that say who is suspected, and together with whom."""
    return [
        {
            "trial_id": trial.id,
            "run": run,
            "losses": pack.losses,
            "pack": content_hash([trial.id for trial in pack.trials]),
            "strikes": pack.strikes,
            "reason": pack.reason,
        }
        for pack in packs
        for trial in pack.trials
    ]


def suspicions(store: Store, run: str, trials: Sequence[Trial]) -> list[Pack]:
    """The packs that trials without an answer were last in.

    What another run has condemned is tried again, but alone and apart.

    Raises:
        StoreError: The store cannot be read.
    """
    stored = store.select("suspects", [trial.id for trial in trials]).table.to_pylist()
    if not stored:
        return []
    by_id = {trial.id: trial for trial in trials}
    last: dict[str, Row] = {}
    for row in stored:
        known = last.get(row["trial_id"])
        if known is None or _weight(row, run) > _weight(known, run):
            last[row["trial_id"]] = row
    members: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in (last[own] for own in by_id if own in last):
        members[row["run"], row["pack"]].append(row)
    packs = [
        Pack(
            tuple(by_id[row["trial_id"]] for row in rows),
            strikes=rows[0]["strikes"],
            losses=rows[0]["losses"],
            reason=rows[0]["reason"],
        )
        for (_, _), rows in sorted(members.items())
    ]
    elsewhere = [whose != run for whose, _ in sorted(members)]
    return [
        replace(pack, strikes=0) if other and pack.strikes >= MAX_STRIKES else pack
        for pack, other in zip(packs, elsewhere, strict=True)
    ]


def _weight(row: Row, run: str) -> tuple[bool, int]:
    """This run knows best, and what it knew last counts."""
    return row["run"] == run, row["losses"]
