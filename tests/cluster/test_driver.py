"""Whole runs over synthetic engines: what is in the tables when they end, however they went."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cluster import plan as planning
from cluster.campaign import Finished
from cluster.config import ConfigError, RunConfig
from cluster.driver import run
from cluster.local_executor import LocalExecutor
from cluster.manifest import config_of
from cluster.results import Results
from cluster.summary import GenerationSummary, RunSummary, Snapshot
from cluster.training import RunError
from speciation import seeds
from speciation.tables.readers import (
    generations_frame,
    genomes_frame,
    plans_frame,
    trials_frame,
)
from speciation.tables.store import Store, StoreFull
from speciation.trial.trial import Outcome
from tests.cluster.runs import FAST, assert_same_tables, carry_out, config, tables
from tests.cluster.synthetic import PLAN, Behaviour, genome, result


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """The same store, to write to."""
    return Path(shutil.copytree(finished, tmp_path / "copied"))


# -- An undisturbed run -------------------------------------------------------------------


def test_every_planned_trial_has_its_row(finished):
    store = Store(finished)
    planned = plans_frame(store)["trial_ids"].explode()
    trials = trials_frame(store, trial_ids=planned)
    assert len(planned) == 3 * 8 * 2
    assert set(trials["trial_id"]) == set(planned)
    assert set(trials["pool"]) == {"A"}


def test_all_genomes_of_a_generation_share_its_seeds(finished):
    plans = plans_frame(Store(finished))
    for generation, rows in plans.groupby("generation"):
        expected = list(seeds.pool_a(1, generation, 2))
        assert all(list(row) == expected for row in rows["seeds"])


def test_every_generation_is_closed_with_a_verdict_on_every_genome(finished):
    frame = generations_frame(Store(finished))
    assert frame.groupby("generation")["rank"].apply(sorted).tolist() == [list(range(8))] * 3
    assert (frame["trials"] + frame["failed"] == 2).all()
    assert not frame[frame["generation"] == 0]["elite"].any()
    assert frame[frame["generation"] == 1]["elite"].sum() == 2


def test_every_genome_of_a_plan_can_be_read_with_its_birth(finished):
    store = Store(finished)
    genomes = genomes_frame(store).set_index("genome_id")
    for row in plans_frame(store).itertuples():
        born = genomes.loc[row.genome_id]
        assert born["generation"] <= row.generation
        assert born["origin"] != "elite"


def test_the_champion_is_confirmed_on_seeds_that_evolution_never_saw(finished):
    store = Store(finished)
    manifest = store.read_manifest(config().run_id())
    champion = manifest["champion"]
    trials = trials_frame(store)
    fresh = trials[trials["pool"] == "B"]
    assert set(fresh["genome_id"]) == {champion["genome"]["id"]}
    assert sorted(fresh["seed"]) == list(seeds.pool_b(6))
    assert champion["confirmed"]["trials"] == 6
    assert manifest["status"] == "finished"
    assert manifest["generations_closed"] == 3
    assert "store" not in manifest["config"]


def test_progress_is_told_in_order(tmp_path):
    told: list[Any] = []
    slow = dataclasses.replace(FAST, slots=2, seconds=0.002)
    summary = carry_out(config(), tmp_path, slow, report_progress=told.append)
    assert summary.faults == {}
    closed = [p.generation for p in told if isinstance(p, GenerationSummary)]
    assert closed == [0, 1, 2]
    assert isinstance(told[-1], RunSummary)
    snapshots = [p for p in told if isinstance(p, Snapshot)]
    assert {p.phase for p in snapshots} == {"evolve", "confirm"}
    for before, after in itertools.pairwise(snapshots):
        assert after.finished >= before.finished
        assert after.trial_steps >= before.trial_steps
        assert after.done <= after.trials
    assert snapshots[-1].eta_seconds < 60


# -- Same tables, whatever the machine ----------------------------------------------------


@pytest.mark.parametrize("slots", [1, 3, 500])
def test_tables_do_not_depend_on_the_number_of_slots(finished, tmp_path, slots):
    carry_out(config(), tmp_path, Behaviour(slots=slots))
    assert_same_tables(finished, tmp_path)


def test_two_drivers_on_one_store_leave_the_tables_of_one(finished, tmp_path):
    slow = Behaviour(slots=4, seconds=0.001)
    errors: list[BaseException] = []

    def drive() -> None:
        try:
            carry_out(config(), tmp_path, slow)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=drive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert_same_tables(finished, tmp_path)


# -- Again, further, elsewhere ------------------------------------------------------------


def test_a_finished_run_started_again_trains_nothing(copied):
    before = tables(copied)
    summary = carry_out(config(), copied)
    assert summary.finished == 0
    assert summary.champion.confirmed.trials == 6
    assert all(len(before[name]) == len(frame) for name, frame in tables(copied).items())


def test_an_extended_run_is_the_longer_run(tmp_path):
    longer = config(evolution={"generations": 5})
    carry_out(config(), tmp_path / "a")
    summary = carry_out(longer, tmp_path / "a")
    carry_out(longer, tmp_path / "b")
    a, b = tables(tmp_path / "a"), tables(tmp_path / "b")
    for name in ("generations", "plans", "genomes"):
        assert a[name].equals(b[name])
    pool_a = [
        frame[frame["pool"] == "A"].reset_index(drop=True)
        for frame in (a["trials"], b["trials"])
    ]
    assert pool_a[0].equals(pool_a[1])
    assert summary.generations == 5
    assert summary.finished < 5 * 16 + 6


def test_a_run_is_never_shortened(copied):
    summary = carry_out(config(evolution={"generations": 1}), copied)
    assert (summary.generations, summary.finished) == (3, 0)


def test_more_seeds_of_confirmation_are_added_to_those_at_hand(tmp_path):
    carry_out(config(), tmp_path)
    summary = carry_out(config(confirm={"seeds": 10}), tmp_path)
    assert (summary.finished, summary.champion.confirmed.trials) == (4, 10)


def test_a_run_of_another_name_computes_nothing_that_is_known(copied):
    summary = carry_out(config(name="other"), copied)
    assert (summary.finished, summary.known) == (0, 3 * 16 + 6)
    assert len(generations_frame(Store(copied), "other-" + config().config_hash()[:8])) == 24


class _WithoutRoom(LocalExecutor):
    """Has no slot until something else has been done."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(PLAN, FAST)
        self._meanwhile: Callable[[], object] | None = meanwhile

    @property
    def capacity(self) -> int:
        return 0 if self._meanwhile else super().capacity

    def wait(self, timeout_s: float) -> list[Any]:
        if self._meanwhile is None:
            return super().wait(timeout_s)
        self._meanwhile()
        self._meanwhile = None
        return []


