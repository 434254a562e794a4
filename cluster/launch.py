"""From what somebody typed to a run that can start: executor, signals, settings.

Heavy libraries are imported where they are needed, so that a missing one is a sentence.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os.path import isdir
from typing import Any

from cluster.config import RunConfig
from cluster.doctor import has_extra, install_hint
from cluster.executor import Executor, engine_plan
from cluster.plan import closed_generations
from cluster.ray_address import wanted_address
from speciation.tables.manifests import RUNS
from speciation.tables.schema import TABLES
from speciation.tables.store import Store


class LaunchError(ValueError):
    """What was asked for cannot be started: one sentence."""


@contextmanager
def executor_for(config: RunConfig) -> Iterator[Executor]:
    """The executor that a run wants, closed in the end whatever happens."""
    plan = engine_plan(config)
    executor: Executor
    if config.executor == "local" or wanted_address(config.address) is None:
        require("torch")  # elsewhere, it is the cluster's to have
    if config.executor == "ray":
        require("ray")
        from cluster.ray_executor import RayExecutor

        evolution = config.evolution
        most = max(evolution.population * evolution.seeds, config.confirm.seeds)
        executor = RayExecutor(
            plan, address=config.address, label=config.run_id(), most_actors=most
        )
    else:
        from cluster.local_executor import LocalExecutor

        executor = LocalExecutor(plan)
    try:
        yield executor
    finally:
        executor.close()


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask to stop; asked twice, everything is dropped."""
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def require(module: str) -> None:
    """Check that an optional library is installed.

    Raises:
        LaunchError: It is not; the sentence says how to install it.
    """
    if not has_extra(module):
        raise LaunchError(
            f"training needs {module}, which is not installed: {install_hint(module)}"
        )


def places(
    store: str | None,
    executor: str | None,
    address: str | None,
    device: str | None,
    slots: int | None,
) -> dict[str, Any]:
    """Overrides by dotted key.

    Raises:
        LaunchError: Two of them contradict each other.
    """
    if address is not None and executor == "local":
        raise LaunchError(
            f"--address is {address!r}, but --executor is 'local', which joins no cluster; "
            "leave one of them away"
        )
    if address is not None:
        executor = "ray"
    return {
        "store": store,
        "executor": executor,
        "address": address,
        "engine.device": device,
        "engine.slots": slots,
    }


def generations_wanted(text: str, config: RunConfig) -> int:
    """``12`` is twelve in all, ``+12`` twelve more than are closed."""
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise LaunchError(f"--generations is {text!r}, but must be a number such as 20 or +20")
    if not text.startswith("+"):
        return int(digits)
    return closed_generations(config.run_id(), Store(config.store)) + int(digits)


def existing_store(uri: str) -> Store:
    """A store that is there, since looking at a misspelt one would show an empty one.

    Raises:
        LaunchError: There is none.
    """
    place = Store(uri)
    if "://" not in place.uri and not any(
        isdir(f"{place.uri}/{name}") for name in (*TABLES, RUNS)
    ):
        raise LaunchError(f"there is no store at {place.uri}; `speciation evolve` makes one")
    return place
