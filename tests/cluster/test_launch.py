"""From what somebody typed to a run that can start."""

from __future__ import annotations

import math
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.launch import (
    LaunchError,
    executor_for,
    existing_store,
    generations_wanted,
    lasting_place,
    places,
    pulse_keeper,
    stop_signals,
)
from cluster.local_executor import LocalExecutor
from cluster.pulse import read_pulse
from speciation.tables.files import open_files
from speciation.tables.store import Store
from tests.cluster.runs import FAST, carry_out, config


def test_asked_once_a_run_stops_and_asked_twice_everything_is_dropped():
    before = signal.getsignal(signal.SIGINT)
    with stop_signals() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is before


def test_signals_are_given_back_after_an_error_too():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), stop_signals():
        _ = 1 / 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_executor_is_closed_whatever_happens(monkeypatch):
    monkeypatch.setattr(LocalExecutor.__init__, "__defaults__", (FAST,))
    with pytest.raises(ZeroDivisionError), executor_for(config(executor="local")) as executor:
        _ = 1 / 0
    assert executor.capacity == 0


@pytest.mark.parametrize(
    ("address", "lacking"), [(None, "ray"), (None, "torch"), ("there:6379", "ray")]
)
def test_a_library_that_is_needed_is_missed_before_anything_starts(
    monkeypatch, address, lacking
):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.doctor.find_spec", lambda name: None if name == lacking else 1)
    sentence = rf"training needs {lacking}, which is not installed: pip install '.*\["
    wanted = executor_for(config(executor="ray", address=address))
    with pytest.raises(LaunchError, match=sentence), wanted:
        pass


@pytest.mark.ray  # it is only imported
def test_who_trains_on_a_cluster_needs_no_torch_of_their_own(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr("cluster.doctor.find_spec", lambda name: None if name == "torch" else 1)
    monkeypatch.setattr(
        "cluster.ray_executor.RayExecutor", lambda *_, **__: LocalExecutor(*_, FAST)
    )
    with executor_for(config(executor="ray", address="there:6379")) as executor:
        assert executor.capacity == FAST.slots


@pytest.mark.ray  # it is only imported
@pytest.mark.parametrize(("devices", "most"), [(math.inf, 16), (4.0, 4), (2.7, 2), (0.5, 1)])
def test_a_run_has_no_more_actors_than_its_share_of_devices(monkeypatch, devices, most):
    pytest.importorskip("ray")
    seen = {}

    def executor(plan, **options):
        seen.update(options)
        return LocalExecutor(plan, FAST)

    monkeypatch.setattr("cluster.ray_executor.RayExecutor", executor)
    with executor_for(config(executor="ray", address="there:6379"), devices):
        assert seen["most_actors"] == most
        assert seen["gpus"] == min(devices, 1.0)


def test_a_store_reads_the_same_from_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert lasting_place("results") == str(tmp_path / "results")
    assert lasting_place("~/results") == "/home/me/results"
    assert lasting_place("s3://bucket/results") == "s3://bucket/results"


def test_the_pulse_of_a_run_is_in_its_store(tmp_path):
    plan = config(executor="local", store=str(tmp_path))
    carry_out(plan, tmp_path, report_progress=pulse_keeper(plan))
    pulse = read_pulse(open_files(tmp_path), plan.run_id())
    assert pulse is not None
    assert pulse.state == "finished"


# -- Options ------------------------------------------------------------------------------


def test_an_address_means_ray():
    assert places(None, None, "a:1", None, None)["executor"] == "ray"
    assert places(None, None, None, None, None)["executor"] is None
    assert places(None, "local", None, None, None)["executor"] == "local"


def test_an_address_for_an_executor_that_joins_nothing_is_told():
    with pytest.raises(LaunchError, match="--address is 'a:1', but --executor is 'local'"):
        places(None, "local", "a:1", None, None)


def test_a_number_of_generations_is_a_total_or_with_a_plus_an_addition(tmp_path):
    carry_out(config(), tmp_path)
    done = config(store=str(tmp_path))
    assert generations_wanted("12", done) == 12
    assert generations_wanted("+12", done) == 3 + 12
    assert generations_wanted("+12", config(store=str(tmp_path / "none"))) == 12


@given(st.text(max_size=12))
def test_what_is_no_number_of_generations_is_told(text):
    if text.removeprefix("+").isdecimal() and text.isascii() and len(text) < 10:
        return
    with pytest.raises(LaunchError, match="must be a number such as 20 or"):
        generations_wanted(text, config())


# -- Stores -------------------------------------------------------------------------------


def test_a_folder_is_a_store_as_soon_as_anything_is_in_it(tmp_path: Path):
    with pytest.raises(LaunchError, match="there is no store at"):
        existing_store(str(tmp_path))
    Store(tmp_path).write_manifest("run-1", {})
    assert existing_store(str(tmp_path)).runs() == ("run-1",)


def test_a_home_that_nobody_has_is_a_folder_that_is_not_there():
    with pytest.raises(LaunchError, match=r"there is no store at .*~nobody-of-that-name/x"):
        existing_store("~nobody-of-that-name/x")
