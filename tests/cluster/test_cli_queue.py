"""The commands of the queue as people meet them. What they do on a real Ray: test_jobs.py."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import time
from typing import NoReturn

import pytest

from cluster.config import ConfigError, RunConfig
from cluster.dispatch import Devices
from cluster.dispatcher import log_path
from cluster.executor import ExecutorError
from cluster.heartbeat import write_beat
from cluster.job_queue import Job, JobQueue, State
from cluster.local_executor import LocalExecutor
from cluster.shipping import Parcel
from cluster.summary import RunSummary
from cluster.training import RunError
from speciation.tables.files import StoreError, open_files
from speciation.tables.store import Store
from tests.cluster.conftest import Said
from tests.cluster.runs import FAST, carry_out, config
from tests.cluster.test_cli import contents, refused, yaml_of


class FakeCluster:
    """A cluster that takes what it is given."""

    url, address = "http://127.0.0.1:8265", "head:6379"

    def __init__(self) -> None:
        self.dispatchers: list[tuple[str, Parcel]] = []
        self.anew = False

    def devices(self) -> Devices:
        return Devices(gpus=2, cores=8)

    def is_here(self) -> bool:
        return True

    def ensure_dispatcher(
        self, store: str, parcel: Parcel, tell: Callable[[str], None], anew: bool
    ) -> tuple[str, bool]:
        self.anew = anew
        self.dispatchers.append((store, parcel))
        if first := len(self.dispatchers) == 1:
            tell("starting the dispatcher …")
        return f"dispatcher-{len(self.dispatchers)}", first

    def logs(self, submission_id: str) -> str:
        return f'{{"event": "{submission_id}"}}\n'

    def statuses(self) -> dict[str, str]:
        return {f"run-{job.id}-1": "RUNNING" for job in JobQueue(Store("results"), time).jobs()}

    def follow(self, submission_id: str):
        yield f"{self.logs(submission_id)}and is over\n"
        queue = JobQueue(Store("results"), lambda: 1000.0)
        queue.end(queue.find("test"), 1, "succeeded")


@pytest.fixture
def cluster(monkeypatch) -> FakeCluster:
    fake = FakeCluster()
    monkeypatch.setattr("cluster.launch.ray_jobs", lambda address: fake)
    return fake


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, finished) -> Path:
    """A working folder with a store and the configuration of its run, and no Ray outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    shutil.copytree(finished, "results")
    Path("run.yaml").write_text(yaml_of(config(name="mine")))
    return tmp_path


@pytest.fixture
def queue(here) -> JobQueue:
    return JobQueue(Store(here / "results"), lambda: 1000.0)


# -- submit ---------------------------------------------------------------------------------


def test_a_run_that_is_submitted_is_in_the_queue_and_says_what_went_where(call, cluster, queue):
    said = call("submit", "run.yaml", "--priority", "5", "--devices", "1.5")
    assert said.code == 0, said
    [job] = queue.jobs()
    assert (job.priority, job.devices, job.state) == (5, 1.5, State.QUEUED)
    [(store, parcel)] = cluster.dispatchers
    assert store == str(Path("results").absolute())
    assert f"job       {job.id}\n" in said.out
    assert f"code      uploaded {parcel.summary()}\n" in said.out
    assert f"results   {store}\n" in said.out
    assert job.settings["executor"] == "ray"


@pytest.mark.parametrize("again", [False, True])
def test_a_job_that_no_dispatcher_begins_is_said_to_be_queued(
    call, cluster, queue, monkeypatch, again
):
    words = ["submit", "run.yaml"]
    if again:
        call(*words)
        [job] = queue.jobs()
        call("cancel", job.id)
        words = ["retry", job.id]

    def refuse(*_: object, **__: object) -> None:
        raise ExecutorError("the cluster takes no jobs")

    monkeypatch.setattr(cluster, "ensure_dispatcher", refuse)
    said = call(*words)
    [job] = queue.jobs()
    assert (said.code, job.state) == (2, State.QUEUED)
    assert f"job {job.id} is queued, but nothing begins it yet: the cluster takes" in said.err
    assert f"speciation dispatch --store {queue.store.uri}" in said.err


@pytest.mark.parametrize("word", ["submit", "dispatch"])
def test_a_queue_whose_dispatcher_is_starting_is_not_said_to_be_abandoned(
    call, cluster, queue, word
):
    queue.submit(config(name="mine"))
    assert "nobody works on this queue" in call("jobs").out
    call(*(("submit", "run.yaml") if word == "submit" else ("dispatch",)))
    assert "nobody works on this queue" not in call("jobs").out


