"""Files that describe an experiment: one of the user's, or one that comes with the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import isfile
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from cluster.config import ConfigError
from cluster.config_sentences import hint, listed, sentence, shown
from cluster.yaml_text import YamlError, read_yaml

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class ExperimentFile(Generic[M]):
    """One kind of such files.

    Args:
        kind: What one describes, in a word.
        folder: Where those that come with the project lie.
        model: What a file says.
        example: A few of its keys.
    """

    kind: str
    folder: Path
    model: type[M]
    example: str

    def names(self) -> list[str]:
        """Of those that come with the project."""
        return sorted(path.stem for path in self.folder.glob("*.yaml"))

    def load(self, source: str, changes: Mapping[str, Any]) -> M:
        """Read one.

        Args:
            source: Path of a file, or the name of one that comes with the project.
            changes: Values of its own keys that go before the file's; None changes nothing.

        Raises:
            ConfigError: The file or a value in it cannot be used.
        """
        path = self._path(source)
        try:
            raw = read_yaml(path)
        except YamlError as error:
            raise ConfigError(str(error)) from error
        if not isinstance(raw, dict):
            raise ConfigError(f"{path}: expected keys and values ({self.example})")
        given = {key: value for key, value in changes.items() if value is not None}
        try:
            return self.model.model_validate({**raw, **given})
        except ValidationError as error:
            raise ConfigError(sentence(self.model, str(path), error, set(given))) from None

    def _path(self, source: str) -> Path:
        if isfile(source):
            return Path(source)
        if source in self.names():
            return self.folder / f"{source}.yaml"
        raise ConfigError(
            f"there is no file {shown(source)}, nor a {self.kind} of that name "
            f"({listed(self.names())}){hint(source, self.names())}"
        )
