"""What every test gets: strict numerics, reproducible examples, one thread a process.

Tests are strict where production is kind: a warning is an error (``pyproject.toml``), and NumPy
raises where it would otherwise write a NaN.
"""

from __future__ import annotations

import gc
import os

# Read when NumPy and torch start their thread pools, so before either is imported. Several test
# processes share the cores, and results must not depend on how many threads summed them.
for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Shared contracts are imported by test modules; their failures should read like those of tests.
pytest.register_assert_rewrite("tests.contracts")

settings.register_profile(
    "local",
    deadline=None,  # shared machines pause; pytest-timeout catches what hangs
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    max_examples=25,  # of each property; there are hundreds
)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Importing makes millions of objects, of which hardly one is garbage then or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def numpy_raises() -> Iterator[None]:
    """Division by zero, overflow and invalid values raise; an underflow to zero is harmless."""
    with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
        yield


@pytest.fixture(autouse=True)
def disk_is_not_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test outlives a power cut; those of power loss simulate the disk themselves."""
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a synthetic run that nothing happened to; copy it before writing to it."""
    from tests.cluster.runs import carry_out, config

    folder = tmp_path_factory.mktemp("finished")
    carry_out(config(), folder)
    return folder
