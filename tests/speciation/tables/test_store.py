from __future__ import annotations

import errno
import shutil
import threading

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from speciation.tables import parts, upkeep
from speciation.tables.files import LocalFiles
from speciation.tables.schema import TABLES, result_rows
from speciation.tables.store import NewerPart, Store, StoreError, StoreFull
from speciation.trial.trial import Outcome
from tests.speciation.tables import facts
from tests.speciation.tables.facts import row
from tests.speciation.tables.faults import FULL, When, broken, crashing


@pytest.fixture(params=["path", "uri", "mock", "subtree"])
def reopen(request, tmp_path):
    """A way to open one store again and again, in each place that a store can be."""
    if request.param == "path":
        return lambda: Store(tmp_path / "store")
    if request.param == "uri":
        return lambda: Store(f"file://{tmp_path}/store")
    if request.param == "mock":
        bucket = pafs._MockFileSystem()
        return lambda: Store("bucket/store", bucket)
    tree = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    return lambda: Store("store", tree)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(root):
    return Store(root)


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Names of the files that are read from now on."""
    seen: list[str] = []
    real = LocalFiles.read

    def read(self, path, limit):
        seen.append(path)
        return real(self, path, limit)

    monkeypatch.setattr(LocalFiles, "read", read)
    return seen


# -- Facts in and out, wherever the store is ----------------------------------------------


def test_an_empty_store_has_empty_tables(reopen):
    for name, spec in TABLES.items():
        assert reopen().scan(name).table == spec.empty()
    assert reopen().runs() == ()


def test_what_is_appended_is_read_by_everybody(reopen):
    writer, reader = reopen(), reopen()
    writer.append("trials", [row("b"), row("a")])
    assert facts.ids(reader.scan("trials").table) == ["a", "b"]
    writer.append("trials", [row("c")])
    assert facts.ids(reader.scan("trials").table) == ["a", "b", "c"]
    assert facts.ids(reopen().scan("trials").table) == ["a", "b", "c"]


def test_the_same_rows_in_any_order_are_one_part(reopen):
    first = reopen().append("trials", [row("b"), row("a")])
    assert reopen().append("trials", facts.as_table([row("a"), row("b")])) == first
    assert reopen().info().tables[0].parts == 1


def test_appending_nothing_is_nothing(reopen):
    assert reopen().append("trials", []) is None
    assert reopen().append("trials", TABLES["trials"].empty()) is None
    assert reopen().info().tables[0].parts == 0


def test_compaction_changes_no_fact(reopen):
    for name in "cab":
        reopen().append("trials", [row(name), row("d", steps=ord(name))])
    before = reopen().scan("trials").table
    report = reopen().compact()[0]
    assert (report.parts_before, report.parts_after) == (3, 1)
    assert reopen().scan("trials").table == before
    assert before.num_rows == 4


def test_merging_takes_over_facts_and_manifests(reopen, tmp_path):
    other = Store(tmp_path / "other")
    other.append("trials", [row("a")])
    other.append("plans", [{"run": "r", "generation": 0, "position": 0, "genome_id": "g"}])
    other.write_manifest("r", {"seed": 1})
    reopen().append("trials", [row("a")])
    reopen().append("trials", [row("b")])

    report = reopen().merge(other)
    assert (report.copied, report.present, report.manifests) == (1, 1, 1)
    assert facts.ids(reopen().scan("trials").table) == ["a", "b"]
    assert reopen().scan("plans").table.num_rows == 1
    assert reopen().read_manifest("r") == {"seed": 1}
    assert reopen().merge(other).copied == 0


def test_a_damaged_part_is_put_aside_and_its_facts_can_be_told_again(reopen):
    good = reopen().append("trials", [row("a")])
    bad = reopen().append("trials", [row("b")])
    place = reopen()._files
    place.replace(f"trials/{bad}", place.read(f"trials/{bad}", 10**6)[:-1] + b"?")

    scan = reopen().scan("trials")
    assert facts.ids(scan.table) == ["a"]
    assert [(part.name, part.moved) for part in scan.bad] == [(bad, True)]
    assert "not those that its name stands for" in scan.bad[0].reason
    assert [entry.name for entry in place.files("trials")] == [good]
    assert [entry.name for entry in place.files("quarantine/trials")] == [bad]

    again = reopen().scan("trials")
    assert (facts.ids(again.table), again.bad) == (["a"], ())
    assert reopen().append("trials", [row("b")]) == bad
    assert facts.ids(reopen().scan("trials").table) == ["a", "b"]


# -- What may be appended -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "rows", "said"),
    [
        ("trial", [row("a")], "no table 'trial'; the tables are trials, curves"),
        ("trials", [{**row("a"), "speed": 1}], "'trials' has no column 'speed'"),
        ("trials", [{**row("a"), "steps_run": "many"}], "column 'steps_run' should be int32"),
        ("trials", [{**row("a"), "seed": 2**64}], "column 'seed' should be int64"),
        ("trials", [{**row("a"), "trial_id": 7}], "column 'trial_id' should be string"),
        ("trials", [{**row("a"), "outcome": None}], "column 'outcome' has 1 nulls"),
        ("trials", [row("a"), {}], "column 'trial_id' has 1 nulls"),
        ("genomes", [{"genome_id": "g", "kind": "k"}], "column 'run' has 1 nulls"),
        ("trials", pa.table({"trial_id": ["a"]}), "column 'genome_id' of table 'trials' is mi"),
        ("trials", pa.table({"speed": [1]}), "'trials' has no column 'speed'"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_column(store, root, table, rows, said):
    with pytest.raises(StoreError, match=said):
        store.append(table, rows)
    assert not root.exists()


def test_too_many_rows_for_a_part_are_refused(store, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 1000)
    with pytest.raises(StoreError, match="smaller pieces"):
        store.append("trials", [row("a")])
    assert store.info().tables[0].parts == 0


# -- Reading is cheap ---------------------------------------------------------------------


def test_only_new_parts_are_read_again(store, root, reads):
    for name in "abc":
        store.append("trials", [row(name)])
    reader = Store(root)
    reader.scan("trials")
    assert len(reads) == 3
    reader.scan("trials")
    assert len(reads) == 3
    store.append("trials", [row("d")])
    assert facts.ids(reader.scan("trials").table) == list("abcd")
    assert len(reads) == 4


def test_a_table_larger_than_the_cache_is_read_anew_and_right(root, reads):
    store = Store(root, cache_bytes=10)
    store.append("trials", [row("a")])
    assert [facts.ids(store.scan("trials").table) for _ in range(2)] == [["a"], ["a"]]
    assert len(reads) == 2


def test_facts_that_are_deleted_from_outside_are_forgotten(store, root):
    for name in "ab":
        store.append("trials", [row(name)])
    store.scan("trials")
    for part in facts.parts_of(root):
        if facts.rows_in(part)[0]["trial_id"] == "a":
            part.unlink()
    assert facts.ids(store.scan("trials").table) == ["b"]


def test_selecting_reads_the_parts_that_hold_the_keys(store, root, reads):
    for name in "abc":
        store.append("trials", [row(name), row(name + "2")])
    reader = Store(root)
    assert facts.ids(reader.select("trials", ["b", "b2", "x"]).table) == ["b", "b2"]
    assert len(reads) == 3  # each once, for its ids and its rows
    assert reader.select("trials", ["x"]).table.num_rows == 0
    assert reader.select("trials", []).table.num_rows == 0
    assert len(reads) == 3
    store.append("trials", [row("b", steps=500)])
    assert reader.select("trials", ["b"]).table["steps_run"].to_pylist() == [500]


def test_selecting_and_scanning_agree(store):
    for i in range(20):
        store.append("trials", [row(str(i % 7), steps=i), row(str(i % 3), "failed", steps=i)])
    everything = store.scan("trials").table
    assert store.select("trials", [str(i) for i in range(9)]).table == everything
    assert facts.ids(store.select("trials", ["3", "5"]).table) == ["3", "5"]


def test_many_parts_are_read_side_by_side(store, root):
    for i in range(40):
        store.append("trials", [row(f"{i:02}")])
    assert len(facts.ids(Store(root).scan("trials").table)) == 40
    assert len(facts.ids(Store(root).select("trials", ["07", "31"]).table)) == 2


def test_threads_may_share_a_store(store, root):
    seen = []

    def look():
        for _ in range(10):
            seen.append(store.scan("trials").table.num_rows)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(10):
        store.append("trials", [row(str(i))])
    for thread in threads:
        thread.join()
    assert len(seen) == 30
    assert store.scan("trials").table.num_rows == 10


# -- Damage -------------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["scan", "select"])
def test_a_damaged_part_in_a_store_that_cannot_be_written_is_left_out(
    store, root, monkeypatch, look
):
    store.append("trials", [row("a")])
    bad = store.append("trials", [row("b")])
    facts.flip(root / "trials" / bad, 99)
    monkeypatch.setattr(LocalFiles, "move", lambda self, source, target: False)

    reader = Store(root)
    for _ in range(2):
        scan = reader.scan("trials") if look == "scan" else reader.select("trials", "ab")
        assert facts.ids(scan.table) == ["a"]
        assert [(part.name, part.moved) for part in scan.bad] == [(bad, False)]
    assert [part.name for part in reader.bad_parts] == [bad]
    assert "left where it is" in str(reader.bad_parts[0])

    # Telling the fact again mends the part in its place.
    store.append("trials", [row("b")])
    scan = reader.scan("trials") if look == "scan" else reader.select("trials", "ab")
    assert (facts.ids(scan.table), scan.bad) == (["a", "b"], ())


def test_a_part_that_is_damaged_between_two_readings_of_select_is_left_out(store, root):
    good, bad = (store.append("trials", [row(name)]) for name in "ab")
    store.select("trials", [])
    facts.flip(root / "trials" / bad, 99)
    scan = store.select("trials", ["a", "b"])
    assert facts.ids(scan.table) == ["a"]
    assert [part.name for part in scan.bad] == [bad]
    assert good in [part.name for part in facts.parts_of(root)]


def test_a_part_that_was_mended_before_it_was_put_aside_goes_back(store, root, monkeypatch):
    name = store.append("trials", [row("a")])
    facts.flip(root / "trials" / name, 99)
    real = LocalFiles.move

    def mended_just_now(self, source, target):
        store.append("trials", [row("a")])
        return real(self, source, target)

    monkeypatch.setattr(LocalFiles, "move", mended_just_now)
    Store(root).scan("trials")
    monkeypatch.undo()
    assert facts.ids(Store(root).scan("trials").table) == ["a"]


@pytest.mark.parametrize("junk", ["unfinished", "README.txt", ".0f.77.0.tmp", "sub/x.parquet"])
def test_files_that_are_not_parts_are_ignored(store, root, junk):
    store.append("trials", [row("a")])
    path = root / "trials" / junk
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"PAR1")
    assert facts.ids(Store(root).scan("trials").table) == ["a"]
    assert Store(root).scan("trials").bad == ()
    store.compact()
    assert path.exists()


def test_a_parquet_file_whose_name_is_no_hash_is_put_aside(store, root):
    name = store.append("trials", [row("a")])
    shutil.copy(root / "trials" / name, root / "trials" / "copy.parquet")
    scan = store.scan("trials")
    assert facts.ids(scan.table) == ["a"]
    assert [part.name for part in scan.bad] == ["copy.parquet"]


def test_a_foreign_part_is_put_aside_once_with_its_reason(store, root):
    store.append("trials", [row("a")])
    path = facts.write_part(root, "trials", pa.table({"x": [1]}), {})
    foreign = facts.write_part(root, "trials", pa.table({"x": [1]}), facts.ours())
    reasons = {part.name: part.reason for part in store.scan("trials").bad}
    assert "not written by this project" in reasons[path.name]
    assert "column 'trial_id' of table 'trials' is missing" in reasons[foreign.name]
    assert store.scan("trials").bad == ()


def test_a_part_larger_than_any_of_ours_is_put_aside(store, root, monkeypatch):
    store.append("trials", [row("a")])
    monkeypatch.setattr(parts, "READ_BYTES", 1000)
    assert "larger than 1,000 bytes" in Store(root).scan("trials").bad[0].reason


@pytest.mark.parametrize("use", [lambda s: s.scan("trials"), lambda s: s.select("trials", "b")])
def test_a_newer_part_stops_reading_with_a_sentence(store, root, use):
    store.append("trials", [row("a")])
    newer = facts.write_part(root, "trials", facts.as_table([row("b")]), facts.ours(version=2))
    with pytest.raises(NewerPart, match=newer.name):
        use(Store(root))
    assert newer.exists()


def test_a_disk_that_cannot_be_read_is_not_taken_for_an_empty_one(store, root):
    store.append("trials", [row("a")])
    with broken("scandir", 0, errno.EIO), pytest.raises(StoreError, match="cannot list"):
        Store(root).scan("trials")


# -- Faults and crashes -------------------------------------------------------------------


@pytest.mark.parametrize("code", FULL)
def test_a_full_disk_loses_nothing_and_the_next_try_succeeds(store, root, code):
    store.append("trials", [row("a")])
    with broken("write", 0, code), pytest.raises(StoreFull):
        store.append("trials", [row("b")])
    assert store.verify().tables[0].leftovers == ()
    assert facts.ids(store.scan("trials").table) == ["a"]
    store.append("trials", [row("b")])
    assert facts.ids(store.scan("trials").table) == ["a", "b"]


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize(
    ("lives", "at_least"),
    # Three ways to crash: a thousand in all.
    [(4, 48), pytest.param(28, 340, marks=pytest.mark.slow)],
)
def test_crashes_of_appending_lose_and_invent_nothing(tmp_path, when, lives, at_least):
    crashes = 0
    for life in range(lives):
        root, at = tmp_path / str(life), 0
        acknowledged: set[str] = set()
        while True:
            name = f"{at:03}"
            with crashing(at, when) as made:
                Store(root).append("trials", [row(name), row(name + "+")])
                acknowledged.add(name)
            names = facts.ids(Store(root).scan("trials").table)
            assert acknowledged <= set(names)
            # Both rows of a fact or none, and no row that nobody told.
            assert set(names) <= {f"{i:03}{end}" for i in range(at + 1) for end in ("", "+")}
            assert all((f"{n[:3]}" in names) and (f"{n[:3]}+" in names) for n in names)
            if made[0] <= at:
                break
            at += 1
            crashes += 1
    assert crashes >= at_least


@pytest.mark.parametrize(
    "when",
    [
        When.HALFWAY,
        pytest.param(When.BEFORE, marks=pytest.mark.slow),
        pytest.param(When.AFTER, marks=pytest.mark.slow),
    ],
)
def test_a_crash_of_compaction_at_any_call_loses_nothing(tmp_path, when):
    at, crashes = 0, 0
    while True:
        root = tmp_path / str(at)
        for name in "abc":
            Store(root).append("trials", [row(name), row("x", steps=ord(name))])
        before = Store(root).scan("trials").table
        reader = Store(root)
        reader.scan("trials")
        with crashing(at, when) as made:
            Store(root).compact()
        assert reader.scan("trials").table == before
        assert Store(root).scan("trials").table == before
        Store(root).compact()
        assert Store(root).scan("trials").table == before
        assert len(facts.parts_of(root)) == 1
        if made[0] <= at:
            break
        at, crashes = at + 1, crashes + 1
    assert crashes >= 9


@pytest.mark.parametrize("call", ["write", "fsync", "link", "open"])
def test_a_disk_that_fills_up_during_compaction_loses_nothing(store, root, call):
    for name in "abc":
        store.append("trials", [row(name)])
    with broken(call, 0, errno.ENOSPC), pytest.raises(StoreFull):
        store.compact()
    assert len(facts.parts_of(root)) == 3
    assert facts.ids(store.scan("trials").table) == ["a", "b", "c"]


# -- Compaction ---------------------------------------------------------------------------


def test_the_same_facts_end_as_the_same_parts(tmp_path):
    told = [row(name, steps=steps) for name in "dabc" for steps in (1, 2)]
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    one.append("trials", told)
    for fact in told[::-1]:
        two.append("trials", [fact])
    one.compact()
    two.compact()
    names = [[p.name for p in facts.parts_of(tmp_path / s)] for s in ("one", "two")]
    assert names[0] == names[1]
    assert len(names[0]) == 1


def test_compacting_twice_changes_nothing(store, root):
    for name in "ab":
        store.append("trials", [row(name)])
    store.compact()
    parts_then = facts.parts_of(root)
    store.compact()
    assert facts.parts_of(root) == parts_then


def test_compaction_writes_several_parts_where_one_would_be_too_large(store, root, monkeypatch):
    monkeypatch.setattr(parts, "PART_WEIGHT", 10)
    store.append("trials", [row(f"{i:02}") for i in range(35)])
    before = store.scan("trials").table
    store.compact()
    assert len(facts.parts_of(root)) == 4
    assert Store(root).scan("trials").table == before


def test_small_parts_can_be_compacted_alone(store, root):
    large = store.append("trials", [row(f"{i:05}", wall=i / 7) for i in range(3000)])
    for name in "abc":
        store.append("trials", [row(name)])
    store.compact(smaller_than=(root / "trials" / large).stat().st_size)
    assert len(facts.parts_of(root)) == 2
    assert large in [path.name for path in facts.parts_of(root)]
    assert Store(root).scan("trials").table.num_rows == 3003


def test_more_parts_than_fit_into_memory_are_compacted_step_by_step(store, root, monkeypatch):
    sizes = []
    for i in range(6):
        name = store.append("trials", [row(str(i))])
        sizes.append((root / "trials" / name).stat().st_size)
    monkeypatch.setattr(upkeep, "COMPACT_BYTES", sum(sorted(sizes)[:3]))
    store.compact()
    assert len(facts.parts_of(root)) == 4
    assert store.scan("trials").table.num_rows == 6


def test_compaction_leaves_alone_what_it_does_not_understand(store, root):
    store.append("trials", [row("a")])
    store.append("trials", [row("b")])
    stranger = facts.as_table([row("c")]).append_column("charm", pa.array([3]))
    strange = facts.write_part(root, "trials", stranger, facts.ours())
    newer = facts.write_part(root, "trials", facts.as_table([row("d")]), facts.ours(version=7))
    report = store.compact()[0]
    assert set(report.left_alone) == {strange.name, newer.name}
    assert facts.rows_in(strange)[0]["charm"] == 3
    assert newer.exists()
    newer.unlink()
    assert facts.ids(store.scan("trials").table) == ["a", "b", "c"]


def test_compaction_puts_a_damaged_part_aside_and_keeps_the_rest(store, root):
    store.append("trials", [row("a")])
    bad = store.append("trials", [row("b")])
    facts.flip(root / "trials" / bad, 50)
    store.compact()
    assert facts.ids(Store(root).scan("trials").table) == ["a"]
    assert (root / "quarantine" / "trials" / bad).exists()


@pytest.mark.parametrize("look", ["scan", "select"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_reader_that_compaction_overtakes_reads_everything(
    store, root, monkeypatch, look, at
):
    for name in "abc":
        store.append("trials", [row(name)])
    reader, reads = Store(root), [0]
    real = LocalFiles.read

    def read(self, path, limit):
        if self is reader._files:
            reads[0] += 1
            if reads[0] == at + 1:
                store.compact()
        return real(self, path, limit)

    monkeypatch.setattr(LocalFiles, "read", read)
    scan = reader.scan("trials") if look == "scan" else reader.select("trials", "abc")
    assert (facts.ids(scan.table), scan.bad) == (["a", "b", "c"], ())


def test_two_compactions_at_once_lose_nothing(store, root, monkeypatch):
    for name in "abc":
        store.append("trials", [row(name)])
    real, nested = LocalFiles.publish, []

    def publish(self, path, data):
        if not nested:
            nested.append(path)
            Store(root).append("trials", [row("d")])
            Store(root).compact()
        real(self, path, data)

    monkeypatch.setattr(LocalFiles, "publish", publish)
    store.compact()
    assert facts.ids(Store(root).scan("trials").table) == list("abcd")


def test_a_store_whose_parts_vanish_for_ever_says_so(store, root, monkeypatch):
    store.append("trials", [row("a")])
    listing = store._files.files("trials")
    facts.parts_of(root)[0].unlink()
    monkeypatch.setattr(store._files, "files", lambda folder: listing)
    for look in (lambda: store.scan("trials"), lambda: store.select("trials", "a")):
        with pytest.raises(StoreError, match="vanished"):
            look()


# -- Merging, verifying, counting ---------------------------------------------------------


def test_merging_copies_only_what_its_name_says(store, root, tmp_path):
    other = Store(tmp_path / "other")
    other.append("trials", [row("a")])
    bad = other.append("trials", [row("b")])
    facts.flip(tmp_path / "other" / "trials" / bad, 77)
    report = store.merge(other)
    assert report.copied == 1
    assert [part.name for part in report.bad] == [bad]
    assert facts.ids(store.scan("trials").table) == ["a"]


def test_merging_takes_newer_parts_and_tables_too(store, root, tmp_path):
    other = tmp_path / "other"
    rows = facts.as_table([row("b")])
    newer = facts.write_part(other, "trials", rows, facts.ours(version=9))
    unknown = facts.write_part(other, "species", pa.table({"x": [1]}), facts.ours("species"))
    assert store.merge(Store(other)).copied == 2
    assert (root / "trials" / newer.name).exists()
    assert (root / "species" / unknown.name).exists()


def test_merging_leaves_quarantines_and_own_manifests_as_they_are(store, root, tmp_path):
    other = Store(tmp_path / "other")
    bad = other.append("trials", [row("b")])
    facts.flip(tmp_path / "other" / "trials" / bad, 77)
    other.scan("trials")
    for run, who in (("r", "theirs"), ("s", "theirs")):
        other.write_manifest(run, {"who": who})
    (tmp_path / "other" / "runs" / "s" / "manifest.json").write_text("{")
    store.write_manifest("r", {"who": "ours"})
    report = store.merge(other)
    assert store.read_manifest("r") == {"who": "ours"}
    assert (report.copied, report.manifests) == (0, 0)
    assert len(report.damaged) == 1
    assert not (root / "quarantine").exists()


def test_verification_finds_everything_and_changes_nothing(store, root):
    store.append("trials", [row("a"), row("b")])
    store.append("trials", [row("a")])
    bad = store.append("trials", [row("c")])
    facts.flip(root / "trials" / bad, 8)
    newer = facts.write_part(root, "trials", facts.as_table([row("d")]), facts.ours(version=2))
    (root / "trials" / ".x.tmp").write_bytes(b"")
    store.write_manifest("r", {})
    (root / "runs" / "r" / "manifest.json").write_text("{")
    before = sorted(root.rglob("*"))

    check = store.verify()
    trials = check.tables[0]
    assert (trials.name, trials.parts, trials.rows) == ("trials", 4, 3)
    assert trials.bytes == sum(path.stat().st_size for path in facts.parts_of(root))
    assert [part.name for part in trials.bad] == [bad]
    assert (trials.newer, trials.leftovers) == ((newer.name,), (".x.tmp",))
    assert len(check.manifests) == 1
    assert not check.ok
    assert sorted(root.rglob("*")) == before


def test_verification_of_a_sound_store_is_ok_and_counts_the_quarantine(store, root):
    assert store.verify().ok
    bad = store.append("trials", [row("c")])
    facts.flip(root / "trials" / bad, 8)
    assert not store.verify().ok
    store.scan("trials")
    assert store.verify().ok
    assert store.verify().tables[0].quarantined == 1


def test_info_counts_facts_not_rows(store):
    results = [
        facts.result(facts.trial(genome, seed), outcome)
        for genome in range(2)
        for seed, outcome in ((2, Outcome.GROKKED), (4, Outcome.CENSORED))
    ]
    for _ in range(2):
        trials, curves = result_rows(results, "r", 0, "A")
        store.append("trials", trials)
        store.append("curves", curves)
    store.append("trials", trials[:1])
    store.append(
        "genomes",
        [{"genome_id": "g", "kind": "hyper17", "run": run} for run in ("r", "s")],
    )
    store.write_manifest("r", {})
    info = store.info()
    counts = {table.name: (table.parts, table.rows) for table in info.tables}
    assert counts["trials"] == (2, 4)
    assert counts["curves"] == (1, 4)
    assert (info.outcomes, info.genomes) == ({"censored": 2, "grokked": 2}, 1)
    assert (info.runs, info.bad) == (("r",), ())


def test_reports_are_plain_values_for_json(store):
    import dataclasses
    import json

    store.append("trials", [row("a")])
    for report in (store.info(), store.verify(), *store.compact(), store.merge(store)):
        assert json.loads(json.dumps(dataclasses.asdict(report)))


def test_keys_of_one_digest_are_told_apart(store, monkeypatch):
    alike = pa.array([1], pa.uint64())
    monkeypatch.setattr(
        "speciation.tables.store.digests", lambda keys: pa.array([1] * len(keys), alike.type)
    )
    store.append("trials", [facts.row("a"), facts.row("b")])
    assert facts.ids(store.select("trials", ["b", "x"]).table) == ["b"]
    assert facts.ids(store.select("trials", ["x"]).table) == []
