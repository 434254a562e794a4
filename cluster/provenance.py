"""Where results come from: which code, which libraries. No host, user or address.

Devices stand in every row of ``trials``, with the trials that ran on them.
"""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cluster.config import PROJECT

LIBRARIES = ("torch", "ray", "numpy", "pandas", "pyarrow", "scipy")
OWN = "speciation-cluster"
UNKNOWN = "unknown"
SHIPPED_COMMIT = "SPECIATION_COMMIT"  # whoever ships code to a cluster says which it is


@cache
def provenance() -> dict[str, Any]:
    """Commit of this code and versions of what it uses when first asked, as plain values."""
    return {
        "commit": git_commit(PROJECT),
        "versions": {
            "speciation": version_of(OWN) or "source",
            "python": platform.python_version(),
            **{name: found for name in LIBRARIES if (found := version_of(name))},
        },
    }


def version_of(distribution: str) -> str | None:
    """Version of an installed distribution; None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def git_commit(folder: Path) -> str:
    """Commit of a checkout, with ``+changes`` if files differ; ``unknown`` elsewhere."""
    if not (folder / ".git").exists():  # git would look for a checkout further up
        return os.environ.get(SHIPPED_COMMIT, UNKNOWN)
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return UNKNOWN
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+changes" if changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
