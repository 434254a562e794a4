from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from speciation.tables import parts
from speciation.tables.parts import NewerPart, PartError
from speciation.tables.schema import TABLES
from tests.speciation.tables import facts

TRIALS = TABLES["trials"]


@pytest.fixture(scope="module")
def part() -> tuple[str, bytes]:
    data = parts.encode(TRIALS, facts.as_table([facts.row("a"), facts.row("b", wall=2.0)]))
    return parts.part_name(data), data


def foreign(rows: pa.Table, **metadata: str) -> tuple[str, bytes]:
    sink = pa.BufferOutputStream()
    pq.write_table(rows.replace_schema_metadata(metadata or facts.ours()), sink)
    data = sink.getvalue().to_pybytes()
    return parts.part_name(data), data


def test_a_part_reads_back_as_it_was(part):
    assert parts.decode(TRIALS, *part) == facts.as_table(
        [facts.row("a"), facts.row("b", wall=2.0)]
    )


@pytest.mark.parametrize("spec", TABLES.values(), ids=TABLES)
def test_an_empty_table_makes_a_part_of_its_columns(spec):
    data = parts.encode(spec, spec.empty())
    assert parts.decode(spec, parts.part_name(data), data) == spec.empty()


def test_the_same_rows_make_the_same_part_however_they_lie_in_memory(part):
    rows = [facts.as_table([facts.row("a")]), facts.as_table([facts.row("b", wall=2.0)])]
    assert parts.encode(TRIALS, pa.concat_tables(rows)) == part[1]
    assert (
        parts.encode(
            TRIALS,
            facts.as_table([facts.row("z"), *pa.concat_tables(rows).to_pylist()]).slice(1),
        )
        == part[1]
    )


def test_every_truncation_is_noticed(part):
    name, data = part
    for length in range(len(data)):
        with pytest.raises(PartError, match="not those that its name stands for"):
            parts.decode(TRIALS, name, data[:length])


def test_every_flipped_bit_is_noticed(part):
    name, data = part
    flips = np.random.default_rng(0).permutation(8 * len(data))[:4000]
    assert len(flips) >= 2000
    for bit in flips:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PartError):
            parts.decode(TRIALS, name, bytes(damaged))


def test_added_bytes_and_other_names_are_noticed(part):
    name, data = part
    other = parts.part_name(b"other")
    for wrong_name, wrong in ((name, data + b"\0"), (name, data[:-1] + b"?"), (other, data)):
        with pytest.raises(PartError):
            parts.decode(TRIALS, wrong_name, wrong)
    with pytest.raises(PartError, match="not a sha256"):
        parts.decode(TRIALS, "rows.parquet", data)


@pytest.mark.parametrize("junk", [b"", b"PAR1", b"PAR1" * 10, b"\x15" * 400, b"{}"])
def test_junk_with_the_right_name_is_refused(junk):
    with pytest.raises(PartError, match="not readable Parquet"):
        parts.decode(TRIALS, parts.part_name(junk), junk)


def test_a_newer_schema_is_named_with_both_versions_and_what_to_do():
    name, data = foreign(facts.as_table([facts.row("a")]), **facts.ours(version=2))
    with pytest.raises(NewerPart) as caught:
        parts.decode(TRIALS, name, data)
    for said in (f"trials/{name}", "version 2", "up to 1", "install the newer program"):
        assert said in str(caught.value)


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 40])
def test_a_part_with_no_readable_version_is_not_ours(version):
    metadata = {**facts.ours(), "speciation_schema_version": version}
    with pytest.raises(PartError, match="not written by this project"):
        parts.decode(TRIALS, *foreign(facts.as_table([facts.row("a")]), **metadata))


def test_a_part_of_another_table_is_refused():
    rows = facts.as_table([facts.row("a")])
    with pytest.raises(PartError, match="table 'curves', not of 'trials'"):
        parts.decode(TRIALS, *foreign(rows, **facts.ours("curves")))


def test_a_missing_optional_column_is_null_and_an_unknown_one_is_left_out():
    rows = facts.as_table([facts.row("a")]).drop_columns(["device", "wall_seconds"])
    rows = rows.append_column("charm", pa.array([3]))
    read = parts.decode(TRIALS, *foreign(rows))
    assert read.schema == TRIALS.schema
    assert read.to_pylist()[0]["wall_seconds"] is None
    assert read.to_pylist()[0]["trial_id"] == "a"


