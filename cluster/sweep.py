"""The same genomes in many settings: tasks, shares of training pairs, sizes of the model.

A file names genomes, what all settings have in common, and two axes whose values are laid over
it; each row with each column is a setting. Every genome is tried on the same seeds everywhere.
Trials are those of a validation in one store, so what is known is not trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cluster.comparison import laid_over
from cluster.config import PRESETS, RunConfig, make_config
from cluster.experiment_file import ExperimentFile
from cluster.naming import named
from cluster.validate_asked import RUN
from speciation.genome.genome import Genome
from speciation.tables.store import Store


class Sweep(BaseModel):
    """What a file says."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("sweep", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    seeds: int = Field(32, strict=True, ge=1, le=1_000_000, description="of each genome")
    genomes: list[str] = Field(min_length=1, description="as for `speciation validate`")
    base: dict[str, Any] = Field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = Field(min_length=1)
    columns: dict[str, dict[str, Any]] = Field({"": {}}, min_length=1)


@dataclass(frozen=True)
class Setting:
    """A row with a column.

    Args:
        row: Its name.
        column: Its name; empty where there is one column only.
        config: Task, model and horizon, and where to train.
    """

    row: str
    column: str
    config: RunConfig

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.row}, {self.column}" if self.column else self.row


SWEEPS = ExperimentFile("sweep", PRESETS / "sweeps", Sweep, "genomes: ..., rows: ...")


def settings_of(sweep: Sweep, where: str, places: Mapping[str, Any]) -> list[Setting]:
    """Every row with every column.

    Args:
        sweep: What a file says.
        where: Names its source in errors.
        places: Where and on what to train, by dotted key.

    Raises:
        ConfigError: A setting cannot be used.
    """
    return [
        Setting(
            row,
            column,
            make_config(
                {"name": RUN, **laid_over(laid_over(sweep.base, of_row), of_column)},
                f"{where}: rows.{row}" + (f" with columns.{column}" if column else ""),
                places,
            ),
        )
        for row, of_row in sweep.rows.items()
        for column, of_column in sweep.columns.items()
    ]


def genomes_of(words: Sequence[str], store: Store, config: RunConfig) -> dict[str, Genome]:
    """Display name → genome, each genome once, in the order of the words.

    Raises: as ``cluster.naming.named``.
    """
    found: dict[str, Genome] = {}
    for word in words:
        for name, genome in named(word, store, config).genomes.items():
            if genome not in found.values():
                found[name if name not in found else f"{name}-{genome.id[:8]}"] = genome
    return found
