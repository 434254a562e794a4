"""Where the species of a run, and any genome, came from, as the Lab shows it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from dash import html

from cluster.species import lived_in
from dashboards import theme, words
from dashboards.figures.lineage import ancestry_keys, draw_ancestry, draw_stream
from dashboards.lab.choosing import State, state, store_at
from dashboards.lab.exports import framed
from dashboards.lab.sources import Sources
from speciation.analysis.lineage import (
    OTHERS,
    Ancestry,
    LineageError,
    Lived,
    Stream,
    ancestry,
)
from speciation.analysis.taxonomy import Taxonomy
from speciation.tables.files import StoreError
from speciation.tables.readers import genomes_frame


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
    """How species came and went, as parts of a page."""
    colours = {own.name: own.colour for own in taxonomy.at(rank)}
    found: list[Any] = []
    for own in lived(sources, taxonomy, rank):
        if own.stream is not None and own.stream.counts.size:
            found += _stream(own.run, own.stream, colours)
    return found


def champion(sources: Sources, taxonomy: Taxonomy) -> str | None:
    """The id of the latest run's champion, if its ancestry can be told."""
    found = (own.ancestry for own in lived(sources, taxonomy, taxonomy.clearest))
    return next((own.genome_id for own in found if own is not None), None)


def ancestry_of(sources: Sources, genome_id: str) -> Ancestry:
    """Whom a genome is from, by all runs of the store.

    Raises:
        LineageError: No run bred it.
        StoreError: The store cannot be read.
    """
    return _ancestry_of(sources.store, state(sources.store), genome_id)


@lru_cache(maxsize=16)
def _ancestry_of(folder: Path, _: State, genome_id: str) -> Ancestry:
    return ancestry(genomes_frame(store_at(folder)), genome_id)


def ancestors(sources: Sources, genome_id: str) -> list[Any]:
    """The ancestry of a genome as parts of a page, or why there is none."""
    try:
        found = ancestry_of(sources, genome_id)
    except LineageError:
        said = "No run of this store bred it: it came from elsewhere, or was made by hand."
        return [html.P(said, className="faint")]
    except StoreError as error:
        return [html.P(str(error), className="trouble")]
    return _ancestry(found)


def _stream(run: str, stream: Stream, colours: Mapping[str, int]) -> list[Any]:
    shown = {
        name: theme.GREY if name == OTHERS else _paint(colours[name]) for name in stream.names
    }
    said = "How many genomes of each species lived in each generation"
    return [
        html.H2(f"Species over the generations of {run}"),
        _keys(shown),
        framed("stream", draw_stream(stream, colours), said),
    ]


def _ancestry(lineage: Ancestry) -> list[Any]:
    if not lineage.edges:
        origin = lineage.ancestors[0].origin.replace("_", " ")
        return [html.P(f"A founder, by {origin}: nobody is before it.", className="lead")]
    founders = words.counted(len(lineage.founders), "founder")
    partial = "" if lineage.complete else " Some lines could not be followed to their founder."
    said = f"The ancestors of {words.short(lineage.genome_id)} by generation"
    return [
        html.P(
            f"{words.counted(len(lineage.ancestors), 'genome')} back to {founders}. Colour is "
            f"the operator that made a genome; diamonds are founders.{partial}",
            className="lead",
        ),
        _keys(ancestry_keys(lineage)),
        framed("ancestry", draw_ancestry(lineage), said),
    ]


def _paint(number: int) -> str:
    """The colour of a species as CSS, striped where its band has a pattern."""
    colour = theme.species_colour(number)
    if not theme.species_pattern(number):
        return colour
    return f"repeating-linear-gradient(135deg,{colour} 0 2px,{theme.LIGHT['paper']} 2px 4px)"


def _keys(colours: Mapping[str, str]) -> html.Ul:
    return html.Ul(
        [html.Li([html.I(style={"background": own}), name]) for name, own in colours.items()],
        className="keys",
    )
