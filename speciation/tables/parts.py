"""A part: rows as Parquet bytes, named by the hash of those bytes.

Plain Parquet reads flipped bits as wrong numbers, silently. So no byte is parsed before the
whole part has been hashed and found to be what its name says; what passes is then checked to be
a table of this project, of a schema version that this program knows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from speciation.tables.files import StoreError
from speciation.tables.schema import SCHEMA_VERSION, TableSpec

SUFFIX = ".parquet"
PART_BYTES = 64 * 2**20
"""Most bytes of a part's file that we write."""
PART_ROWS_BYTES = 4 * PART_BYTES
"""Most bytes in memory of the rows of a part that we write."""
READ_BYTES, READ_ROWS_BYTES = 4 * PART_BYTES, 4 * PART_ROWS_BYTES
"""The same for parts that we read: what is written can always be read."""
PART_WEIGHT = 100_000
"""About how many rows compaction puts into one part."""

_VERSION_KEY, _TABLE_KEY = b"speciation_schema_version", b"speciation_table"
_NAME = re.compile(r"[0-9a-f]{64}\.parquet")
_BATCH_ROWS = 16_384


class PartError(Exception):
    """A part that must not be read; the sentence says why."""


class NewerPart(StoreError):  # noqa: N818 - an old program's trouble, not the part's
    """A part written by a newer version of this program."""


def part_name(data: bytes) -> str:
    """The only name that a part of these bytes may have."""
    return hashlib.sha256(data).hexdigest() + SUFFIX


def is_part_name(name: str) -> bool:
    """Whether a file of this name claims to be a part."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def encode(spec: TableSpec, table: pa.Table) -> bytes:
    """The Parquet bytes of rows: the same rows give the same bytes.

    Args:
        spec: The table that they are of.
        table: Rows with exactly its columns.
    """
    sink = pa.BufferOutputStream()
    writer = pq.ParquetWriter(
        sink, spec.schema, compression="zstd", write_statistics=False, store_schema=False
    )
    writer.add_key_value_metadata(
        {_VERSION_KEY: str(SCHEMA_VERSION).encode(), _TABLE_KEY: spec.name.encode()}
    )
    writer.write_table(table.combine_chunks())
    writer.close()
    return sink.getvalue().to_pybytes()


def verify(name: str, data: bytes) -> None:
    """Check that a part's name is the hash of its bytes.

    Raises:
        PartError: It is not.
    """
    if not _NAME.fullmatch(name):
        raise PartError("its name is not a sha256")
    if part_name(data) != name:
        raise PartError(
            f"its {len(data):,} bytes are not those that its name stands for "
            "(cut short, or changed on disk)"
        )


def decode(
    spec: TableSpec, name: str, data: bytes, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of a part.

    Args:
        spec: The table that the part should be of.
        name: Its file name.
        data: Its bytes.
        columns: Which columns; all by default.

    Returns:
        Exactly the asked columns of the spec; one that the part lacks is null, one that the
        spec lacks is left out.

    Raises:
        NewerPart: A newer version of this program wrote it.
        PartError: It is damaged, or not a part of this table.
    """
    verify(name, data)
    return rows_of(spec, name, data, columns)


def rows_of(
    spec: TableSpec, name: str, data: bytes, columns: Sequence[str] | None = None
) -> pa.Table:
    """:func:`decode` of bytes that were verified already."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        schema = file.schema_arrow
        _check_origin(spec.name, name, schema)
        table = _read_bounded(file, schema, _wanted(spec, schema, columns))
        return conform(spec, table, columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PartError(f"it is not readable Parquet ({_first_line(error)})") from error


def check_origin(spec: TableSpec, data: bytes) -> None:
    """Check that the bytes of a part say they are of a table; its rows are not looked at.

    Raises:
        NewerPart: A newer version of this program wrote it.
        PartError: They do not.
    """
    try:
        schema = pq.read_schema(pa.BufferReader(data))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PartError(f"it is not readable Parquet ({_first_line(error)})") from error
    _check_origin(spec.name, part_name(data), schema)


def has_unknown_columns(spec: TableSpec, data: bytes) -> bool:
    """Whether a good part has columns that the spec lacks, which rewriting would lose."""
    return not set(pq.read_schema(pa.BufferReader(data)).names) <= set(spec.columns)


def pack(spec: TableSpec, table: pa.Table) -> Iterator[bytes]:
    """The parts of a table's rows, cut at places that depend on the rows alone."""
    for piece in pieces(spec, table):
        yield from _fitting(spec, piece)


