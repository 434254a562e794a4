"""What is installed, which devices there are, and whether a run fits them."""

from __future__ import annotations

import os
import shutil
import socket
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import doctor
from cluster.closed import Listener, Proof
from cluster.config import load_config
from cluster.doctor import EXTRAS, NEEDED, Check, examine, install_hint, size_text
from cluster.own_cluster import OwnCluster
from cluster.ray_address import TOKEN_FILE
from tests.cluster.runs import config

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def healthy(tmp_path, monkeypatch) -> None:
    """A home of its own, nothing decided about Ray, and no cluster that others started here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.home() / ".cache"))  # compiled kernels
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "own_cluster", lambda: None)
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lacking(monkeypatch):
    """Let this machine lack libraries."""

    def lack(*names: str) -> None:
        monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in names else 1)

    return lack


def found(what: str, checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.what == what]


def test_everything_that_the_offline_tools_need_is_looked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {text.split(">=")[0] for text in project["dependencies"]}
    assert declared >= set(NEEDED)
    assert {EXTRAS[name] for name in EXTRAS} <= project["optional-dependencies"].keys()


def test_a_missing_library_is_missing_and_a_missing_extra_is_worth_a_note(monkeypatch, lacking):
    lacking("torch", "ray")
    monkeypatch.setattr(doctor, "version_of", lambda name: None if name == "numpy" else "1")
    checks = examine()
    assert found("numpy", checks)[0].state == "missing"
    assert found("pandas", checks) == [Check("pandas", "1")]
    assert found("torch", checks)[0] == Check(
        "torch", "not installed", "note", f"to train: {install_hint('torch')}"
    )


@pytest.mark.parametrize(
    ("executor", "lacks", "missing"),
    [
        ("local", ("torch", "ray"), ["torch"]),
        ("ray", ("torch", "ray"), ["torch", "ray"]),
        ("ray", ("ray",), ["ray"]),
    ],
)
def test_a_run_lacks_the_extras_of_its_executor(tmp_path, lacking, executor, lacks, missing):
    lacking(*lacks)
    checks = examine(config(executor=executor, store=str(tmp_path)))
    told = found("executor", checks)
    assert [check.found for check in told] == [f"{executor} needs {name}" for name in missing]
    assert all("pip install" in check.advice for check in told)


def test_a_run_is_told_in_trials(tmp_path, lacking):
    lacking("torch", "ray")
    checks = examine(config(store=str(tmp_path)))
    assert found("trials", checks)[0].found == (
        "16 a generation, 54 in all, of at most 1,000 steps"
    )
    assert found("run", checks)[0].found == config().run_id()


def test_a_run_for_a_gpu_needs_one(monkeypatch):
    devices = pytest.importorskip("speciation.engine.devices")
    cpu = devices.DeviceInfo("A core", "cpu", 0, 2**33)
    monkeypatch.setattr(devices, "devices", lambda: [cpu])
    told = found("device", examine(load_config("sprinter")))[0]
    assert (told.state, "--device cpu" in told.advice) == ("missing", True)
    assert found("device", examine(load_config("sprinter", {"engine.device": "cpu"}))) == []


@pytest.mark.parametrize(("gigabytes", "state"), [(80, "ok"), (1, "missing")])
def test_slots_that_do_not_fit_a_device_are_told(monkeypatch, gigabytes, state):
    devices = pytest.importorskip("speciation.engine.devices")
    gpu = devices.DeviceInfo("A GPU", "cuda", 0, gigabytes * 2**30)
    monkeypatch.setattr(devices, "devices", lambda: [gpu])
    monkeypatch.setattr("speciation.engine.engine.backend_of", lambda spec: ("fused", None))
    told = found("engine", examine(load_config("sprinter", {"engine.slots": 4096})))[0]
    assert told.state == state
    assert "4,096 slots" in told.found
    assert ("fewer --slots" in told.advice) is (state == "missing")


def test_an_engine_without_the_fused_kernel_is_told(monkeypatch):
    pytest.importorskip("torch")
    reason = "the fused kernel needs a C++ compiler"
    monkeypatch.setattr("speciation.engine.fused.missing", lambda run, precision: reason)
    usual, note = found("engine", examine(load_config("quickstart")))
    assert usual.found.startswith("torch on cpu")
    assert (note.found, note.state) == (reason, "note")
    assert "trains with torch" in note.advice


# -- Ray ----------------------------------------------------------------------------------


@pytest.fixture
def with_ray(lacking) -> None:
    lacking("torch")


@pytest.mark.usefixtures("with_ray")
def test_a_cluster_is_asked_whether_it_is_there(monkeypatch):
    monkeypatch.setattr(doctor, "answer", lambda listener: None)  # whether strangers get in
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        assert found("ray cluster", examine())[0].found == f"127.0.0.1:{port} answers"
    told = found("ray cluster", examine())[0]
    assert told.state == "missing"
    assert "nothing answers at" in told.found


@pytest.mark.usefixtures("with_ray")
@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o644, "note"), (0o620, "note")])
def test_a_token_that_others_can_read_is_told(tmp_path, mode, state):
    assert found("ray token", examine())[0].found == "made when needed"
    path = tmp_path / TOKEN_FILE
    path.parent.mkdir()
    path.write_text("secret")
    path.chmod(mode)
    told = found("ray token", examine())[0]
    assert told.state == state
    assert "secret" not in f"{told}"


@pytest.mark.usefixtures("with_ray")
def test_a_cluster_that_is_open_to_all_is_told(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert found("ray token", examine())[0].state == "note"


# -- Stores -------------------------------------------------------------------------------


def store_check(store: Path | str) -> Check:
    return doctor._store(config(store=str(store)))


def test_a_store_that_is_not_there_yet_has_the_space_of_its_folder(tmp_path):
    assert store_check(tmp_path / "a" / "b").state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert store_check(tmp_path / "file" / "results").state == "missing"
    assert store_check(tmp_path / "file").found == f"{tmp_path / 'file'} is a file"


def test_a_store_that_cannot_be_written_to_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written to" in store_check(tmp_path).found


def test_a_disk_that_is_nearly_full_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    told = store_check(tmp_path)
    assert (told.state, told.found) == ("note", f"{tmp_path}, 1 MB free")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 kB"), (2**20, "1 MB"), (3 * 2**29, "1.5 GB")],
)
def test_sizes_are_told_in_the_unit_that_suits_them(count, text):
    assert size_text(count) == text


@given(st.integers(0, 2**50))
def test_no_size_is_told_as_nothing_unless_it_is(count):
    assert (float(size_text(count).split()[0]) == 0) is (count == 0)


# -- Closed ---------------------------------------------------------------------------------

WHO = Listener("127.0.0.1", 6379, 1)


@pytest.mark.parametrize(
    ("proof", "state", "said"),
    [
        (Proof((WHO,), ()), "ok", "1 listeners of the cluster started here, none answers"),
        (Proof((WHO,), ((WHO, "GET /api/jobs/"),)), "note", "127.0.0.1:6379 (GET /api/jobs/)"),
        (Proof((), ()), "note", "0 listeners"),
    ],
)
def test_of_a_cluster_started_here_it_is_said_whether_it_is_closed(
    monkeypatch, proof, state, said
):
    monkeypatch.setattr(doctor, "own_cluster", lambda: OwnCluster("/tmp/ray/session_1", "a:1"))
    monkeypatch.setattr(doctor, "prove", lambda session: proof)
    monkeypatch.setattr(Listener, "is_metrics_page", lambda self: False)
    [check] = found("ray closed", examine())
    assert check.state == state
    assert said in check.found
    assert (check.advice == "") == (state == "ok")


def test_a_cluster_started_here_is_the_queues_and_not_every_runs(monkeypatch):
    [check] = found("ray cluster", examine())
    assert check.found == "none given: one is started here for each run"
    monkeypatch.setattr(doctor, "own_cluster", lambda: OwnCluster("/tmp/ray/session_1", "a:1"))
    monkeypatch.setattr(doctor, "prove", lambda session: Proof((WHO,), ()))
    [check] = found("ray cluster", examine())
    assert check.found.endswith("for each run; the queue uses a:1")


def test_metrics_pages_that_were_asked_for_are_told_from_an_open_door(monkeypatch):
    monkeypatch.setattr(doctor, "own_cluster", lambda: OwnCluster("/tmp/ray/session_1", "a:1"))
    monkeypatch.setattr(
        doctor, "prove", lambda session: Proof((WHO,), ((WHO, "GET /metrics"),))
    )
    monkeypatch.setattr(Listener, "is_metrics_page", lambda self: True)
    [check] = found("ray closed", examine())
    assert "only metrics pages answer: 127.0.0.1:6379" in check.found


def test_a_cluster_elsewhere_that_answers_strangers_is_pointed_out(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    monkeypatch.setattr(doctor, "probe", lambda address: None)
    monkeypatch.setattr(doctor, "answer", lambda who: "a question" if who.port == 6379 else "")
    [check] = found("ray closed", examine())
    assert check.state == "note"
    assert check.found == "127.0.0.1:6379 answers without a token (a question)"
    monkeypatch.setattr(doctor, "answer", lambda who: "")
    assert found("ray closed", examine()) == []
