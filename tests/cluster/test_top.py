"""Runs and queue at a glance: the same numbers in the tables, in the values, and as drawn."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from cluster.job_queue import JobQueue
from cluster.overview import overview
from cluster.places import NO_ROOM
from cluster.progress_text import STORE_FAILS
from cluster.pulse import SILENT_SECONDS, Pulse, write_pulse
from cluster.top import age, as_json, best_text, job_json, job_table, looks, screen, sparkline
from speciation.tables.files import open_files
from speciation.tables.readers import generations_frame, trials_frame
from speciation.tables.store import Store, StoreError, StoreUnavailable
from tests.cluster.runs import carry_out, config

RUN = config().run_id()
NOW = 1_800_000_000.0


@pytest.fixture
def place(tmp_path, finished) -> Store:
    shutil.copytree(finished, tmp_path / "results")
    return Store(tmp_path / "results")


@pytest.fixture
def queue(place) -> JobQueue:
    return JobQueue(place, lambda: NOW - 60)


def drawn(thing) -> str:
    console = Console(width=120, file=io.StringIO())
    console.print(thing)
    return console.file.getvalue()


def beat(place: Store, run: str = RUN, **values) -> None:
    write_pulse(open_files(place.uri), Pulse(run, **{"at": NOW - 2} | values))


def test_a_run_counts_what_its_tables_hold(place):
    [view] = overview(place, [])
    trials, closed = trials_frame(place), generations_frame(place, RUN)
    assert view.run == RUN
    assert view.trials == len(trials) == sum(view.outcomes.values())
    assert view.outcomes == dict(trials["outcome"].value_counts())
    assert (view.generation, view.generations) == (3, 3)
    last = closed[(closed["generation"] == 2) & (closed["rank"] == 0)].iloc[0]
    assert (view.best, view.best_genome) == (last["sprinter"], last["genome_id"])
    assert len(view.history) == 3


def test_a_run_that_waits_says_what_for(place):
    for values, sentence in (
        ({"capacity": 0, "waiting": 1}, NO_ROOM),
        ({"capacity": 8, "store_is_full": True}, STORE_FAILS),
    ):
        beat(place, state="running", **values)
        assert sentence in drawn(screen(overview(place, []), [], place.uri, NOW))


def test_a_trial_that_two_runs_asked_for_counts_for_both(place):
    carry_out(config(name="again"), place)
    views = {view.run: view for view in overview(place, [])}
    assert len(views) == 2
    first, again = views[RUN], views[config(name="again").run_id()]
    assert first.trials > 6  # those that confirmed the champion are of the first run
    assert sum(again.outcomes.values()) == again.trials == first.trials - 6


def test_what_came_after_a_runs_horizon_is_censored_there(place):
    short = config(name="short", horizon=200)
    carry_out(short, place)
    views = {view.run: view for view in overview(place, [])}
    own = views[short.run_id()]
    summary_of = generations_frame(place, short.run_id())
    assert own.outcomes.get("grokked", 0) < views[RUN].outcomes["grokked"]
    confirmed = trials_frame(place)
    confirmed = confirmed[(confirmed["run"] == short.run_id()) & (confirmed["pool"] == "B")]
    grokked = (confirmed["outcome"] == "grokked") & (confirmed["steps_to_grok"] <= 200)
    assert own.outcomes.get("grokked", 0) == summary_of["successes"].sum() + grokked.sum()


def test_a_run_of_the_queue_shows_before_it_has_any_result(queue):
    job, _ = queue.submit(config(name="other"))
    views = {view.run: view for view in overview(queue.store, queue.jobs())}
    assert views[job.run].state == "queued"
    assert (views[job.run].trials, views[job.run].best) == (0, None)
    assert best_text(views[job.run]) == "–"


def test_a_run_with_several_jobs_is_shown_by_the_one_at_work(queue):
    first, _ = queue.submit(config())
    queue.begin(first, 1)
    queue.submit(config(evolution={"generations": 9}))
    [view] = overview(queue.store, queue.jobs(), [RUN])
    assert (view.state, view.job.id) == ("running", first.id)


def test_a_pulse_that_has_stopped_is_no_life(place):
    beat(place, state="running")
    [view] = overview(place, [])
    assert view.alive(NOW)
    assert not view.alive(NOW + SILENT_SECONDS)
    beat(place, state="finished")
    assert not overview(place, [])[0].alive(NOW)


def test_a_damaged_manifest_or_pulse_hides_no_run(place):
    folder = Path(place.uri) / "runs" / RUN
    (folder / "manifest.json").write_text("{")
    (folder / "pulse.json").write_text("[1]")
    [view] = overview(place, [])
    assert (view.generation, view.state, view.pulse) == (3, "unknown", None)


def test_what_machines_read_are_the_numbers_of_the_view(queue):
    beat(queue.store, state="running", occupied=6, capacity=8, generations=7)
    queue.submit(config(name="other"))
    views = overview(queue.store, queue.jobs())
    told = json.loads(json.dumps(as_json(views, queue.jobs(), NOW)))
    assert told["queue"] == {
        "queued": 1,
        "running": 0,
        "succeeded": 0,
        "failed": 0,
        "cancelled": 0,
    }
    mine = next(run for run in told["runs"] if run["run"] == RUN)
    view = next(view for view in views if view.run == RUN)
    assert (mine["trials"], mine["best"], mine["alive"]) == (view.trials, view.best, True)
    assert (mine["generations"], mine["pulse"]["occupied"]) == (7, 6)


def test_the_screen_says_what_people_want_to_know(queue):
    beat(
        queue.store,
        state="running",
        occupied=6,
        capacity=8,
        trials_a_second=12.0,
        steps_a_second=3e6,
        eta_seconds=90.0,
    )
    queue.submit(config(name="other"), priority=4)
    jobs = queue.jobs()
    views = overview(queue.store, jobs)
    text = drawn(screen(views, jobs, queue.store.uri, NOW))
    view = next(view for view in views if view.run == RUN)
    for words in (
        RUN,
        "queue: 1 queued",
        "3 of 3",
        "6 of 8",
        f"{view.trials:,}: ",
        best_text(view),
        "12 trials/s · 3.0 M trial-steps/s",
        "about 1 min 30 s to go",
    ):
        assert words in text


def test_a_run_that_fell_silent_says_so(queue):
    job, _ = queue.submit(config())
    queue.begin(job, 1)
    beat(queue.store, state="running", at=NOW - 300)
    views = overview(queue.store, queue.jobs())
    text = drawn(screen(views, queue.jobs(), "here", NOW))
    assert "not heard of lately; last: 5 min 00 s ago" in text


def test_a_run_that_has_just_begun_gives_no_alarm(queue):
    job, _ = queue.submit(config(name="new"))
    queue.begin(job, 1)
    views = overview(queue.store, queue.jobs())
    text = drawn(screen(views, queue.jobs(), "here", NOW))
    assert "not heard of yet" in text
    assert "lately" not in text


def test_the_table_of_jobs_has_a_row_a_job(queue):
    mine, _ = queue.submit(config(), priority=4)
    other, _ = queue.submit(config(name="other"))
    jobs = queue.jobs()
    views = {view.run: view for view in overview(queue.store, jobs)}
    rows = [
        line for line in drawn(job_table(jobs, views, NOW)).splitlines() if "queued" in line
    ]
    assert [row.split()[0] for row in rows] == [mine.id, other.id]
    assert rows[0].split()[-2:] == ["1", "min"]
    told = job_json(jobs[0], views[RUN])
    assert (told["priority"], told["generation"], told["generations"]) == (4, 3, 3)


def test_an_extended_run_does_not_make_a_short_job_longer(queue):
    short, _ = queue.submit(config(evolution={"generations": 2}))
    [view] = overview(queue.store, queue.jobs(), [RUN])
    told = job_json(short, view)
    assert (told["generation"], told["generations"]) == (2, 2)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (3 * 86_400, "3 d")],
)
def test_ages_are_said_in_the_largest_unit(seconds, text):
    assert age(seconds) == text


def test_an_empty_store_says_so(tmp_path):
    assert "nothing has run here yet" in drawn(screen([], [], "here", NOW))


def test_bars_rise_with_the_numbers():
    assert sparkline([1.0, 4.5, 8.0]) == "▁▅█"
    assert sparkline([5.0, 5.0]) == "▁▁"
    assert sparkline([]) == ""
    assert len(sparkline(list(range(1000)))) == 40


def test_while_a_store_does_not_answer_what_was_seen_last_is_shown():
    answers = iter([1, StoreUnavailable("slow down"), 3, StoreError("damaged")])

    def look() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    seen = looks(look, lambda: None)
    assert [next(seen) for _ in range(3)] == [1, 1, 3]
    with pytest.raises(StoreError, match="damaged"):
        next(seen)