def test_a_dispatcher_that_leaves_is_not_relied_on(call, cluster, queue):
    call("submit", "run.yaml")
    assert not cluster.anew
    write_beat(open_files(queue.store.uri), 1000.0, leaving=True)
    call("submit", "run.yaml")
    assert cluster.anew


def test_submitting_again_asks_for_nothing_new(call, cluster, queue):
    first = json.loads(call("submit", "run.yaml", "--json").out)
    again = json.loads(call("submit", "run.yaml", "--json").out)
    assert (first["new"], again["new"]) == (True, False)
    assert first["job"] == again["job"]
    assert (first["uploaded"] is None, again["uploaded"] is None) == (False, True)
    assert len(queue.jobs()) == 1


def test_a_dispatcher_is_said_to_be_starting_only_when_it_is(call, cluster):
    first, again = call("submit", "run.yaml"), call("submit", "run.yaml")
    assert "starting the dispatcher …" in first.out
    assert "starting" not in again.out
    assert "this code runs there already" in again.out


def test_which_cluster_was_chosen_is_said(call, cluster):
    assert "cluster   head:6379\n" in call("submit", "run.yaml").out
    assert json.loads(call("submit", "run.yaml", "--json").out)["cluster"] == "head:6379"
    assert ", at head:6379\n" in call("dispatch").out


def test_a_job_that_was_cancelled_is_not_opened_again_by_accident(call, cluster, queue):
    call("submit", "run.yaml")
    own = queue.jobs()[0].id
    call("cancel", own)
    said = call("submit", "run.yaml")
    assert f"it was cancelled; to run it again: speciation retry {own}" in said.out
    assert queue.find(own).state is State.CANCELLED


def test_a_finished_run_is_extended_by_generations_and_seeds(call, cluster, queue):
    Path("test.yaml").write_text(yaml_of(config()))
    call("submit", "test.yaml", "--generations", "+50", "--seeds", "2000")
    [job] = queue.jobs()
    assert job.run == config().run_id()
    assert job.settings["evolution"]["generations"] == 53
    assert job.settings["confirm"]["seeds"] == 2000


def test_more_seeds_for_a_finished_run_train_only_those(call, monkeypatch):
    monkeypatch.setattr(LocalExecutor.__init__, "__defaults__", (FAST,))
    monkeypatch.setattr("cluster.cli.write_report", lambda *_: Path("report.html"))
    words = ("resume", "test", "--executor", "local", "--seeds", "10", "--json")
    end = json.loads(call(*words).out.splitlines()[-1])
    assert (end["event"], end["finished"], end["champion"]["confirmed"]["trials"]) == (
        "finished",
        10 - 6,
        10,
    )


def test_every_file_that_would_be_uploaded_is_listed_and_nothing_else_happens(call, queue):
    before = contents(Path.cwd())
    said = call("submit", "run.yaml", "--files")
    assert said.code == 0
    assert re.search(r"^ +[\d,]+  cluster/cli.py$", said.out, re.M)
    assert contents(Path.cwd()) == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--devices", "3"],
            "--devices is 3, but the cluster has 2 GPUs; ask for fewer, or say",
        ),
        (
            ["--devices", "9", "--device", "cpu"],
            "--devices is 9, but the cluster has 8 cores; ask for fewer",
        ),
        (["--devices", "0"], "Invalid value for '--devices': 0.0 is not in the range x>0"),
        (["--seeds", "0"], "confirm.seeds is 0, but must be an integer from 1"),
        (["--priority", "high"], "'high' is not a valid integer"),
        (["--devices", "few"], "'few' is not a valid number"),
    ],
)
def test_what_cannot_be_submitted_is_told(call, cluster, words, sentence):
    refused(call, re.escape(sentence), "submit", "run.yaml", *words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--port", "70000"], "Invalid value for '--port': 70000 is not in the range 1<="),
        (["--dashboard-port", "0"], "0 is not in the range 1<=x<=65535"),
        (["--cpus", "many"], "'many' is not a valid integer"),
    ],
)
def test_a_cluster_that_cannot_be_started_so_is_told(call, words, sentence):
    refused(call, re.escape(sentence), "cluster", "start", *words)


def test_devices_that_are_to_join_may_be_waited_for(call, cluster, queue):
    assert call("submit", "run.yaml", "--devices", "64", "--await-devices").code == 0
    assert queue.jobs()[0].devices == 64


