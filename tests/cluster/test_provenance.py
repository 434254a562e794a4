"""Where results come from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cluster.provenance import UNKNOWN, git_commit, provenance, version_of


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A folder with one commit, whatever git is set to on this machine."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "file")
    git(tmp_path, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "-m", "1")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_clean_checkout_is_its_commit(checkout):
    assert git_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_file_that_git_does_not_know_is_no_change(checkout):
    (checkout / "results").write_text("many")
    assert "+" not in git_commit(checkout)


def test_changes_are_not_passed_off_as_the_commit(checkout):
    (checkout / "file").write_text("2")
    assert git_commit(checkout) == git(checkout, "rev-parse", "HEAD") + "+changes"


def test_an_installed_program_is_not_taken_for_the_checkout_around_it(checkout):
    (checkout / "site-packages").mkdir()
    assert git_commit(checkout / "site-packages") == UNKNOWN


def test_a_checkout_without_a_commit_or_without_git_is_unknown(tmp_path, checkout, monkeypatch):
    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "--quiet")
    assert git_commit(tmp_path / "new") == UNKNOWN
    monkeypatch.setenv("PATH", "")
    assert git_commit(checkout) == UNKNOWN


def test_provenance_is_plain_and_names_what_computed():
    told = provenance()
    assert json.loads(json.dumps(told)) == told
    assert told["versions"].keys() >= {"speciation", "python", "numpy", "pyarrow"}


def test_a_library_that_is_not_there_has_no_version():
    assert version_of("no-such-distribution") is None
