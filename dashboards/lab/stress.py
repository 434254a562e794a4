"""What is put to the test: genomes, seeds, horizon, track.

Values in, values out, as in ``splicing.py``: the address and the browser may tell anything, so
what is not of the right type is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from dashboards.lab.launcher import MOST_GENOMES, MOST_SEEDS, Validate
from dashboards.lab.splicing import number
from dashboards.lab.works import is_name
from speciation.trial.task import TRACKS

SEEDS = 100
MOST_HORIZON = 10_000_000

_WORD = re.compile(r"[0-9a-f]{32}|hall_of_fame|(?:run|group|species):[^,]{1,160}")


@dataclass(frozen=True)
class Stress:
    """A validation as the page has it.

    Args:
        genomes: Ids, ``hall_of_fame``, ``run:NAME``, ``group:NAME`` or ``species:NAME``.
        seeds: Of each genome.
        track: Task and horizon by name; "" for those of a run that is among the genomes, or
            else the usual one.
        horizon: Steps, in place of the track's; 0 for the track's.
        by_group: Look at groups as one.
        work: What fills it up, if anything was started; see ``works.py``.
    """

    genomes: tuple[str, ...] = ()
    seeds: int = SEEDS
    track: str = ""
    horizon: int = 0
    by_group: bool = False
    work: str = ""

    def asks_as(self, other: Stress) -> bool:
        """Whether both ask the same, whatever fills them up."""
        return replace(self, work="") == replace(other, work="")

    def order(self) -> Validate:
        """What the launcher is told."""
        return Validate(
            genomes=self.genomes,
            seeds=self.seeds,
            horizon=self.horizon or None,
            track=self.track or None,
            by_group=self.by_group,
        )

    def query(self) -> str:
        """It as the query of an address; :func:`of_query` undoes it."""
        told = {
            "genomes": ",".join(self.genomes),
            "seeds": str(self.seeds) if self.seeds != SEEDS else "",
            "track": self.track,
            "horizon": str(self.horizon or ""),
            "by": "group" if self.by_group else "",
            "work": self.work,
        }
        return urlencode({key: text for key, text in told.items() if text}, safe=",:")


def stress(
    genomes: Any, seeds: Any, track: Any, horizon: Any, by_group: Any, work: Any = ""
) -> Stress:
    """From what a browser told; what cannot be is as if it had not been told."""
    return Stress(
        words(genomes),
        _whole(seeds, SEEDS, MOST_SEEDS),
        track if isinstance(track, str) and track in TRACKS else "",
        _whole(horizon, 0, MOST_HORIZON),
        by_group is True,
        work if is_name(work) else "",
    )


def of_query(wanted: Mapping[str, str]) -> Stress:
    """What an address tells; undoes :meth:`Stress.query`."""
    return stress(
        wanted.get("genomes", "").split(","),
        wanted.get("seeds"),
        wanted.get("track"),
        wanted.get("horizon"),
        wanted.get("by") == "group",
        wanted.get("work", ""),
    )


def words(told: Any) -> tuple[str, ...]:
    """Those of a browser's words that may mean genomes, each once. None of them is a path."""
    found: Iterable[Any] = told if isinstance(told, list | tuple) else ()
    texts = (own for own in found if isinstance(own, str) and own.isprintable())
    kept = [own for own in texts if _WORD.fullmatch(own)]
    return tuple(dict.fromkeys(kept))[:MOST_GENOMES]


def _whole(value: Any, otherwise: int, most: int) -> int:
    found = number(value)
    fits = found is not None and found == int(found) and 1 <= found <= most
    return int(found) if found is not None and fits else otherwise