def test_columns_may_come_in_any_order_and_width():
    rows = facts.as_table([facts.row("a", steps=7)])
    rows = rows.select(rows.column_names[::-1])
    place = rows.column_names.index("steps_run")
    rows = rows.set_column(place, "steps_run", rows["steps_run"].cast(pa.int64()))
    assert parts.decode(TRIALS, *foreign(rows)).to_pylist()[0]["steps_run"] == 7


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("trial_id", None, "'trial_id' of table 'trials' is missing"),
        ("trial_id", pa.array([5]), "'trial_id' should be string, but it is int64"),
        ("steps_run", pa.array(["many"]), "'steps_run' should be int32, but it is string"),
        ("steps_run", pa.array([1.5]), "'steps_run' should be int32, but it is double"),
        ("steps_run", pa.array([2**40]), "not readable Parquet"),
        ("outcome", pa.array([None], pa.string()), "'outcome' has 1 nulls"),
    ],
)
def test_wrong_columns_are_refused_by_name(column, values, said):
    rows = facts.as_table([facts.row("a")])
    rows = rows.drop_columns([column])
    if values is not None:
        rows = rows.append_column(column, values)
    with pytest.raises(PartError, match=said):
        parts.decode(TRIALS, *foreign(rows))


def test_two_columns_of_one_name_are_refused():
    rows = facts.as_table([facts.row("a")])
    with pytest.raises(PartError, match="two columns of one name"):
        parts.decode(TRIALS, *foreign(rows.append_column("outcome", pa.array(["failed"]))))


def test_only_the_asked_columns_are_read(part):
    read = parts.decode(TRIALS, *part, columns=["wall_seconds", "trial_id"])
    assert read.column_names == ["wall_seconds", "trial_id"]


def test_a_small_file_of_very_many_rows_is_refused(monkeypatch):
    name, data = foreign(facts.as_table([facts.row("a")] * 40_000))
    monkeypatch.setattr(parts, "READ_ROWS_BYTES", 2**20)
    assert len(data) < 2**20 / 10
    with pytest.raises(PartError, match="bytes of memory"):
        parts.decode(TRIALS, name, data)


def test_few_rows_of_long_texts_are_refused_too(monkeypatch):
    name, data = foreign(facts.as_table([{**facts.row("a"), "reason": "x" * 2**18}] * 10))
    monkeypatch.setattr(parts, "READ_ROWS_BYTES", 2**20)
    with pytest.raises(PartError, match="bytes of memory"):
        parts.decode(TRIALS, name, data)


def test_packing_cuts_at_places_that_depend_on_the_rows_alone(monkeypatch):
    monkeypatch.setattr(parts, "PART_WEIGHT", 10)
    rows = facts.as_table([facts.row(f"{i:03}") for i in range(35)])
    packed = list(parts.pack(TRIALS, rows))
    sizes = [len(parts.decode(TRIALS, parts.part_name(data), data)) for data in packed]
    assert sizes == [9, 10, 10, 6]
    in_pieces = pa.concat_tables([rows.slice(0, 11), rows.slice(11)])
    assert list(parts.pack(TRIALS, in_pieces)) == packed


def test_what_is_packed_can_always_be_read_again(monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS_BYTES", 4000)
    rows = facts.as_table([{**facts.row(f"{i:03}"), "reason": "x" * 900} for i in range(35)])
    packed = list(parts.pack(TRIALS, rows))
    assert len(packed) > 8
    read = [parts.decode(TRIALS, parts.part_name(data), data) for data in packed]
    assert pa.concat_tables(read) == rows
    assert max(table.nbytes for table in read) <= 4000


def test_long_curves_fill_a_part_sooner(monkeypatch):
    monkeypatch.setattr(parts, "PART_WEIGHT", 100)
    rows = [{"trial_id": f"{i:03}", "step": list(range(100))} for i in range(20)]
    spec = TABLES["curves"]
    assert len(list(parts.pack(spec, facts.as_table(rows, "curves")))) > 4
