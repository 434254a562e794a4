"""What goes along to a cluster."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cluster.provenance import SHIPPED_COMMIT, git_commit
from cluster.shipping import PACKAGES, pack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def parcel():
    return pack()


def names(parcel) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(parcel.data)).namelist()


def test_what_is_listed_is_what_is_packed(parcel):
    assert names(parcel) == list(parcel.files)
    with zipfile.ZipFile(io.BytesIO(parcel.data)) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    assert sizes == parcel.files


def test_only_code_is_packed_and_all_of_it(parcel):
    assert {name.split("/")[0] for name in parcel.files} == set(PACKAGES)
    code = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert set(parcel.files) >= code
    assert {"cluster/presets/sprinter.yaml", "speciation/engine/fused.cu"} <= set(parcel.files)
    assert not any("__pycache__" in name or "token" in name for name in parcel.files)


def test_the_same_code_is_the_same_bytes_wherever_and_whenever(parcel, tmp_path):
    for name in parcel.files:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    assert pack(tmp_path).hash == parcel.hash


def test_other_code_has_another_name(parcel, tmp_path):
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "cli.py").write_text("print('other')\n")
    assert pack(tmp_path).name != parcel.name


def test_results_secrets_and_caches_stay_at_home(tmp_path):
    for name in (
        "results/trials/x.parquet",
        ".ray/auth_token",
        "cluster/__pycache__/a.py",
        "cluster/key.pem",
        "cluster/a.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert list(pack(tmp_path).files) == ["cluster/a.py"]


def test_shipped_code_runs_from_where_it_was_unpacked(parcel, tmp_path):
    path = parcel.write(tmp_path)
    zipfile.ZipFile(path).extractall(tmp_path / "there")
    code = "import cluster.cli, speciation; print(cluster.cli.__file__, *speciation.__path__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "there",
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(str(tmp_path / "there") in word for word in done.stdout.split())


def test_shipped_code_knows_its_commit_from_who_shipped_it(tmp_path, monkeypatch):
    monkeypatch.setenv(SHIPPED_COMMIT, "abc")
    assert git_commit(tmp_path) == "abc"


def test_what_is_uploaded_is_said_in_a_line(parcel):
    said = parcel.summary()
    assert f"{len(parcel.files)} files of speciation/, cluster/, dashboards/" in said
    assert f"{len(parcel.data):,} zipped, code {parcel.name}" in said
