"""Genome files: one JSON a genome, with where it came from.

A genome file may come from anywhere, so reading is bounded in size and depth, and refuses NaN
and a key that stands twice. What is wrong is said in one sentence that begins with the file.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speciation.genome.envelope import short
from speciation.genome.genome import Genome, GenomeError, genome_from_json, kind_named

MAX_BYTES = 1_000_000
MAX_DEPTH = 64


@dataclass(frozen=True)
class StoredGenome:
    """What a genome file holds.

    Args:
        name: The name in the file, or the file's own without its ending.
        genome: The genome, checked.
        provenance: Where it came from, as the file says.
        path: The file.
        tags: Words that people put on it.
    """

    name: str
    genome: Genome
    provenance: Mapping[str, Any]
    path: Path
    tags: tuple[str, ...] = ()


def load_genome(path: str | Path) -> tuple[Genome, dict[str, Any]]:
    """The genome in a file, and its provenance.

    Raises:
        GenomeError: The file cannot be read, or is not a valid genome.
    """
    stored = read_stored(path)
    return stored.genome, dict(stored.provenance)


def read_stored(path: str | Path) -> StoredGenome:
    """Everything that a genome file holds.

    Raises:
        GenomeError: The file cannot be read, or is not a valid genome.
    """
    path = Path(path)
    try:
        document = parse_json(_read_bytes(path))
        genome = genome_from_json(document)
    except GenomeError as error:
        raise GenomeError(f"{path}: {error}") from None
    name = document.get("name") or path.stem
    tags = tuple(document.get("tags", ()))
    return StoredGenome(name, genome, document.get("provenance", {}), path, tags)


def load_folder(folder: str | Path) -> tuple[StoredGenome, ...]:
    """Every ``*.json`` of a folder, in the order of the file names.

    Raises:
        GenomeError: There is no such folder, or a file in it is not a valid genome.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise GenomeError(f"{folder}: expected a folder of genome files, and there is none")
    return tuple(read_stored(path) for path in sorted(folder.glob("*.json")))


def save_genome(
    path: str | Path,
    genome: Genome,
    provenance: Mapping[str, Any] | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
) -> None:
    """Write a genome file, whole or not at all; an older file of that name is replaced.

    Raises:
        GenomeError: The genome is invalid, the provenance is not plain JSON within the limits
            of reading, or the file cannot be written.
    """
    path = Path(path)
    try:
        document = kind_named(genome.kind).to_json(genome, provenance, name)
        if tags:
            document["tags"] = sorted(set(tags))
        body = _as_bytes(document)
        genome_from_json(parse_json(body))  # whatever is saved can be loaded
        _write_atomically(path, body)
    except GenomeError as error:
        raise GenomeError(f"{path}: {error}") from None
    except OSError as error:
        raise GenomeError(f"{path}: cannot be written ({error.strerror})") from None


def parse_json(body: bytes) -> Any:
    """JSON of unknown origin, within the limits of this module.

    Raises:
        GenomeError: It is too large or too deep, not UTF-8, not JSON, names a key of an object
            twice, or holds a number that is not finite.
    """
    if len(body) > MAX_BYTES:
        raise GenomeError(f"larger than {MAX_BYTES:,} bytes, the most that a genome may have")
    try:
        document = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
        )
    except GenomeError:
        raise
    except UnicodeDecodeError as error:
        raise GenomeError(f"not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        sentence = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise GenomeError(sentence) from None
    except RecursionError:
        raise GenomeError(_TOO_DEEP) from None
    except ValueError:  # int() refuses numbers of thousands of digits
        raise GenomeError("holds a whole number with too many digits to read") from None
    _check_tree(document)
    return document


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels, the most that a genome may have"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object: no key twice, and a number that is not finite is told with its key."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise GenomeError(f"key {short(key)} stands twice in one object")
        if not _is_finite(value):
            raise GenomeError(f"key {short(key)} holds {value}, which is not a finite number")
        result[key] = value
    return result


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _check_tree(document: Any) -> None:
    """Depth, numbers in lists, and text that no file could hold (half of a surrogate pair)."""
    level, depth = [document], 0
    while level:
        depth += any(isinstance(value, dict | list) for value in level)
        if depth > MAX_DEPTH:
            raise GenomeError(_TOO_DEEP)
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and not _is_text(value):
                raise GenomeError(f"holds {short(value)}, which is not Unicode text")
            elif not _is_finite(value):
                raise GenomeError(f"holds {value}, which is not a finite number")
        level = below


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _read_bytes(path: Path) -> bytes:
    """At most one byte more than allowed, and only from a regular file: a pipe would hang."""
    if not path.is_file():
        raise GenomeError("expected a genome file, and there is none")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise GenomeError(f"cannot be read ({error.strerror})") from None


def _as_bytes(document: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise GenomeError(f"name or provenance has no JSON form ({error})") from None


def _write_atomically(path: Path, body: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
