"""Tests that notice: bugs of the protocol are planted in a copy, and the fast tests must fail.

Each bug is a line that an honest mistake could make of another. A copy of the sources gets it,
and the tests of what the protocol is made of are run there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAST = [
    "tests/cluster/test_campaign.py",
    "tests/cluster/test_places.py",
    "tests/cluster/test_roster.py",
    "tests/cluster/test_rows.py",
    "tests/cluster/test_suspicions.py",
    "tests/speciation/tables/test_files.py",
    "tests/speciation/tables/test_parts.py",
    "tests/speciation/tables/test_store_machine.py",
    "tests/speciation/tables/test_power_loss.py",
]

CAMPAIGN, ROSTER, ROWS = "cluster/campaign.py", "cluster/roster.py", "cluster/rows.py"
PLACES = "cluster/places.py"
FILES, PARTS = "speciation/tables/files.py", "speciation/tables/parts.py"
SUSPICIONS, UPKEEP = "cluster/suspicions.py", "speciation/tables/upkeep.py"
SCHEMA = "speciation/tables/schema.py"

BUGS = {
    "duplicates are stored again": (
        CAMPAIGN,
        "if self._open.pop(key, None)]",
        "if self._open.pop(key, None) or True]",
    ),
    "duplicates are stored again, of those that were lent": (
        CAMPAIGN,
        "if key not in self._open and key not in self._given_up:",
        "if False:",
    ),
    "a late result does not pardon": (CAMPAIGN, "key not in self._given_up", "True"),
    "suspects run among others": (
        CAMPAIGN,
        "commands.append(Submit(tuple(self._apart.values()), apart=True))",
        "commands.append(Submit(tuple(self._apart.values())))",
    ),
    "two packs at a time": (
        CAMPAIGN,
        "while self._suspects and not self._apart:",
        "while self._suspects:",
    ),
    "one strike too many": (
        CAMPAIGN,
        "if pack.strikes >= self._max_strikes:",
        "if pack.strikes > self._max_strikes:",
    ),
    "strikes are not counted": (CAMPAIGN, "before.strikes + 1", "before.strikes"),
    "suspicions are not told": (CAMPAIGN, "return [Suspect(packs)]", "return []"),
    "half of the suspects are dropped": (
        CAMPAIGN,
        "halves = [lost[:half], lost[half:]]",
        "halves = [lost[:half]]",
    ),
    "machines that leave are blamed": (CAMPAIGN, "if event.innocent:", "if False:"),
    "losses that bear fruit still count": (CAMPAIGN, "self._barren_rounds = 0\n", "pass\n"),
    "a stop submits more": (CAMPAIGN, "if not self._stopped:", "if True:"),
    "closed twice": (CAMPAIGN, "self._closed = True", "self._closed = False"),
    "no back-pressure": (
        CAMPAIGN,
        "room := self._max_in_flight - len(self._running)",
        "room := len(self._waiting)",
    ),
    "what an actor held is forgotten": (
        ROSTER,
        "hand = tuple(self._hands.pop(actor, {}).values())",
        "self._hands.pop(actor, {})\n        hand: tuple[Trial, ...] = ()",
    ),
    "others join a pack": (ROSTER, "if self._reserved == actor:\n            return []", ""),
    "slow cards get as much as fast ones": (
        ROSTER,
        "share = self._pace.get(actor, usual) / sum(paces)",
        "share = 1 / len(paces)",
    ),
    "who waits for room is called hung": (
        PLACES,
        "if place.call is None or place.waiting or place.left_alone:",
        "if place.call is None or place.left_alone:",
    ),
    "a start that hangs is never noticed": (
        PLACES,
        "return (Cause.STARTING, reason) if waited > starts.deadline() else None",
        "return None",
    ),
    "a machine is avoided for one bad card": (
        PLACES,
        "if count >= _room(devices, n, each)",
        "if count",
    ),
    "rows of trials before their curves": (
        ROWS,
        '(("curves", self._curves), ("trials", self._trials))',
        '(("trials", self._trials), ("curves", self._curves))',
    ),
    "rows are forgotten before they are stored": (
        ROWS,
        "self._store.append(name, waiting[0])\n                del waiting[0]",
        "self._store.append(name, waiting.pop(0))",
    ),
    "a full disk takes more work in": (
        ROWS,
        "return self._failing_since is not None",
        "return False",
    ),
    "suspicions wait for the next flush": (
        ROWS,
        "        self.flush()\n\n    def flush_if",
        "\n    def flush_if",
    ),
    "what was suspected first counts": (
        SUSPICIONS,
        "_weight(row, run) >",
        "_weight(row, run) <",
    ),
    "files are not forced to disk": (
        FILES,
        "os.fsync(descriptor)\n            finally",
        "pass\n            finally",
    ),
    "folders are not forced to disk": (FILES, "_sync_folder(final.parent)", "pass"),
    "written into the final name": (
        FILES,
        'name = f".{final.name[:16]}.{os.getpid()}.{next(self._numbers)}.tmp"',
        "name = final.name",
    ),
    "a damaged file of the name is believed": (
        FILES,
        "if not _holds(final, data):",
        "if False:",
    ),
    "the name is not checked": (PARTS, "if part_name(data) != name:", "if False:"),
    "the first row is believed": (
        SCHEMA,
        'return [_ranks(rank), -_ranks(table["steps_run"])]',
        "return [0 * _ranks(rank)]",
    ),
}
MUST_BE_CAUGHT = 0.95


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_planted_bugs_are_caught(tmp_path):
    missed = [bug for bug, change in BUGS.items() if not caught(tmp_path / "copy", *change)]
    assert len(BUGS) >= 20
    assert len(BUGS) - len(missed) >= MUST_BE_CAUGHT * len(BUGS), missed


def test_every_bug_can_be_planted():
    for path, line, bug in BUGS.values():
        text = (ROOT / path).read_text(encoding="utf-8")
        assert text.count(line) >= 1, f"{path} no longer says {line!r}"
        assert line != bug


def caught(copy: Path, path: str, line: str, bug: str) -> bool:
    """Whether the fast tests fail in a copy with this bug."""
    if not copy.exists():
        for name in ("cluster", "speciation", "tests", "genomes"):
            shutil.copytree(ROOT / name, copy / name)
        shutil.copy(ROOT / "pyproject.toml", copy)
    text = (ROOT / path).read_text(encoding="utf-8")
    (copy / path).write_text(text.replace(line, bug), encoding="utf-8")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *FAST],
        cwd=copy,
        capture_output=True,
        check=False,
    )
    (copy / path).write_text(text, encoding="utf-8")
    return tests.returncode == 1
