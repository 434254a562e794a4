"""Which run it is: what it was told, on what it ran, with which code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboards import words
from dashboards.markup import Html, join, tag
from dashboards.run import RunTables, at

Facts = dict[str, str]


def run_facts(tables: RunTables) -> Facts:
    """What a run is, as names and words; what its manifest lacks is left out."""
    manifest, rules, config = tables.manifest, tables.rules, at(tables.manifest, "config")
    versions = at(manifest, "provenance", "versions")
    facts = {
        "run": tables.run,
        "name": manifest.get("name"),
        "status": manifest.get("status"),
        "task": _task(config, tables.trials),
        "model": _sized(at(config, "model")),
        "landscape": f"{rules.landscape}: {words.LANDSCAPES[rules.landscape].aim}",
        "horizon": _counted(rules.horizon, "step"),
        "population": _population(config),
        "selection": _selection(config),
        "devices": _listed(at(manifest, "devices")),
        "arithmetic": at(config, "engine", "precision"),
        "created": _moment(manifest.get("created")),
        "updated": _moment(manifest.get("updated")),
        "commit": at(manifest, "provenance", "commit"),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items())
        if isinstance(versions, Mapping)
        else None,
    }
    return {name: str(said) for name, said in facts.items() if said}


def draw_facts(facts: Facts) -> Html:
    """A list of names and words."""
    pairs = (join(tag("dt", name), tag("dd", said)) for name, said in facts.items())
    return tag("dl", *pairs, class_="run")


def draw_config(config: Any) -> Html:
    """The resolved configuration, folded away."""
    body = json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True)
    return tag(
        "details", tag("summary", "Resolved configuration"), tag("pre", tag("code", body))
    )


def _task(config: Any, trials: pd.DataFrame) -> str | None:
    track = at(config, "track")
    name = f" (track {track})" if track else ""
    if len(trials):
        return words.task(trials.to_dict("records")[0]) + name
    return f"track {track}" if track else None


def _listed(things: Any) -> str | None:
    return ", ".join(map(str, things)) if isinstance(things, list) else None


def _moment(text: Any) -> str | None:
    return str(text).replace("T", " ").replace("+00:00", " UTC") if text else None


def _sized(model: Any) -> str | None:
    try:
        return words.model(model)
    except (KeyError, TypeError, ValueError):
        return None


def _counted(count: Any, noun: str) -> str | None:
    return words.counted(count, noun) if isinstance(count, int) else None


def _population(config: Any) -> str | None:
    parts = (
        _counted(at(config, "evolution", "population"), "genome"),
        _counted(at(config, "evolution", "seeds"), "seed"),
        _counted(at(config, "evolution", "generations"), "generation"),
    )
    return " × ".join(part for part in parts if part) or None


def _selection(config: Any) -> str | None:
    evolution = at(config, "evolution")
    parts = (
        at(evolution, "selection"),
        _counted(at(evolution, "elites"), "elite"),
        _counted(at(evolution, "aliens"), "alien"),
    )
    return ", ".join(str(part) for part in parts if part) or None
