"""Rows of the trials table from a few words each."""

from __future__ import annotations

import pandas as pd

H = 2500

COLUMNS = (
    "trial_id",
    "genome_id",
    "outcome",
    "steps_to_grok",
    "steps_run",
    "best_validation_accuracy",
)


def row(
    genome: str, said: int | str, *, trial: str | None = None, ran: int | None = None, best=None
) -> dict:
    """A trial that grokked at a step, or was "censored", "diverged" or "failed".

    Without ``trial`` every row is a trial of its own.
    """
    grokked = isinstance(said, int)
    steps = {"diverged": 300, "failed": 0}.get(said, H)
    row.count += 1
    return {
        "trial_id": trial or f"trial-{row.count}",
        "genome_id": genome,
        "outcome": "grokked" if grokked else said,
        "steps_to_grok": said if grokked else None,
        "steps_run": ran if ran is not None else (said + 75 if grokked else steps),
        "best_validation_accuracy": best if best is not None else (1.0 if grokked else 0.3),
    }


row.count = 0


def trials(**genomes: list[int | str]) -> pd.DataFrame:
    """One row for each word of each genome."""
    return frame([row(name, said) for name, words in genomes.items() for said in words])


def frame(rows: list[dict]) -> pd.DataFrame:
    """Typed as a reader of the table types them."""
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {"steps_to_grok": "Int64", "steps_run": "int64", "best_validation_accuracy": "float64"}
    )
