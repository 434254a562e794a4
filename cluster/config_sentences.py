"""From what a checker found to what a person can act on: one sentence a mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

Section = type[BaseModel]


def sentence(root: Section, where: str, error: ValidationError, overridden: set[str]) -> str:
    """The first problem, as somebody would say it.

    Args:
        root: The model that was validated.
        where: Names what was read.
        error: What pydantic found.
        overridden: Dotted keys that came from the command line.
    """
    problem = error.errors(include_url=False)[0]
    keys = [str(part) for part in problem["loc"]]
    path = ".".join(keys)
    if path in overridden:
        where = f"--{keys[-1]}"
    section = _section_at(root, keys[:-1])
    if problem["type"] == "extra_forbidden":
        known = list(section.model_fields) if section else []
        return (
            f"{where}: unknown key {shown(path)}; known here are {listed(known)}"
            f"{hint(keys[-1], known)}"
        )
    if problem["type"] == "missing":
        return f"{where}: {path} is missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    message = message.replace("Input should be", "must be")
    if problem["type"] == "value_error" and not message.startswith("must "):
        return f"{where}: {path + ': ' if path else ''}{message}"  # speaks for itself
    if problem["type"] != "value_error" and section and keys[-1] in section.model_fields:
        message = _expected(section.model_fields[keys[-1]], message)
    return f"{where}: {path} is {shown(problem['input'])}, but {message}"


def listed(names: Iterable[str]) -> str:
    """Names, for a sentence."""
    return ", ".join(names)


def hint(value: object, known: Iterable[str]) -> str:
    """A question to append to a sentence, if a known name is close."""
    close = difflib.get_close_matches(str(value), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def shown(value: object) -> str:
    """A value as YAML would have it, however long it is."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _section_at(root: Section, keys: list[str]) -> Section | None:
    """The section that a path of keys leads to; None if it is a value."""
    section: Section | None = root
    for key in keys:
        if section and key.isdigit():
            continue  # a place in a list of such sections
        field = section.model_fields.get(key) if section else None
        section = next(_sections_in(field.annotation), None) if field else None
    return section


def _sections_in(annotation: Any) -> Iterator[Section]:
    """Every section that an annotation speaks of, however deep in it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    """The types that a field takes; more than one for ``X | None``."""
    annotation = field.annotation
    united = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if united else (annotation,)


def _expected(field: FieldInfo, otherwise: str) -> str:
    """What a field would take: its type and range in words."""
    kinds = _kinds(field)
    nullable = " or null" if type(None) in kinds else ""
    if any(True for _ in _sections_in(field.annotation)) or _is_mapping(kinds[0]):
        return f"must hold keys and values{nullable}"
    if get_origin(kinds[0]) is Literal:
        return f"must be one of {listed(get_args(kinds[0]))}"
    if bool in kinds:
        return f"must be true or false{nullable}"
    if int in kinds or float in kinds:
        noun = "an integer" if int in kinds else "a number"
        return f"must be {noun} {_range(field.metadata)}{nullable}"
    return f"must be text, not empty{nullable}" if str in kinds else otherwise


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _range(metadata: list[Any]) -> str:
    low = high = ""
    for bound in metadata:
        if isinstance(bound, annotated_types.Ge):
            low = f"from {bound.ge:,}"
        elif isinstance(bound, annotated_types.Gt):
            low = f"above {bound.gt:,}"
        elif isinstance(bound, annotated_types.Le):
            high = f"to {bound.le:,}" if low.startswith("from") else f"and at most {bound.le:,}"
        elif isinstance(bound, annotated_types.Lt):
            high = f"and below {bound.lt:,}"
    return f"{low} {high}".strip()