@pytest.mark.parametrize(("stale", "computed"), [(0.0, 0), (3600.0, 16)])
def test_what_another_run_computes_while_this_one_waits_for_room_is_not_computed_again(
    tmp_path, monkeypatch, stale, computed
):
    monkeypatch.setattr("cluster.training.STALE_SECONDS", stale)
    executor = _WithoutRoom(lambda: carry_out(config(name="other"), tmp_path))
    summary = run(config(), Store(tmp_path), executor)
    assert (summary.finished, summary.known) == (computed, 3 * 16 + 6 - computed)
    assert len(generations_frame(Store(tmp_path), config().run_id())) == 24


def test_rows_of_another_precision_answer_nothing(copied):
    summary = carry_out(config(engine={"precision": "float64"}), copied)
    assert (summary.finished, summary.known) == (3 * 16 + 6, 0)
    trials = trials_frame(Store(copied))
    both = ("fp16", "float64")
    assert trials["precision"].value_counts().to_dict() == dict.fromkeys(both, 3 * 16 + 6)
    founders = trials[(trials["generation"] == 0) & (trials["pool"] == "A")]
    side_by_side = founders.groupby(["genome_id", "seed"])["precision"].apply(set)
    assert side_by_side.tolist() == [set(both)] * 16


def test_rows_of_another_backend_answer_for_it(copied):
    other = config(engine={"backend": "graph"})
    assert other.run_id() != config().run_id()
    summary = carry_out(other, copied)
    assert (summary.finished, summary.known) == (0, 3 * 16 + 6)


def test_rows_of_a_longer_horizon_answer_a_shorter_one(tmp_path):
    carry_out(config(evolution={"generations": 1}), tmp_path)
    summary = carry_out(config(horizon=600, evolution={"generations": 1}), tmp_path)
    assert summary.known >= 16
    carry_out(config(horizon=600, evolution={"generations": 1}), tmp_path / "alone")
    run_id = config(horizon=600).run_id()
    mixed = generations_frame(Store(tmp_path), run_id)
    alone = generations_frame(Store(tmp_path / "alone"), run_id)
    judged = ["genome_id", "trials", "successes", "rmst", "rmst_se", "ert", "tank", "sniper"]
    assert mixed[judged].equals(alone[judged])


