"""The union of reports: one row a key, the same whatever the order they came in.

Rows are sorted by key; where a key has several rows the table's preference decides, and where
that ties, the content does, column by column. The best of bests is the best, so a union can be
built up part by part, in any order, with the same result. No Python loop runs over rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from speciation.tables.schema import Ranks, TableSpec

Bools = NDArray[np.bool_]

# Odd constants with well-mixed bits (the fractions of the golden ratio and of √2).
_MIX_PLACE, _MIX_VALUE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0x6A09E667F3BCC909)


def union(tables: Iterable[pa.Table], spec: TableSpec, *, ordered: bool = True) -> pa.Table:
    """One row a key out of many tables.

    Args:
        tables: Each with exactly the columns of the spec.
        spec: The table that they are of.
        ordered: Sort rows by key. Without it, rows without rivals stay where they are, which
            is much cheaper where rows are long lists.

    Returns:
        Rows sorted by key, if so asked.
    """
    together = pa.concat_tables([spec.empty(), *tables])
    order = _order(together, spec.key)
    repeats = _repeats(together.select(spec.key), order)
    if repeats.any():
        order = order[_winners(together, order, repeats, spec)]
    elif not ordered:
        return together
    elif _is_sorted(order):
        return together.combine_chunks()  # as compaction leaves it
    return together.take(pa.array(order)).combine_chunks()


def _order(table: pa.Table, key: tuple[str, ...]) -> Ranks:
    """The rows' places in the order of the key."""
    keys = [(name, "ascending") for name in key]
    return pc.sort_indices(table.select(key), sort_keys=keys).to_numpy().astype(np.int64)


def _is_sorted(order: Ranks) -> bool:
    return bool((order[1:] > order[:-1]).all())


def _repeats(keys: pa.Table, order: Ranks) -> Bools:
    """Where a row, in order, has the key of the row before it; shape ``(rows,)``."""
    same = np.zeros(len(keys), dtype=np.bool_)
    if len(keys) > 1:
        same[1:] = True
        for column in keys.take(pa.array(order)).columns:
            same[1:] &= pc.equal(column[1:], column[:-1]).to_numpy()
    return same


def _winners(table: pa.Table, order: Ranks, repeats: Bools, spec: TableSpec) -> Bools:
    """Which rows, in order, to keep: the best of each group of rivals, and all others."""
    rivals = repeats.copy()
    rivals[:-1] |= repeats[1:]
    where = np.flatnonzero(rivals)
    group = np.cumsum(~repeats[where], dtype=np.int64)
    alive = np.arange(len(where))
    for ranks in _all_ranks(table, pa.array(order[where]), spec):
        alive = _best(alive, group, ranks)
        if len(alive) == group[-1]:
            break
    # What still ties is the same row several times.
    first = np.concatenate([[True], group[alive][1:] != group[alive][:-1]])
    keep = ~rivals
    keep[where[alive[first]]] = True
    return keep


def _best(alive: Ranks, group: Ranks, ranks: Ranks) -> Ranks:
    """Those of the living whose rank is the smallest of their group. Groups are in order."""
    own, groups = ranks[alive], group[alive]
    begins = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    least = np.minimum.reduceat(own, begins)
    sizes = np.diff(np.append(begins, len(own)))
    return alive[own == np.repeat(least, sizes)]


def _all_ranks(table: pa.Table, rows: pa.Array, spec: TableSpec) -> Iterator[Ranks]:
    """What the table prefers, then a total order on content; shape ``(len(rows),)`` each."""
    yield from spec.prefer(table.select(spec.judged).take(rows))
    for name in spec.columns:
        if name not in spec.key:
            yield from _content_ranks(table[name].take(rows).combine_chunks())


def _content_ranks(column: pa.Array) -> Iterator[Ranks]:
    """Ranks that differ where values do; a null comes first."""
    yield pc.is_valid(column).to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_list(column.type):
        yield from _list_ranks(column)
    elif pa.types.is_string(column.type):
        yield _text_ranks(column)
    else:
        yield _bits(column)


def _text_ranks(column: pa.Array) -> Ranks:
    encoded = pc.fill_null(column, "").dictionary_encode()
    order = pc.rank(encoded.dictionary, tiebreaker="dense")
    return np.asarray(order.take(encoded.indices).cast(pa.int64()).to_numpy())


def _bits(column: pa.Array) -> Ranks:
    """Numbers as integers. Floats by their bits: a total order, in which NaN has a place."""
    if pa.types.is_floating(column.type):
        real = pc.fill_null(column, 0.0).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.asarray(real).view(np.int64)
    whole = column.cast(pa.int64())
    return np.asarray(pc.fill_null(whole, 0).to_numpy(zero_copy_only=False))


def _list_ranks(column: pa.Array) -> Iterator[Ranks]:
    """Lists by length, then by a digest of what they hold; texts by what they hold."""
    lengths = _bits(pc.list_value_length(column))
    yield lengths
    values = column.flatten()
    if pa.types.is_string(values.type):
        ends = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        # A null would make the whole text null; no id or name holds this character.
        texts = pa.ListArray.from_arrays(ends, pc.fill_null(values, "\x00"))
        yield _text_ranks(pc.binary_join(texts, "\x1f"))
    else:
        valid = pc.is_valid(values).to_numpy(zero_copy_only=False)
        yield _list_digests(valid.astype(np.int64), lengths)
        yield _list_digests(_bits(values), lengths)


def digests(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A 64-bit digest of each text, null or not; equal texts have equal ones.

    Eight characters are one word, and the digest is the sum of the words, each times a constant
    of its place. So it is the same whatever the other texts are.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if not len(texts):
        return pa.array([], pa.uint64())
    filled = pc.fill_null(texts, "")
    length = max(pc.max(pc.binary_length(filled)).as_py(), 1)
    padded = pc.ascii_rpad(filled, width=-(-length // 8) * 8, padding="\0")
    words = np.frombuffer(padded.buffers()[2], dtype=np.uint64).reshape(len(texts), -1)
    places = np.arange(1, words.shape[1] + 1, dtype=np.uint64) * _MIX_PLACE | np.uint64(1)
    return pa.array((words * places).sum(axis=1, dtype=np.uint64))


def _list_digests(values: Ranks, lengths: Ranks) -> Ranks:
    """A 64-bit digest of each list.

    Args:
        values: All lists' values one after the other, shape ``(sum of lengths,)``.
        lengths: Shape ``(lists,)``.
    """
    ends = np.cumsum(lengths)
    place = np.arange(len(values)) - np.repeat(ends - lengths, lengths)
    mixed = values.view(np.uint64) ^ (place.astype(np.uint64) * _MIX_PLACE)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * _MIX_VALUE
    mixed ^= mixed >> np.uint64(32)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    return (sums[ends] - sums[ends - lengths]).view(np.int64)