def test_gpus_that_are_not_there_are_told(call, cluster, monkeypatch):
    monkeypatch.setattr(FakeCluster, "devices", lambda self: Devices(0, 8))
    sentence = "asks for GPUs .*, but the cluster has none; use --device auto or cpu"
    refused(call, sentence, "submit", "run.yaml", "--device", "cuda")


def test_a_cluster_that_cannot_be_entered_leaves_nothing_in_the_queue(call, monkeypatch):
    def locked(address):
        raise ExecutorError(f"the Ray cluster at {address} lets nobody in without its token")

    monkeypatch.setattr("cluster.launch.ray_jobs", locked)
    refused(call, "lets nobody in", "submit", "run.yaml", "--address", "there:6379")
    refused(call, "lets nobody in", "dispatch", "--address", "there:6379")


def test_a_full_queue_is_told(call, cluster, queue, monkeypatch):
    monkeypatch.setattr("cluster.job_queue.MOST_QUEUED", 1)
    queue.submit(config(name="first"))
    refused(call, "is full: 1 jobs are waiting; cancel some, or", "submit", "run.yaml")


# -- jobs, cancel, retry --------------------------------------------------------------------


def test_an_empty_queue_says_how_to_fill_it(call):
    assert "`speciation submit` is the way" in call("jobs").out
    assert json.loads(call("jobs", "--json").out) == []


def test_jobs_are_listed_with_what_their_runs_have_done(call, queue):
    job, _ = queue.submit(config(), priority=2)
    [told] = json.loads(call("jobs", "--json").out)
    assert (told["job"], told["state"], told["priority"]) == (job.id, "queued", 2)
    assert (told["generation"], told["generations"]) == (3, 3)
    assert told["trials"] == sum(
        json.loads(call("top", "--json").out)["runs"][0]["outcomes"].values()
    )
    assert re.search(rf"{job.id} +queued +2 +3/3", call("jobs").out)


def test_why_a_job_failed_is_listed_too(call, queue):
    job, _ = queue.submit(config())
    queue.begin(job, 1)
    queue.end(job, 1, "failed", "no such ancestor")
    assert f"{job.id}: no such ancestor" in call("jobs").out


def test_how_many_run_at_a_time_is_settled_in_the_queue(call, queue):
    from cluster.job_queue import at_once

    call("jobs", "--at-once", "3")
    assert at_once(queue.facts()) == 3


def test_a_cancelled_job_says_how_to_go_on_and_retry_does(call, cluster, queue):
    job, _ = queue.submit(config())
    said = call("cancel", "test")
    assert said.out == f"{job.id} is cancelled; go on with: speciation retry {job.id}\n"
    assert queue.find(job.id).state is State.CANCELLED
    assert call("retry", "test").code == 0
    assert queue.find(job.id).state is State.QUEUED
    assert len(cluster.dispatchers) == 1


def test_how_to_go_on_names_a_store_that_is_not_the_usual_one(call, cluster, queue):
    own = json.loads(call("submit", "run.yaml", "--store", "else where", "--json").out)["job"]
    said = call("cancel", "mine", "--store", "else where").out
    assert said.endswith(f"; go on with: speciation retry {own} --store 'else where'\n")
    said = call("submit", "run.yaml", "--store", "else where").out
    assert f"speciation retry {own} --store '{Path('else where').absolute()}'\n" in said


@pytest.mark.parametrize("command", ["cancel", "retry", "logs"])
def test_a_job_that_is_not_there_is_told(call, cluster, queue, command):
    queue.submit(config())
    refused(call, "there is no job 'nobody' in .*; its jobs are test-", command, "nobody")


@pytest.mark.parametrize("command", [["jobs"], ["cancel", "x"], ["logs", "x"], ["top"]])
def test_a_store_that_is_not_there_is_told(call, command):
    refused(call, "there is no store at .*nowhere", *command, "--store", "nowhere")


def test_what_is_not_over_cannot_be_tried_again(call, cluster, queue):
    queue.submit(config())
    refused(call, "is queued; only what failed or was cancelled", "retry", "test")


# -- logs and top ---------------------------------------------------------------------------


def test_a_job_that_has_not_begun_has_said_nothing(call, queue):
    queue.submit(config())
    refused(call, "has not begun, so it has said nothing", "logs", "test")


def test_a_running_job_is_listened_to(call, cluster, queue):
    job, _ = queue.submit(config())
    queue.begin(job, 1)
    said = f'{{"event": "run-{job.id}-1"}}\n'
    assert call("logs", "test").out == said
    end = '{"event": "text", "message": "and is over"}\n'
    assert call("logs", "test", "--follow").out == said + end