def test_a_stored_configuration_goes_on_as_the_same_run(finished):
    store = Store(finished)
    again = config_of(
        store, config().run_id(), {"evolution.generations": 4, "executor": "local"}
    )
    assert again.run_id() == config().run_id()
    assert again.evolution.generations == 4
    assert again.store == store.uri


def test_a_stored_configuration_of_other_science_is_refused(finished):
    store = Store(finished)
    with pytest.raises(ConfigError, match="it is another run"):
        config_of(store, config().run_id(), {"evolution.population": 9})


def test_a_run_whose_manifest_is_of_other_science_is_refused(tmp_path):
    store = Store(tmp_path)
    store.write_manifest(config().run_id(), {"config_hash": "0" * 32})
    with pytest.raises(ConfigError, match="config_hash is '0000000000000000'"):
        carry_out(config(), store)
    assert store.info().genomes == 0


# -- Killed anywhere ----------------------------------------------------------------------


class Killed(BaseException):
    """What SIGKILL would have done, for a store in this process."""


class MortalStore(Store):
    """Dies before or after its n-th write."""

    def __init__(self, folder: Path, lives: int, after: bool) -> None:
        super().__init__(folder)
        self.lives, self.after = lives, after

    def append(self, table: str, rows: Any) -> str | None:
        self._one_less(not self.after)
        name = super().append(table, rows)
        self._one_less(self.after)
        return name

    def write_manifest(self, run: str, manifest: Any) -> None:
        self._one_less(not self.after)
        super().write_manifest(run, manifest)
        self._one_less(self.after)

    def _one_less(self, counts: bool) -> None:
        self.lives -= counts
        if self.lives < 0:
            raise Killed


@pytest.fixture
def often(monkeypatch):
    """Rows are stored at every turn, so that there is much to interrupt."""
    monkeypatch.setattr("cluster.rows.FLUSH_SECONDS", 0.0)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[RunConfig, dict[str, Any]]:
    """A run with few writes, as it is killed at each of them; and its tables when it is not."""
    own = config(evolution={"population": 4, "generations": 2}, confirm={"seeds": 2})
    folder = tmp_path_factory.mktemp("small")
    carry_out(own, folder)
    return own, tables(folder)


