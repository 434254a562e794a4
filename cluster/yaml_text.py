"""Plain YAML and nothing else: the subset in which a configuration is written.

YAML can name values and repeat them, which lets three hundred bytes describe gigabytes; it can
ask for objects of any Python type; and it reads ``1e-3`` as text and ``no`` as false. Here a
file is mappings, lists, text, numbers, ``true``, ``false`` and ``null``, and a key stands once.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """A file that is not plain YAML: one sentence that says where and why."""


def read_yaml(path: Path) -> Any:
    """What a YAML file says.

    Raises:
        YamlError: It cannot be read, is too large, or is not plain YAML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise YamlError(f"{path}: cannot be read ({error.strerror or error})") from error
    return parse_yaml(data, str(path))


def parse_yaml(data: bytes, where: str) -> Any:
    """What YAML bytes say; ``where`` names them in errors.

    Raises:
        YamlError: They are too large, or not plain YAML.
    """
    if len(data) > MAX_BYTES:
        raise YamlError(f"{where}: larger than {MAX_BYTES // 1024} kB, too large for settings")
    try:
        text = data.decode("utf-8-sig")
        _refuse_what_is_not_plain(text, where)
        return yaml.load(text, Loader=_PlainLoader)  # a safe loader, and narrower still
    except UnicodeDecodeError as error:
        raise YamlError(f"{where}: byte {error.start} is not UTF-8 text") from error
    except _DuplicateKeyError as error:
        raise YamlError(
            f"{where}, line {error.line}: the key {error.key!r} stands twice"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f", line {mark.line + 1}"
        raise YamlError(f"{where}{line}: not valid YAML ({error.problem})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, YamlError):
            raise
        problem = " ".join(str(error).split())[:120]
        raise YamlError(f"{where}: not valid YAML ({problem})") from error


def _refuse_what_is_not_plain(text: str, where: str) -> None:
    """Read the stream of events only, which costs no more than its length."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_BASE):
        line = 1 + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlError(
                f"{where}, line {line}: anchors and aliases (& and *) are not allowed"
            )
        if getattr(event, "tag", None):
            raise YamlError(f"{where}, line {line}: tags (!) are not allowed")
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise YamlError(f"{where}, line {line}: a second document begins; one is expected")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise YamlError(f"{where}, line {line}: nested deeper than {MAX_DEPTH} levels")


class _DuplicateKeyError(Exception):
    def __init__(self, key: Hashable, line: int) -> None:
        super().__init__(key, line)
        self.key, self.line = key, line


class _PlainLoader(_BASE):
    """Safe, with four kinds of scalar besides text, and unique keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (how PyYAML is configured)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text", key_node.start_mark
                )
            if key in seen:
                raise _DuplicateKeyError(key, key_node.start_mark.line + 1)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


for _tag, _pattern, _first in (
    ("null", r"(?:~|null|)", ["~", "n", ""]),
    ("bool", r"(?:true|false)", ["t", "f"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)",
        list("-+.0123456789"),
    ),
):
    _PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^{_pattern}$"), _first
    )
