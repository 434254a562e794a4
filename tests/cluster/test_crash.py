"""A real process, really killed: SIGKILL at random moments, then resumed until it ends."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speciation.tables.store import Store
from tests.cluster.runs import assert_same_tables, carry_out, config

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys, time
import cluster.rows
from pathlib import Path
from tests.cluster.runs import carry_out, config
from tests.cluster.synthetic import Behaviour
cluster.rows.FLUSH_SECONDS = 0.02
print("ready", flush=True)
carry_out(config(), Path(sys.argv[1]), Behaviour(slots=4, seconds=0.004))
"""


@pytest.mark.parametrize(
    ("seed", "kills"),
    [pytest.param(1, 2, marks=pytest.mark.slow), pytest.param(2, 60, marks=pytest.mark.long)],
)
def test_killed_at_random_and_resumed_the_tables_are_the_same(tmp_path, seed, kills):
    rng = random.Random(seed)
    carry_out(config(), tmp_path / "calm")
    killed = 0
    for _ in range(kills):
        killed += killed_in_time(tmp_path / "killed", rng.uniform(0.02, 0.35))
    assert killed >= min(kills, 3)
    subprocess.run(command(tmp_path / "killed"), cwd=ROOT, check=True, capture_output=True)
    assert_same_tables(tmp_path / "calm", tmp_path / "killed")
    assert Store(tmp_path / "killed").verify().ok


def killed_in_time(folder: Path, seconds: float) -> bool:
    """Whether a run that was killed after so many seconds of work had not ended by then."""
    process = subprocess.Popen(command(folder), cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        return process.wait() == -signal.SIGKILL


def command(folder: Path) -> list[str]:
    return [sys.executable, "-c", SCRIPT, str(folder)]
