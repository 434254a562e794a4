"""From what somebody typed to a run that can start: executor, signals, settings.

Heavy libraries are imported where they are needed, so that a missing one is a sentence.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os.path import isdir
from typing import TYPE_CHECKING, Any

from cluster.config import RunConfig, sizes
from cluster.doctor import has_extra, install_hint
from cluster.executor import Executor, ExecutorError, engine_plan
from cluster.heartbeat import is_leaving, write_beat
from cluster.plan import closed_generations
from cluster.pulse import Pulse, PulseKeeper, write_pulse
from cluster.ray_address import wanted_address
from speciation.tables.files import open_files
from speciation.tables.manifests import RUNS
from speciation.tables.schema import TABLES
from speciation.tables.store import Store

if TYPE_CHECKING:
    from cluster.dispatch import Devices
    from cluster.job_queue import Job
    from cluster.jobs import RayJobs
    from cluster.shipping import Parcel


class LaunchError(ValueError):
    """What was asked for cannot be started: one sentence."""


@contextmanager
def executor_for(
    config: RunConfig,
    devices: float = math.inf,
    trials: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Executor]:
    """The executor that a run wants, closed in the end whatever happens.

    Args:
        config: The run.
        devices: How many GPUs (or cores, without any) of a Ray cluster it may use at most.
        trials: How many will be trained at once at most; as many as the run has by default.
        tell: Told which cluster was joined, if one was, and that none has room.
    """
    plan = engine_plan(config)
    executor: Executor
    if config.executor == "local" or wanted_address(config.address) is None:
        require("torch")  # elsewhere, it is the cluster's to have
    if config.executor == "ray":
        require("ray")
        from cluster.ray_executor import RayExecutor

        evolution = config.evolution
        most = trials or max(evolution.population * evolution.seeds, config.confirm.seeds)
        most = int(max(min(most, devices), 1))
        executor = RayExecutor(
            plan,
            address=config.address,
            label=config.run_id(),
            most_actors=most,
            gpus=min(devices, 1.0),
            tell=tell,
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


def settings_told(told: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides by dotted key, of a command that has ``where_options`` and ``setting_options``.

    Raises:
        LaunchError: Two of them contradict each other.
        ConfigError: A size of the model cannot be read.
    """
    names = ("store", "executor", "address", "device", "slots")
    overrides = places(*(told[name] for name in names))
    overrides |= {name: told[name] for name in ("track", "horizon")}
    return overrides | {"engine.precision": told["precision"]} | sizes(told["model"])


def generations_wanted(text: str, config: RunConfig) -> int:
    """``12`` is twelve in all, ``+12`` twelve more than are closed."""
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise LaunchError(f"--generations is {text!r}, but must be a number such as 20 or +20")
    if not text.startswith("+"):
        return int(digits)
    return closed_generations(config.run_id(), Store(config.store)) + int(digits)


def extended(
    load: Callable[[dict[str, Any]], RunConfig], overrides: dict[str, Any], text: str | None
) -> RunConfig:
    """A run with as many generations as somebody asked for, if they did.

    Args:
        load: Makes the run of overrides.
        overrides: By dotted key.
        text: See :func:`generations_wanted`.
    """
    config = load(overrides)
    if text is None:
        return config
    return load({**overrides, "evolution.generations": generations_wanted(text, config)})


def ray_jobs(address: str | None) -> RayJobs:
    """The jobs of a cluster.

    Raises:
        LaunchError: Ray is not installed.
        ExecutorError: There is no cluster, or it does not let us in.
    """
    require("ray")
    from cluster.jobs import RayJobs

    return RayJobs(address)


def begun(
    cluster: RayJobs, store: str, parcel: Parcel, tell: Callable[[str], None] = lambda _: None
) -> tuple[str, bool]:
    """Have a dispatcher work on a queue; see ``RayJobs.ensure_dispatcher``.

    Until it speaks for itself, some seconds from now, it is said here that somebody is at work.
    """
    files = open_files(store)
    dispatcher = cluster.ensure_dispatcher(store, parcel, tell, anew=is_leaving(files))
    write_beat(files, time.time())
    return dispatcher


def dispatched(
    cluster: RayJobs,
    job: Job,
    store: str,
    parcel: Parcel,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[str, bool]:
    """Have a dispatcher begin a job that is queued; see :func:`begun`.

    Raises:
        ExecutorError: There is none; the job is queued all the same, and that is said.
    """
    try:
        return begun(cluster, store, parcel, tell)
    except ExecutorError as error:
        raise ExecutorError(
            f"job {job.id} is queued, but nothing begins it yet: {error}; once that is mended: "
            f"speciation dispatch --store {store}"
        ) from error


def lasting_place(uri: str) -> str:
    """A store's URI as it reads from any folder: jobs run elsewhere."""
    return uri if "://" in uri else os.path.abspath(os.path.expanduser(uri))


def check_devices(config: RunConfig, devices: float | None, there: Devices) -> None:
    """Check that a cluster has what a run asks for.

    Args:
        config: The run.
        devices: How many devices it shall have, if that was said.
        there: What the cluster has.

    Raises:
        LaunchError: It has not.
    """
    if config.engine.device == "cuda" and not there.gpus:
        raise LaunchError(
            "the run asks for GPUs (engine.device is cuda), but the cluster has none; "
            "use --device auto or cpu, or --await-devices if some will join"
        )
    on_gpus = there.gpus and config.engine.device != "cpu"
    has, what = (there.gpus, "GPUs") if on_gpus else (there.cores, "cores")
    if devices is not None and devices > has:
        raise LaunchError(
            f"--devices is {devices:g}, but the cluster has {has:g} {what}; ask for fewer, or "
            "say --await-devices if more will join"
        )


def pulse_keeper(config: RunConfig) -> PulseKeeper:
    """What keeps the pulse of a run: in its store and, on Ray, as metrics."""
    files, run = open_files(config.store), config.run_id()
    if config.executor != "ray":
        return PulseKeeper(run, lambda pulse: write_pulse(files, pulse))
    from cluster.metrics import Metrics

    metrics = Metrics(config.name)

    def tell(pulse: Pulse) -> None:
        write_pulse(files, pulse)
        metrics.pulse(pulse)

    return PulseKeeper(run, tell)


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