def test_of_a_job_that_is_over_the_kept_words_are_read(call, queue):
    job, _ = queue.submit(config())
    queue.begin(job, 1)
    queue.end(job, 1, "succeeded")
    ended = queue.find(job.id)
    said = '{"event": "finished"}\n'
    open_files(queue.store.uri).replace(log_path(ended, ended.submission_id), said.encode())
    assert call("logs", "test").out == said


@pytest.mark.parametrize("answers", [True, False])
def test_words_that_lack_their_end_are_asked_for_where_somebody_answers(
    call, cluster, queue, monkeypatch, answers
):
    job, _ = queue.submit(config())
    queue.begin(job, 1)
    queue.end(job, 1, "succeeded")
    ended, kept = queue.find(job.id), '{"event": "progress"}\n'
    open_files(queue.store.uri).replace(log_path(ended, ended.submission_id), kept.encode())

    def nobody(address: str | None) -> None:
        raise ExecutorError("no Ray cluster runs on this machine")

    if not answers:
        monkeypatch.setattr("cluster.launch.ray_jobs", nobody)
    said = call("logs", "test").out
    assert said == (cluster.logs(ended.submission_id) if answers else kept)


def test_top_shows_the_latest_run_where_none_is_at_work(call):
    said = call("top", "--once")
    assert config().run_id() in said.out
    assert "3 of 3" in said.out
    assert json.loads(call("top", "--json").out)["runs"][0]["run"] == config().run_id()


def test_top_of_a_run_that_is_not_there_is_told(call):
    refused(call, "there is no run 'nobody' in", "top", "nobody")


# -- run-job: what the dispatcher calls -----------------------------------------------------


@pytest.fixture
def attempt(call, queue, monkeypatch) -> Callable[[Callable], tuple[Said, Job]]:
    """Run a job's first attempt, which goes as somebody says; what was said, and the job."""
    monkeypatch.setattr("cluster.log_lines.log_as_json", lambda _: None)
    monkeypatch.setattr("cluster.cli.write_report", lambda *_: Path("report.html"))

    def run(goes: Callable[[RunConfig], RunSummary]) -> tuple[Said, Job]:
        monkeypatch.setattr("cluster.cli._carry_out", lambda config, *_: goes(config))
        job, _ = queue.submit(config())
        queue.begin(job, 1)
        words = ("--store", queue.store.uri, "--job", job.id, "--attempt", "1")
        return call("run-job", *words, "--devices", "1"), queue.find(job.id)

    return run


def test_an_attempt_that_comes_to_its_end_has_succeeded(attempt):
    said, job = attempt(lambda config: carry_out(config, Path("results")))
    assert (said.code, job.state) == (0, State.SUCCEEDED)
    assert Path("results/runs", job.run, "champion.json").is_file()


def test_an_attempt_whose_report_finds_no_room_has_succeeded_all_the_same(attempt, monkeypatch):
    def goes(config: RunConfig) -> RunSummary:
        monkeypatch.setattr("cluster.cli.write_report", full)
        return carry_out(config, Path("results"))

    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device", "report.html")

    said, job = attempt(goes)
    assert (said.code, job.state) == (0, State.SUCCEEDED)
    assert json.loads(said.out.splitlines()[-1])["event"] == "not drawn"


def test_an_attempt_that_is_stopped_says_nothing_of_its_end(attempt):
    def goes(config: RunConfig) -> RunSummary:
        return replace(carry_out(config, Path("results")), stopped=True)

    said, job = attempt(goes)
    assert (said.code, job.state) == (130, State.RUNNING)


@pytest.mark.parametrize(
    ("error", "how", "state"),
    [
        (ExecutorError("no engine"), "gave up", State.QUEUED),
        (RunError("actors die"), "gave up", State.QUEUED),
        (StoreError("damaged"), "gave up", State.QUEUED),
        (OSError(28, "No space left", "file"), "gave up", State.QUEUED),
        (ConfigError("no such ancestor"), "failed", State.FAILED),
    ],
)
def test_an_attempt_that_cannot_go_on_says_whether_another_may(attempt, error, how, state):
    def goes(_: RunConfig) -> NoReturn:
        raise error

    said, job = attempt(goes)
    assert (said.code, job.state) == (2, state)
    assert job.last is not None
    assert job.last.ended == how
    told = json.loads(said.out.splitlines()[-1])
    assert (told["event"], told["reason"]) == ("failed", job.last.reason)


def test_an_attempt_that_crashes_leaves_the_verdict_to_the_dispatcher(attempt):
    with pytest.raises(ZeroDivisionError):
        attempt(lambda _: 1 // 0)
