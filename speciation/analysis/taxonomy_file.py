"""A taxonomy as one file: numbers that are read at once, however many genomes there are.

An Arrow file has a row a genome (id, place, species at each rank as an index) and, in its
metadata, everything that is per species or per space as JSON. What cannot be such a file is
refused in one sentence; then the taxonomy is simply made again.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pyarrow as pa

from speciation.analysis.taxonomy import RANKS, Opinion, Space, Species, Taxonomy, TaxonomyError
from speciation.genome.genome import kind_named

MOST_BYTES = 64 * 2**20  # about 800,000 genomes
VERSION = 1
_KEY = b"speciation-taxonomy"
_PLACES = ("x", "y", "z")
_ARRAYS = ("centre", "scale", "axes", "explained")
_SCHEMA = pa.schema(
    [("genome_id", pa.string())]
    + [(name, pa.float32()) for name in _PLACES]
    + [(rank, pa.int16()) for rank in RANKS]
)


def encode(taxonomy: Taxonomy) -> bytes:
    """A taxonomy as the bytes of its file."""
    columns = [pa.array(taxonomy.ids, pa.string())]
    columns += [pa.array(own.astype(np.float32)) for own in taxonomy.places.T]
    columns += [pa.array(np.ascontiguousarray(own)) for own in taxonomy.labels.T]
    space = {name: getattr(taxonomy.space, name).tolist() for name in _ARRAYS}
    told = {
        "version": VERSION,
        "space": {"kind": taxonomy.space.kind, **space},
        "species": [[dataclasses.asdict(own) for own in r] for r in taxonomy.species],
        "heights": list(taxonomy.heights),
        "clearest": taxonomy.clearest,
        "grown_from": taxonomy.grown_from,
        "opinion": dataclasses.asdict(taxonomy.opinion),
    }
    text = json.dumps(told, ensure_ascii=False, allow_nan=False)
    table = pa.table(columns, schema=_SCHEMA.with_metadata({_KEY: text.encode()}))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def decode(data: bytes) -> Taxonomy:
    """A taxonomy from the bytes of its file.

    Raises:
        TaxonomyError: They are none, or of a newer version.
    """
    try:
        if len(data) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        with pa.ipc.open_file(pa.BufferReader(data)) as reader:
            table = reader.read_all()
            table.validate(full=True)
        told = json.loads((table.schema.metadata or {})[_KEY])
        if told["version"] != VERSION:
            raise ValueError(f"version {told['version']}, and this program reads {VERSION}")
        if table.schema.names != _SCHEMA.names or table.schema.types != _SCHEMA.types:
            raise ValueError("columns are not those of a taxonomy")
        return _checked(table, told)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OSError) as error:
        sentence = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TaxonomyError(f"is no taxonomy ({sentence[:200]}); make it again") from None


def _checked(table: pa.Table, told: dict[str, Any]) -> Taxonomy:
    species = tuple(tuple(_species(own) for own in rank) for rank in told["species"])
    labels = np.stack([table[rank].to_numpy() for rank in RANKS], axis=1)
    space = Space(
        kind_named(told["space"]["kind"]).name,
        *(np.array(told["space"][name], np.float64) for name in _ARRAYS),
    )
    dimension = len(space.centre)
    shapes = (space.scale.shape, space.axes.shape, space.explained.shape)
    if shapes != ((dimension,), (3, dimension), (3,)):
        raise ValueError("its space has arrays of other shapes")
    if len(species) != len(RANKS) or not len(table):
        raise ValueError("its ranks are not seven, or it is empty")
    for rank, own in enumerate(species):
        if labels[:, rank].min() < 0 or labels[:, rank].max() >= len(own):
            raise ValueError("a genome has a species that is not listed")
    if told["clearest"] not in RANKS:
        raise ValueError("its clearest rank is none")
    opinion = told["opinion"]
    return Taxonomy(
        ids=tuple(table["genome_id"].to_pylist()),
        space=space,
        places=np.stack([table[name].to_numpy() for name in _PLACES], axis=1).astype(float),
        labels=labels,
        species=species,
        heights=tuple(float(height) for height in told["heights"]),
        clearest=told["clearest"],
        opinion=Opinion(
            int(opinion["genomes"]),
            int(opinion["species"]),
            float(opinion["noise"]),
            tuple(_maybe(value) for value in opinion["agreement"]),
        ),
        grown_from=int(told["grown_from"]),
    )


def _species(told: dict[str, Any]) -> Species:
    return Species(
        rank=str(told["rank"]),
        name=str(told["name"]),
        colour=int(told["colour"]),
        size=int(told["size"]),
        parent=int(told["parent"]),
        deviations=tuple((str(gene), float(away)) for gene, away in told["deviations"]),
        stability=_maybe(told["stability"]),
    )


def _maybe(value: float | None) -> float | None:
    return None if value is None else float(value)