@pytest.mark.parametrize("after", [False, True], ids=["before-a-write", "after-a-write"])
@pytest.mark.parametrize("every", [34, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("often")
def test_killed_at_a_write_and_resumed_the_tables_are_the_same(small, tmp_path, every, after):
    own, expected = small
    deaths = 0
    for lives in range(0, 1000, every):
        folder = tmp_path / str(lives)
        try:
            carry_out(own, MortalStore(folder, lives, after))
        except Killed:
            deaths += 1
        else:
            break
        carry_out(own, folder)
        assert_same_tables(expected, folder)
    assert deaths > 1


@pytest.mark.usefixtures("often")
def test_killed_again_and_again_it_still_arrives(small, tmp_path):
    own, expected = small
    deaths = 0
    while deaths < 500:
        try:
            carry_out(own, MortalStore(tmp_path, 6, after=True))
        except Killed:
            deaths += 1
        else:
            break
    assert deaths > 2
    assert_same_tables(expected, tmp_path)


@pytest.mark.parametrize("table", ["trials", "curves", "genomes", "plans", "generations"])
def test_a_damaged_part_is_made_again(finished, copied, table):
    part = next((copied / table).glob("*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    carry_out(config(), copied)
    if table == "curves":
        return  # a trial whose row is there is not trained again for its curve
    assert_same_tables(finished, copied)


def test_what_was_planned_is_done_although_an_older_plan_is_lost(copied, monkeypatch):
    part_of(copied, "plans", 0).unlink()
    part_of(copied, "generations", 2).unlink()  # so that it is open, and planned
    made = []

    def new_plan(config: RunConfig, store: Store, generation: int, parents: Any) -> Any:
        made.append(generation)
        return planning.new_plan(config, store, generation, parents)

    monkeypatch.setattr("cluster.driver.new_plan", new_plan)
    carry_out(config(), copied)
    assert made == [0]


def part_of(store: Path, table: str, generation: int) -> Path:
    """The only part of a table that speaks of a generation, and of no other."""
    [part] = [
        path
        for path in (store / table).glob("*.parquet")
        if set(pq.read_table(path)["generation"].to_pylist()) == {generation}
    ]
    return part


# -- Stopped ------------------------------------------------------------------------------


def test_a_stop_keeps_what_has_finished_and_a_resume_does_the_rest(finished, tmp_path):
    told: list[Any] = []
    slow = Behaviour(slots=4, seconds=0.001)

    def stop() -> bool:
        return any(isinstance(p, GenerationSummary) for p in told)

    summary = carry_out(config(), tmp_path, slow, report_progress=told.append, stop=stop)
    assert summary.stopped
    assert summary.champion is None
    assert summary.generations == 1
    assert Store(tmp_path).read_manifest(config().run_id())["status"] == "stopped"
    assert len(trials_frame(Store(tmp_path))) == summary.finished
    rest = carry_out(config(), tmp_path)
    assert not rest.stopped
    assert rest.finished + summary.finished == 3 * 16 + 6
    assert_same_tables(finished, tmp_path)


def test_what_an_executor_tells_only_when_closed_is_kept(tmp_path):
    class Shy(LocalExecutor):
        def submit(self, trials, apart=False):
            self.trials = list(trials)

        def wait(self, timeout_s):
            return []

        def close(self):
            return [Finished(Results.of(result(t) for t in self.trials[:3]))]

    turns = iter([False, True])
    store = Store(tmp_path)
    summary = run(config(), store, Shy(PLAN, FAST), stop=lambda: next(turns))
    assert summary.stopped
    assert len(trials_frame(store)) == 3


def test_what_has_finished_is_stored_before_an_executor_is_closed(tmp_path):
    class Slow(LocalExecutor):
        def submit(self, trials, apart=False):
            self.trials = list(trials)

        def wait(self, timeout_s):
            return [Finished(Results.of(result(t) for t in self.trials[:3]))]

        def close(self):
            stored.append(len(trials_frame(store)))
            return []

    turns = iter([False, True])
    store, stored = Store(tmp_path), []
    run(config(), store, Slow(PLAN, FAST), stop=lambda: next(turns))
    assert stored == [3]


def test_an_error_on_the_way_still_stores_what_had_finished(tmp_path):
    class Breaks(LocalExecutor):
        def wait(self, timeout_s):
            events = super().wait(timeout_s)
            if self.trial_steps > 2000:
                raise RuntimeError("the power supply is on fire")
            return events

    store = Store(tmp_path)
    with pytest.raises(RuntimeError, match="on fire"):
        run(config(), store, Breaks(PLAN, FAST))
    assert len(trials_frame(store)) > 0


# -- Failures -----------------------------------------------------------------------------


def test_poison_fails_and_is_held_against_nobody(tmp_path):
    carry_out(config(evolution={"generations": 1}), tmp_path / "calm")
    plan = plans_frame(Store(tmp_path / "calm"))
    bad = plan["trial_ids"][3][0]
    poisoned = dataclasses.replace(FAST, poison=frozenset({bad}))
    summary = carry_out(config(evolution={"generations": 1}), tmp_path / "sick", poisoned)
    store = Store(tmp_path / "sick")
    row = trials_frame(store, trial_ids=[bad]).iloc[0]
    assert row["outcome"] == Outcome.FAILED
    assert row["reason"].startswith("poison: RuntimeError: CUDA error")
    assert summary.failed == 1
    verdict = generations_frame(store).set_index("genome_id").loc[plan["genome_id"][3]]
    assert (verdict["trials"], verdict["failed"]) == (1, 1)
    others = trials_frame(store)
    assert (others["outcome"] == Outcome.FAILED).sum() == 1


def test_a_failed_trial_is_tried_again_by_the_next_run_that_wants_it(tmp_path):
    carry_out(config(evolution={"generations": 1}), tmp_path / "calm")
    bad = plans_frame(Store(tmp_path / "calm"))["trial_ids"][3][0]
    poisoned = dataclasses.replace(FAST, poison=frozenset({bad}))
    carry_out(config(evolution={"generations": 1}), tmp_path / "sick", poisoned)
    carry_out(config(name="later", evolution={"generations": 1}), tmp_path / "sick")
    row = trials_frame(Store(tmp_path / "sick"), trial_ids=[bad]).iloc[0]
    assert row["outcome"] != Outcome.FAILED


def test_engines_that_break_whatever_they_train_end_the_run_with_a_sentence(tmp_path):
    class Everything(frozenset):
        def __contains__(self, item: object) -> bool:
            return True

    with pytest.raises(RunError, match=r"die again and again .* illegal memory access"):
        carry_out(config(), tmp_path, Behaviour(poison=Everything()))


# -- Full disks ---------------------------------------------------------------------------


class SmallStore(Store):
    """Has no room for rows of some tables until somebody makes some."""

    def __init__(
        self,
        folder: Path,
        until: Callable[[], bool],
        tables: tuple[str, ...] = ("trials", "curves"),
    ) -> None:
        super().__init__(folder)
        self.until, self.tables, self.refused = until, tables, 0

    def append(self, table: str, rows: Any) -> str | None:
        if table in self.tables and not self.until():
            self.refused += 1
            raise StoreFull("no space left on device")
        return super().append(table, rows)


@pytest.mark.usefixtures("often")
def test_a_full_disk_is_waited_out_and_nothing_is_lost(finished, tmp_path):
    began = time.monotonic()
    store = SmallStore(tmp_path, until=lambda: time.monotonic() - began > 1.0)
    told: list[Any] = []
    summary = run(config(), store, LocalExecutor(PLAN, FAST), report_progress=told.append)
    assert store.refused > 0
    assert any(isinstance(p, Snapshot) and p.store_is_full for p in told)
    assert summary.finished == 3 * 16 + 6
    assert_same_tables(finished, tmp_path)


SLOWLY = [pytest.param(table, marks=pytest.mark.slow) for table in ("curves", "plans")]


@pytest.mark.parametrize("table", ["trials", "generations", *SLOWLY])
@pytest.mark.usefixtures("often")
def test_a_disk_that_is_full_for_half_an_hour_pauses_a_run_and_does_not_end_it(
    finished, tmp_path, monkeypatch, table
):
    monkeypatch.setattr("cluster.training.WAIT_SECONDS", 0.001)
    monkeypatch.setattr("cluster.training.MOST_SECONDS", 0.001)
    now = [0.0]

    def clock() -> float:  # a minute passes whenever somebody looks
        now[0] += 60.0
        return now[0]

    freed: list[float] = []

    def has_room() -> bool:
        freed.extend([now[0] + 1800] if not freed else [])
        return now[0] > freed[0]

    store = SmallStore(tmp_path, has_room, (table,))
    summary = run(config(), store, LocalExecutor(PLAN, FAST), clock=clock)
    assert store.refused > 1
    assert summary.faults == {"store unavailable": 1}
    assert summary.finished == 3 * 16 + 6
    assert_same_tables(finished, tmp_path)


@pytest.mark.usefixtures("often")
def test_while_the_disk_is_full_no_new_work_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr("cluster.training.LEAST_IN_FLIGHT", 4)
    big = config(evolution={"population": 100, "seeds": 10, "generations": 1})
    store = SmallStore(tmp_path, until=lambda: False)
    with pytest.raises(StoreFull):
        run(big, store, LocalExecutor(PLAN, Behaviour(slots=4)), patience=1.0)
    assert len(store.runs()) == 1
    executor = LocalExecutor(PLAN, Behaviour(slots=4))
    with pytest.raises(StoreFull):
        run(big, store, executor, patience=1.0)
    assert executor.trial_steps < 40 * 1000


def test_a_disk_that_was_full_costs_nothing_but_what_was_not_stored(finished, tmp_path):
    store = SmallStore(tmp_path, until=lambda: False)
    with pytest.raises(StoreFull):
        run(config(), store, LocalExecutor(PLAN, FAST), patience=0.2)
    carry_out(config(), tmp_path)
    assert_same_tables(finished, tmp_path)


# -- Ancestors ----------------------------------------------------------------------------


def test_a_run_can_begin_with_genomes_of_its_own(tmp_path):
    first = genome(7)
    own = [{"genes": dict(first.genes)}, {"genes": dict(genome(8).genes)}]
    carry_out(config(ancestors=own, evolution={"generations": 1}), tmp_path)
    born = genomes_frame(Store(tmp_path)).set_index("genome_id")
    assert born.loc[first.id]["origin"] == "ancestor"


def test_a_run_can_begin_where_another_ended(copied):
    earlier = config().run_id()
    carry_out(config(ancestors=[f"run:{earlier}"], evolution={"generations": 1}), copied)
    store = Store(copied)
    later = config(ancestors=[f"run:{earlier}"]).run_id()
    best = generations_frame(store, earlier).query("generation == 2 and rank < 4")
    founders = plans_frame(store, later)["genome_id"][:4]
    assert set(founders) == set(best["genome_id"])


def test_a_run_can_begin_with_the_hall_of_fame(copied):
    famous = config(ancestors=["hall_of_fame"], evolution={"generations": 1, "strictness": 0.3})
    carry_out(famous, copied)
    store = Store(copied)
    champion = store.read_manifest(config().run_id())["champion"]["genome"]["id"]
    assert champion in set(plans_frame(store, famous.run_id())["genome_id"])


@pytest.mark.parametrize(
    ("ancestors", "sentence"),
    [
        (["run:nothing"], "no closed generation of a run 'nothing'"),
        (["hall_of_fame"], "has no hyper17 genome for this task"),
    ],
)
def test_ancestors_that_do_not_exist_are_told(tmp_path, ancestors, sentence):
    with pytest.raises(ConfigError, match=sentence):
        carry_out(config(ancestors=ancestors), tmp_path)


def test_more_ancestors_than_places_are_told(tmp_path):
    many = [{"genes": dict(genome(i).genes)} for i in range(9)]
    with pytest.raises(ConfigError, match="9 ancestors do not fit into a population of 8"):
        carry_out(config(ancestors=many), tmp_path)


# -- Races --------------------------------------------------------------------------------

RACE = {"population": 16, "seeds": 8, "racing": {"least": 2}}


def test_a_race_tries_the_better_genomes_on_more_seeds(tmp_path):
    summary = carry_out(config(evolution=RACE), tmp_path)
    verdicts = generations_frame(Store(tmp_path))
    assert set(verdicts["trials"]) <= {2, 4, 8}
    best_first = verdicts.sort_values(["generation", "rank"])
    for _, generation in best_first.groupby("generation"):
        assert generation["trials"].is_monotonic_decreasing
    assert summary.finished == 3 * (16 * 2 + 8 * 2 + 4 * 4) + 6  # and not 3 * 16 * 8 + 6


@pytest.mark.parametrize("slots", [1, pytest.param(500, marks=pytest.mark.slow)])
def test_a_race_does_not_depend_on_who_is_ready_first(tmp_path, slots):
    own = config(evolution=RACE)
    carry_out(own, tmp_path / "a")
    carry_out(own, tmp_path / "b", Behaviour(slots=slots))
    assert_same_tables(tmp_path / "a", tmp_path / "b")


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    "lives", [pytest.param(n, marks=pytest.mark.slow) for n in (6, 12, 19)]
)
def test_a_race_killed_and_resumed_is_the_same_race(tmp_path, lives):
    own = config(evolution={**RACE, "population": 8, "generations": 2}, confirm={"seeds": 2})
    carry_out(own, tmp_path / "a")
    with pytest.raises(Killed):
        carry_out(own, MortalStore(tmp_path / "b", lives, after=True))
    carry_out(own, tmp_path / "b")
    assert_same_tables(tmp_path / "a", tmp_path / "b")


def test_empty_slots_that_are_lent_to_the_next_rung_change_no_verdict(tmp_path):
    fill = {**RACE, "racing": {**RACE["racing"], "fill": True}}
    own, filled = config(evolution=RACE), config(evolution=fill)
    assert own.run_id() == filled.run_id()
    carry_out(own, tmp_path / "a")
    summary = carry_out(filled, tmp_path / "b", Behaviour(slots=100))
    a, b = tables(tmp_path / "a"), tables(tmp_path / "b")
    for name in ("generations", "plans", "genomes"):
        assert a[name].equals(b[name])
    assert set(a["trials"]["trial_id"]) < set(b["trials"]["trial_id"])
    assert len(b["trials"]) == summary.finished  # and none of them twice
    assert set(b["trials"].loc[b["trials"]["seed"] % 2 == 0, "pool"]) == {"A"}


def test_runs_without_a_race_have_the_ids_they_had():
    assert "racing" not in config().science()["evolution"]
    assert (
        config(evolution=RACE).run_id() != config(evolution={**RACE, "racing": None}).run_id()
    )
