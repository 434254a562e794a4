"""Where the species of a run and its champion came from, as the Lab shows it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from dash import html

from cluster.species import lived_in
from dashboards import theme, words
from dashboards.figures.lineage import ORIGINS, draw_ancestry, draw_stream
from dashboards.lab.choosing import State, state, store_at
from dashboards.lab.exports import framed
from dashboards.lab.sources import Sources
from speciation.analysis.lineage import OTHERS, Ancestry, Lived, Stream
from speciation.analysis.taxonomy import Taxonomy
from speciation.tables.files import StoreError


def lived(sources: Sources, taxonomy: Taxonomy, rank: str) -> tuple[Lived, ...]:
    """The lineage of the latest run; nothing if there is no run that can be read."""
    try:
        return _lived(sources.store, state(sources.store), taxonomy, rank)
    except (StoreError, ValueError):
        return ()


@lru_cache(maxsize=7)
def _lived(folder: Path, _: State, taxonomy: Taxonomy, rank: str) -> tuple[Lived, ...]:
    """It holds as long as the store has not changed."""
    return lived_in(store_at(folder), taxonomy, rank)


def parts(sources: Sources, taxonomy: Taxonomy, rank: str) -> list[Any]:
    """It as parts of a page."""
    colours = {own.name: own.colour for own in taxonomy.at(rank)}
    found: list[Any] = []
    for own in lived(sources, taxonomy, rank):
        if own.stream is not None and own.stream.counts.size:
            found += _stream(own.run, own.stream, colours)
        if own.ancestry is not None and own.ancestry.edges:
            found += _ancestry(own.ancestry)
    return found


def _stream(run: str, stream: Stream, colours: Mapping[str, int]) -> list[Any]:
    shown = {
        name: theme.GREY if name == OTHERS else theme.species_colour(colours[name])
        for name in stream.names
    }
    said = "How many genomes of each species lived in each generation"
    return [
        html.H2(f"Species over the generations of {run}"),
        _keys(shown),
        framed("stream", draw_stream(stream, colours), said),
    ]


def _ancestry(lineage: Ancestry) -> list[Any]:
    made = sorted({own.origin for own in lineage.ancestors})
    founders = words.counted(len(lineage.founders), "founder")
    partial = "" if lineage.complete else " Some lines could not be followed to their founder."
    return [
        html.H2(f"Ancestry of its champion, {words.short(lineage.genome_id)}"),
        html.P(
            f"{words.counted(len(lineage.ancestors), 'genome')} back to {founders}. Colour is "
            f"the operator that made a genome; diamonds are founders.{partial}",
            className="lead",
        ),
        _keys({name.replace("_", " "): ORIGINS.get(name, theme.GREY) for name in made}),
        framed("ancestry", draw_ancestry(lineage), "The champion's ancestors by generation"),
    ]


def _keys(colours: Mapping[str, str]) -> html.Ul:
    return html.Ul(
        [html.Li([html.I(style={"background": own}), name]) for name, own in colours.items()],
        className="keys",
    )
