"""The same genomes in many settings: tasks, shares of training pairs, sizes of the model.

A file names genomes, what all settings have in common, and two axes whose values are laid over
it; each row with each column is a setting. Every genome is tried on the same seeds everywhere.
Trials are those of a validation in one store, so what is known is not trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import isfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cluster.comparison import laid_over
from cluster.config import PRESETS, ConfigError, RunConfig, make_config
from cluster.config_sentences import hint, listed, sentence, shown
from cluster.naming import named
from cluster.validate import RUN
from cluster.yaml_text import YamlError, read_yaml
from speciation.genome.genome import Genome
from speciation.tables.store import Store

SWEEPS = PRESETS / "sweeps"


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


def sweeps() -> list[str]:
    """Names of the sweeps that come with the project."""
    return sorted(path.stem for path in SWEEPS.glob("*.yaml"))


def load_sweep(source: str, changes: Mapping[str, Any]) -> Sweep:
    """A sweep from a YAML file or by name.

    Args:
        source: Path of a file, or the name of one that comes with the project.
        changes: Values of its own keys that go before the file's; None changes nothing.

    Raises:
        ConfigError: The file or a value in it cannot be used.
    """
    path = Path(source)
    if source in sweeps() and not isfile(path):
        path = SWEEPS / f"{source}.yaml"
    elif not isfile(path):
        raise ConfigError(
            f"there is no file {shown(source)}, nor a sweep of that name "
            f"({listed(sweeps())}){hint(source, sweeps())}"
        )
    try:
        raw = read_yaml(path)
    except YamlError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values (genomes: ..., rows: ...)")
    given = {key: value for key, value in changes.items() if value is not None}
    try:
        return Sweep.model_validate({**raw, **given})
    except ValidationError as error:
        raise ConfigError(sentence(Sweep, str(path), error, set(given))) from None


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
