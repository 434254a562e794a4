"""The queue on a real Ray: a closed cluster of this machine with two nodes and pretended GPUs.

What users type is what runs here: every command is a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from cluster.manifest import manifest_of
from speciation.tables.readers import generations_frame, trials_frame
from speciation.tables.store import Store

pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(600)]

pytest.importorskip("ray", reason="jobs need ray")

from cluster.closed import processes, prove  # noqa: E402
from cluster.own_cluster import NOTE  # noqa: E402
from tests.cluster.cluster_site import RUN, Site, driver_of, jobs_of_ray  # noqa: E402


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    site.started = site.start()
    yield site
    site.stop()


LONG = {"evolution": {"population": 6, "generations": 60, "seeds": 3, "aliens": 1, "elites": 1}}


def test_a_cluster_of_ours_is_closed_at_every_listener(site):
    assert site.started["listeners"] > 8
    session = json.loads((site.folder / NOTE).read_text())["session"]
    proof = prove(session)
    assert proof.closed, proof.answered
    assert {"127.0.0.1"} == {who.host for who in proof.listeners if who.port == site.dashboard}
    assert (site.folder / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600


def test_the_same_numbers_stand_in_jobs_in_top_at_ray_and_in_the_tables(site):
    own = site.submit("numbers")
    site.until(own, "succeeded")
    [job] = [job for job in site.json("jobs") if job["job"] == own]
    [run] = site.json("top", job["run"])["runs"]
    trials = trials_frame(Store(site.store))
    trials = trials[trials["run"] == job["run"]]
    closed = generations_frame(Store(site.store), job["run"])
    assert job["trials"] == run["trials"] == run["pulse"]["finished"] == len(trials)
    assert job["generation"] == run["generation"] == closed["generation"].nunique() == 3
    assert run["outcomes"] == run["pulse"]["outcomes"] == dict(trials["outcome"].value_counts())
    assert run["pulse"]["trial_steps"] == trials["steps_run"].sum()
    assert job["best"] == run["best"] == run["pulse"]["best"]

    seen = jobs_of_ray(site)
    assert seen[f"run-{own}-1"] == {"status": "SUCCEEDED", "run": job["run"], "attempt": "1"}
    assert (site.store / "runs" / job["run"] / "report.html").is_file()


def test_logs_are_json_and_stay_when_ray_forgets_them(site):
    own = site.submit("numbers")
    site.until(own, "succeeded")
    said = site.kept_log(own)
    events = [json.loads(line) for line in said.out.splitlines()]
    assert {e["event"] for e in events[:2]} == {"text"}  # with which Ray begins every log
    assert [e["event"] for e in events[2:] if e["event"] != "progress"] == [
        "started",
        *["generation"] * 3,
        "finished",
    ]
    assert all(e["job"] == own and e["at"] for e in events[2:])


def test_a_finished_run_extends_without_computing_anything_twice(site):
    before = site.until(site.submit("numbers"), "succeeded")
    longer = site.submit("numbers", "--generations", "+2", "--seeds", "9")
    assert longer != before["job"]
    job = site.until(longer, "succeeded")
    assert job["run"] == before["run"]
    assert job["generation"] == 5
    rows = trials_frame(Store(site.store))
    finished = [
        json.loads(line)
        for line in site.kept_log(longer).out.splitlines()
        if '"finished"' in line and line.startswith("{")
    ]
    assert finished[-1]["finished"] == (rows["run"] == job["run"]).sum() - before["trials"]


def test_a_cancelled_run_keeps_what_it_finished_and_is_resumed_by_retry(site):
    own = site.submit("stopped", **LONG)
    site.begun(own)
    assert site.call("cancel", own).code == 0
    job = site.until(own, "cancelled")
    assert job["trials"] > 0
    assert manifest_of(Store(site.store), job["run"])["status"] == "stopped"
    assert site.kept_log(own, "stopped").code == 0
    assert site.call("cancel", own).code == 2
    assert site.call("retry", own).code == 0
    again = site.until(own, "running")
    site.begun(own, job["generation"] + 1)
    assert again["trials"] >= job["trials"]
    site.call("cancel", own)
    site.until(own, "cancelled")


def test_a_driver_that_is_killed_is_begun_again_and_goes_on(site):
    own = site.submit("killed", evolution=LONG["evolution"] | {"generations": 12})
    site.begun(own)
    os.kill(driver_of(own), signal.SIGKILL)
    job = site.until(own, "succeeded")
    assert [attempt["ended"] for attempt in job["attempts"]] == ["lost", "succeeded"]
    assert job["attempts"][0]["reason"] == "Job entrypoint command failed with exit code 137"
    trials = trials_frame(Store(site.store))
    assert job["generation"] == 12
    assert not trials["trial_id"].duplicated().any()


def test_a_closed_cluster_is_joined_from_outside_by_its_address(site):
    one = {**RUN["evolution"], "generations": 1}
    said = site.call("evolve", site.config("outside", evolution=one), "--json")
    assert (said.code, said.err) == (0, ""), said
    assert len(trials_frame(Store(site.store), json.loads(said.out.splitlines()[-1])["run"]))


def test_auto_is_the_cluster_that_was_started_here_whatever_ray_remembers(site):
    latest = next(site.temporary.rglob("ray_current_cluster"))
    own = latest.read_text()
    latest.write_text("127.0.0.1:1\n")
    try:
        told = json.loads(site.call("dispatch", "--json", RAY_ADDRESS="auto").out)
        one = site.config("auto", evolution={**RUN["evolution"], "generations": 1})
        said = site.call("evolve", one, RAY_ADDRESS="auto")
    finally:
        latest.write_text(own)
    address = site.started["address"]
    assert told["cluster"] == address
    assert said.out.startswith(f"joined the Ray cluster at {address}, which `speciation clu")


def test_a_run_that_cannot_begin_has_failed_with_its_sentence(site):
    own = site.submit("orphan", ancestors=["run:nobody-12345678"])
    job = site.until(own, "failed")
    assert "nobody-12345678" in job["reason"]
    assert len(job["attempts"]) == 1


@pytest.mark.parametrize(
    ("words", "environment", "sentence"),
    [
        (["--address", "127.0.0.1:1"], {}, "nothing answers at 127.0.0.1:1"),
        (
            ["--address", "http://127.0.0.1:1"],
            {},
            "no Ray cluster answers at http://127.0.0.1:1",
        ),
        (["--address", "nonsense"], {}, "is not one of Ray's; use host:port"),
        ([], {"RAY_AUTH_TOKEN": "0" * 64}, "lets nobody in without its token, and it does not"),
        ([], {"HOME": "/nonexistent"}, "lets nobody in without its token, and there is none"),
        (["--device", "cuda", "--devices", "99"], {}, "--devices is 99, but the cluster has 4"),
    ],
)
def test_what_keeps_a_run_out_is_one_sentence_and_leaves_nothing(
    site, tmp_path, words, environment, sentence
):
    store = tmp_path / "elsewhere"
    path = site.config("refused")
    said = site.call("submit", path, "--store", str(store), *words, **environment)
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not store.exists()


def test_a_cluster_that_is_gone_is_followed_by_another(site):
    own = site.submit("moved", **LONG)  # long enough that it cannot end before its cluster
    site.begun(own)
    site.stop()
    assert not processes(str(site.temporary))
    left = site.job(own)
    assert left["state"] == "running"  # as far as anybody knows
    site.started = site.start()
    assert site.json("dispatch")["started"]
    # Another cluster may have it, until its pulse has been silent for a minute. How long the
    # rest of the run would take is the machine's affair.
    site.begun(own, left["generation"] + 2)
    site.call("cancel", own)
    job = site.until(own, "cancelled")
    assert [attempt["ended"] for attempt in job["attempts"]] == ["lost", "cancelled"]
