"""The population as colours: a row a generation, best first. Relatives look alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboards import theme, words
from dashboards.markup import in_figure
from dashboards.thinning import evenly
from speciation.genome.diversity import rgb
from speciation.genome.genome import Genomes, kind_named

MOST_ROWS, MOST_COLUMNS = 64, 320
BLOCK = 4  # a block of cells is about so many times as wide as it is high
_NOBODY = ("",) * 5
SEPARATED = 64  # more cells in a row than this need no lines between them


@dataclass(frozen=True, eq=False)
class Population:
    """Genomes by generation and rank.

    Args:
        generation: Shape ``(R,)``, counted from 0.
        colours: Shape ``(R, C, 4)``, red, green, blue, opacity; best first. No genome, or one
            that cannot be read, is fully transparent.
        said: R lists of C cells: rank, id, fitness, how many grokked, origin.
        genomes: Genomes in the largest generation.
        generations: Generations in all.
    """

    generation: NDArray[np.int64]
    colours: NDArray[np.uint8]
    said: list[list[tuple[str, ...]]]
    genomes: int
    generations: int

    @property
    def thinned(self) -> bool:
        """Whether genomes or generations were left out for want of room."""
        rows, columns = self.colours.shape[:2]
        return rows < self.generations or columns < self.genomes


def population_colours(
    generations: pd.DataFrame, genomes: pd.DataFrame, landscape: str
) -> Population:
    """Colours and words for every genome of every generation; of many, evenly spaced ones.

    Args:
        generations: Closed generations of one run, a row a genome.
        genomes: Their genes and births.
        landscape: The one that the run ranks in.
    """
    colour = colours_of(genomes)
    origin = dict(zip(genomes["genome_id"], genomes["origin"], strict=True))
    every = np.unique(generations["generation"].to_numpy(dtype=np.int64))
    shown = every[evenly(len(every), MOST_ROWS)]
    largest = int(generations.groupby("generation").size().max()) if len(every) else 0
    columns = min(largest, MOST_COLUMNS)
    colours = np.zeros((len(shown), columns, 4), dtype=np.uint8)
    said: list[list[tuple[str, ...]]] = []
    for row, generation in enumerate(shown):
        members = generations[generations["generation"] == generation].sort_values("rank")
        members = members.iloc[evenly(len(members), columns)]
        words_of_row = []
        for place, member in enumerate(members.to_dict("records")):
            own = member["genome_id"]
            if own in colour:
                colours[row, place] = (*colour[own], 255)
            words_of_row.append(_words(member, str(origin.get(own, "unknown")), landscape))
        said.append(words_of_row + [_NOBODY] * (columns - len(members)))
    return Population(shown, colours, said, largest, len(every))


def stacked(rows: Sequence[Population], height: int = 0) -> Population:
    """Populations of one generation each as one; below them stay empty rows, up to a height."""
    columns = max((row.colours.shape[1] for row in rows), default=1)
    count = max(len(rows), height)
    colours = np.zeros((count, columns, 4), dtype=np.uint8)
    said: list[list[tuple[str, ...]]] = [[_NOBODY] * columns for _ in range(count)]
    for place, row in enumerate(rows):
        own = row.colours.shape[1]
        colours[place, :own] = row.colours[0]
        said[place][:own] = row.said[0]
    shown = [int(row.generation[0]) for row in rows]
    step = shown[1] - shown[0] if len(shown) > 1 else 1
    while len(shown) < count:
        shown.append(shown[-1] + step if shown else 0)
    genomes = max((row.genomes for row in rows), default=0)
    return Population(np.array(shown, dtype=np.int64), colours, said, genomes, len(rows))


def wrapped(row: Population) -> Population:
    """One generation as a block: its genomes in lines, best first, as one reads."""
    count = int((row.colours[0, :, 3] > 0).sum()) or 1
    columns = int(np.ceil(np.sqrt(BLOCK * count)))
    lines = int(np.ceil(count / columns))
    room = lines * columns
    colours = np.zeros((room, 4), dtype=np.uint8)
    colours[: min(room, row.colours.shape[1])] = row.colours[0, :room]
    said = (list(row.said[0]) + [_NOBODY] * room)[:room]
    block = [said[i : i + columns] for i in range(0, room, columns)]
    shown = np.repeat(row.generation, lines)
    return Population(shown, colours.reshape(lines, columns, 4), block, row.genomes, 1)


def draw_block(population: Population) -> go.Figure:
    """Such a block, without axes."""
    figure = draw_population(population)
    figure.layout.annotations = ()
    figure.layout.height = 190
    return figure.update_layout(
        margin={"l": 0, "r": 0, "t": 4, "b": 4}, yaxis={"visible": False}, xaxis_visible=False
    )


def colours_of(genomes: pd.DataFrame) -> dict[str, tuple[int, int, int]]:
    """Genome id → its colour."""
    found: dict[str, tuple[int, int, int]] = {}
    for kind, rows in genomes.groupby("kind"):
        values = rows[list(kind_named(str(kind)).columns)].to_numpy(dtype=np.float64)
        colours = rgb(Genomes(str(kind), values)).tolist()
        found |= {
            own: (r, g, b) for own, (r, g, b) in zip(rows["genome_id"], colours, strict=True)
        }
    return found


def draw_population(population: Population) -> go.Figure:
    """Cells as an image, so that thousands of them stay small and sharp."""
    rows, columns = population.colours.shape[:2]
    figure = theme.canvas(int(np.clip(40 + 32 * rows, 110, 600)))
    colours, said = cells(population)
    figure.add_trace(
        go.Image(
            z=colours,
            colormodel="rgba256",
            customdata=said,
            hovertemplate=(
                "<b>%{customdata[1]}</b>, rank %{customdata[0]}<br>%{customdata[2]}<br>"
                "grokked %{customdata[3]}<br>origin: %{customdata[4]}<extra></extra>"
            ),
        )
    )
    if columns <= SEPARATED:
        figure.add_shape(type="path", path=_lines(rows, columns), line={"width": 2})
    theme.panel(figure, "← best of its generation")
    places, names = ticks(population)
    return figure.update_layout(
        hovermode="closest",
        margin={"b": 8},
        xaxis={"showticklabels": False, "range": [-0.5, columns - 0.5], "constrain": "domain"},
        yaxis={
            "title": {"text": "generation"},
            "showgrid": False,
            "scaleanchor": False,  # cells need not be square
            "range": [rows - 0.5, -0.5],
            "tickvals": places,
            "ticktext": names,
        },
    )


def cells(population: Population) -> tuple[list[Any], list[Any]]:
    """Colours and words of the cells as a figure takes them, a list a row."""
    said = [[[in_figure(word) for word in cell] for cell in row] for row in population.said]
    return population.colours.tolist(), said


def ticks(population: Population) -> tuple[list[int], list[str]]:
    """Which rows are named, and how."""
    rows = len(population.generation)
    places = np.arange(rows) if rows <= 12 else evenly(rows, 8)
    return places.tolist(), [f"{population.generation[i] + 1:,}" for i in places]


def _words(member: dict[str, object], origin: str, landscape: str) -> tuple[str, ...]:
    value, error = member[landscape], member[f"{landscape}_se"]
    assert isinstance(value, float)
    assert isinstance(error, float)
    return (
        f"{int(str(member['rank'])) + 1:,}",
        words.short(str(member["genome_id"])),
        f"{words.LANDSCAPES[landscape].measure} {words.fitness(value, error, landscape)}",
        f"{member['successes']} of {member['trials']}",
        origin.replace("_", " "),
    )


def _lines(rows: int, columns: int) -> str:
    """The lines between cells, as one path."""
    across = [f"M-0.5,{r - 0.5} L{columns - 0.5},{r - 0.5}" for r in range(1, rows)]
    down = [f"M{c - 0.5},-0.5 L{c - 0.5},{rows - 0.5}" for c in range(1, columns)]
    return " ".join(across + down) or "M0,0"
