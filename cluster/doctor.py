"""What is installed, which devices there are, and whether a run fits them.

Every check is a line: what was looked at, what was found and, where something is missing, what
to do about it. Nothing is written and no Ray is started.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cluster.closed import Listener, answer, prove
from cluster.config import RunConfig
from cluster.engine_host import engine_bytes, planned_spec
from cluster.executor import ExecutorError, engine_plan
from cluster.own_cluster import located, named, own_cluster
from cluster.provenance import version_of
from cluster.ray_address import TOKEN_FILE, probe, wanted_address
from speciation.tables.store import Store

NEEDED = ("numpy", "pandas", "pyarrow", "scipy", "pydantic", "plotly")
EXTRAS = {"torch": "engine", "ray": "ray", "dash": "lab", "optuna": "search"}
PURPOSES = {
    "torch": "to train",
    "ray": "to train on a cluster",
    "dash": "for the Lab",
    "optuna": "to search by TPE and CMA-ES",
}
LEAST_FREE_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Check:
    """One line: ``state`` is "ok", "note" (works, but know this) or "missing"."""

    what: str
    found: str
    state: str = "ok"
    advice: str = ""


def examine(config: RunConfig | None = None) -> list[Check]:
    """All checks of this machine and, if one is given, of a run on it."""
    checks = [*_software(), *_machine()]
    if has_extra("torch"):
        checks += _devices()
    if has_extra("ray"):
        checks += _ray(config)
    if config is not None:
        checks += _run(config)
    return checks


def has_extra(module: str) -> bool:
    """Whether an optional library is installed; it is not imported."""
    return find_spec(module) is not None


def install_hint(module: str) -> str:
    """How to install an optional library."""
    return f"pip install 'speciation-cluster[{EXTRAS[module]}]'"


def _software() -> Iterator[Check]:
    yield Check("python", platform.python_version())
    for name in NEEDED:
        found = version_of(name)
        yield Check(name, found or "not installed", "ok" if found else "missing")
    for name in EXTRAS:
        if has_extra(name):
            yield Check(name, version_of(name) or "installed")
        else:
            yield Check(
                name, "not installed", "note", f"{PURPOSES[name]}: {install_hint(name)}"
            )


def _machine() -> Iterator[Check]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Check("cores", str(len(os.sched_getaffinity(0))))
    yield Check("memory", size_text(memory))


def _devices() -> Iterator[Check]:
    from speciation.engine.devices import devices

    for device in devices():
        yield Check(device.torch_name, f"{device.name}, {size_text(device.memory_bytes)}")


def _ray(config: RunConfig | None) -> Iterator[Check]:
    address, own = wanted_address(config.address if config else None), own_cluster()
    if address is None:
        ours = f"; the queue uses {own.address}" if own else ""
        yield Check("ray cluster", f"none given: one is started here for each run{ours}")
    else:
        try:
            address = located(address)
            probe(address)
            yield Check("ray cluster", f"{named(address)} answers")
            yield from _open(address)
        except ExecutorError as error:
            yield Check("ray cluster", str(error), "missing")
    if own is not None:
        yield _closed(own.session)
    token = Path.home() / TOKEN_FILE
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        yield Check(
            "ray token",
            "RAY_AUTH_MODE=disabled",
            "note",
            "anybody who reaches Ray may run code",
        )
    elif token.exists() and stat.S_IMODE(token.stat().st_mode) & 0o077:
        yield Check("ray token", "others can read it", "note", f"chmod 600 ~/{TOKEN_FILE}")
    else:
        yield Check("ray token", "kept from others" if token.exists() else "made when needed")


def _closed(session: str) -> Check:
    """Whether the cluster that was started here lets nobody in without its token."""
    proof = prove(session)
    count = f"{len(proof.listeners)} listeners of the cluster started here"
    if proof.closed:
        return Check("ray closed", f"{count}, none answers without the token")
    told = ", ".join(f"{who} ({what})" for who, what in proof.answered)
    if proof.answered and all(who.is_metrics_page() for who, _ in proof.answered):
        advice = "they tell numbers and nothing else; without --metrics there are none"
        return Check(
            "ray closed", f"{count}, only metrics pages answer: {told}", "note", advice
        )
    return Check(
        "ray closed",
        f"{count}, answering without the token: {told or 'not known'}",
        "note",
        "strangers may run code: speciation cluster stop, then speciation cluster start",
    )


def _open(address: str) -> Iterator[Check]:
    """A cluster elsewhere that answers strangers at the address that we know of."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdigit() and (what := answer(Listener(host.strip("[]"), int(port), 0))):
        yield Check(
            "ray closed",
            f"{address} answers without a token ({what})",
            "note",
            "anybody who reaches it may run code there; start it with RAY_AUTH_MODE=token",
        )


def _run(config: RunConfig) -> Iterator[Check]:
    evolution = config.evolution
    trials = evolution.population * evolution.seeds
    total = trials * evolution.generations + config.confirm.seeds
    yield Check("run", config.run_id())
    yield Check(
        "trials",
        f"{trials:,} a generation, {total:,} in all, of at most {config.the_horizon():,} steps",
    )
    for extra in ("torch", "ray") if config.executor == "ray" else ("torch",):
        if not has_extra(extra):
            yield Check(
                "executor", f"{config.executor} needs {extra}", "missing", install_hint(extra)
            )
    if has_extra("torch") and wanted_address(config.address) is None:
        yield from _fit(config)
    yield _store(config)


def _fit(config: RunConfig) -> Iterator[Check]:
    """Whether this machine's device holds the engine."""
    from speciation.engine.devices import devices
    from speciation.engine.engine import backend_of

    device = devices()[0]
    if config.engine.device == "cuda" and device.kind != "cuda":
        yield Check(
            "device",
            "engine.device is cuda, but there is no GPU here",
            "missing",
            "use --device cpu, or --address of a cluster with GPUs",
        )
        return
    spec = planned_spec(engine_plan(config))
    needed = engine_bytes(spec.task, spec.model, spec.slots, device.kind)
    fits = needed < device.memory_bytes
    backend, without_fused = backend_of(spec)
    yield Check(
        "engine",
        f"{backend} on {spec.device}: {spec.slots:,} slots, about {size_text(needed)}",
        "ok" if fits else "missing",
        "" if fits else f"the device has {size_text(device.memory_bytes)}; use fewer --slots",
    )
    if without_fused:
        yield Check("engine", without_fused, "note", f"it trains with {backend}, more slowly")


def _store(config: RunConfig) -> Check:
    store = Store(config.store)
    if "://" in store.uri:
        return Check("store", store.uri)
    place = Path(store.uri)
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        return Check("store", f"{place} is a file", "missing", "choose another --store")
    free = shutil.disk_usage(place).free
    if not os.access(place, os.W_OK):
        return Check(
            "store", f"{place} cannot be written to", "missing", "choose another --store"
        )
    if free < LEAST_FREE_BYTES:
        return Check("store", f"{store.uri}, {size_text(free)} free", "note", "free some space")
    return Check("store", f"{store.uri}, {size_text(free)} free")


def size_text(count: float) -> str:
    """Bytes for people."""
    for unit, size, digits in (("GB", 2**30, 1), ("MB", 2**20, 0), ("kB", 2**10, 0)):
        if count >= size:
            return f"{count / size:.{digits}f} {unit}"
    return f"{count:.0f} B"