def pieces(spec: TableSpec, table: pa.Table) -> Iterator[pa.Table]:
    """The rows in pieces of about :data:`PART_WEIGHT`."""
    load = spec.weigh(table).cumsum() // PART_WEIGHT
    begin = 0
    while begin < len(table):
        end = int(load.searchsorted(load[begin], side="right"))
        yield table.slice(begin, end - begin)
        begin = end


def _fitting(spec: TableSpec, table: pa.Table) -> Iterator[bytes]:
    """The rows as one part, or halved until each is small enough to be read again."""
    data = encode(spec, table)
    if fits(table, data) or len(table) == 1:
        yield data
    else:
        half = len(table) // 2
        yield from _fitting(spec, table.slice(0, half))
        yield from _fitting(spec, table.slice(half))


def fits(table: pa.Table, data: bytes) -> bool:
    """Whether rows and their bytes are few enough for a part."""
    return table.nbytes <= PART_ROWS_BYTES and len(data) <= PART_BYTES


def _check_origin(table: str, name: str, schema: pa.Schema) -> None:
    metadata: Mapping[bytes, bytes] = schema.metadata or {}
    version = metadata.get(_VERSION_KEY, b"")
    if not version.isdigit() or len(version) > 9:
        raise PartError("it was not written by this project (it states no schema version)")
    if int(version) > SCHEMA_VERSION:
        raise NewerPart(
            f"part {table}/{name} has schema version {int(version)}, and this program knows "
            f"versions up to {SCHEMA_VERSION}; install the newer program to read this store"
        )
    stated = metadata.get(_TABLE_KEY, b"").decode("utf-8", "replace")
    if stated != table:
        raise PartError(f"it is a part of table {stated!r}, not of {table!r}")


def _wanted(spec: TableSpec, schema: pa.Schema, columns: Sequence[str] | None) -> list[str]:
    for column in spec.required:
        if column not in schema.names:
            raise PartError(f"column {column!r} of table {spec.name!r} is missing")
    if len(set(schema.names)) < len(schema.names):
        raise PartError("it has two columns of one name")
    asked = spec.columns if columns is None else columns
    return [column for column in asked if column in schema.names]


def _read_bounded(file: pq.ParquetFile, schema: pa.Schema, columns: list[str]) -> pa.Table:
    """The columns, as long as they fit the budget; a few bytes can stand for very many rows."""
    too_large = PartError(f"its rows take more than {READ_ROWS_BYTES:,} bytes of memory")
    if file.metadata.num_rows * len(columns) > READ_ROWS_BYTES:
        raise too_large
    batches, size = [], 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
        batches.append(batch)
        size += batch.nbytes
        if size > READ_ROWS_BYTES:
            raise too_large
    fields = pa.schema([schema.field(column) for column in columns])
    return pa.Table.from_batches(batches, batches[0].schema if batches else fields)


def conform(spec: TableSpec, table: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """The columns in order and of the right type; missing ones are null, others left out.

    Raises:
        PartError: A column has a wrong type, or nulls where it must not.
    """
    asked = pa.schema([(c, spec.columns[c]) for c in columns or spec.columns])
    if table.schema != asked:
        table = pa.table([_cast(spec, table, field) for field in asked], schema=asked)
    for column in spec.required:
        if column in asked.names and table[column].null_count:
            raise PartError(f"column {column!r} has {table[column].null_count} nulls")
    return table.replace_schema_metadata()


def _cast(spec: TableSpec, table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    """A column in the type that it should have; nulls if there is none."""
    if field.name not in table.column_names:
        if field.name in spec.required:
            raise PartError(f"column {field.name!r} of table {spec.name!r} is missing")
        return pa.nulls(len(table), field.type)
    found = table[field.name]
    if not _compatible(found.type, field.type):
        raise PartError(f"column {field.name!r} should be {field.type}, but it is {found.type}")
    return found.cast(field.type)


def _compatible(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value can keep its meaning: numbers may be wider or narrower."""
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return _compatible(found.value_type, wanted.value_type)
    same = (pa.types.is_integer, pa.types.is_floating, pa.types.is_string, pa.types.is_boolean)
    return pa.types.is_null(found) or any(test(found) and test(wanted) for test in same)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
