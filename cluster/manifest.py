"""A run's manifest: which run it is, how far it got, and what came of it.

Written when a run starts and when it ends. Nothing is resumed from it but the configuration:
what has been done stands in the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cluster.config import ConfigError, RunConfig, make_config
from cluster.config_sentences import hint, listed
from cluster.provenance import provenance
from cluster.summary import Champion, plain
from speciation.tables.files import StoreError
from speciation.tables.store import Store

FORMAT = "speciation-run"
VERSION = 1


def write_manifest(
    store: Store,
    config: RunConfig,
    status: str,
    generations_closed: int,
    champion: Champion | None,
    devices: Iterable[str],
) -> None:
    """Write or replace the manifest of a run.

    Args:
        store: Where the run is.
        config: The run.
        status: "running", "stopped" or "finished".
        generations_closed: How many.
        champion: If there is one by now; else an earlier one is kept.
        devices: What trials ran on, in this process.

    Raises:
        StoreError: It cannot be written.
    """
    run = config.run_id()
    old = manifest_of(store, run) or {}
    known = old.get("devices")
    known = list(map(str, known)) if isinstance(known, list) else []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    store.write_manifest(
        run,
        {
            "format": FORMAT,
            "version": VERSION,
            "run": run,
            "name": config.name,
            "status": status,
            "config": settings_of(config),
            "config_hash": config.config_hash(),
            "provenance": provenance(),
            "devices": sorted({*known, *filter(None, devices)}),
            "generations_closed": generations_closed,
            "champion": plain(champion) if champion else old.get("champion"),
            "created": old.get("created", now),
            "updated": now,
        },
    )


def manifest_of(store: Store, run: str) -> dict[str, Any] | None:
    """A run's manifest; None if there is no such run.

    Raises:
        StoreError: It is damaged.
        ConfigError: A newer version of this program wrote it.
    """
    if run not in store.runs():
        return None
    manifest = store.read_manifest(run)
    version = manifest.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ConfigError(
            f"{where_is(store, run)}: version is {version}, but this program reads up to "
            f"{VERSION}; go on with the newer program that wrote it"
        )
    return manifest


def where_is(store: Store, run: str) -> str:
    """The manifest's file, for sentences."""
    return f"{store.uri}/runs/{run}/manifest.json"


def settings_of(config: RunConfig) -> dict[str, Any]:
    """A configuration as a manifest keeps it: without places, which hosts differ in."""
    return config.model_dump(mode="json", exclude={"store", "address"})


def config_of(store: Store, run: str, overrides: Mapping[str, Any]) -> RunConfig:
    """The configuration of a stored run, to go on with it.

    Args:
        store: Where the run is.
        run: Its id.
        overrides: Values by dotted key, which may change where it runs and how long.

    Raises:
        StoreError: Its manifest is damaged.
        ConfigError: There is no such run, a newer version of this program wrote it, or its
            configuration cannot be used, or would be another run.
    """
    manifest = manifest_of(store, run)
    if manifest is None:
        raise ConfigError(_no_such_run(store, run))
    where = where_is(store, run)
    settings = manifest.get("config")
    if not isinstance(settings, dict):
        raise ConfigError(f"{where}: config is missing, so the run cannot be resumed")
    config = make_config({**settings, "store": store.uri}, f"{where}: config", overrides)
    check_same_science(config, manifest, where)
    if config.run_id() != run:
        raise ConfigError(f"{where}: this is the manifest of {config.run_id()}, not of {run}")
    return config


def find_run(store: Store, text: str | None) -> str:
    """The run of this id, or the only one whose id begins so; the latest for None.

    Raises:
        StoreError: The latest is asked for, and every manifest is damaged.
        ConfigError: There is none, or there are several.
    """
    runs = store.runs()
    if text is None:
        if not runs:
            raise ConfigError(
                f"there is no run in {store.uri} yet; `speciation evolve` begins one"
            )
        return _latest(store, runs)
    if text in runs:
        return text
    found = [run for run in runs if run.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            f"{text!r} is the beginning of {len(found)} runs in {store.uri}: {listed(found)}"
        )
    raise ConfigError(_no_such_run(store, text))


def _latest(store: Store, runs: Iterable[str]) -> str:
    """The run that was written last, of those whose manifests can be read."""
    updated: dict[str, str] = {}
    damaged: list[StoreError] = []
    for run in runs:
        try:
            updated[run] = str(store.read_manifest(run).get("updated", ""))
        except StoreError as error:
            damaged.append(error)
    if not updated:
        raise damaged[0]
    return max(updated, key=lambda run: updated[run])


def _no_such_run(store: Store, text: str) -> str:
    runs = store.runs()
    return (
        f"there is no run {text!r} in {store.uri}; its runs are {listed(runs) or 'none'}"
        f"{hint(text, runs)}"
    )


def check_same_science(config: RunConfig, manifest: Mapping[str, Any], where: str) -> None:
    """Check that a manifest is of the run that a configuration describes.

    Raises:
        ConfigError: It is of another run.
    """
    stored, own = str(manifest.get("config_hash")), config.config_hash()
    if stored != own:
        raise ConfigError(
            f"{where}: config_hash is {stored[:16]!r}, but this configuration and this program "
            f"say {own[:16]!r}: it is another run; begin one with another --name or --store"
        )
