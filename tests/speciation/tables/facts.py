"""Facts to store, and ways to look at a store that do not trust it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from speciation.genome.genome import HYPER17, Genome
from speciation.tables.schema import TABLES
from speciation.trial.task import Task
from speciation.trial.trial import Curves, Milestones, ModelShape, Outcome, Trial, TrialResult


def genomes(count: int = 4, seed: int = 0) -> list[Genome]:
    return list(HYPER17.random(count, np.random.default_rng(seed)))


def trial(genome: int = 0, seed: int = 2, horizon: int = 2500, **rest: Any) -> Trial:
    return Trial(genomes()[genome], Task(), ModelShape(), seed=seed, horizon=horizon, **rest)


def curves(evaluations: int = 3) -> Curves:
    values = np.linspace(0, 1, evaluations, dtype=np.float32)
    steps = (25 * (1 + np.arange(evaluations))).astype(np.int32)
    return Curves(steps, *(values + np.float32(i) for i in range(9)))


def result(
    of: Trial | None = None, outcome: Outcome = Outcome.GROKKED, steps: int = 375, **told: Any
) -> TrialResult:
    grokked = outcome == Outcome.GROKKED
    milestones = Milestones(steps_to_grok=steps - 75) if grokked else Milestones()
    told = {"milestones": milestones, "steps_run": steps, "curves": curves(), **told}
    return TrialResult(trial() if of is None else of, outcome, **told)


def row(name: str, outcome: str = "grokked", steps: int = 100, wall: float = 1.0) -> dict:
    """The least that a row of ``trials`` needs, and what the tests vary."""
    return {
        "trial_id": name,
        "genome_id": "g" + name,
        "seed": 2,
        "outcome": outcome,
        "steps_run": steps,
        "wall_seconds": wall,
    }


def as_table(rows: Iterable[Mapping[str, Any]], table: str = "trials") -> pa.Table:
    return pa.Table.from_pylist(list(rows), TABLES[table].schema)


def ids(rows: pa.Table) -> list[str]:
    return rows["trial_id"].to_pylist()


def parts_of(root: Path, table: str = "trials") -> list[Path]:
    return sorted((root / table).glob("[0-9a-f]*.parquet"))


def intact(part: Path) -> bool:
    return hashlib.sha256(part.read_bytes()).hexdigest() == part.stem


def rows_in(part: Path) -> list[dict[str, Any]]:
    """What Arrow alone reads in a part."""
    return pq.read_table(part, partitioning=None).to_pylist()


def flip(part: Path, bit: int) -> None:
    data = bytearray(part.read_bytes())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    part.write_bytes(data)


def write_part(root: Path, table: str, rows: pa.Table, metadata: Mapping[str, str]) -> Path:
    """A part that Arrow alone wrote, with the right name for its bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows.replace_schema_metadata(dict(metadata)), sink)
    data = sink.getvalue().to_pybytes()
    path = root / table / (hashlib.sha256(data).hexdigest() + ".parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def ours(table: str = "trials", version: int = 1) -> dict[str, str]:
    return {"speciation_schema_version": str(version), "speciation_table": table}
