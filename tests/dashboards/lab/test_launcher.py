"""From an order to a process: what a browser may ask for, and what it is told."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from cluster import doctor
from cluster.config import make_config
from cluster.heartbeat import write_beat
from cluster.job_queue import JobQueue, State
from cluster.pulse import Pulse, write_pulse
from cluster.yaml_text import read_yaml
from dashboards.lab import launcher as module
from dashboards.lab.launcher import (
    MOST_AT_ONCE,
    Evolve,
    Launcher,
    LaunchRefused,
    Resume,
    Validate,
)
from dashboards.lab.sources import Sources
from dashboards.lab.works import FOLDER, tail
from speciation.genome.genome import HYPER17
from speciation.genome.library import save_genome
from speciation.tables.files import open_files
from speciation.tables.store import Store
from tests.cluster.synthetic import genome

SAYING = (sys.executable, "-u", "-c", "import sys, time; print(*sys.argv[1:]); time.sleep(60)")

pytestmark = pytest.mark.filterwarnings("ignore:subprocess:ResourceWarning")


def until(true, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def lab(tmp_path, monkeypatch) -> Launcher:
    """A launcher that starts a program which repeats what it is told, and waits."""
    monkeypatch.setattr(module, "has_extra", lambda name: True)
    (tmp_path / "genomes" / "custom").mkdir(parents=True)
    save_genome(tmp_path / "genomes/custom/ada.json", genome(), {}, "Ada")
    own = Launcher(Sources(tmp_path / "results", tmp_path / "genomes"), SAYING)
    yield own
    for work in own.works():
        if work.running:
            os.kill(work.pid, signal.SIGKILL)
    until(lambda: not any(work.running for work in own.works()))


def told(lab: Launcher, name: str) -> list[str]:
    """What a started program was told."""
    place = lab._sources.store
    until(lambda: len(tail(place, name).splitlines()) > 1)
    return tail(place, name).splitlines()[1].split(" ")


def test_a_run_is_started_from_a_preset_with_what_was_changed(lab):
    name = lab.start(Evolve("quickstart", {"evolution.population": 6, "name": "mine"}))
    assert name.startswith("mine-")
    command, option, place, path = told(lab, name)
    assert (command, option, place) == ("evolve", "--store", str(lab._sources.store))
    config = make_config(read_yaml(Path(path)), "test")
    assert config.run_id() == name
    assert config.evolution.population == 6
    assert [work.name for work in lab.works() if work.running] == [name]


def test_what_runs_is_not_started_again(lab):
    lab.start(Evolve("quickstart"))
    with pytest.raises(LaunchRefused, match="runs already"):
        lab.start(Evolve("quickstart"))


def test_what_runs_in_a_terminal_is_not_started_here_nor_stopped(lab):
    name = lab.start(Evolve("quickstart"))
    lab.stop(name)
    until(lambda: not lab.works()[0].running)
    files = open_files(lab._sources.store)
    write_pulse(files, Pulse(name, state="running", at=time.time()))
    with pytest.raises(LaunchRefused, match="runs already"):
        lab.start(Evolve("quickstart"))
    with pytest.raises(LaunchRefused, match="started elsewhere"):
        lab.stop(name)


def test_a_run_begins_with_genomes_of_the_library_and_of_the_store(lab):
    from speciation.tables.schema import genome_row

    stored = HYPER17.random(1, __import__("numpy").random.default_rng(7))[0]
    Store(lab._sources.store).append(
        "genomes", [genome_row(stored, origin="random", run="x", generation=0)]
    )
    name = lab.start(Evolve("quickstart", ancestors=("ada", stored.id[:10])))
    config = make_config(read_yaml(lab._sources.store / FOLDER / f"{name}.yaml"), "test")
    assert [own.genome().id for own in config.ancestors] == [genome().id, stored.id]


def test_a_validation_names_genomes_as_the_command_does(lab):
    name = lab.start(Validate(["Ada", "run:mine"], seeds=20, horizon=100, by_group=True))
    assert name.startswith("validation-")
    path = str(lab._sources.library / "custom/ada.json")
    said = told(lab, name)
    assert said[:5] == ["validate", "--store", str(lab._sources.store), "--seeds", "20"]
    assert said[5:9] == ["--horizon", "100", "--by", "group"]
    assert said[9:11] == ["--out", f"{lab._sources.store}/validation/{name}"]
    assert said[11:] == ["--", path, "run:mine"]


def test_a_few_things_run_at_once(lab):
    for seed in range(MOST_AT_ONCE):
        lab.start(Evolve("quickstart", {"seed": seed}))
    with pytest.raises(LaunchRefused, match="stop one"):
        lab.start(Evolve("quickstart", {"seed": 99}))


@pytest.mark.parametrize(
    "order",
    [
        Evolve("../../etc/passwd"),
        Evolve(["quickstart"]),
        Evolve(None),
        Evolve("quickstart", "name"),
        Evolve("quickstart", {"store": "/tmp/x"}),
        Evolve("quickstart", {"ancestors": "/etc/passwd"}),
        Evolve("quickstart", {"name": "../x"}),
        Evolve("quickstart", {"name": 3}),
        Evolve("quickstart", {"seed": 1.5}),
        Evolve("quickstart", {"seed": True}),
        Evolve("quickstart", {"evolution.population": 10**9}),
        Evolve("quickstart", {"evolution.population": [1]}),
        Evolve("quickstart", {3: 4}),
        Evolve("quickstart", ancestors="ada"),
        Evolve("quickstart", ancestors=["nobody"]),
        Evolve("quickstart", ancestors=["/etc/passwd"]),
        Evolve("quickstart", ancestors=[None]),
        Resume("nobody-1"),
        Resume("../x"),
        Resume(None),
        Validate([]),
        Validate("ada"),
        Validate(["ada"] * 1000),
        Validate([3]),
        Validate(["--open"]),
        Validate(["/etc/passwd"]),
        Validate(["ada\nbob"]),
        Validate(["ada"], seeds=0),
        Validate(["ada"], seeds="20"),
        Validate(["ada"], seeds=True),
        Validate(["ada"], horizon=-1),
        Validate(["ada"], track="--open"),
        Validate(["ada"], track=[]),
        Validate(["ada"], executor="--open"),
    ],
)
def test_what_a_browser_must_not_say_is_refused_in_one_sentence(lab, order):
    with pytest.raises(LaunchRefused) as refused:
        lab.start(order)
    assert 10 < len(str(refused.value)) < 400
    assert lab.works() == ()


@pytest.mark.parametrize("name", [None, 3, "", "../x", "nobody", ["a"]])
def test_stopping_what_does_not_run_is_one_sentence(lab, name):
    with pytest.raises(LaunchRefused, match="does not run"):
        lab.stop(name)


def test_without_torch_it_says_what_to_install(lab, monkeypatch):
    monkeypatch.setattr(module, "has_extra", doctor.has_extra)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert "torch" in lab.hindrance()
    with pytest.raises(LaunchRefused, match="torch is missing"):
        lab.start(Evolve("quickstart"))


def test_while_a_cluster_works_on_the_queue_runs_are_put_into_it(lab, monkeypatch):
    store = lab._sources.store
    write_beat(open_files(store), time.time())
    monkeypatch.setattr(module, "has_extra", lambda name: False)  # none of it is needed here
    assert lab.hindrance() == ""
    assert lab.hindrance(Validate) != ""
    name = lab.start(Evolve("quickstart"))
    queue = JobQueue(Store(store), time.time)
    assert [(job.run, job.state) for job in queue.jobs()] == [(name, State.QUEUED)]
    assert "cancelled" in lab.stop(name)
    assert queue.jobs()[0].state is State.CANCELLED
    assert lab.start(Evolve("quickstart")) == name
    assert queue.jobs()[0].state is State.QUEUED
    assert lab.works() == ()
